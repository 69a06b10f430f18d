//! The study thread: answers questions about matches and checks evidence, behind whatever a person waits for.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::{Case, answer};
use crate::domain::{Progress, QueryId, StopFlag};
use crate::jobs::evidence;
use crate::jobs::shared::{Closed, Shared};
use crate::jobs::types::{Event, FailureOf, Question, StudyEvent};

pub(in crate::jobs) enum StudyJob {
    Ask { query: QueryId, case: Box<Case>, question: Question, stop: StopFlag },
    Open { path: PathBuf },
}

pub(in crate::jobs) struct StudyThread {
    pub shared: Arc<Shared>,
}

impl StudyThread {
    pub fn run(self, jobs: &Receiver<StudyJob>) {
        while let Ok(job) = jobs.recv() {
            let done = self.serve(job);
            self.progress(None);
            if done.is_err() {
                return;
            }
        }
    }

    fn serve(&self, job: StudyJob) -> Result<(), Closed> {
        let shared = &self.shared;
        match job {
            StudyJob::Ask { query, case, question, stop } => {
                let photo = case.matched.row.photo.clone();
                if stop.is_stopped() || shared.is_stale(query) {
                    return Ok(());
                }
                shared.attempt(FailureOf::Study(query, photo.clone()), || {
                    let what = match question {
                        Question::Ignore(_) | Question::IgnoreEach(_) => "Ignoring cells",
                        Question::Swap(_) => "Swapping cells",
                        Question::Above { .. } => "Comparing two matches",
                        Question::Faithfulness => "Hiding cells",
                    };
                    let pace = |done, total| {
                        self.progress(Some(Progress { what, done, total }));
                        // A search goes first.
                        shared.gate.wait_until_free(&stop);
                    };
                    pace(0, 0);
                    match answer(&case, &question, &stop, &pace) {
                        Ok(answer) if !stop.is_stopped() => {
                            let options = case.options;
                            let told = StudyEvent::Answered { query, photo, options, answer };
                            shared.events.send(Event::Studied(told)).map(Ok)
                        }
                        Ok(_) => Ok(Ok(())),
                        Err(error) => Ok(Err(error)),
                    }
                })
            }
            StudyJob::Open { path } => shared.attempt(FailureOf::Evidence, || {
                self.progress(Some(Progress { what: "Checking evidence", done: 0, total: 0 }));
                let opened = shared.opened.get();
                let device = shared.device.get();
                let known = evidence::Known {
                    engine: opened.as_ref().map(|opened| opened.engine.get()),
                    models: opened.map(|opened| evidence::models(Some(&opened.project()), &shared.model_dirs)),
                    device: &device,
                };
                match evidence::open(&path, known) {
                    Ok(report) => shared.events.send(Event::Studied(StudyEvent::Evidence(Arc::new(report)))).map(Ok),
                    Err(error) => Ok(Err(error)),
                }
            }),
        }
    }

    fn progress(&self, progress: Option<Progress>) {
        self.shared.studying.set(progress);
        self.shared.events.wake.ask();
    }
}
