//! `seamline evidence`: does what an evidence file says hang together?

use std::path::PathBuf;

use serde::Serialize;

use super::options::DeviceChoice;
use super::{CliError, Output};
use crate::jobs::evidence::{self, Known};
use crate::jobs::models::shipped_model_dirs;
use crate::jobs::{CheckState, EvidenceCheck, EvidenceRecord};
use crate::project::Project;
use crate::ui::panels::evidence::record_lines;

#[derive(clap::Args)]
pub struct Arguments {
    /// The file, as `seamline plan --evidence` and the window write it
    file: PathBuf,
    /// Look for its model in this project too
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceChoice,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// As if only the file had been named.
    pub fn of(file: PathBuf) -> Self {
        Self { file, project: None, device: DeviceChoice::default(), json: false }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    verifies: bool,
    summary: String,
    checks: &'a [EvidenceCheck],
    record: &'a EvidenceRecord,
    score: f32,
    global: f32,
    structural: f32,
}

/// Prints every check. A file that does not verify is a failure.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let device = arguments.device.pick()?;
    let project = arguments.project.as_deref().map(Project::open).transpose()?;
    let models = Some(evidence::models(project.as_ref(), &shipped_model_dirs()));
    let report = evidence::open(&arguments.file, Known { engine: None, models, device: &device })?;
    if arguments.json {
        let pair = &report.plan.pair;
        output.json(&Answer {
            verifies: report.verifies(),
            summary: report.summary(),
            checks: &report.checks,
            record: &report.record,
            score: pair.score,
            global: pair.global,
            structural: pair.structural,
        })?;
    } else {
        for (name, value) in record_lines(&report.record) {
            output.line(format!("{name:<14} {value}"))?;
        }
        output.line("")?;
        for check in &report.checks {
            let state = match check.state {
                CheckState::Passes => "passes",
                CheckState::Fails => "FAILS",
                CheckState::Skipped => "not made",
            };
            output.line(format!("{state:<9} {}: {}", check.what, check.says))?;
        }
        output.line("")?;
        output.line(report.summary())?;
    }
    if report.verifies() {
        return Ok(());
    }
    Err(CliError::Failure(format!("this evidence does not verify ({}): {}", report.summary(), report.path.display())))
}
