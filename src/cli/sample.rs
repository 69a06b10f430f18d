//! `seamline sample`: draws the wardrobe and makes a project of it.

use std::path::PathBuf;

use super::output::ProgressLine;
use super::{CliError, Output};
use crate::domain::StopFlag;
use crate::jobs::open;
use crate::synth::SampleSpec;

#[derive(clap::Args)]
pub struct Arguments {
    /// The folder to write; it is made where it is missing
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Products to draw, each with two shop and two street photos
    #[arg(long, value_name = "N", default_value_t = SampleSpec::default().products)]
    products: usize,
    /// The same seed draws the same pictures
    #[arg(long, value_name = "S", default_value_t = SampleSpec::default().seed)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    if arguments.products == 0 {
        return Err(CliError::usage("a sample needs at least one product"));
    }
    let dir = &arguments.dir;
    if dir.join("project.db").exists() || dir.join("manifest.jsonl").exists() {
        return Err(CliError::Failure(format!("this folder holds a sample or project already: {}", dir.display())));
    }
    let spec = SampleSpec { products: arguments.products, seed: arguments.seed, ..SampleSpec::default() };
    let line = ProgressLine::default();
    let made = open::open_sample(dir, &spec, &StopFlag::new(), &|p| line.show(&p));
    line.finish();
    let counts = made?.counts()?;
    if arguments.json {
        return output.json(&serde_json::json!({
            "path": dir, "products": counts.products, "seed": arguments.seed,
            "shop_photos": counts.shop_photos, "street_photos": counts.street_photos,
        }));
    }
    output.line(format!(
        "{} products, {} shop and {} street photos: {}",
        counts.products,
        counts.shop_photos,
        counts.street_photos,
        dir.display()
    ))
}
