//! `seamline train`: a recipe on a project, or the corrections of its people on top of its model.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};

use super::options::{DeviceChoice, ProjectChoice};
use super::output::ProgressLine;
use super::{CliError, Output, session};
use crate::domain::{RunId, StopFlag};
use crate::jobs::hub;
use crate::jobs::learn::{self, Learning};
use crate::jobs::models::shipped_model_dirs;
use crate::jobs::{TrainProgress, appraise, clock};
use crate::nn::{Embedder, Precision};
use crate::project::Project;
use crate::train::{self, FineTuneConfig, RunInfo, Start, TrainConfig, TrainEvent, Trainer};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    project: ProjectChoice,
    /// The recipe; `--print-config` shows every setting with its default
    #[arg(long, value_name = "FILE.toml", conflicts_with_all = ["corrections", "resume"])]
    config: Option<PathBuf>,
    /// Another value for a setting of the recipe, such as `seed=2` or `loss.triplet=0.5`
    #[arg(long, value_name = "KEY=VALUE", conflicts_with_all = ["corrections", "resume"])]
    set: Vec<String>,
    /// Fine-tune the project's model on the corrections made in it
    #[arg(long)]
    corrections: bool,
    /// Go on with a run of this project from its last checkpoint
    #[arg(long, value_name = "RUN", conflicts_with_all = ["corrections", "from"])]
    resume: Option<String>,
    /// Begin with other than random weights: a model's folder, or a backbone alone from a .pth or .safetensors file or
    /// from hf:OWNER/NAME on the Hugging Face hub
    #[arg(long, value_name = "WEIGHTS", conflicts_with = "corrections")]
    from: Option<PathBuf>,
    /// Print the default recipe and end
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    device: DeviceChoice,
    /// Print JSON at the end
    #[arg(long)]
    json: bool,
}

/// The trainer walks candle's graph by recursion.
pub(super) const STACK_BYTES: usize = 64 << 20;

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    if arguments.print_config {
        return output.line(TrainConfig::default().to_toml());
    }
    if !arguments.corrections && arguments.config.is_none() && arguments.set.is_empty() && arguments.resume.is_none() {
        return Err(CliError::usage("say what to train: --config FILE.toml, --resume RUN or --corrections"));
    }
    let stop = StopFlag::new();
    let on_signal = stop.clone();
    // The first Ctrl+C ends the run at the next step with a checkpoint.
    ctrlc::set_handler(move || on_signal.stop())?;
    crate::jobs::with_stack(STACK_BYTES, || {
        if arguments.corrections { corrections(arguments, &stop, output) } else { recipe(arguments, &stop, output) }
    })?
}

/// Progress of steps: a bar on a terminal, else a line now and then.
struct StepLine {
    bar: Option<ProgressBar>,
}

impl StepLine {
    /// Steps between two plain lines.
    const PLAIN_EVERY: usize = 50;

    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:32} {pos}/{len}  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style)
        });
        Self { bar }
    }

    fn show(&self, progress: &TrainProgress, output: &mut Output) {
        let left = progress.seconds_left.map_or(String::new(), |s| format!(", {} left", clock_of(s)));
        let text = format!("loss {:.3}, {:.0} images/s{left}", progress.loss, progress.images_per_second);
        self.tell(progress.step, progress.steps, text, output);
    }

    fn tell(&self, step: usize, steps: usize, text: String, output: &mut Output) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(steps as u64);
                bar.set_position(step as u64);
                bar.set_message(text);
            }
            None if step == 1 || step.is_multiple_of(Self::PLAIN_EVERY) || step == steps => {
                output.note(format!("step {step} of {steps}: {text}"));
            }
            None => {}
        }
    }

    /// What a run says of itself; the same goes into its `events.jsonl`.
    fn event(&self, event: &TrainEvent, output: &mut Output) {
        match event {
            TrainEvent::Started { photos, products, parameters, device, .. } => {
                self.note(&format!("{photos} photos of {products} products, {parameters} weights, on {device}"), output)
            }
            TrainEvent::Probe { epoch, probe, .. } => self.note(
                &format!(
                    "epoch {epoch}: neighbours name the kind of {:.3} of {} photos, nearest shop photo right for {:.3}",
                    probe.kind_accuracy, probe.photos, probe.recall_at_1
                ),
                output,
            ),
            TrainEvent::Reading { done, total } => match &self.bar {
                Some(bar) => {
                    bar.set_length(*total as u64);
                    bar.set_position(*done as u64);
                    bar.set_message("decoding photos");
                }
                None if done == total => output.note(format!("decoded {total} photos")),
                None => {}
            },
            TrainEvent::Packed { photos, bytes, left_out, path, .. } => {
                let rest = if *left_out > 0 {
                    format!("; {left_out} more have no room there (data.pack_megabytes)")
                } else {
                    String::new()
                };
                let megabytes = bytes.div_ceil(1 << 20);
                let text = format!("{photos} decoded photos in {megabytes} MB{rest}: {}", path.display());
                self.note(&text, output);
            }
            TrainEvent::Step {
                step,
                steps,
                loss,
                rate,
                images_per_second,
                loaded_per_second,
                waited_seconds,
                seconds_left,
                ..
            } => {
                let mut text = format!("loss {:.3}, rate {rate:.1e}, {images_per_second:.0} images/s", loss.total);
                if *loaded_per_second > 0.0 {
                    text.push_str(&format!(" (loading {loaded_per_second:.0}"));
                    // Less than that is no wait that anyone could use.
                    if *waited_seconds >= 0.01 {
                        text.push_str(&format!(", waited {waited_seconds:.2} s"));
                    }
                    text.push(')');
                }
                if seconds_left.is_finite() {
                    text.push_str(&format!(", {} left", clock_of(*seconds_left as f32)));
                }
                self.tell(*step, *steps, text, output);
            }
            TrainEvent::Epoch { epoch, loss, validation: Some(scores), .. } => self.note(
                &format!(
                    "epoch {epoch}: loss {:.3}, validation recall@1 {:.3}, @10 {:.3}, mAP {:.3}",
                    loss.total, scores.recall_at_1, scores.recall_at_10, scores.mean_average_precision
                ),
                output,
            ),
            TrainEvent::Skipped { path, reason } => {
                self.note(&format!("skipped: {reason}: {}", path.display()), output)
            }
            TrainEvent::Note { text } => self.note(text, output),
            _ => {}
        }
    }

    fn note(&self, text: &str, output: &mut Output) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => output.note(text),
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn clock_of(seconds: f32) -> String {
    let seconds = seconds.max(0.0) as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn recipe(arguments: &Arguments, stop: &StopFlag, output: &mut Output) -> Result<(), CliError> {
    let mut config = recipe_with(arguments.config.as_deref(), &arguments.set)?;
    let project = session::open_project(&arguments.project, output)?;
    let device = arguments.device.pick()?;
    let (mut run, mut start) = match (&arguments.resume, &arguments.from) {
        (Some(run), _) => (RunId::new(run), Start::Resume),
        (None, Some(named)) => {
            let weights = hub::weights_file(named)?;
            let start = if weights.is_dir() { Start::From(weights) } else { Start::Backbone(weights) };
            (learn::free_run_named(&project, &config.name), start)
        }
        (None, None) => (learn::free_run_named(&project, &config.name), Start::Fresh),
    };
    let info = RunInfo {
        data: format!("{}, training split", project.name()),
        command: std::env::args()
            .enumerate()
            .map(|(i, w)| if i == 0 { "seamline".to_owned() } else { w })
            .collect::<Vec<_>>()
            .join(" "),
        created: clock::now(),
    };
    let wanted = if start == Start::Resume { train::recipe_of(&project.paths().run(&run))? } else { config.clone() };
    let dataset = learn::dataset_for(&project, &wanted)?;
    loop {
        let folder = project.paths().run(&run);
        let mut trainer = Trainer::new(&config, dataset.clone(), &folder, &start, info.clone(), &device)?;
        let line = StepLine::new();
        trainer.keep_photos_in(&project.paths().photo_cache());
        let outcome = trainer.run(stop, &mut |event| line.event(&event, output))?;
        line.finish();
        if !outcome.skipped.is_empty() {
            output.note(format!("{} photos could not be read and were left out", outcome.skipped.len()));
        }
        if !outcome.finished {
            return output.line(format!(
                "Stopped at step {} of {}. To go on: seamline train --resume {run}{}",
                outcome.step,
                outcome.steps,
                arguments.project.project.as_ref().map_or(String::new(), |dir| format!(" --project {}", dir.display()))
            ));
        }
        let Some(next) = trainer.config().next_stage().map_err(CliError::Failure)? else {
            return publish(&project, &outcome.model, &run, arguments, stop, output);
        };
        let done = std::mem::replace(&mut run, learn::free_run_named(&project, &next.name));
        output.note(format!("{done} is done; {run} goes on with its weights"));
        (config, start) = (next, Start::From(outcome.model));
    }
}

/// Measures the finished model and puts it among the project's.
fn publish(
    project: &Project,
    last: &Path,
    run: &RunId,
    arguments: &Arguments,
    stop: &StopFlag,
    output: &mut Output,
) -> Result<(), CliError> {
    let device = arguments.device.pick()?;
    let (embedder, mut card) = Embedder::load(last, &device)?;
    let dir = project.paths().model(run.as_str());
    // What is measured is what is kept: the weights as rounded to 16 bits.
    train::publish(&embedder, &card, &dir, Precision::F16)?;
    let (embedder, _) = Embedder::load(&dir, &device)?;
    let line = ProgressLine::default();
    let metrics = appraise::appraise(project, &embedder.to_encoder(&card)?, stop, &|p| line.show(&p));
    line.finish();
    card.metrics = metrics?;
    let checkpoint = train::publish(&embedder, &card, &dir, Precision::F16)?;
    if arguments.json {
        return output.json(&serde_json::json!({
            "run": run, "model": dir, "checkpoint": checkpoint, "metrics": card.metrics,
        }));
    }
    for (name, value) in &card.metrics {
        output.line(format!("{name:<32} {value:.4}"))?;
    }
    output.line(format!("Model {checkpoint}: {}", dir.display()))
}

/// A file's recipe, or the default one, with some settings changed.
fn recipe_with(file: Option<&Path>, changes: &[String]) -> Result<TrainConfig, CliError> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| CliError::Failure(format!("cannot read the recipe: {error}: {}", file.display())))?,
        None => String::new(),
    };
    let of_file = |sentence: String| match file {
        Some(file) => CliError::Failure(format!("{sentence}: {}", file.display())),
        None => CliError::Failure(sentence),
    };
    if changes.is_empty() {
        return TrainConfig::from_toml(&text).map_err(of_file);
    }
    // Whatever else is wrong with the file is said of the changed recipe, which holds all of it.
    let mut table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| of_file(error.message().lines().collect::<Vec<_>>().join(" ")))?;
    for change in changes {
        set(&mut table, change).map_err(CliError::usage)?;
    }
    TrainConfig::from_toml(&table.to_string()).map_err(of_file)
}

/// `loss.triplet=0.5`; what is no number, list or truth value is a word.
fn set(table: &mut toml::Table, change: &str) -> Result<(), String> {
    let Some((key, value)) = change.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else {
        return Err(format!("--set wants KEY=VALUE, not {change:?}"));
    };
    let parsed = format!("value = {value}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
    let value = parsed.unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut names: Vec<&str> = key.split('.').collect();
    let last = names.pop().unwrap_or_default();
    let mut inner = table;
    for name in names {
        let section = inner.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        inner = section.as_table_mut().ok_or_else(|| format!("--set {change}: {name} is no section of the recipe"))?;
    }
    inner.insert(last.to_owned(), value);
    Ok(())
}

fn corrections(arguments: &Arguments, stop: &StopFlag, output: &mut Output) -> Result<(), CliError> {
    let project = session::open_project(&arguments.project, output)?;
    let ready = session::make_ready(&project, &arguments.device, output)?;
    let device = arguments.device.pick()?;
    let project = Mutex::new(project);
    let line = StepLine::new();
    let said = Mutex::new(Output);
    let learning = Learning {
        project: &project,
        engine: &ready.engine,
        shipped: &shipped_model_dirs(),
        device: &device,
        config: FineTuneConfig::default(),
        stop,
        report: &|progress| {
            if let Ok(mut output) = said.lock() {
                line.show(&progress, &mut output);
            }
        },
    };
    let learnt = learning.run();
    line.finish();
    let learnt = learnt?;
    for note in &learnt.notes {
        output.note(note);
    }
    let report = &learnt.report;
    let name = |model: &crate::jobs::ModelInfo| format!("{} ({})", model.name, model.checkpoint);
    if arguments.json {
        return output.json(&serde_json::json!({
            "run": report.run, "finished": report.finished, "before": report.before.checkpoint,
            "after": report.after.as_ref().map(|model| &model.checkpoint),
            "recall_before": report.recall_before, "recall_after": report.recall_after, "seconds": report.seconds,
        }));
    }
    let Some(after) = &report.after else {
        return output.line(format!("Stopped; {} stays the project's model", name(&report.before)));
    };
    output.line(format!("{} became {}", name(&report.before), name(after)))?;
    if let (Some(before), Some(after)) = (report.recall_before, report.recall_after) {
        output.line(format!(
            "On the untouched test split: recall@1 {:.3} to {:.3}, recall@10 {:.3} to {:.3}",
            before[0], after[0], before[1], after[1]
        ))?;
    }
    Ok(())
}
