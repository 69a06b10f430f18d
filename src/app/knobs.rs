//! Turning knobs: settings, paint on cells, and what is asked about epsilon.

use std::sync::Arc;

use super::App;
use crate::domain::{EpsilonStudy, Marginals, MatchOptions, PhotoId, QueryId, Stage};
use crate::jobs::Request;
use crate::ui::painting::{PaintCommand, PaintSide};
use crate::ui::state::Baseline;

/// What was asked about epsilon last; the same is not asked twice.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EpsilonAsked {
    query: QueryId,
    photo: PhotoId,
    options: MatchOptions,
    paint: u64,
}

impl App {
    pub(super) fn obey_paint(&mut self, command: PaintCommand) {
        if let PaintCommand::SetBrush(brush) = command {
            self.session.brush = brush;
            return;
        }
        let brush = self.session.brush;
        if self.session.options.marginals != Marginals::Painted {
            return;
        }
        let Some(query) = self.session.query.as_mut().filter(|query| !query.stale) else { return };
        let Some((photo, info)) = query.plan.as_ref().map(|plan| (plan.photo.clone(), Arc::clone(&plan.info))) else {
            return;
        };
        let grid = |side| match side {
            PaintSide::Query => info.pair.plan.query(),
            PaintSide::Gallery => info.pair.plan.gallery(),
        };
        let before = query.painting.version;
        match command {
            PaintCommand::SetBrush(_) => {}
            PaintCommand::Stroke { side, at, begins } => {
                query.painting.stroke(side, &photo, grid(side), brush, at, begins);
            }
            PaintCommand::Nudge { side, cell, raise } => {
                query.painting.nudge(side, &photo, grid(side), cell, raise);
            }
            PaintCommand::Invert => query.painting.invert(&photo),
            PaintCommand::Clear => query.painting.clear(),
            PaintCommand::Undo => {
                query.painting.undo();
            }
        }
        if query.painting.version != before {
            self.paint_changed();
        }
    }

    /// Undo takes a stroke back while there is one to take back and paint counts.
    pub(super) fn undo_stroke(&mut self) -> bool {
        let painting = self.session.options.marginals == Marginals::Painted;
        let can = self.session.query.as_ref().is_some_and(|query| query.painting.can_undo() && query.plan.is_some());
        if painting && can {
            self.obey_paint(PaintCommand::Undo);
        }
        painting && can
    }

    /// The order is asked for anew, and what it was without paint is remembered for the arrows on the tiles.
    fn paint_changed(&mut self) {
        self.asked.paint = true;
        self.asked.ranking_again = true;
        self.asked.plan_again = true;
        let Some(query) = &mut self.session.query else { return };
        if query.painting.paint.is_blank() {
            query.painting.unpainted_ranks = None;
            if self.session.baseline == Baseline::Unpainted {
                self.session.baseline = Baseline::Global;
            }
        } else if query.painting.unpainted_ranks.is_none()
            && query.ranking.as_ref().is_some_and(|ranking| ranking.stage == Stage::Structural)
        {
            query.painting.unpainted_ranks = Some(Arc::clone(query.shown.tiles()));
            self.session.baseline = Baseline::Unpainted;
        }
    }

    /// What is painted goes before whatever is asked next about this query.
    pub(super) fn send_paint(&mut self, query: QueryId) {
        let Some(painting) = self.session.query.as_ref().map(|query| &query.painting) else { return };
        let paint = Arc::clone(&painting.paint);
        self.asked.paint = false;
        self.backend.submit(Request::Paint { query, paint });
    }

    /// For another photo or another part of it there is nothing to send unless something is painted.
    pub(super) fn send_paint_of_new_query(&mut self, query: QueryId) {
        let painted = self.session.query.as_ref().is_some_and(|query| !query.painting.paint.is_blank());
        if painted {
            self.send_paint(query);
        }
    }

    /// Once an order and its first plan have settled, epsilon's part in them is looked at.
    pub(super) fn ask_about_epsilon(&mut self) {
        let options = self.session.options;
        let asked = &self.asked;
        let open = asked.ranking || asked.ranking_again || asked.plan.is_some() || asked.plan_again;
        if open || !options.solver.uses_epsilon() || options.rerank == 0 {
            return;
        }
        let Some(query) = self.session.query.as_ref().filter(|query| !query.stale && query.failed.is_none()) else {
            return;
        };
        let settled = |ranking: &crate::domain::Ranking| {
            ranking.stage == Stage::Structural && ranking.options == options && !ranking.hits.is_empty()
        };
        let plan = query.plan.as_ref().filter(|plan| plan.info.options == options);
        let (Some(plan), true) = (plan, query.ranking.as_deref().is_some_and(settled)) else { return };
        let now = EpsilonAsked { query: query.id, photo: plan.photo.clone(), options, paint: query.painting.version };
        if self.asked.epsilon.as_ref() != Some(&now) {
            self.backend.submit(Request::Epsilon { query: now.query, photo: now.photo.clone(), options });
            self.asked.epsilon = Some(now);
        }
    }

    pub(super) fn epsilon_studied(&mut self, query: QueryId, study: Arc<EpsilonStudy>) {
        let asked = self.asked.epsilon.as_ref();
        if asked
            .is_some_and(|asked| asked.query == query && asked.options == study.options && asked.photo == study.photo)
        {
            self.session.epsilon = Some(study);
        }
    }
}
