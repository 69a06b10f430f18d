//! `seamline outfits`: what is worn together.

use std::path::PathBuf;

use super::options::{DeviceChoice, ProjectChoice};
use super::output::ProgressLine;
use super::{CliError, Output, session};
use crate::data::polyvore::{RightAnswer, split_name};
use crate::domain::{Split, StopFlag};
use crate::jobs::models::{list_models, preferred, shipped_model_dirs};
use crate::jobs::{JobError, outfits};
use crate::nn::Encoder;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    project: ProjectChoice,
    /// Folder of the outfits, in the format of Polyvore Outfits; without it the project's own
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Write the outfits of a sample wardrobe there instead of measuring
    #[arg(long)]
    write: bool,
    /// Which part is measured
    #[arg(long, value_enum, default_value = "test", conflicts_with = "write")]
    split: SplitChoice,
    /// Which answer of a question is right: that of its own outfit, or always the first
    #[arg(long, value_enum, default_value = "outfit", conflicts_with = "write")]
    right: RightChoice,
    /// Folder of photos named after the items; without it items are products of the project
    #[arg(long, value_name = "DIR", conflicts_with = "write")]
    images: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceChoice,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum SplitChoice {
    Train,
    Valid,
    Test,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum RightChoice {
    Outfit,
    First,
}

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let project = session::open_project(&arguments.project, output)?;
    let dir = arguments.dir.clone().unwrap_or_else(|| outfits::folder(&project));
    if arguments.write {
        let written = outfits::write_sample_outfits(&project, &dir)?;
        if arguments.json {
            let counts: serde_json::Map<_, _> =
                written.iter().map(|(split, count)| (split_name(*split).to_owned(), (*count).into())).collect();
            return output.json(&serde_json::json!({ "path": dir, "outfits": counts }));
        }
        let counts: Vec<String> =
            written.iter().map(|(split, count)| format!("{count} {}", split_name(*split))).collect();
        return output.line(format!("Outfits: {}: {}", counts.join(", "), dir.display()));
    }
    if arguments.dir.is_none() && !dir.exists() {
        return Err(CliError::Failure(format!(
            "this project has no outfits; name their folder with --dir, or write those of a sample with --write: {}",
            dir.display()
        )));
    }
    let shipped = shipped_model_dirs();
    let (models, _) = list_models(Some(&project), &shipped);
    let chosen = project.current_model()?;
    let model = preferred(&models, chosen.as_ref()).ok_or_else(|| JobError::NoModel { looked_in: shipped.clone() })?;
    let arithmetic = project.arithmetic()?;
    let encoder = Encoder::load_in(&model.dir, &arguments.device.pick_for(arithmetic)?, arithmetic)?;
    let asked = outfits::OutfitQuestions {
        dir: &dir,
        split: match arguments.split {
            SplitChoice::Train => Split::Train,
            SplitChoice::Valid => Split::Validation,
            SplitChoice::Test => Split::Test,
        },
        rule: match arguments.right {
            RightChoice::Outfit => RightAnswer::OfTheOutfit,
            RightChoice::First => RightAnswer::First,
        },
        images: arguments.images.as_deref(),
    };
    let line = ProgressLine::default();
    let measured = outfits::measure(&project, &encoder, &asked, &StopFlag::new(), &|p| line.show(&p));
    line.finish();
    let report = measured?;
    for (photo, reason) in &report.skipped {
        output.note(format!("skipped: {reason}: {photo}"));
    }
    if let Some(seen @ 1..) = report.also_in_training {
        output.note(format!("{seen} of {} items are in the training split too", report.items));
    }
    let scores = &report.scores;
    if arguments.json {
        return output.json(&serde_json::json!({
            "model": model.checkpoint, "name": model.card.name, "split": split_name(asked.split),
            "items": report.items, "left_out": report.left_out, "also_in_training": report.also_in_training,
            "scores": scores,
        }));
    }
    output.line(format!("{} ({})", model.card.name, model.checkpoint))?;
    output.line(format!("compatibility AUC   {:.4}  of {} sets, chance 0.5", scores.auc, scores.judged))?;
    output.line(format!(
        "fill in the blank   {:.4}  of {} questions, chance {:.2}",
        scores.fill_in_blank, scores.questions, scores.by_guessing
    ))?;
    if report.left_out > 0 {
        output
            .line(format!("{} sets and questions were left out, for their photos cannot be read", report.left_out))?;
    }
    Ok(())
}
