//! Questions about the shown match, and evidence files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::App;
use crate::domain::{MatchOptions, PairSide, PhotoId, QueryId, Region, SwapEdit};
use crate::jobs::{Dialog, EvidenceReport, Failure, Question, Request, StudyEvent, StudyRequest};
use crate::render::PlanScene;
use crate::ui::command::{Action, Command};
use crate::ui::layout::{Pane, Workspace};
use crate::ui::state::Plan;
use crate::ui::study::{Evidence, StudyCommand, Subject, WhatIf};

/// Whether a path names an evidence file.
pub(super) fn is_evidence(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("seamline"))
}

/// What can be done while an evidence file is on screen, where nothing of the search behind it is seen.
pub(super) fn allowed_over_evidence(action: Action) -> bool {
    matches!(
        action,
        Action::Back
            | Action::Shortcuts
            | Action::Palette
            | Action::Preferences
            | Action::ToggleTheme
            | Action::OpenPhoto
            | Action::Paste
            | Action::OpenProject
            | Action::UseSample
            | Action::ToggleGrid
            | Action::Plan(_)
            | Action::Show(_)
    )
}

impl App {
    pub(super) fn obey_study(&mut self, ctx: &egui::Context, command: StudyCommand) {
        match command {
            StudyCommand::Choose(region) => self.choose(region),
            StudyCommand::List(side) => self.session.study.listed = side,
            StudyCommand::CompareWith(photo) => {
                self.session.study.other = Some(photo);
                self.session.study.above = None;
                self.drop_question(|question| matches!(question, Question::Above { .. }));
            }
            StudyCommand::Apply(edit) => self.apply(ctx, edit),
            StudyCommand::OpenEvidence(path) => self.open_evidence(path),
            StudyCommand::CloseEvidence => self.session.study.evidence = None,
        }
    }

    /// Shows the pane; what it needs is asked for as soon as the plan is there.
    pub(super) fn show_study(&mut self, ctx: &egui::Context, pane: Pane) {
        if self.session.query.is_some() {
            // Asked for again, what was stopped or failed is tried again.
            self.session.study.failed = None;
            self.obey(ctx, Command::ShowPane(pane));
        }
    }

    /// Shows the pane for a region, with this question in it.
    pub(super) fn ask_what_if(&mut self, ctx: &egui::Context, what_if: WhatIf) {
        if self.session.query.is_some() {
            self.turn_what_if(what_if);
        }
        self.show_study(ctx, Pane::Ignore);
    }

    fn turn_what_if(&mut self, what_if: WhatIf) {
        if self.session.study.what_if == what_if {
            return;
        }
        self.session.study.what_if = what_if;
        self.drop_question(|question| {
            matches!(question, Question::Ignore(_) | Question::IgnoreEach(_) | Question::Swap(_))
        });
        // What the street photo looks like is asked about, so only its cells are swapped.
        if what_if == WhatIf::Swap && self.session.study.region.side == PairSide::Gallery {
            self.choose(Region::new(PairSide::Query, []));
        }
    }

    pub(super) fn test_reason(&mut self, ctx: &egui::Context) {
        self.show_study(ctx, Pane::Test);
        if self.session.study.asked.as_ref() != Some(&Question::Faithfulness) {
            self.session.study.faithfulness = None;
            self.follow_study();
            self.ask(Question::Faithfulness);
        }
    }

    pub(super) fn stop_study(&mut self) {
        if let Some(question) = self.session.study.asked.take() {
            self.backend.submit(Request::Study(StudyRequest::Stop));
            let sentence = "This was stopped".to_owned();
            let of = crate::jobs::FailureOf::Evidence;
            self.session.study.failed = Some((question, Failure { of, sentence, details: None }));
        }
    }

    fn choose(&mut self, region: Region) {
        let study = &mut self.session.study;
        study.listed = region.side;
        study.region = region;
        study.ignored = None;
        study.swapped = None;
        self.drop_question(|question| matches!(question, Question::Ignore(_) | Question::Swap(_)));
    }

    pub(super) fn clear_region(&mut self) {
        let side = self.session.study.region.side;
        self.choose(Region::new(side, []));
    }

    /// A question that was changed is asked anew at the next look.
    fn drop_question(&mut self, is_it: impl Fn(&Question) -> bool) {
        let study = &mut self.session.study;
        if study.failed.as_ref().is_some_and(|(question, _)| is_it(question)) {
            study.failed = None;
        }
        if study.asked.as_ref().is_some_and(is_it) {
            study.asked = None;
            self.backend.submit(Request::Study(StudyRequest::Stop));
        }
    }

    fn apply(&mut self, ctx: &egui::Context, edit: SwapEdit) {
        let options = self.session.options;
        match edit {
            SwapEdit::StructuralWeight { to } => {
                self.obey(ctx, Command::SetOptions(MatchOptions { structural_weight: to, ..options }));
            }
            SwapEdit::Epsilon { to } => self.obey(ctx, Command::SetOptions(MatchOptions { epsilon: to, ..options })),
            SwapEdit::WithoutCells { cells, .. } => {
                self.choose(Region::new(PairSide::Query, cells));
                self.ask_what_if(ctx, WhatIf::Ignore);
            }
        }
    }

    /// Keeps answers and what is shown together, and asks for what the panes in sight lack, one question at a time.
    pub(super) fn follow_study(&mut self) {
        let now = self.session.query.as_ref().and_then(|query| {
            let plan = query.plan.as_ref()?;
            let settled = query.selected.as_ref() == Some(&plan.photo) && !query.stale;
            settled.then(|| Subject { query: query.id, photo: plan.photo.clone(), options: plan.info.options })
        });
        if now != self.session.study.subject {
            if self.session.study.asked.is_some() {
                self.backend.submit(Request::Study(StudyRequest::Stop));
            }
            let (grid, study) = (self.query_cells(), &mut self.session.study);
            study.turn_to(now);
            if grid.is_some_and(|cells| study.region.cells().iter().any(|&cell| cell >= cells)) {
                study.region = Region::new(study.region.side, []);
            }
        }
        let wanted = if self.session.study.asked.is_none() { self.wanted() } else { None };
        if let Some(question) = wanted {
            self.ask(question);
        }
    }

    fn query_cells(&self) -> Option<usize> {
        let plan = self.session.query.as_ref()?.plan.as_ref()?;
        Some(plan.info.pair.plan.query().cells())
    }

    /// The first question whose answer a pane in sight waits for.
    fn wanted(&self) -> Option<Question> {
        let study = &self.session.study;
        study.subject.as_ref()?;
        let mut questions = Vec::new();
        if self.session.layouts.of(Workspace::Explore).shows(Pane::Above) && study.above.is_none() {
            let query = self.session.query.as_ref()?;
            let next = || crate::ui::panels::study::next_rank(query).map(|hit| hit.photo.clone());
            questions.extend(study.other.clone().or_else(next).map(|other| Question::Above { other }));
        }
        if self.session.layouts.of(Workspace::Explore).shows(Pane::Ignore) {
            let region = Some(&study.region).filter(|region| !region.cells().is_empty()).cloned();
            match study.what_if {
                WhatIf::Ignore => {
                    questions.extend(region.filter(|_| study.ignored_region().is_none()).map(Question::Ignore));
                    if study.each_of(study.listed).is_none() {
                        questions.push(Question::IgnoreEach(study.listed));
                    }
                }
                WhatIf::Swap => {
                    questions.extend(region.filter(|_| study.swapped_region().is_none()).map(Question::Swap));
                }
            }
        }
        // What failed, or was stopped, is not asked again by itself.
        let failed = study.failed.as_ref().map(|(question, _)| question);
        questions.into_iter().find(|question| Some(question) != failed)
    }

    fn ask(&mut self, question: Question) {
        let Some(subject) = self.session.study.subject.clone() else { return };
        self.session.study.asked = Some(question.clone());
        let Subject { query, photo, options } = subject;
        self.backend.submit(Request::Study(StudyRequest::Ask { query, photo, options, question }));
    }

    pub(super) fn studied(&mut self, event: StudyEvent) {
        match event {
            StudyEvent::Answered { query, photo, options, answer } => {
                if self.session.study.subject == Some(Subject { query, photo, options }) {
                    self.session.study.keep(answer);
                }
            }
            StudyEvent::Evidence(report) => self.show_evidence(report),
        }
    }

    /// True where the sentence is said in the pane that asked.
    pub(super) fn study_failed(&mut self, query: QueryId, photo: &PhotoId, failure: &Failure) -> bool {
        let study = &mut self.session.study;
        let about = study.subject.as_ref().is_some_and(|subject| subject.query == query && subject.photo == *photo);
        if about && let Some(question) = study.asked.take() {
            study.failed = Some((question, failure.clone()));
        }
        // Nobody waits for the answer about another match.
        true
    }

    pub(super) fn open_evidence(&mut self, path: PathBuf) {
        self.session.study.asked = None;
        self.backend.submit(Request::Study(StudyRequest::OpenEvidence { path }));
    }

    fn show_evidence(&mut self, report: Arc<EvidenceReport>) {
        self.show_workspace(Workspace::Explore);
        let info = Arc::new(report.plan.clone());
        let scene = Arc::new(PlanScene::new(&info.pair, &info.query_picture, &info.gallery_picture));
        let plan = Plan { photo: info.hit.photo.clone(), info, scene, changed_at: f64::NEG_INFINITY };
        self.session.pointed = None;
        self.session.study.evidence = Some(Evidence { report, plan });
    }

    pub(super) fn ask_where_to_save_evidence(&mut self) {
        let Some(query) = &self.session.query else { return };
        let Some(plan) = &query.plan else { return };
        let suggested_name = format!("{}.seamline", super::commands::file_stem(&query.name, &plan.photo));
        let (id, photo, options) = (query.id, plan.photo.clone(), plan.info.options);
        self.session.study.saving = Some(Subject { query: id, photo, options });
        self.backend.submit(Request::AskPath(Dialog::SaveEvidence { suggested_name }));
    }

    pub(super) fn save_evidence(&mut self, path: PathBuf) {
        if let Some(Subject { query, photo, options }) = self.session.study.saving.take() {
            let path = if path.extension().is_some() { path } else { path.with_extension("seamline") };
            self.backend.submit(Request::Study(StudyRequest::SaveEvidence { query, photo, options, path }));
        }
    }
}
