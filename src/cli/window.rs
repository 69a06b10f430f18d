//! Without a command: the window, or the main job where there is no display.

use std::path::{Path, PathBuf};

use super::options::ProjectChoice;
use super::{CliError, Output, evidence, picture, search};
use crate::app;
use crate::jobs::evidence::is_evidence;
use crate::jobs::{Setup, Workers};

/// What the plan's picture is called where there is no display.
const EXAMPLE_PICTURE: &str = "seamline-plan.png";

pub fn run(project: Option<PathBuf>, file: Option<PathBuf>, output: &mut Output) -> Result<(), CliError> {
    if let Some(file) = file.as_ref().filter(|file| !is_evidence(file)) {
        return Err(CliError::usage(format!(
            "there is no command `{0}`, and it is no evidence file either (those end in .seamline); see --help",
            file.display()
        )));
    }
    if !has_display() {
        if let Some(file) = file {
            output.note("There is no display, so the evidence is checked here.");
            return evidence::run(&evidence::Arguments::of(file), output);
        }
        output.note("There is no display, so the main job is done here: searching a street photo.");
        return search::show_example(&ProjectChoice { project }, Path::new(EXAMPLE_PICTURE), output);
    }
    app::run(
        project,
        file,
        Box::new(|wake| {
            let workers = Workers::start(Setup::new(picture::drawer(), picture::sheet_saver(), wake))?;
            Ok(Box::new(workers))
        }),
    )
    .map_err(|error| CliError::Failure(format!("the window cannot be opened: {error}")))
}

fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}
