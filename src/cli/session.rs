//! From the options of a command to an open project that can be searched.

use std::path::{Path, PathBuf};

use super::options::{DeviceChoice, ProjectChoice};
use super::output::ProgressLine;
use super::{CliError, Output};
use crate::domain::{Arithmetic, StopFlag};
use crate::jobs::models::shipped_model_dirs;
use crate::jobs::open::{self, Ready};
use crate::jobs::search::{Known, Source};
use crate::jobs::{JobError, intake};
use crate::project::{self, Project, ProjectError};
use crate::synth::SampleSpec;

/// Opens the project that was named, else the sample, which is drawn first where there is none.
pub fn open_project(choice: &ProjectChoice, output: &mut Output) -> Result<Project, CliError> {
    let project = match &choice.project {
        Some(dir) => open_named(dir)?,
        None => {
            let line = ProgressLine::default();
            let dir = project::sample_dir();
            let opened = open::open_sample(&dir, &SampleSpec::default(), &StopFlag::new(), &|p| line.show(&p));
            line.finish();
            opened?
        }
    };
    if let Some(why) = project.read_only() {
        output.note(why);
    }
    Ok(project)
}

/// A project's folder, or a folder of photos that was imported.
fn open_named(dir: &Path) -> Result<Project, CliError> {
    let imported = intake::gallery_dir(&project::data_dir(), dir);
    match open::open_folder(dir) {
        Err(JobError::Project(ProjectError::NotAProject { .. })) if imported.join("project.db").is_file() => {
            Ok(open::open_folder(&imported)?)
        }
        opened => Ok(opened?),
    }
}

/// Loads the project's model and brings its index up to date.
pub fn make_ready(project: &Project, device: &DeviceChoice, output: &mut Output) -> Result<Ready, CliError> {
    make_ready_in(project.arithmetic()?, project, device, output)
}

/// The same in another precision than the project's.
pub fn make_ready_in(
    arithmetic: Arithmetic,
    project: &Project,
    device: &DeviceChoice,
    output: &mut Output,
) -> Result<Ready, CliError> {
    let device = device.pick_for(arithmetic)?;
    let (line, stop) = (ProgressLine::default(), StopFlag::new());
    let shipped = shipped_model_dirs();
    let ready = open::make_ready_in(arithmetic, project, None, &shipped, &device, &stop, &|p| line.show(&p));
    line.finish();
    let ready = ready?;
    for note in &ready.notes {
        output.note(note);
    }
    Ok(ready)
}

/// A photo's file: the path as given, else the photo of the project with that id.
pub fn find_photo(project: &Project, named: &Path) -> PathBuf {
    let inside = project.paths().root().join(named);
    if !named.exists() && inside.is_file() { inside } else { named.to_owned() }
}

/// Reads a photo and what the project knows of it.
pub fn read_photo(project: &Project, named: &Path) -> Result<(Source, Known), CliError> {
    let source = Source::read(&find_photo(project, named))?;
    let known = Known::look_up(project, &source)?;
    Ok((source, known))
}
