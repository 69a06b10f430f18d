//! A person's own folder of photos becomes a project and is kept in step with it. No thread is made here, so that the
//! command line does the same.
//!
//! The project lies in the data folder under `galleries/`, named after the folder; in the person's folder nothing is ever
//! written. The same folder opened again is the same project, so that answers and indexed photos are still there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::JobError;
use crate::data::import::{self, ImportError, Table};
use crate::domain::{Catalogue, IntakeReport, Progress, SkipReason, Skipped, StopFlag};
use crate::project::{CatalogueDiff, Project};

/// What a folder holds, before it is compared with the project.
pub struct Look {
    pub catalogue: Catalogue,
    pub report: IntakeReport,
    /// The list whose lines were used.
    pub list: Option<PathBuf>,
}

/// Where the project of a folder lies unless another place is chosen.
pub fn gallery_dir(data_dir: &Path, folder: &Path) -> PathBuf {
    let folder = real(folder);
    let hash = blake3::hash(folder.as_os_str().as_encoded_bytes()).to_hex();
    let name: String = name_of(&folder)
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' })
        .take(40)
        .collect();
    data_dir.join("galleries").join(format!("{name}-{}", &hash[..8]))
}

/// Where a folder really is, so that one folder has one project.
fn real(folder: &Path) -> PathBuf {
    folder.canonicalize().or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.to_owned())
}

fn name_of(folder: &Path) -> String {
    folder.file_name().map_or_else(|| "Photos".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Opens the project of a folder of photos; makes it in `dir` where there is none, with all that the folder holds.
pub fn open_gallery(
    folder: &Path,
    dir: &Path,
    list: Option<&Path>,
    stop: &StopFlag,
    report: &dyn Fn(Progress),
) -> Result<Project, JobError> {
    if dir.join("project.db").is_file() {
        let mut project = Project::open(dir)?;
        match project.paths().gallery() {
            Some(of) if real(of) == real(folder) => {}
            _ => {
                let (dir, folder) = (dir.display(), folder.display());
                return Err(JobError::Options {
                    sentence: format!("the project in {dir} is not over this folder: {folder}"),
                });
            }
        }
        if list.is_some() {
            project.set_attribute_list(absolute(list).as_deref())?;
        }
        return Ok(project);
    }
    let look = look(folder, list, stop, report)?;
    if look.catalogue.photos.is_empty() {
        return Err(JobError::NoPhotos { path: folder.to_owned() });
    }
    let folder = real(folder);
    let mut project = Project::create_gallery(dir, &name_of(&folder), &folder)?;
    if list.is_some() {
        project.set_attribute_list(absolute(list).as_deref())?;
    }
    take(&mut project, &look)?;
    Ok(project)
}

fn absolute(list: Option<&Path>) -> Option<PathBuf> {
    list.map(|list| std::path::absolute(list).unwrap_or_else(|_| list.to_owned()))
}

/// Looks at a folder, and at `list` or else at the list that lies in it.
pub fn look(folder: &Path, list: Option<&Path>, stop: &StopFlag, report: &dyn Fn(Progress)) -> Result<Look, JobError> {
    let scan = import::scan(folder, stop, report)?.ok_or(JobError::Stopped)?;
    let names = import::names_of(&scan.photos);
    let mut tried = Vec::new();
    let candidates = list.map_or_else(|| by_likelihood(scan.lists.clone()), |list| vec![list.to_owned()]);
    let mut found: Option<(PathBuf, Table)> = None;
    for path in candidates {
        match import::read_list(&path, &names) {
            Ok(table) => {
                found = Some((path, table));
                break;
            }
            Err(error) => tried.push(refused(&path, &error)),
        }
    }
    if stop.is_stopped() {
        return Err(JobError::Stopped);
    }
    let (list, table) = found.map_or((None, None), |(path, table)| (Some(path), Some(table)));
    let (catalogue, mut report) = import::arrange(&scan.photos, &names, table);
    report.skipped.splice(0..0, scan.skipped.into_iter().chain(tried));
    Ok(Look { catalogue, report, list })
}

/// The list that is most likely one of products first.
fn by_likelihood(mut lists: Vec<PathBuf>) -> Vec<PathBuf> {
    const WORDS: [&str; 6] = ["attribut", "product", "catalog", "article", "item", "gallery"];
    let place = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        WORDS.iter().position(|word| name.contains(word)).unwrap_or(WORDS.len())
    };
    lists.sort_by_key(place);
    lists
}

fn refused(path: &Path, error: &ImportError) -> Skipped {
    let reason = match error {
        ImportError::NotText { .. } => SkipReason::Encoding,
        ImportError::EmptyList { .. } => SkipReason::Empty,
        ImportError::ListTooLarge { .. } => SkipReason::TooLarge,
        ImportError::NoKeyColumn { .. } => SkipReason::Columns,
        _ => SkipReason::Unreadable,
    };
    let file = path.file_name().unwrap_or(OsStr::new("list")).to_string_lossy().into_owned();
    Skipped { file, line: None, reason, sentence: error.to_string() }
}

/// Brings a project in step with what a folder holds.
pub fn take(project: &mut Project, look: &Look) -> Result<CatalogueDiff, JobError> {
    // An empty folder where photos were is most likely a disk that is not there.
    if look.catalogue.photos.is_empty() && project.counts()?.shop_photos > 0 {
        let path = project.paths().gallery().unwrap_or(Path::new("")).to_owned();
        return Err(JobError::FolderEmptied { path });
    }
    let diff = project.take_catalogue(&look.catalogue)?;
    project.save_intake_report(&look.report)?;
    Ok(diff)
}

/// Why the folder of a gallery cannot be looked at now; `None` where it can, or where there is none.
pub fn folder_trouble(project: &Project) -> Option<String> {
    project.paths().gallery().and_then(gone)
}

/// The sentence about a folder that is not there.
pub fn gone(folder: &Path) -> Option<String> {
    (!folder.is_dir()).then(|| {
        let folder = folder.display();
        format!("the folder of photos cannot be reached, so they are searched as they were indexed before: {folder}")
    })
}

/// All that was skipped as a table, for spreadsheets.
pub fn report_csv(report: &IntakeReport) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["file", "line", "reason", "sentence"])?;
    for skipped in &report.skipped {
        let line = skipped.line.map_or_else(String::new, |line| line.to_string());
        writer.write_record([&skipped.file, &line, skipped.reason.words(), &skipped.sentence])?;
    }
    // Writing into memory does not fail.
    Ok(writer.into_inner().unwrap_or_default())
}
