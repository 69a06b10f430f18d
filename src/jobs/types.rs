//! What the window asks for and what it is told. These types are all that crosses a thread.

pub mod evidence;
mod gallery;
pub mod study;
mod training;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use evidence::{
    CheckState, EvidenceCheck, EvidenceDecision, EvidenceFurther, EvidenceModel, EvidencePaint, EvidencePhoto,
    EvidenceRank, EvidenceRecord, EvidenceReport, FurtherRole, utc_text,
};
use serde::{Deserialize, Serialize};
pub use study::{Answer, Comparison, Contender, Question, StudyEvent, StudyRequest};

use crate::domain::{
    Arithmetic, CheckpointId, CropRect, EpsilonStudy, Hit, Label, LabelKey, LabelValue, MatchOptions, Paint, PairMatch,
    PhotoId, Pixels, PlanView, ProductId, ProductRecord, Progress, QueryEdit, QueryId, Ranking, Recipe, RunId,
    SearchId, ShelfOptions, SquarePicture, Tiles,
};

pub use super::shelf_types::{ExportFormat, ExportLine, ShelfEvent, ShelfRequest};
pub use gallery::{GalleryEvent, GalleryRequest, GalleryState};
pub use training::{
    CheckedRecipe, DataSummary, LiveRun, Phase, Promoting, Promotion, RecipeEntry, RecipeProblem, RunCheckpoint,
    RunEnd, RunState, RunSummary, StartFrom, TrainingData, TrainingEvent, TrainingRequest, TrainingStart,
};

/// The window's only way to get work done. Tests put a scripted one in its place.
pub trait Backend {
    /// Never blocks.
    fn submit(&mut self, request: Request);
    /// The oldest event that was not yet taken.
    fn try_next(&mut self) -> Option<Event>;
    /// How far the present background work is, newest value.
    fn activity(&self) -> Activity;
}

/// Where a query photo comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryPhoto {
    /// A file dropped, opened or named by the person.
    File(PathBuf),
    /// A photo of the project, such as an example of the sample.
    Project(PhotoId),
    /// The encoded bytes of a file that has no path.
    Bytes { name: String, bytes: Arc<[u8]> },
    /// The picture on the system's clipboard.
    Clipboard,
    /// The photo of an earlier query of this session, for another crop of it.
    Earlier(QueryId),
}

#[derive(Clone, Debug, PartialEq)]
pub struct SearchRequest {
    pub query: QueryId,
    pub photo: QueryPhoto,
    /// `None`: the true box where the project knows one, else the whole photo.
    pub crop: Option<CropRect>,
    pub options: MatchOptions,
    /// How many hits are wanted.
    pub limit: usize,
    /// Filters, rules and folding.
    pub shelf: ShelfOptions,
    /// The past search that this runs again; answered by `ShelfEvent::Again` too.
    pub again: Option<SearchId>,
    pub recipe: Recipe,
    /// Other photos of the same garment, each with its own true box or as a whole.
    pub also: Vec<QueryPhoto>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// `None`: when nothing was opened yet the project of last time, else the sample, which is made where there is none.
    OpenProject {
        path: Option<PathBuf>,
    },
    Search(SearchRequest),
    /// The same query with other knobs; answered by `Event::Ranked` of the structural stage.
    Rerank {
        query: QueryId,
        options: MatchOptions,
    },
    /// What is known of these products; answered by `Event::Products`. The first of a ranking come with it.
    Products(Vec<ProductId>),
    /// What a person painted for this query; counts from the next request on that asks for painted marginals.
    Paint {
        query: QueryId,
        paint: Arc<Paint>,
    },
    /// What epsilon does to the plan of this photo and to the first ranks; answered by `Event::Epsilon`, the second time
    /// with the interval. Anything newer that is asked ends it.
    Epsilon {
        query: QueryId,
        photo: PhotoId,
        options: MatchOptions,
    },
    /// Why this photo matches; answered by `Event::PlanReady`.
    ShowPlan {
        query: QueryId,
        photo: PhotoId,
        options: MatchOptions,
    },
    /// Fits a photo of the project into a square of this many pixels; answered by `Event::Thumbnail`.
    Thumbnail {
        photo: PhotoId,
        size_px: u32,
    },
    /// Ask the person for a path; answered by `Event::PathPicked`.
    AskPath(Dialog),
    /// Draws the shown plan into a PNG; answered by `Event::Saved`.
    SavePlan {
        query: QueryId,
        photo: PhotoId,
        options: MatchOptions,
        view: PlanView,
        path: PathBuf,
    },
    /// Says something about a photo of a query; answered by `Event::LabelsChanged`. A query photo from outside is
    /// copied into the project first.
    Mark {
        query: QueryId,
        mark: Mark,
    },
    Undo,
    Redo,
    Shelf(ShelfRequest),
    /// Fine-tunes the present model on all corrections; answered by `Event::TrainEnded`.
    TrainOnCorrections,
    StopTraining,
    /// About recipes and runs.
    Training(TrainingRequest),
    /// About the person's own folder of photos.
    Gallery(GalleryRequest),
    /// Makes a model of the project the one that searches; answered by `Event::ProjectOpened`.
    UseModel {
        checkpoint: CheckpointId,
    },
    /// Where the panes of the window lay; answered by `Event::LayoutRead`.
    ReadLayout,
    WriteLayout {
        text: String,
    },
    /// A question about one match, or evidence of it; answered by `Event::Studied`.
    Study(StudyRequest),
    /// Answered by `Event::Recent`.
    ListRecent,
    /// Answered by `Event::Devices`.
    ListDevices,
    /// Moves the model; answered by `Event::DeviceReady`.
    UseDevice {
        device: DeviceChoice,
    },
    /// What the model of the open project is to compute in; all photos are embedded anew where that was never done.
    /// Answered by `Event::ProjectOpened`.
    UseArithmetic {
        arithmetic: Arithmetic,
    },
    /// Frees something where nobody waits for it.
    LetGo(Unneeded),
}

/// Something large that the window does not need any more.
#[derive(Clone)]
pub struct Unneeded(Arc<dyn Any + Send + Sync>);

impl Unneeded {
    pub fn new(thing: impl Any + Send + Sync) -> Self {
        Self(Arc::new(thing))
    }

    pub fn free(self) {
        drop(self.0);
    }
}

impl fmt::Debug for Unneeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unneeded")
    }
}

/// One is like another: nobody looks inside.
impl PartialEq for Unneeded {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialog {
    OpenPhoto,
    AddPhoto,
    OpenProject,
    SavePlan {
        suggested_name: String,
    },
    /// A folder of product photos.
    OpenGallery,
    /// A list of attributes.
    OpenList,
    SaveReport {
        suggested_name: String,
    },
    SaveEvidence {
        suggested_name: String,
    },
    OpenRecipe,
    SaveRecipe {
        suggested_name: String,
    },
    Export {
        format: ExportFormat,
        suggested_name: String,
    },
}

impl Dialog {
    /// What is asked for, as the dialog's title says it.
    pub fn title(&self) -> &'static str {
        match self {
            Self::OpenPhoto => "Open a street photo or evidence",
            Self::AddPhoto => "Add a photo of the same garment",
            Self::OpenProject => "Open a project folder",
            Self::SavePlan { .. } => "Save the plan as a picture",
            Self::OpenGallery => "Open a folder of product photos",
            Self::OpenList => "Read attributes from a list",
            Self::SaveReport { .. } => "Save what was skipped as a table",
            Self::Export { .. } => "Export the result list",
            Self::SaveEvidence { .. } => "Save the match as evidence",
            Self::OpenRecipe => "Open a recipe",
            Self::SaveRecipe { .. } => "Save the recipe",
        }
    }

    /// The name of a file that is about to be written.
    pub fn suggested_name(&self) -> Option<&str> {
        match self {
            Self::OpenPhoto
            | Self::AddPhoto
            | Self::OpenProject
            | Self::OpenGallery
            | Self::OpenList
            | Self::OpenRecipe => None,
            Self::SavePlan { suggested_name }
            | Self::SaveRecipe { suggested_name }
            | Self::SaveReport { suggested_name }
            | Self::Export { suggested_name, .. }
            | Self::SaveEvidence { suggested_name } => Some(suggested_name),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    SameProduct(ProductId),
    NotThisProduct(ProductId),
    /// Takes an earlier answer about this product back.
    ClearProduct(ProductId),
    /// The kind of the garment in the query's crop.
    Kind(String),
    /// The kind of a photo of the gallery.
    GalleryKind {
        photo: PhotoId,
        name: String,
    },
}

/// What must arrive. Everything about a query carries its id; older ones are dropped by whoever receives them.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A project is open and can be searched; also sent when its model changes.
    ProjectOpened(Arc<ProjectSummary>),
    QueryReady {
        query: QueryId,
        photo: Arc<QueryInfo>,
    },
    Ranked {
        query: QueryId,
        ranking: Arc<Ranking>,
        tiles: Arc<Tiles>,
        products: Arc<BTreeMap<ProductId, ProductRecord>>,
    },
    /// Those that there are of the ones asked for.
    Products(Vec<ProductRecord>),
    PlanReady {
        query: QueryId,
        photo: PhotoId,
        plan: Arc<PlanInfo>,
    },
    Epsilon {
        query: QueryId,
        study: Arc<EpsilonStudy>,
    },
    Thumbnail {
        photo: PhotoId,
        size_px: u32,
        pixels: Result<Arc<Pixels>, String>,
    },
    /// `path` is `None` where the person changed their mind.
    PathPicked {
        dialog: Dialog,
        path: Option<PathBuf>,
    },
    /// This system has no file dialog, so the window asks for the path itself. `start` is a folder to begin with.
    NoDialog {
        dialog: Dialog,
        start: PathBuf,
    },
    Saved {
        path: PathBuf,
    },
    LabelsChanged(Arc<LabelState>),
    Shelf(ShelfEvent),
    TrainEnded(Arc<TrainReport>),
    /// `None` where none was written yet.
    LayoutRead {
        text: Option<String>,
    },
    Gallery(GalleryEvent),
    Training(TrainingEvent),
    Studied(StudyEvent),
    /// The projects to come back to, the last one first; also sent when a project was opened.
    Recent(Vec<RecentProject>),
    Devices(DeviceSurvey),
    DeviceReady {
        device: DeviceChoice,
    },
    /// Something that was asked for cannot be had.
    Failed(Failure),
    /// Something is worth saying, such as photos that were skipped.
    Note(String),
}

impl Event {
    /// An answer with its tiles, which whoever makes it works out.
    pub fn ranked(query: QueryId, ranking: Arc<Ranking>, products: Arc<BTreeMap<ProductId, ProductRecord>>) -> Self {
        let tiles = Arc::new(Tiles::of(&ranking));
        Self::Ranked { query, ranking, tiles, products }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ProjectSummary {
    pub path: PathBuf,
    pub name: String,
    pub is_sample: bool,
    pub products: usize,
    pub gallery_photos: usize,
    pub model: ModelInfo,
    /// All models that can be chosen, the present one among them.
    pub models: Vec<ModelInfo>,
    pub device: String,
    /// What the model computes in.
    pub arithmetic: Arithmetic,
    /// Street photos to try, best first.
    pub examples: Vec<PhotoId>,
    /// Every kind of garment that the project knows.
    pub kinds: Vec<String>,
    pub labels: Arc<LabelState>,
    /// Why nothing can be saved in it, as a sentence.
    pub read_only: Option<String>,
}

/// Where a person wants the model to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceChoice {
    /// A GPU where this build and machine have one, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// Counted from 0.
    Gpu(usize),
}

/// A device that the model can be asked to run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFound {
    pub choice: DeviceChoice,
    /// Such as "NVIDIA H100 80GB HBM3".
    pub label: String,
    /// All of a GPU's memory.
    pub memory_bytes: Option<u64>,
}

/// The devices of this machine, the CPU first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceSurvey {
    pub devices: Vec<DeviceFound>,
    /// Why there is no GPU among them, as a sentence.
    pub without_gpu: Option<String>,
    /// What 8-bit arithmetic is worth on this processor, as a sentence.
    pub int8: String,
}

/// A project that was open before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentProject {
    pub path: PathBuf,
    pub name: String,
    /// Why it cannot be opened now.
    pub gone: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ModelInfo {
    pub checkpoint: CheckpointId,
    pub name: String,
    /// Recall@1 of the test split, where it was measured.
    pub recall_at_1: Option<f32>,
    /// What it knows of outfits, where that was measured.
    pub outfits: OutfitSkill,
}

/// How well a model tells what is worn together; nothing where it was not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct OutfitSkill {
    /// Share of the fill-in-the-blank questions that it answers right.
    pub fill_in_blank: Option<f32>,
    /// The chance that an outfit scores better than a set of products that is none; 0.5 by guessing.
    pub compatibility_auc: Option<f32>,
}

impl OutfitSkill {
    /// One sentence for whoever is about to believe it.
    pub fn words(&self) -> String {
        let blanks = self.fill_in_blank.map(|share| format!("{:.0} % of the blanks filled right", 100.0 * share));
        let auc = self.compatibility_auc.map(|auc| format!("AUC {auc:.2} where guessing has 0.50"));
        match [blanks, auc].into_iter().flatten().collect::<Vec<_>>() {
            none if none.is_empty() => {
                "This model was not taught what goes together; it puts first what looks alike".to_owned()
            }
            measured => format!("This model, measured on outfits: {}", measured.join(", ")),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct QueryInfo {
    /// The file's name, for people.
    pub name: String,
    /// The photo's id, once it is part of the project.
    pub project_photo: Option<PhotoId>,
    /// Upright, at most 1024 pixels on its long side.
    pub pixels: Arc<Pixels>,
    /// Size of the photo itself, in which crops are given.
    pub width: u32,
    pub height: u32,
    /// The part that is searched.
    pub crop: CropRect,
    /// Boxes worth trying, with a name each: true ones, then those in which the network finds most.
    pub suggested_crops: Vec<(String, CropRect)>,
    /// As which the photo is shown and searched.
    pub edit: QueryEdit,
    /// The other photos of the garment that could be read.
    pub also: Vec<AlsoPhoto>,
}

/// Another photo of the same garment.
#[derive(Clone, Debug, PartialEq)]
pub struct AlsoPhoto {
    pub photo: QueryPhoto,
    /// The file's name, for people.
    pub name: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PlanInfo {
    pub pair: PairMatch,
    pub options: MatchOptions,
    pub query_picture: SquarePicture,
    pub gallery_picture: SquarePicture,
    pub hit: Hit,
    pub product: ProductRecord,
}

/// All that is known of a project's labels that a person made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelState {
    /// The present labels made by people, newest last.
    pub corrections: Vec<Label>,
    /// Corrections that the present model has not been trained on.
    pub untrained: usize,
    /// What Undo and Redo would do, such as "Same product: Breton long sleeve".
    pub undo: Option<String>,
    pub redo: Option<String>,
}

impl LabelState {
    pub fn value(&self, key: &LabelKey) -> Option<&LabelValue> {
        self.corrections.iter().rev().find(|label| &label.key == key).map(|label| &label.value)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct TrainReport {
    pub run: RunId,
    /// `false` where the person stopped it; the model is then as it was.
    pub finished: bool,
    pub before: ModelInfo,
    pub after: Option<ModelInfo>,
    /// Recall@1 and @10 on the untouched test split, where the project has one.
    pub recall_before: Option<[f32; 2]>,
    pub recall_after: Option<[f32; 2]>,
    pub seconds: f64,
}

/// One sentence for the person, the rest folded.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub of: FailureOf,
    pub sentence: String,
    pub details: Option<String>,
}

/// Which part of the screen is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureOf {
    Project,
    Query(QueryId),
    Plan(QueryId, PhotoId),
    Study(QueryId, PhotoId),
    Evidence,
    Epsilon,
    Saving,
    Labels,
    /// Filters, rules, past searches.
    Shelf,
    Training,
    /// A checkpoint that was to be the project's model.
    Promotion,
    /// A recipe's file.
    Recipe,
    Model,
    Layout,
    Device,
    /// Another precision for the model.
    Arithmetic,
}

/// What goes on in the background, newest value only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activity {
    /// Making the sample or indexing.
    pub preparing: Option<Progress>,
    pub training: Option<TrainProgress>,
    /// The run of a recipe that is under way.
    pub live: Option<Arc<LiveRun>>,
    pub promoting: Option<Promoting>,
    /// How far the answer to a question about a match is.
    pub studying: Option<Progress>,
    /// How far the cells of an earlier layer are read.
    pub refining: Option<Progress>,
    /// True while a search or a re-ranking is under way.
    pub searching: bool,
    /// Bytes of memory this process holds, where the system tells.
    pub memory_bytes: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainProgress {
    pub run: Option<RunId>,
    /// What is being done: "Training", "Measuring", "Indexing photos".
    pub what: &'static str,
    pub step: usize,
    pub steps: usize,
    pub loss: f32,
    pub images_per_second: f32,
    pub seconds_left: Option<f32>,
    /// Loss of each step so far, thinned to at most 512 points.
    pub losses: Vec<[f32; 2]>,
}
