//! `seamline index`: embeds what the index of a project lacks.

use super::options::{DeviceChoice, ProjectChoice};
use super::output::ProgressLine;
use super::{CliError, Output, session};
use crate::domain::{Arithmetic, StopFlag};
use crate::jobs::appraise::appraise;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    project: ProjectChoice,
    #[command(flatten)]
    device: DeviceChoice,
    /// What the model computes in from now on, for the index and every search: f32, bf16 on a CUDA device, or int8 for products of 8-bit integers
    /// on the CPU, which `seamline devices` says the worth of
    #[arg(long, value_name = "PRECISION")]
    precision: Option<Arithmetic>,
    /// Measure the model on the project's test split too, as model cards do
    #[arg(long)]
    measure: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let mut project = session::open_project(&arguments.project, output)?;
    let arithmetic = arguments.precision.map_or_else(|| project.arithmetic(), Ok)?;
    let ready = session::make_ready_in(arithmetic, &project, &arguments.device, output)?;
    if arithmetic != project.arithmetic()? {
        project.set_arithmetic(arithmetic)?;
    }
    let metrics = arguments.measure.then(|| {
        let line = ProgressLine::default();
        let metrics = appraise(&project, &ready.engine.encoder, &StopFlag::new(), &|p| line.show(&p));
        line.finish();
        metrics
    });
    let metrics = metrics.transpose()?;
    let built = &ready.built;
    if arguments.json {
        let skipped: Vec<_> =
            built.skipped.iter().map(|(photo, _, why)| serde_json::json!({ "photo": photo, "reason": why })).collect();
        return output.json(&serde_json::json!({
            "checkpoint": ready.engine.checkpoint(), "photos": ready.engine.searcher.index().len(), "embedded": built.embedded,
            "kept": built.kept, "removed": built.removed, "skipped": skipped, "precision": arithmetic, "metrics": metrics,
        }));
    }
    for (photo, _, why) in &built.skipped {
        output.note(format!("skipped {photo}: {why}"));
    }
    for (name, value) in metrics.iter().flatten() {
        output.line(format!("{name:<32} {value:.4}"))?;
    }
    output.line(format!(
        "{} photos can be searched ({} embedded now, {} kept, {} removed, {} skipped) by checkpoint {} in {arithmetic}",
        ready.engine.searcher.index().len(),
        built.embedded,
        built.kept,
        built.removed,
        built.skipped.len(),
        ready.engine.checkpoint()
    ))
}
