//! `seamline import`: a folder of product photos becomes a project that can be searched, or is brought up to date.

use std::path::{Path, PathBuf};

use super::options::DeviceChoice;
use super::output::ProgressLine;
use super::{CliError, Output, session};
use crate::domain::{GalleryChange, IntakeReport, SkipReason, Skipped, StopFlag};
use crate::jobs::intake::{self, Look};
use crate::project::{self, Project};

/// Lines of what was skipped that are printed; the rest is in the report.
const PRINTED: usize = 20;

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder of product photos; nothing is written into it
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// A list (CSV, TSV or JSON Lines) of what is known of the products, matched by file name or product id; without it
    /// the list that lies in the folder
    #[arg(long, value_name = "FILE")]
    attributes: Option<PathBuf>,
    /// Where the project shall lie; without it in the data folder
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Do not index the photos yet
    #[arg(long)]
    no_index: bool,
    #[command(flatten)]
    device: DeviceChoice,
    /// Print JSON, with all that was skipped
    #[arg(long)]
    json: bool,
}

/// What one run did.
struct Taken {
    project: Project,
    report: IntakeReport,
    change: GalleryChange,
    list: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let dir = arguments.project.clone().unwrap_or_else(|| intake::gallery_dir(&project::data_dir(), &arguments.folder));
    let mut taken = take_in(&arguments.folder, arguments.attributes.as_deref(), &dir)?;
    let mut searchable = None;
    if !arguments.no_index {
        let ready = session::make_ready(&taken.project, &arguments.device, output)?;
        let photos = ready.built.skipped.iter().map(|(photo, reason, why)| Skipped {
            file: photo.as_str().trim_start_matches("gallery/").to_owned(),
            line: None,
            reason: *reason,
            sentence: why.clone(),
        });
        taken.report.skipped.extend(photos);
        taken.project.save_intake_report(&taken.report)?;
        searchable = Some(ready.engine.searcher.index().len());
    }
    if arguments.json { print_json(&taken, &dir, searchable, output) } else { print(&taken, &dir, searchable, output) }
}

/// Looks at the folder and writes what it holds into the project.
fn take_in(folder: &Path, list: Option<&Path>, dir: &Path) -> Result<Taken, CliError> {
    let line = ProgressLine::default();
    let (stop, show) = (StopFlag::new(), |progress| line.show(&progress));
    let known = dir.join("project.db").is_file();
    let mut project = intake::open_gallery(folder, dir, list, &stop, &show)?;
    if let Some(why) = project.read_only() {
        return Err(CliError::Failure(why));
    }
    let change = if known {
        let named = project.attribute_list()?;
        let look: Look = intake::look(folder, named.as_deref(), &stop, &show)?;
        let diff = intake::take(&mut project, &look)?;
        GalleryChange {
            added: diff.added.len(),
            removed: diff.removed.len(),
            attributes: diff.described + diff.moved,
            ..GalleryChange::default()
        }
    } else {
        GalleryChange { added: project.counts()?.shop_photos, ..GalleryChange::default() }
    };
    line.finish();
    let (report, list) = (project.intake_report(), list.map(Path::to_owned));
    Ok(Taken { project, report, change, list })
}

fn print_json(taken: &Taken, dir: &Path, searchable: Option<usize>, output: &mut Output) -> Result<(), CliError> {
    let Taken { report, change, .. } = taken;
    let counts: serde_json::Map<String, serde_json::Value> =
        report.counts().into_iter().map(|(reason, count)| (key_of(reason), serde_json::Value::from(count))).collect();
    output.json(&serde_json::json!({
        "project": dir, "folder": taken.project.paths().gallery(), "photos": report.photos, "products": report.products,
        "searchable": searchable, "added": change.added, "removed": change.removed, "described": change.attributes,
        "list": taken.list, "rows": report.rows, "unlisted": report.unlisted, "columns": report.columns,
        "notes": report.notes, "counts": counts, "skipped": report.skipped,
    }))
}

fn key_of(reason: SkipReason) -> String {
    serde_json::to_value(reason).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn print(taken: &Taken, dir: &Path, searchable: Option<usize>, output: &mut Output) -> Result<(), CliError> {
    let Taken { report, change, .. } = taken;
    for note in &report.notes {
        output.note(note);
    }
    for skipped in report.skipped.iter().take(PRINTED) {
        output.note(format!("skipped: {}", skipped.sentence));
    }
    if let Some(more) = report.skipped.len().checked_sub(PRINTED).filter(|more| *more > 0) {
        output.note(format!("and {more} more, all of which are in {}", taken.project.paths().intake().display()));
    }
    let changed = if change.is_none() { "nothing changed".to_owned() } else { change.words() };
    output.line(format!("{} photos of {} products ({changed})", report.photos, report.products))?;
    if report.rows > 0 {
        output
            .line(format!("{} lines of attributes used; no line is about {} photos", report.rows, report.unlisted))?;
    }
    for (reason, count) in report.counts() {
        output.line(format!("{count:>6}  {}", reason.words().to_lowercase()))?;
    }
    if let Some(searchable) = searchable {
        output.line(format!("{searchable} photos can be searched"))?;
    }
    output.line(format!("Search it with: seamline search PHOTO --project {}", dir.display()))
}
