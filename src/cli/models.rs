//! `seamline models`: what can search.

use super::options::ProjectChoice;
use super::{CliError, Output, session};
use crate::jobs::models::{list_models, preferred, shipped_model_dirs};

#[derive(clap::Args)]
pub struct Arguments {
    /// List the models of this project too
    #[command(flatten)]
    project: ProjectChoice,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let project = match &arguments.project.project {
        Some(_) => Some(session::open_project(&arguments.project, output)?),
        None => None,
    };
    let (models, problems) = list_models(project.as_ref(), &shipped_model_dirs());
    for problem in &problems {
        output.note(problem);
    }
    let chosen = project.as_ref().map(|project| project.current_model()).transpose()?.flatten();
    let current = preferred(&models, chosen.as_ref()).map(|model| model.checkpoint.clone());
    if arguments.json {
        let models: Vec<_> = models
            .iter()
            .map(|model| {
                serde_json::json!({
                    "name": model.card.name, "checkpoint": model.checkpoint, "path": model.dir, "shipped": model.shipped,
                    "current": Some(&model.checkpoint) == current.as_ref(), "config": model.card.config,
                    "input_size": model.card.input_size, "data": model.card.data, "recipe": model.card.recipe,
                    "command": model.card.command, "metrics": model.card.metrics, "parent": model.card.parent,
                    "created": model.card.created,
                })
            })
            .collect();
        return output.json(&serde_json::json!({ "models": models }));
    }
    for model in &models {
        let mark = if Some(&model.checkpoint) == current.as_ref() { "*" } else { " " };
        let metric =
            |name: &str| model.card.metrics.get(name).map_or_else(|| "  -  ".to_owned(), |v| format!("{v:.3}"));
        output.line(format!(
            "{mark} {:<24} {}  recall@1 {} (global alone {})  {}",
            model.card.name,
            model.checkpoint,
            metric(crate::jobs::models::RECALL_AT_1),
            metric("global_recall_at_1"),
            model.dir.display()
        ))?;
    }
    Ok(())
}
