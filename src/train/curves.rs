//! From what a run tells to its curves: live, or from the `events.jsonl` of an earlier one.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use super::event::TrainEvent;
use crate::domain::{Health, RunCurves};

/// Names of curves that do not come from losses or metrics.
pub const RATE: &str = "rate";
pub const IMAGES: &str = "images/s";
/// What the data pipeline could give.
pub const LOADED: &str = "loader images/s";
pub const GRADIENT: &str = "gradient norm";
pub const WRONG: &str = "wrong share";
/// What nearest neighbours say in runs without labels.
pub const PROBED_KINDS: &str = "validation neighbours' kind";
pub const PROBED_PRODUCTS: &str = "validation neighbours' recall@1";
pub const DEAD: &str = "dead share";
pub const UPDATE: &str = "update ratio";

/// Takes one event in.
pub fn fold(curves: &mut RunCurves, event: &TrainEvent) {
    // The same way as what was written, so that a run looks the same live and later. Pictures have no such form.
    if let Ok(line) = serde_json::to_value(event) {
        fold_line(curves, &line);
    }
}

/// Takes one line of a diary in. Read by its names, so that runs of earlier and later versions can be compared: what a
/// version does not know has no curve.
fn fold_line(curves: &mut RunCurves, line: &Value) {
    let number = |name: &str| line[name].as_f64();
    let count = |name: &str| line[name].as_u64().and_then(|count| usize::try_from(count).ok());
    let step = count("step").unwrap_or_default();
    match line["event"].as_str() {
        Some("started") => {
            curves.steps = count("steps").unwrap_or_default();
            curves.epochs = count("epochs").unwrap_or_default();
        }
        Some("step") => {
            for (name, value) in numbers(&line["loss"]) {
                // What the recipe leaves out is 0 in every step, and no curve.
                let name = if name == "wrong_share" { WRONG.to_owned() } else { format!("loss {name}") };
                if value != 0.0 || curves.get(&name).is_some() {
                    curves.push(&name, step, value);
                }
            }
            let plain = [(RATE, "rate"), (GRADIENT, "gradient_norm"), (IMAGES, "images_per_second")];
            for (curve, name) in plain {
                if let Some(value) = number(name) {
                    curves.push(curve, step, value);
                }
            }
            // Nothing is loaded beside the last step of an epoch.
            if let Some(loaded) = number("loaded_per_second").filter(|loaded| *loaded > 0.0) {
                curves.push(LOADED, step, loaded);
            }
        }
        Some("epoch") => {
            for (name, value) in numbers(&line["validation"]) {
                curves.push(&format!("validation {}", metric(name)), step, value);
            }
        }
        Some("probe") => {
            for (curve, name) in [(PROBED_KINDS, "kind_accuracy"), (PROBED_PRODUCTS, "recall_at_1")] {
                if let Some(value) = number(name) {
                    curves.push(curve, step, value);
                }
            }
        }
        Some("health") => {
            if let Ok(health) = serde_json::from_value::<Health>(line.clone()) {
                for (name, value) in [(DEAD, health.dead_share()), (UPDATE, health.median_update())] {
                    if let Some(value) = value {
                        curves.push(name, step, value);
                    }
                }
            }
        }
        _ => {}
    }
}

/// All numbers of an object.
fn numbers(value: &Value) -> impl Iterator<Item = (&str, f64)> {
    let fields = value.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?)))
}

/// `recall_at_1` is written recall@1.
fn metric(name: &str) -> String {
    match name {
        "mean_average_precision" => "mAP".to_owned(),
        _ => name.replace("_at_", "@").replace('_', " "),
    }
}

/// The curves of a run that is over or goes on elsewhere; empty where it has no events. Lines that cannot be read, such
/// as a last one that was cut short, are left out.
pub fn read(run: &Path) -> RunCurves {
    let mut curves = RunCurves::default();
    for_each_line(run, |_, line| fold_line(&mut curves, &line));
    curves
}

/// Goes through the diary of a run's folder with the time of each line, in seconds since 1970.
pub fn for_each_line(run: &Path, mut take: impl FnMut(f64, Value)) {
    let Ok(file) = File::open(run.join("events.jsonl")) else { return };
    for line in BufReader::new(file).lines().map_while(Result::ok) {
        if let Ok(line) = serde_json::from_str::<Value>(&line) {
            take(line["time"].as_f64().unwrap_or_default(), line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TrainCurve;
    use crate::eval::Scores;
    use crate::train::LossParts;

    fn step(step: usize, total: f64) -> TrainEvent {
        TrainEvent::Step {
            step,
            steps: 20,
            epoch: 1 + step / 10,
            loss: LossParts { total, triplet: total / 2.0, ..LossParts::default() },
            rate: 1e-3,
            gradient_norm: 2.0,
            images_per_second: 64.0,
            loaded_per_second: 0.0,
            waited_seconds: 0.0,
            seconds_left: 9.0,
        }
    }

    #[test]
    fn a_run_read_from_its_folder_has_the_curves_that_were_seen_live() {
        let dir = tempfile::tempdir().unwrap();
        let scores = Scores { recall_at_1: 0.5, recall_at_10: 0.75, ..Scores::default() };
        let mut events = vec![TrainEvent::Started {
            step: 0,
            steps: 20,
            epochs: 2,
            photos: 9,
            products: 3,
            parameters: 7,
            device: "CPU".to_owned(),
        }];
        events.extend((1..=10).map(|n| step(n, 1.0 / n as f64)));
        events.push(TrainEvent::Epoch {
            epoch: 1,
            step: 10,
            loss: LossParts::default(),
            seconds: 3.0,
            validation: Some(scores),
        });
        // The run was resumed from step 5.
        events.extend((6..=8).map(|n| step(n, 7.0)));
        let mut live = RunCurves::default();
        let mut diary = crate::train::run_folder::Diary::open(dir.path());
        for event in &events {
            fold(&mut live, event);
            assert_eq!(diary.write(event), None);
        }
        assert_eq!(read(dir.path()), live);
        let total: Vec<[f64; 2]> = live.get("loss total").unwrap().points().collect();
        assert_eq!((total.len(), total[4], total[7]), (8, [5.0, 0.2], [8.0, 7.0]));
        assert!(live.get("loss structural").is_none(), "a part that is off has no curve");
        assert_eq!(live.get("validation recall@10").and_then(TrainCurve::last), Some([10.0, 0.75]));
        // A line that was cut short by a power cut, and one of a later version.
        let path = dir.path().join("events.jsonl");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{{\"time\":1.0,\"event\":\"dance\"}}\n{text}{{\"time\":1.0,\"ev")).unwrap();
        assert_eq!(read(dir.path()), live);
        assert_eq!(read(&dir.path().join("nowhere")), RunCurves::default());
    }
}
