//! The runs of a project, as their folders tell.

use std::collections::BTreeMap;
use std::path::Path;

use super::recipes;
use crate::domain::RunId;
use crate::jobs::promote::model_name;
use crate::jobs::types::{RunCheckpoint, RunState, RunSummary};
use crate::nn::checkpoint;
use crate::project::Paths;
use crate::train::curves;
use crate::train::run_folder::{self, TrainerState};

/// All runs, newest first. `running` is the one that is under way.
pub fn list(paths: &Paths, running: Option<&RunId>) -> Vec<RunSummary> {
    let Ok(entries) = std::fs::read_dir(paths.runs()) else { return Vec::new() };
    let mut runs: Vec<RunSummary> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .map(RunId::new)
        .filter_map(|run| summary(paths, &run, running == Some(&run)))
        .collect();
    runs.sort_by(|a, b| b.begun.total_cmp(&a.begun).then_with(|| b.run.cmp(&a.run)));
    runs
}

/// `None` where the folder is no run.
pub fn summary(paths: &Paths, run: &RunId, running: bool) -> Option<RunSummary> {
    let folder = paths.run(run);
    let recipe = std::fs::read_to_string(folder.join("config.toml")).ok()?;
    let mut found = RunSummary {
        run: run.clone(),
        state: RunState::Interrupted,
        step: 0,
        steps: 0,
        epochs: 0,
        recall_at_1: None,
        mean_average_precision: None,
        seconds: 0.0,
        begun: 0.0,
        device: String::new(),
        checkpoints: Vec::new(),
        settings: recipes::settings(&recipe),
        recipe,
        // Corrections keep no state to go on from.
        corrections: run_folder::newest(&folder).is_none(),
    };
    let (mut first, mut last, mut sitting) = (None, 0.0f64, 0.0f64);
    let mut measured = BTreeMap::new();
    curves::for_each_line(&folder, |time, line| {
        let count = |name: &str| line[name].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
        first.get_or_insert(time);
        match line["event"].as_str() {
            Some("started") => {
                found.seconds += last - sitting;
                (sitting, last) = (time, time);
                found.state = RunState::Interrupted;
                (found.step, found.steps, found.epochs) = (count("step"), count("steps"), count("epochs"));
                found.device = line["device"].as_str().unwrap_or_default().to_owned();
            }
            Some("step") => found.step = count("step"),
            // A pause is no time of training.
            Some("held") => found.seconds -= line["seconds"].as_f64().unwrap_or_default(),
            Some("epoch") => {
                if let Some(scores) = Measured::of(&line["validation"]) {
                    if found.recall_at_1.is_none_or(|best| scores.recall_at_1 > best) {
                        found.recall_at_1 = Some(scores.recall_at_1);
                        found.mean_average_precision = scores.mean_average_precision;
                    }
                    measured.insert(count("step"), scores);
                }
            }
            Some("ended") => {
                let finished = line["finished"].as_bool().unwrap_or_default();
                found.state = if finished { RunState::Finished } else { RunState::Stopped };
            }
            _ => {}
        }
        last = time;
    });
    found.seconds += last - sitting;
    found.begun = first.unwrap_or_default();
    found.checkpoints = checkpoints(paths, run, &measured);
    if running {
        found.state = RunState::Running;
    }
    Some(found)
}

/// What was measured after an epoch, of which the table speaks.
struct Measured {
    recall_at_1: f64,
    recall_at_10: Option<f64>,
    mean_average_precision: Option<f64>,
}

impl Measured {
    fn of(scores: &serde_json::Value) -> Option<Self> {
        let number = |name: &str| scores[name].as_f64();
        let recall_at_1 = number("recall_at_1")?;
        let (recall_at_10, mean_average_precision) = (number("recall_at_10"), number("mean_average_precision"));
        Some(Self { recall_at_1, recall_at_10, mean_average_precision })
    }
}

/// Those that are kept, with what was measured at their step; not every one was.
fn checkpoints(paths: &Paths, run: &RunId, measured: &BTreeMap<usize, Measured>) -> Vec<RunCheckpoint> {
    let folder = paths.run(run);
    let kept = |dir: &Path| -> Option<RunCheckpoint> {
        let state: TrainerState = serde_json::from_slice(&std::fs::read(dir.join("trainer.json")).ok()?).ok()?;
        let step = state.position.step;
        let scores = measured.get(&step);
        let model = checkpoint::read_card(&paths.model(&model_name(run, step)));
        Some(RunCheckpoint {
            step,
            epoch: state.position.epoch,
            recall_at_1: scores.map(|scores| scores.recall_at_1),
            recall_at_10: scores.and_then(|scores| scores.recall_at_10),
            mean_average_precision: scores.and_then(|scores| scores.mean_average_precision),
            best: false,
            promoted: model.ok().and_then(|(_, id)| id),
        })
    };
    let mut found: Vec<RunCheckpoint> = run_folder::checkpoints(&folder).iter().filter_map(|dir| kept(dir)).collect();
    let best = found.iter().filter_map(|kept| kept.recall_at_1).reduce(f64::max);
    // Of equals the first, which was there sooner.
    if let Some(kept) = found.iter_mut().find(|kept| best.is_some() && kept.recall_at_1 == best) {
        kept.best = true;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_run_is_that_of_its_sittings_without_its_pauses() {
        let dir = tempfile::tempdir().unwrap();
        let (paths, run) = (Paths::new(dir.path()), RunId::new("r"));
        let folder = paths.run(&run);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), "name = \"r\"\n").unwrap();
        let started = r#""event":"started","step":0,"steps":9,"epochs":3,"device":"CPU""#;
        let again = r#""event":"started","step":2,"steps":9,"epochs":3,"device":"CPU""#;
        let lines = [
            (100.0, started),
            (104.0, r#""event":"step","step":1"#),
            // Held for a minute after the first step.
            (164.0, r#""event":"held","seconds":60.0"#),
            (168.0, r#""event":"step","step":2"#),
            // Gone on with an hour later.
            (4000.0, again),
            (4005.0, r#""event":"ended","step":3,"finished":false,"seconds":13.0"#),
        ];
        let text: Vec<String> = lines.iter().map(|(time, line)| format!("{{\"time\":{time},{line}}}")).collect();
        std::fs::write(folder.join("events.jsonl"), text.join("\n")).unwrap();
        let found = summary(&paths, &run, false).unwrap();
        assert!((found.seconds - (4.0 + 4.0 + 5.0)).abs() < 1e-9, "{}", found.seconds);
        assert_eq!((found.state, found.step), (RunState::Stopped, 2));
    }
}
