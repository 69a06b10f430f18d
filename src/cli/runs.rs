//! `seamline runs`: the training runs of a project, listed and compared.

use std::collections::{BTreeMap, BTreeSet};

use super::options::ProjectChoice;
use super::{CliError, Output, session};
use crate::jobs::training::{recipes, runs};
use crate::jobs::{RunState, RunSummary, clock};
use crate::train::TrainConfig;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    project: ProjectChoice,
    /// Compare the settings and results of two runs
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    diff: Option<Vec<String>>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A setting's path and its value in each of the runs, as TOML.
type Differences = BTreeMap<String, Vec<String>>;

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let project = session::open_project(&arguments.project, output)?;
    let mut all = runs::list(project.paths(), None);
    if let Some(names) = &arguments.diff {
        let find = |name: &String| -> Result<RunSummary, CliError> {
            let found = all.iter().find(|run| run.run.as_str() == name.as_str());
            found.cloned().ok_or_else(|| {
                let known: Vec<&str> = all.iter().map(|run| run.run.as_str()).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                CliError::Failure(format!("this project has no run {name}; there are: {known}"))
            })
        };
        all = names.iter().map(find).collect::<Result<_, _>>()?;
    }
    let differences = differences(&all);
    if arguments.json {
        let rows: Vec<_> = all.iter().map(as_json).collect();
        return output.json(&serde_json::json!({ "runs": rows, "differences": differences }));
    }
    if all.is_empty() {
        return output.line("No runs");
    }
    if arguments.diff.is_some() {
        return compare(&all, &differences, output);
    }
    let width = all.iter().map(|run| run.run.as_str().len()).max().unwrap_or(0).max(3);
    output.line(format!(
        "{:<width$}  {:<11}  {:>13}  {:>8}  {:>6}  {:>8}  {:<16}  settings in which the runs differ",
        "run", "state", "steps", "recall@1", "mAP", "time", "begun"
    ))?;
    for (place, run) in all.iter().enumerate() {
        let own: Vec<String> = differences
            .iter()
            .filter(|(setting, _)| setting.as_str() != "name")
            .map(|(setting, values)| format!("{setting} = {}", values[place]))
            .collect();
        output.line(format!(
            "{:<width$}  {:<11}  {:>13}  {:>8}  {:>6}  {:>8}  {:<16}  {}",
            run.run.as_str(),
            state(run.state),
            format!("{} of {}", run.step, run.steps),
            metric(run.recall_at_1),
            metric(run.mean_average_precision),
            duration(run.seconds),
            begun(run),
            if own.is_empty() { "-".to_owned() } else { own.join(", ") }
        ))?;
    }
    Ok(())
}

fn compare(runs: &[RunSummary], differences: &Differences, output: &mut Output) -> Result<(), CliError> {
    let mut rows: Vec<[String; 3]> = vec![["".to_owned(), runs[0].run.to_string(), runs[1].run.to_string()]];
    let mut row = |name: &str, of: &dyn Fn(&RunSummary) -> String| {
        rows.push([name.to_owned(), of(&runs[0]), of(&runs[1])]);
    };
    row("state", &|run| state(run.state).to_owned());
    row("steps", &|run| format!("{} of {}", run.step, run.steps));
    row("best validation recall@1", &|run| metric(run.recall_at_1));
    row("mAP there", &|run| metric(run.mean_average_precision));
    row("time", &|run| duration(run.seconds));
    row("begun", &begun);
    row("device", &|run| run.device.clone());
    rows.extend(differences.iter().map(|(setting, values)| [setting.clone(), values[0].clone(), values[1].clone()]));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    for [name, a, b] in &rows {
        output.line(format!("{name:<first$}  {a:<second$}  {b}"))?;
    }
    Ok(())
}

/// Settings whose values are not the same in all runs. What an older recipe does not name has its default.
fn differences(runs: &[RunSummary]) -> Differences {
    let defaults = recipes::settings(&TrainConfig::default().to_toml());
    let names: BTreeSet<&String> = runs.iter().flat_map(|run| run.settings.keys()).collect();
    let value = |run: &RunSummary, name: &String| -> String {
        run.settings.get(name).or_else(|| defaults.get(name)).cloned().unwrap_or_else(|| "-".to_owned())
    };
    names
        .into_iter()
        .map(|name| (name.clone(), runs.iter().map(|run| value(run, name)).collect::<Vec<_>>()))
        .filter(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

fn as_json(run: &RunSummary) -> serde_json::Value {
    serde_json::json!({
        "run": run.run, "state": state(run.state), "step": run.step, "steps": run.steps, "epochs": run.epochs,
        "recall_at_1": run.recall_at_1, "mean_average_precision": run.mean_average_precision,
        "seconds": run.seconds, "begun": begun(run), "device": run.device, "settings": run.settings,
        "corrections": run.corrections,
    })
}

fn state(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Finished => "finished",
        RunState::Stopped => "stopped",
        RunState::Interrupted => "interrupted",
    }
}

fn metric(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// Date and time, UTC.
fn begun(run: &RunSummary) -> String {
    clock::rfc3339(run.begun.max(0.0) as u64).replace('T', " ").get(..16).unwrap_or_default().to_owned()
}
