//! How plans are looked at: views, zoom, what is pointed at, and the list as text.

use std::sync::Arc;

use egui::Event as Input;

use super::App;
use crate::domain::{Grid, PhotoId};
use crate::jobs::PlanInfo;
use crate::render::{PlanScene, Side};
use crate::ui::inspect::{PlanAction, PlanCommand, Zoom, magnified};
use crate::ui::panels::why;
use crate::ui::state::{Plan, Pointed, Tone};

/// A plan that is shown from now on. Where another plan of the same two pictures was shown, it turns into the new one.
pub(super) fn plan_after(before: Option<Plan>, photo: PhotoId, info: Arc<PlanInfo>, now: f64, still: bool) -> Plan {
    let (query, gallery) = (&info.query_picture, &info.gallery_picture);
    let same = |before: &Plan| {
        let old = &before.info;
        let grids = |info: &PlanInfo| (info.pair.plan.query(), info.pair.plan.gallery());
        before.photo == photo
            && grids(old) == grids(&info)
            && old.query_picture.pixels == query.pixels
            && old.gallery_picture.pixels == gallery.pixels
    };
    match before.filter(|before| !still && same(before)) {
        Some(before) => {
            // The same pixels in the same memory need no new texture.
            let info = Arc::new(PlanInfo {
                query_picture: before.info.query_picture.clone(),
                gallery_picture: before.info.gallery_picture.clone(),
                ..(*info).clone()
            });
            let blend = before.blend(now, still);
            let (query, gallery) = (&info.query_picture, &info.gallery_picture);
            let scene = PlanScene::from_before(&info.pair, query, gallery, &before.scene, blend);
            Plan { photo, scene: Arc::new(scene), changed_at: now, info }
        }
        None => {
            let scene = Arc::new(PlanScene::new(&info.pair, query, gallery));
            Plan { photo, scene, changed_at: f64::NEG_INFINITY, info }
        }
    }
}

impl App {
    pub(super) fn obey_plan(&mut self, command: PlanCommand) {
        match command {
            PlanCommand::SetInspect(inspect) => self.prefs.inspect = inspect,
            PlanCommand::SetZoom(zoom) => self.session.zoom = zoom,
        }
    }

    pub(super) fn act_on_plan(&mut self, ctx: &egui::Context, action: PlanAction) {
        let inspect = &mut self.prefs.inspect;
        if let Some(mode) = action.mode() {
            // The key of the view that is shown takes its overlay away and brings it back.
            inspect.overlay = inspect.mode != mode || !inspect.overlay || !mode.has_overlay();
            inspect.mode = mode;
            return;
        }
        match action {
            PlanAction::ZoomIn => self.zoom(Zoom::STEP),
            PlanAction::ZoomOut => self.zoom(1.0 / Zoom::STEP),
            PlanAction::ZoomFit => self.session.zoom = Zoom::default(),
            PlanAction::LinkZoom => inspect.linked ^= true,
            PlanAction::Nearest => inspect.nearest ^= true,
            PlanAction::ListAll => inspect.list_all ^= true,
            PlanAction::CopyList => self.copy_list(ctx),
            _ => {}
        }
    }

    /// That of an open evidence file, else that of the chosen result.
    fn shown_plan(&self) -> Option<&Plan> {
        let of_query = || self.session.query.as_ref().and_then(|query| query.plan.as_ref());
        self.session.study.evidence.as_ref().map(|evidence| &evidence.plan).or_else(of_query)
    }

    /// Around the cell that is pointed at, on its side; around the middle of both where nothing is.
    fn zoom(&mut self, factor: f32) {
        let Some(plan) = self.shown_plan() else { return };
        let pair = &plan.info.pair.plan;
        let (zoom, linked) = (self.session.zoom, self.prefs.inspect.linked);
        let near = |zoom: Zoom, side: Side, grid: Grid, cell: usize| {
            let (row, column) = grid.place(cell);
            let centre = [(column as f32 + 0.5) / grid.columns as f32, (row as f32 + 0.5) / grid.rows as f32];
            zoom.changed(Some(side), linked, |window| {
                magnified(window, factor, window.seen(centre).map(|share| share.clamp(0.0, 1.0)))
            })
        };
        self.session.zoom = match self.session.pointed {
            Some(Pointed::Query(cell)) => near(zoom, Side::Query, pair.query(), cell),
            Some(Pointed::Gallery(cell)) => near(zoom, Side::Gallery, pair.gallery(), cell),
            Some(Pointed::Flow(q, g)) => {
                let zoom = near(zoom, Side::Query, pair.query(), q);
                if linked { zoom } else { near(zoom, Side::Gallery, pair.gallery(), g) }
            }
            None => zoom.changed(None, linked, |window| magnified(window, factor, [0.5, 0.5])),
        };
    }

    /// Takes over what the views say is pointed at; true where that changed.
    pub(super) fn follow(&mut self, pointed: Option<Pointed>) -> bool {
        // What something else pointed at stays until that lets go.
        if pointed.is_none() && !self.pointing {
            return false;
        }
        self.pointing = pointed.is_some();
        std::mem::replace(&mut self.session.pointed, pointed) != pointed
    }

    /// Ctrl+C arrives as a wish to copy, not as a key.
    pub(super) fn take_copied(&mut self, ctx: &egui::Context) {
        let copied = ctx.input(|input| input.events.iter().any(|event| matches!(event, Input::Copy)));
        if copied && !ctx.text_edit_focused() {
            self.copy_list(ctx);
        }
    }

    fn copy_list(&mut self, ctx: &egui::Context) {
        let Some(plan) = self.shown_plan() else { return };
        ctx.copy_text(why::as_text(plan, &self.prefs, self.session.pointed));
        let now = ctx.input(|input| input.time);
        self.notify(now, Tone::Good, "Copied the contributions as text", None);
    }
}
