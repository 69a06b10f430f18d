//! `seamline index`: embeds what the index of a project lacks.

use super::options::{DeviceChoice, ProjectChoice};
use super::{CliError, Output, session};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    project: ProjectChoice,
    #[command(flatten)]
    device: DeviceChoice,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let project = session::open_project(&arguments.project, output)?;
    let ready = session::make_ready(&project, &arguments.device, output)?;
    let built = &ready.built;
    if arguments.json {
        let skipped: Vec<_> =
            built.skipped.iter().map(|(photo, _, why)| serde_json::json!({ "photo": photo, "reason": why })).collect();
        return output.json(&serde_json::json!({
            "checkpoint": ready.engine.checkpoint(), "photos": ready.engine.searcher.index().len(), "embedded": built.embedded,
            "kept": built.kept, "removed": built.removed, "skipped": skipped,
        }));
    }
    for (photo, _, why) in &built.skipped {
        output.note(format!("skipped {photo}: {why}"));
    }
    output.line(format!(
        "{} photos can be searched ({} embedded now, {} kept, {} removed, {} skipped) by checkpoint {}",
        ready.engine.searcher.index().len(),
        built.embedded,
        built.kept,
        built.removed,
        built.skipped.len(),
        ready.engine.checkpoint()
    ))
}
