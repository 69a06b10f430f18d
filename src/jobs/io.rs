//! The io threads: thumbnails, labels, pictures to files, and asking the person for a path.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::JobError;
use super::devices;
use super::evidence::Draft;
use super::labels::label_of;
use super::layout;
use super::recent;
use super::shared::{Closed, Opened, Shared};
use super::training::recipes;
use super::types::{Dialog, Event, ExportFormat, FailureOf, Mark, PlanInfo, QueryInfo, TrainingEvent, Unneeded};
use super::workers::{DrawPlan, SaveSheet, SheetInfo};
use super::{error::sentence, export};
use crate::data;
use crate::domain::{CropRect, PhotoId, PlanView, ProductId, QueryId, RunId};
use crate::project::{PhotoRow, Project, ProjectError, ShelfEdit, Undone, write_beside};
use crate::train::curves;

/// Work that is done in the order of its asking.
pub(super) enum IoJob {
    Mark { query: QueryId, mark: Mark },
    Undo,
    Redo,
    SavePlan { plan: Box<PlanInfo>, view: PlanView, path: PathBuf },
    Products { products: Vec<ProductId> },
    ListRecent,
    ListDevices,
    ReadLayout,
    WriteLayout { text: String },
    SaveEvidence { draft: Box<Draft>, path: PathBuf },
    Shelf(ShelfEdit),
    ListRecipes,
    ReadCurves { run: RunId },
    CheckRecipe { serial: u64, text: String },
    ReadRecipe { path: PathBuf },
    WriteRecipe { path: PathBuf, text: String },
    Export { sheet: Box<SheetInfo>, format: ExportFormat, path: PathBuf },
    LetGo(Unneeded),
}

/// Those who know how to draw.
pub(super) struct Savers {
    pub draw_plan: DrawPlan,
    pub save_sheet: SaveSheet,
}

/// What waits for an io thread.
#[derive(Default)]
struct Waiting {
    ordered: VecDeque<IoJob>,
    /// Newest last, and taken from there: what came into view last is what the person looks at.
    thumbnails: Vec<(PhotoId, u32)>,
    closed: bool,
}

#[derive(Clone, Default)]
pub(super) struct IoQueue(Arc<(Mutex<Waiting>, Condvar)>);

enum Next {
    Ordered(IoJob),
    Thumbnail(PhotoId, u32),
}

impl IoQueue {
    pub fn push(&self, job: IoJob) {
        self.change(|waiting| waiting.ordered.push_back(job));
    }

    pub fn push_thumbnail(&self, photo: PhotoId, size_px: u32) {
        self.change(|waiting| waiting.thumbnails.push((photo, size_px)));
    }

    pub fn close(&self) {
        self.change(|waiting| waiting.closed = true);
    }

    /// The next piece of work; `None` once closed. Ordered work goes first, and to one thread only. What a person said is
    /// still done after the closing.
    fn next(&self, takes_ordered: bool) -> Option<Next> {
        let mut waiting = self.waiting();
        loop {
            if takes_ordered && let Some(job) = waiting.ordered.pop_front() {
                return Some(Next::Ordered(job));
            }
            if waiting.closed {
                return None;
            }
            if let Some((photo, size_px)) = waiting.thumbnails.pop() {
                return Some(Next::Thumbnail(photo, size_px));
            }
            waiting = self.0.1.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.waiting());
        self.0.1.notify_all();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct IoThread {
    pub shared: Arc<Shared>,
    pub queue: IoQueue,
    /// Only one of the threads has it: that one does the ordered work.
    pub savers: Option<Savers>,
}

type Done = Result<Result<(), JobError>, Closed>;

impl IoThread {
    pub fn run(self) {
        while let Some(next) = self.queue.next(self.savers.is_some()) {
            // Labels are saved even when there is no window left to tell.
            let told = match next {
                Next::Thumbnail(photo, size_px) => self.thumbnail(photo, size_px),
                Next::Ordered(job) => self.serve(job),
            };
            if told.is_err() && self.savers.is_none() {
                return;
            }
        }
    }

    fn serve(&self, job: IoJob) -> Result<(), Closed> {
        let shared = &self.shared;
        match job {
            IoJob::Mark { query, mark } => shared.attempt(FailureOf::Labels, || self.mark(query, &mark)),
            IoJob::LetGo(thing) => {
                thing.free();
                Ok(())
            }
            IoJob::ListRecent => shared.events.send(Event::Recent(recent::list(&shared.data_dir))),
            IoJob::ListDevices => shared.events.send(Event::Devices(devices::survey())),
            IoJob::ReadLayout => shared.attempt(FailureOf::Layout, || match layout::read(&shared.data_dir) {
                Ok(text) => shared.events.send(Event::LayoutRead { text }).map(Ok),
                Err(error) => Ok(Err(error)),
            }),
            IoJob::WriteLayout { text } => {
                shared.attempt(FailureOf::Layout, || Ok(layout::write(&shared.data_dir, &text)))
            }
            IoJob::Products { products } => shared.attempt(FailureOf::Project, || {
                let found = shared.opened().and_then(|opened| Ok(opened.project().products_named(&products)?));
                match found {
                    Ok(found) => shared.events.send(Event::Products(found.into_values().collect())).map(Ok),
                    Err(error) => Ok(Err(error)),
                }
            }),
            IoJob::Undo => shared.attempt(FailureOf::Labels, || self.step(Project::undo_last)),
            IoJob::Redo => shared.attempt(FailureOf::Labels, || self.step(Project::redo_last)),
            IoJob::Shelf(edit) => shared.attempt(FailureOf::Shelf, || {
                let mut changed = false;
                let done = self.change(|project| {
                    changed = project.apply_shelf(&edit)?;
                    Ok(changed)
                })?;
                if changed {
                    self.tell_shelf()?
                }
                Ok(done)
            }),
            IoJob::Export { sheet, format, path } => shared.attempt(FailureOf::Saving, || {
                let Some(savers) = &self.savers else { return Ok(Ok(())) };
                let write = |text: Result<String, String>| {
                    let text = text.map_err(|reason| JobError::Export { reason, path: path.clone() })?;
                    write_beside(&path, text.as_bytes())
                        .map_err(|error| JobError::Export { reason: error.to_string(), path: path.clone() })
                };
                let written = match format {
                    ExportFormat::Csv => write(Ok(export::csv(&sheet.lines))),
                    ExportFormat::Json => write(export::json(&sheet.lines)),
                    ExportFormat::Sheet => {
                        (savers.save_sheet)(&sheet, &path).map_err(|sentence| JobError::Options { sentence })
                    }
                };
                match written {
                    Ok(()) => shared.events.send(Event::Saved { path: path.clone() }).map(Ok),
                    Err(error) => Ok(Err(error)),
                }
            }),
            IoJob::ListRecipes => {
                let found = recipes::recipes(&shared.model_dirs);
                shared.events.send(Event::Training(TrainingEvent::Recipes(Arc::new(found))))
            }
            IoJob::ReadCurves { run } => {
                let curves = shared.opened.get().map(|opened| curves::read(&opened.paths.run(&run)));
                let curves = Arc::new(curves.unwrap_or_default());
                shared.events.send(Event::Training(TrainingEvent::Curves { run, curves }))
            }
            IoJob::CheckRecipe { serial, text } => {
                let checked = Arc::new(recipes::check(&text));
                shared.events.send(Event::Training(TrainingEvent::Checked { serial, checked }))
            }
            IoJob::ReadRecipe { path } => shared.attempt(FailureOf::Recipe, || match std::fs::read_to_string(&path) {
                Ok(text) => {
                    let read = TrainingEvent::RecipeRead { path: path.clone(), text };
                    shared.events.send(Event::Training(read)).map(Ok)
                }
                Err(source) => Ok(Err(JobError::Io { doing: "read the recipe", source, path: path.clone() })),
            }),
            IoJob::WriteRecipe { path, text } => {
                shared.attempt(FailureOf::Recipe, || match write_beside(&path, text.as_bytes()) {
                    Ok(()) => shared.events.send(Event::Saved { path: path.clone() }).map(Ok),
                    Err(source) => Ok(Err(JobError::Io { doing: "write the recipe", source, path: path.clone() })),
                })
            }
            IoJob::SavePlan { plan, view, path } => self.save(path, |png, path| {
                let io = |source| JobError::Io { doing: "write the picture", source, path: path.to_owned() };
                std::fs::write(path, png(&plan, &view)?).map_err(io)
            }),
            IoJob::SaveEvidence { draft, path } => self.save(path, |png, path| {
                let bytes = draft.to_bytes(&png(&draft.plan, &PlanView::default())?)?;
                Ok(super::evidence::save(&bytes, path)?)
            }),
        }
    }

    /// Writes a file for which a plan is drawn, and tells where it is.
    fn save(
        &self,
        path: PathBuf,
        write: impl FnOnce(&dyn Fn(&PlanInfo, &PlanView) -> Result<Vec<u8>, JobError>, &Path) -> Result<(), JobError>,
    ) -> Result<(), Closed> {
        self.shared.attempt(FailureOf::Saving, || {
            let Some(savers) = &self.savers else { return Ok(Ok(())) };
            let png = |plan: &PlanInfo, view: &PlanView| {
                (savers.draw_plan)(plan, view).map_err(|sentence| JobError::Options { sentence })
            };
            match write(&png, &path) {
                Ok(()) => self.shared.events.send(Event::Saved { path }).map(Ok),
                Err(error) => Ok(Err(error)),
            }
        })
    }

    fn thumbnail(&self, photo: PhotoId, size_px: u32) -> Result<(), Closed> {
        let made = self.shared.opened().and_then(|opened| {
            let pixels = data::decode_file(&opened.paths.photo(&photo))?;
            Ok(Arc::new(data::pixels(&data::shrink(&pixels, size_px))))
        });
        let pixels = made.map_err(|error| sentence(&error.to_string()));
        self.shared.events.send(Event::Thumbnail { photo, size_px, pixels })
    }

    fn mark(&self, query: QueryId, mark: &Mark) -> Done {
        let opened = match self.shared.opened() {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(error)),
        };
        let photo = match mark {
            Mark::GalleryKind { photo, .. } => Ok((photo.clone(), None, String::new())),
            _ => self.query_photo(query, &opened),
        };
        let (photo, crop, seen) = match photo {
            Ok(photo) => photo,
            Err(error) => return Ok(Err(error)),
        };
        let (key, value) = label_of(mark, &photo, crop);
        let engine = opened.engine.get();
        self.change(|project| Ok(project.set_label(&key, value, &seen, Some(engine.checkpoint()))?))
    }

    /// The query's photo as part of the project, copied into it first where it comes from outside; with the searched part
    /// where that is not the whole, and what the person saw.
    fn query_photo(&self, query: QueryId, opened: &Opened) -> Result<(PhotoId, Option<CropRect>, String), JobError> {
        let kept = self.shared.queries().get(query).ok_or(JobError::Forgotten { query })?;
        // Labels are about the photo as its file has it.
        let edit = kept.recipe.edit;
        let (width, height) = edit.size(kept.info.width, kept.info.height);
        let crop = edit.source(kept.crop, width, height);
        let crop = (crop != CropRect::whole(width, height)).then_some(crop);
        let seen = format!("search in {}", kept.source.label());
        if let Some(row) = &kept.known.row {
            return Ok((row.photo.clone(), crop, seen));
        }
        let row = import(&mut opened.project(), &kept.source, width, height)?;
        let photo = row.photo.clone();
        let info = Arc::new(QueryInfo { project_photo: Some(photo.clone()), ..(*kept.info).clone() });
        self.shared.queries().update(query, |kept| {
            let known = super::search::Known { row: Some(row), boxes: kept.known.boxes.clone() };
            kept.known = Arc::new(known);
            kept.info = Arc::clone(&info);
        });
        // The window learns under which name the photo is part of the project; there may be none left to tell.
        let _ = self.shared.events.send(Event::QueryReady { query, photo: info });
        Ok((photo, crop, seen))
    }

    /// Undoes or redoes whatever was last, and tells what holds now.
    fn step(&self, step: impl FnOnce(&mut Project) -> Result<Option<Undone>, ProjectError>) -> Done {
        let mut of_shelf = false;
        let done = self.change(|project| {
            let undone = step(project)?;
            of_shelf = matches!(undone, Some(Undone::Shelf(_)));
            Ok(undone.is_some())
        })?;
        if of_shelf {
            self.tell_shelf()?;
        }
        Ok(done)
    }

    fn tell_shelf(&self) -> Result<(), Closed> {
        let Some(opened) = self.shared.opened.get() else { return Ok(()) };
        self.shared.tell_rules(&opened)?;
        self.shared.tell_past(&opened)
    }

    /// Changes labels and tells the window what holds now, also where nothing changed.
    fn change(&self, change: impl FnOnce(&mut Project) -> Result<bool, JobError>) -> Done {
        let state = self.shared.opened().and_then(|opened| {
            change(&mut opened.project())?;
            opened.label_state()
        });
        match state {
            Ok(state) => self.shared.events.send(Event::LabelsChanged(Arc::new(state))).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }
}

fn import(
    project: &mut Project,
    source: &super::search::Source,
    width: u32,
    height: u32,
) -> Result<PhotoRow, JobError> {
    let photo = project.import_query_photo(&source.bytes, &source.name, width, height)?;
    let row = project.photo(&photo)?;
    row.ok_or_else(|| JobError::NotInGallery { photo })
}

/// Asks the person for a path. The system's dialog may stay open for long, so it has a thread of its own, which nobody
/// waits for: it ends with the dialog or with the program.
pub(super) fn ask_path(shared: &Arc<Shared>, dialog: Dialog) -> io::Result<()> {
    let shared = Arc::clone(shared);
    let asked = move || {
        let begun = Instant::now();
        let path = pick(&dialog);
        let event = if path.is_none() && cfg!(target_os = "linux") && was_missing(begun.elapsed(), has_zenity()) {
            let start = directories::UserDirs::new().map_or_else(PathBuf::new, |dirs| dirs.home_dir().to_owned());
            Event::NoDialog { dialog, start }
        } else {
            Event::PathPicked { dialog, path }
        };
        // Without a window there is nobody to tell.
        let _ = shared.events.send(event);
    };
    Builder::new().name("dialog".to_owned()).spawn(asked).map(drop)
}

/// Sooner than anyone can close a dialog.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Whether no answer means that there was no dialog. The library asks the desktop's portal, then the program zenity,
/// and says the same for "neither is there" and "the person changed their mind".
pub(super) fn was_missing(took: Duration, has_zenity: bool) -> bool {
    took < AT_ONCE && !has_zenity
}

fn has_zenity() -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("zenity").is_file()))
}

fn pick(dialog: &Dialog) -> Option<PathBuf> {
    const PHOTOS: [&str; 9] = ["jpg", "jpeg", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff"];
    match dialog {
        Dialog::OpenPhoto | Dialog::AddPhoto => rfd::FileDialog::new()
            .set_title(dialog.title())
            .add_filter("Photos", &PHOTOS)
            .add_filter("Seamline evidence", &["seamline"])
            .add_filter("All files", &["*"])
            .pick_file(),
        Dialog::OpenProject => rfd::FileDialog::new().set_title(dialog.title()).pick_folder(),
        Dialog::SavePlan { suggested_name } => rfd::FileDialog::new()
            .set_title(dialog.title())
            .set_file_name(suggested_name)
            .add_filter("PNG picture", &["png"])
            .save_file(),
        Dialog::OpenGallery => rfd::FileDialog::new().set_title(dialog.title()).pick_folder(),
        Dialog::OpenList => rfd::FileDialog::new()
            .set_title(dialog.title())
            .add_filter("Lists", &data::import::LIST_ENDINGS)
            .add_filter("All files", &["*"])
            .pick_file(),
        Dialog::SaveReport { suggested_name } => rfd::FileDialog::new()
            .set_title(dialog.title())
            .set_file_name(suggested_name)
            .add_filter("CSV table", &["csv"])
            .save_file(),
        Dialog::Export { format, suggested_name } => rfd::FileDialog::new()
            .set_title(dialog.title())
            .set_file_name(suggested_name)
            .add_filter(format.extension().to_uppercase(), &[format.extension()])
            .save_file(),
        Dialog::SaveEvidence { suggested_name } => rfd::FileDialog::new()
            .set_title(dialog.title())
            .set_file_name(suggested_name)
            .add_filter("Seamline evidence", &["seamline"])
            .save_file(),
        Dialog::OpenRecipe => rfd::FileDialog::new()
            .set_title(dialog.title())
            .add_filter("Recipes", &["toml"])
            .add_filter("All files", &["*"])
            .pick_file(),
        Dialog::SaveRecipe { suggested_name } => rfd::FileDialog::new()
            .set_title(dialog.title())
            .set_file_name(suggested_name)
            .add_filter("Recipe", &["toml"])
            .save_file(),
    }
}
