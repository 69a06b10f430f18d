//! From a folder to something that can be searched: the project, a model and an index. No thread is made here, so that
//! the command line does the same.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;

use super::JobError;
use super::intake;
use super::labels::label_state;
use super::models::{ModelEntry, info_of, list_models, load_encoder, place_for, preferred};
use super::types::{ModelInfo, ProjectSummary};
use crate::domain::{Arithmetic, CheckpointId, PhotoDomain, PhotoId, ProductId, Progress, Split, StopFlag};
use crate::index::{self, BuildReport, GalleryIndex, GalleryPhoto, IndexError, Searcher};
use crate::nn::Encoder;
use crate::project::{PhotoRow, Project, ProjectError};
use crate::synth::{self, SampleSpec};

/// Told how far a piece of work is.
pub type Report<'a> = &'a (dyn Fn(Progress) + Sync);

/// How many street photos are offered to try.
const EXAMPLES: usize = 12;

/// The weights that features come from, and what they were computed in.
pub type EncodedBy = (CheckpointId, Arithmetic);

/// What searches: an encoder and the index that was made with it. They are only ever exchanged together.
pub struct Engine {
    pub encoder: Arc<Encoder>,
    pub searcher: Searcher,
    pub model: ModelInfo,
}

impl Engine {
    /// The same model with another index of its features.
    pub fn with_index(&self, index: GalleryIndex) -> Self {
        Self { encoder: Arc::clone(&self.encoder), searcher: Searcher::new(Arc::new(index)), model: self.model.clone() }
    }

    pub fn checkpoint(&self) -> &CheckpointId {
        self.encoder.checkpoint()
    }

    pub fn arithmetic(&self) -> Arithmetic {
        self.encoder.arithmetic()
    }

    /// Features that agree in this can be compared.
    pub fn encoded_by(&self) -> EncodedBy {
        (self.checkpoint().clone(), self.arithmetic())
    }
}

/// The engine of a project and what was worth saying while it was made.
pub struct Ready {
    pub engine: Engine,
    pub built: BuildReport,
    pub notes: Vec<String>,
}

/// Opens a project's folder. One that holds only a manifest becomes a project first.
pub fn open_folder(dir: &Path) -> Result<Project, JobError> {
    match Project::open(dir) {
        Err(ProjectError::NotAProject { .. }) if dir.join("manifest.jsonl").is_file() => {
            Ok(Project::create_from_manifest(dir)?)
        }
        opened => Ok(opened?),
    }
}

/// Opens a folder that a person names: a project, or a folder of photos, which gets a project in the data folder.
pub fn open_any(dir: &Path, data_dir: &Path, stop: &StopFlag, report: Report<'_>) -> Result<Project, JobError> {
    match open_folder(dir) {
        Err(JobError::Project(ProjectError::NotAProject { .. })) => {
            intake::open_gallery(dir, &intake::gallery_dir(data_dir, dir), None, stop, &|p| report(p))
        }
        opened => opened,
    }
}

/// The sample wardrobe as a project, drawn first where it is not there or its drawing was cut short.
pub fn open_sample(dir: &Path, spec: &SampleSpec, stop: &StopFlag, report: Report<'_>) -> Result<Project, JobError> {
    if !dir.join("project.db").is_file() && !dir.join("manifest.jsonl").is_file() {
        synth::write_sample(dir, spec, stop, report)?;
        if stop.is_stopped() {
            return Err(JobError::Stopped);
        }
    }
    open_folder(dir)
}

/// Loads a model and brings the project's index for it up to date, in the project's precision. `wanted` overrides the
/// project's own choice of model.
pub fn make_ready(
    project: &Project,
    wanted: Option<&CheckpointId>,
    shipped: &[PathBuf],
    device: &Device,
    stop: &StopFlag,
    report: Report<'_>,
) -> Result<Ready, JobError> {
    make_ready_in(project.arithmetic()?, project, wanted, shipped, device, stop, report)
}

/// The same in another precision than the project's.
pub fn make_ready_in(
    arithmetic: Arithmetic,
    project: &Project,
    wanted: Option<&CheckpointId>,
    shipped: &[PathBuf],
    device: &Device,
    stop: &StopFlag,
    report: Report<'_>,
) -> Result<Ready, JobError> {
    let (arithmetic, device) = place_for(arithmetic, device);
    Plan::of(project, wanted, shipped, &device, arithmetic)?.carry_out(stop, report)
}

/// Everything that making ready needs of a project, so that the project is free while photos are embedded.
pub(super) struct Plan {
    encoder: Encoder,
    gallery: Vec<GalleryPhoto>,
    features: PathBuf,
    notes: Vec<String>,
    /// Why the photos cannot be looked at now.
    trouble: Option<String>,
}

impl Plan {
    pub fn of(
        project: &Project,
        wanted: Option<&CheckpointId>,
        shipped: &[PathBuf],
        device: &Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, JobError> {
        let (models, problems) = list_models(Some(project), shipped);
        let (encoder, notes) = match wanted {
            Some(checkpoint) => {
                let model = models.iter().find(|model| model.checkpoint == *checkpoint);
                let model = model.ok_or_else(|| JobError::UnknownModel { checkpoint: checkpoint.clone() })?;
                (load_encoder(model, device, arithmetic)?, Vec::new())
            }
            None => {
                let chosen = project.current_model()?;
                load_preferred(&models, problems, chosen.as_ref(), shipped, &|model| {
                    load_encoder(model, device, arithmetic)
                })?
            }
        };
        Self::with(project, encoder, notes)
    }

    pub fn with(project: &Project, encoder: Encoder, notes: Vec<String>) -> Result<Self, JobError> {
        let features = project.paths().features_of(encoder.checkpoint(), encoder.arithmetic());
        Ok(Self { gallery: gallery(project)?, features, encoder, notes, trouble: intake::folder_trouble(project) })
    }

    /// With the photos that are indexed already; nothing is embedded.
    pub fn without_indexing(self, stop: &StopFlag) -> Result<Ready, JobError> {
        let Self { encoder, mut gallery, features, notes, trouble } = self;
        // Where a first run was stopped, its photos are not in an index yet.
        let there = GalleryIndex::open_for(&features, &encoder);
        if let (Some(trouble), true) = (&trouble, there.is_err()) {
            return Err(JobError::Options { sentence: format!("{trouble} (but none was)") });
        }
        if trouble.is_none() && there.map_or(true, |index| index.is_empty()) {
            let begun = index::begun(&features, &encoder);
            gallery.retain(|photo| begun.contains(&photo.photo));
            index::build(&features, &encoder, &gallery, stop, &|_| {})?;
        }
        let index = GalleryIndex::open_for(&features, &encoder)?;
        Ok(Ready::with(encoder, index, BuildReport::default(), notes))
    }

    pub fn carry_out(self, stop: &StopFlag, report: Report<'_>) -> Result<Ready, JobError> {
        if let Some(trouble) = &self.trouble {
            let note = trouble.clone();
            let mut ready = self.without_indexing(stop)?;
            ready.notes.push(note);
            return Ok(ready);
        }
        let Self { encoder, gallery, features, mut notes, .. } = self;
        if let Some((index, built)) = index::current(&features, &encoder, &gallery) {
            notes.extend(skipped_note(&built));
            return Ok(Ready::with(encoder, index, built, notes));
        }
        let built = match index::build(&features, &encoder, &gallery, stop, report) {
            Ok(built) => built,
            // A folder that cannot be written, or is being indexed elsewhere: what is there can still be searched.
            Err(error @ (IndexError::Write { .. } | IndexError::Busy { .. })) => {
                match GalleryIndex::open_for(&features, &encoder) {
                    Ok(_) => notes.push(format!("{error}; the photos are searched as they were indexed before")),
                    Err(_) => return Err(error.into()),
                }
                BuildReport::default()
            }
            Err(error) => return Err(error.into()),
        };
        if built.stopped || stop.is_stopped() {
            return Err(JobError::Stopped);
        }
        if built.skipped.len() == gallery.len()
            && let Some((.., first)) = built.skipped.first()
        {
            return Err(JobError::NothingToSearch { photos: gallery.len(), first: first.clone() });
        }
        notes.extend(built.notes.iter().cloned());
        notes.extend(skipped_note(&built));
        let index = GalleryIndex::open_for(&features, &encoder)?;
        Ok(Ready::with(encoder, index, built, notes))
    }
}

impl Ready {
    fn with(encoder: Encoder, index: GalleryIndex, built: BuildReport, notes: Vec<String>) -> Self {
        let model = info_of(encoder.checkpoint(), encoder.card());
        let searcher = Searcher::new(Arc::new(index));
        Self { engine: Engine { encoder: Arc::new(encoder), searcher, model }, built, notes }
    }
}

/// The chosen model; where that is gone or damaged, one that works, with a note.
fn load_preferred(
    models: &[ModelEntry],
    mut problems: Vec<String>,
    chosen: Option<&CheckpointId>,
    shipped: &[PathBuf],
    load: &dyn Fn(&ModelEntry) -> Result<Encoder, JobError>,
) -> Result<(Encoder, Vec<String>), JobError> {
    let Some(first) = preferred(models, chosen) else {
        return Err(match problems.pop() {
            Some(sentence) => JobError::Options { sentence },
            None => JobError::NoModel { looked_in: shipped.to_vec() },
        });
    };
    let mut notes = Vec::new();
    if let Some(gone) = chosen.filter(|chosen| **chosen != first.checkpoint) {
        // What is wrong with a folder of the project is the likeliest reason.
        let why = problems.pop().unwrap_or_else(|| format!("the model {gone} is no longer there"));
        notes.push(format!("{why}; {} is used instead", first.card.name));
    }
    let error = match load(first) {
        Ok(encoder) => return Ok((encoder, notes)),
        Err(error) => error,
    };
    for other in models.iter().filter(|other| other.checkpoint != first.checkpoint && other.shipped) {
        if let Ok(encoder) = load(other) {
            notes.push(format!("{error}; {} is used instead", other.card.name));
            return Ok((encoder, notes));
        }
    }
    Err(error)
}

/// The shop photos that are searched, each by the box that came with the data; without one the index looks for the
/// product itself.
pub fn gallery(project: &Project) -> Result<Vec<GalleryPhoto>, JobError> {
    let rows = project.photos(PhotoDomain::Shop)?;
    let kinds: HashMap<ProductId, String> =
        project.products()?.into_iter().map(|product| (product.product, product.kind)).collect();
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let path = project.paths().photo(&row.photo);
            let product = row.product?;
            let kind = row.kind.or_else(|| kinds.get(&product).cloned());
            Some(GalleryPhoto { photo: row.photo, product, path, crop: row.bbox, kind })
        })
        .collect())
}

/// One sentence about photos that could not be used.
pub fn skipped_note(built: &BuildReport) -> Option<String> {
    let (.., why) = built.skipped.first()?;
    Some(match built.skipped.len() {
        1 => format!("1 photo was skipped: {why}"),
        count => format!("{count} photos were skipped, the first one because {why}"),
    })
}

/// All that the window shows of an open project.
pub fn summarise(project: &Project, engine: &Engine, shipped: &[PathBuf]) -> Result<ProjectSummary, JobError> {
    let counts = project.counts()?;
    let mut models: Vec<ModelInfo> = list_models(Some(project), shipped).0.iter().map(ModelEntry::info).collect();
    if !models.iter().any(|model| model.checkpoint == engine.model.checkpoint) {
        models.push(engine.model.clone());
    }
    Ok(ProjectSummary {
        path: project.paths().root().to_owned(),
        name: project.name().to_owned(),
        is_sample: project.is_sample()?,
        products: counts.products,
        gallery_photos: engine.searcher.index().len(),
        model: engine.model.clone(),
        models,
        device: engine.encoder.place(),
        arithmetic: engine.arithmetic(),
        examples: examples(project)?,
        kinds: project.kinds()?,
        labels: Arc::new(label_state(project, engine.checkpoint())?),
        read_only: project.read_only(),
    })
}

/// Street photos to try: of products that no model was trained on, one of each kind in turn, large garments first.
pub fn examples(project: &Project) -> Result<Vec<PhotoId>, JobError> {
    let rows = project.photos(PhotoDomain::Street)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let unseen: std::collections::HashSet<_> = project
        .products()?
        .into_iter()
        .filter(|product| product.split == Some(Split::Test))
        .map(|product| product.product)
        .collect();
    let share =
        |row: &PhotoRow| row.bbox.map_or(0.0, |b| b.width * b.height / (row.width as f32 * row.height as f32).max(1.0));
    let mut rows: Vec<(bool, PhotoRow)> = rows
        .into_iter()
        .filter(|row| row.product.is_some())
        .map(|row| (row.product.as_ref().is_some_and(|product| unseen.contains(product)), row))
        .collect();
    rows.sort_by(|(a_unseen, a), (b_unseen, b)| {
        b_unseen.cmp(a_unseen).then(share(b).total_cmp(&share(a))).then(a.photo.cmp(&b.photo))
    });
    // First one of each kind, then a second of each, and so on.
    let mut of_kind = HashMap::<Option<String>, usize>::new();
    let mut ordered: Vec<(bool, usize, PhotoId)> = rows
        .into_iter()
        .map(|(unseen, row)| {
            let round = of_kind.entry(row.kind).or_default();
            *round += 1;
            (!unseen, *round, row.photo)
        })
        .collect();
    ordered.sort_by_key(|(seen, round, _)| (*seen, *round));
    Ok(ordered.into_iter().take(EXAMPLES).map(|(_, _, photo)| photo).collect())
}
