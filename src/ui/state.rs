//! What the window knows and shows. `app` changes it, panels read it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use egui::TextureHandle;
use serde::{Deserialize, Serialize};

use super::compose::Remembered;
use super::gallery::GalleryView;
use super::inspect::{Inspect, Mode, Zoom};
use super::shelf::ShelfState;
use crate::domain::{
    CropRect, LabelKey, LabelValue, MatchOptions, PhotoId, PlanOverlay, PlanView, ProductId, ProductRecord, QueryId,
    Ranking, Recipe, Shown, Tiles,
};
use crate::jobs::types::{
    DeviceChoice, Dialog, Failure, LabelState, PlanInfo, ProjectSummary, QueryInfo, QueryPhoto, TrainReport,
};
use crate::render::PlanScene;
use crate::ui::tokens::MORPH_SECS;

use super::desk::DeskState;
use super::keys::Keymap;
use super::layout::{Layouts, Pane, Workspace};
use super::training::{CurveView, TrainState};

/// How a person likes the window; kept between sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prefs {
    pub theme: egui::ThemePreference,
    pub reduced_motion: bool,
    pub ribbons: Ribbons,
    pub view: View,
    pub keys: Keymap,
    /// Size of everything, 1 = as the system says.
    pub scale: f32,
    /// Megabytes that the program is to hold at most.
    pub memory_mb: u32,
    pub device: DeviceChoice,
    pub inspect: Inspect,
    pub curves: CurveView,
}

impl Default for Prefs {
    fn default() -> Self {
        Self {
            theme: egui::ThemePreference::System,
            reduced_motion: false,
            ribbons: Ribbons::default(),
            view: View::default(),
            keys: Keymap::default(),
            scale: 1.0,
            memory_mb: 2048,
            device: DeviceChoice::Auto,
            inspect: Inspect::default(),
            curves: CurveView::default(),
        }
    }
}

impl Prefs {
    /// The plan as it is looked at, for a picture of it. What is no picture over the photos is saved as ribbons.
    pub fn plan_view(&self) -> PlanView {
        let overlay = match self.inspect.mode {
            Mode::Ribbons | Mode::Colours | Mode::Heat if !self.inspect.overlay => PlanOverlay::Nothing,
            Mode::Ribbons | Mode::Matrix | Mode::Rebuilt => PlanOverlay::Ribbons,
            Mode::Colours => PlanOverlay::Colours,
            Mode::Heat => PlanOverlay::Heat,
        };
        let Ribbons { threshold, count, opacity } = self.ribbons;
        PlanView { overlay, grid_lines: self.view.grid, threshold, ribbons: count, opacity }
    }
}

/// Which ribbons are drawn, and how strongly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ribbons {
    /// Share of the plan's largest entry below which none is drawn.
    pub threshold: f32,
    /// The most that are drawn, the heaviest first.
    pub count: usize,
    pub opacity: f32,
}

impl Default for Ribbons {
    fn default() -> Self {
        Self { threshold: 0.05, count: 24, opacity: 1.0 }
    }
}

/// What is drawn whatever the view of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    pub grid: bool,
}

impl Default for View {
    fn default() -> Self {
        Self { grid: true }
    }
}

/// A cell under the pointer or the keyboard's cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointed {
    Query(usize),
    Gallery(usize),
    /// One flow, pointed at in the table.
    Flow(usize, usize),
}

/// What the arrows on the tiles compare with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Baseline {
    /// The order before structural re-ranking.
    #[default]
    Global,
    /// The order that the former model gave.
    FormerModel,
    /// The order before anything was painted.
    Unpainted,
}

#[derive(Clone, Debug, Default)]
pub enum ProjectState {
    #[default]
    Opening,
    Open(Arc<ProjectSummary>),
    Failed(Failure),
}

impl ProjectState {
    pub fn open(&self) -> Option<&Arc<ProjectSummary>> {
        match self {
            Self::Open(summary) => Some(summary),
            Self::Opening | Self::Failed(_) => None,
        }
    }
}

/// What hovers over the window, ready to be dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hovering {
    pub names: Vec<String>,
    pub kind: HoveringKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoveringKind {
    Photo,
    /// A folder that is a project.
    Folder,
    /// A folder of photos.
    Gallery,
    Evidence,
    /// Its name does not look like a photo's.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Info,
    Good,
    Failed,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub id: u64,
    pub tone: Tone,
    pub sentence: String,
    pub details: Option<String>,
    /// Stays until it is closed.
    pub stays: bool,
    pub since: f64,
}

/// A question for a path, in the window's own sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct PathWanted {
    /// Another for each question, so that what was typed for one is not in the next.
    pub id: u64,
    pub dialog: Dialog,
    /// What the field holds at first.
    pub text: String,
}

/// All of this session.
#[derive(Default)]
pub struct Session {
    pub project: ProjectState,
    pub labels: Arc<LabelState>,
    pub options: MatchOptions,
    pub query: Option<Query>,
    /// A photo that waits until a project is open.
    pub waiting: Option<QueryPhoto>,
    pub pointed: Option<Pointed>,
    pub zoom: Zoom,
    pub baseline: Baseline,
    pub brush: super::painting::Brush,
    /// What epsilon does to the shown plan and to the first ranks.
    pub epsilon: Option<Arc<crate::domain::EpsilonStudy>>,
    pub hovering: Option<Hovering>,
    pub notices: Vec<Notice>,
    pub last_training: Option<Arc<TrainReport>>,
    pub shortcuts_open: bool,
    /// A path that the person is asked for where the system has no file dialog.
    pub path_wanted: Option<PathWanted>,
    pub desk: DeskState,
    pub workspace: Workspace,
    /// The pane that commands move and size; outlined while there is one.
    pub pane: Option<Pane>,
    pub layouts: Layouts,
    /// The layouts that the person put aside.
    pub saved_layouts: Option<Layouts>,
    pub train: TrainState,
    pub gallery: GalleryView,
    /// Filters, rules, folding, past searches, and what is compared.
    pub shelf: ShelfState,
    /// Questions about the shown match, and evidence.
    pub study: super::study::StudyState,
}

/// The photo that is searched for, and all that is known of the answer.
pub struct Query {
    pub id: QueryId,
    /// Before the photo is read: its file's name.
    pub name: String,
    pub info: Option<Arc<QueryInfo>>,
    pub texture: Option<TextureHandle>,
    /// What was asked for; `None` lets the project choose.
    pub crop: Option<CropRect>,
    pub ranking: Option<Arc<Ranking>>,
    /// Which of its hits have tiles.
    pub shown: Shown,
    /// The ranking is of an earlier crop or model, and shown until the new one is here.
    pub stale: bool,
    pub products: Arc<BTreeMap<ProductId, ProductRecord>>,
    pub failed: Option<Failure>,
    pub selected: Option<PhotoId>,
    /// The person chose the selected photo, so that it stays when the order changes.
    pub selected_by_hand: bool,
    pub plan: Option<Plan>,
    pub plan_failed: Option<(PhotoId, Failure)>,
    /// Place (from 0) of each photo before the newest order, and when that came: what the tiles slide from.
    pub slid_from: HashMap<PhotoId, usize>,
    pub slid_at: f64,
    /// The order with the model before the last training.
    pub former_ranks: Option<Arc<Tiles>>,
    /// What a person painted for this query.
    pub painting: super::painting::Painting,
    /// What is done to the photo, and what is added to it.
    pub recipe: Recipe,
    pub also: Vec<QueryPhoto>,
    /// Names of the liked and disliked products, which may no longer be among the results.
    pub example_names: HashMap<PhotoId, String>,
    /// Answers for other parts of the photo.
    pub remembered: Vec<Remembered>,
    /// Known once the photo is in the project, from the query itself or from the first correction about it.
    pub project_photo: Option<PhotoId>,
}

/// The plan that is on screen.
pub struct Plan {
    pub photo: PhotoId,
    pub info: Arc<PlanInfo>,
    /// The same, ready to be drawn.
    pub scene: Arc<PlanScene>,
    /// When it took the place of another plan of the same photos, into which it turns from there on.
    pub changed_at: f64,
}

impl Plan {
    /// How far the plan before has turned into this one, 0..=1.
    pub fn blend(&self, now: f64, reduced_motion: bool) -> f32 {
        let share = ((now - self.changed_at) / MORPH_SECS).clamp(0.0, 1.0);
        if reduced_motion { 1.0 } else { (share * share * (3.0 - 2.0 * share)) as f32 }
    }
}

impl Query {
    pub fn new(id: QueryId, name: String) -> Self {
        Self {
            id,
            name,
            info: None,
            texture: None,
            crop: None,
            ranking: None,
            shown: Shown::default(),
            stale: false,
            products: Arc::default(),
            failed: None,
            selected: None,
            selected_by_hand: false,
            plan: None,
            plan_failed: None,
            slid_from: HashMap::new(),
            slid_at: f64::NEG_INFINITY,
            former_ranks: None,
            painting: super::painting::Painting::default(),
            recipe: Recipe::default(),
            also: Vec::new(),
            example_names: HashMap::new(),
            remembered: Vec::new(),
            project_photo: None,
        }
    }

    /// The part of the photo that is searched, as far as it is known.
    pub fn shown_crop(&self) -> Option<CropRect> {
        self.crop.or_else(|| self.info.as_ref().map(|info| info.crop))
    }

    pub fn selected_place(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.ranking.as_ref()?;
        self.shown.tiles().place_of(selected)
    }

    /// The tile of the selected photo, or that of the one it stands behind.
    pub fn selected_tile(&self) -> Option<usize> {
        self.shown.tile(self.selected_place()?)
    }
}

/// What a person said about a product of this query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Same,
    Not,
}

impl Session {
    /// Whether products are asked for that go well with a garment, instead of the same product.
    pub fn goes_with(&self) -> bool {
        !self.shelf.options.goal.is_same_product()
    }

    pub fn said(&self, product: &ProductId) -> Option<Said> {
        let query = self.query.as_ref()?.project_photo.clone()?;
        match self.labels.value(&LabelKey::Match { query, product: product.clone() })? {
            LabelValue::SameProduct { .. } => Some(Said::Same),
            LabelValue::NotThisProduct { .. } => Some(Said::Not),
            LabelValue::Kind { .. } => None,
        }
    }

    /// The kind that a person gave to a photo.
    pub fn corrected_kind(&self, photo: &PhotoId) -> Option<&str> {
        match self.labels.value(&LabelKey::Kind { photo: photo.clone() })? {
            LabelValue::Kind { name } => Some(name),
            LabelValue::SameProduct { .. } | LabelValue::NotThisProduct { .. } => None,
        }
    }

    pub fn project_path(&self) -> Option<&PathBuf> {
        self.project.open().map(|summary| &summary.path)
    }
}
