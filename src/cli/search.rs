//! `seamline search`: the main job on the terminal.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::options::{DeviceChoice, MatchChoice, ProjectChoice};
use super::{CliError, Output, picture, session};
use crate::domain::{CropRect, Hit, MatchOptions, ProductRecord, Ranking, StopFlag, Timings};
use crate::jobs::PlanInfo;
use crate::jobs::open::Engine;
use crate::jobs::search::{self, Found, PlanRequest, Search};
use crate::nn;
use crate::project::Project;

#[derive(clap::Args)]
pub struct Arguments {
    /// A photo's file, or the id of a photo of the project such as street/p0001_0.jpg
    #[arg(value_name = "PHOTO")]
    photo: PathBuf,
    #[command(flatten)]
    project: ProjectChoice,
    /// The part of the photo to search with, in pixels; without it the known garment, else the whole photo
    #[arg(long, value_name = "X,Y,W,H", allow_hyphen_values = true)]
    crop: Option<CropRect>,
    /// How many hits to print
    #[arg(short = 'k', value_name = "N", default_value_t = 10)]
    limit: usize,
    /// How many of the global ranking's first photos to compare cell by cell
    #[arg(long, value_name = "K", default_value_t = MatchOptions::default().rerank)]
    rerank: usize,
    #[command(flatten)]
    matching: MatchChoice,
    #[command(flatten)]
    device: DeviceChoice,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw the plan between the photo and the first hit
    #[arg(long, value_name = "FILE.png")]
    plan: Option<PathBuf>,
}

#[derive(Serialize)]
struct Answer<'a> {
    query: Query<'a>,
    model: &'a str,
    checkpoint: String,
    device: String,
    options: MatchOptions,
    timings_ms: Timings,
    hits: Vec<HitLine<'a>>,
}

#[derive(Serialize)]
struct Query<'a> {
    path: &'a Path,
    width: u32,
    height: u32,
    crop: CropRect,
}

#[derive(Serialize)]
struct HitLine<'a> {
    #[serde(flatten)]
    hit: &'a Hit,
    path: PathBuf,
    name: Option<&'a str>,
    kind: Option<&'a str>,
}

/// A finished search and all that was needed for it.
struct Finished {
    path: PathBuf,
    photo: image::RgbImage,
    crop: CropRect,
    found: Found,
}

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    if arguments.limit == 0 {
        return Err(CliError::usage("-k must be at least 1"));
    }
    let options = MatchOptions { rerank: arguments.rerank, ..arguments.matching.options()? };
    let project = session::open_project(&arguments.project, output)?;
    let ready = session::make_ready(&project, &arguments.device, output)?;
    let engine = &ready.engine;
    let finished = find(&project, engine, &arguments.photo, arguments.crop, options, arguments.limit)?;
    let ranking = &finished.found.shown;
    let products = project.products_named(ranking.hits.iter().map(|hit| &hit.product))?;
    if let Some(file) = &arguments.plan {
        let first = ranking.hits.first().ok_or_else(|| CliError::Failure("there is no hit to draw".to_owned()))?;
        picture::write(&plan_of(&project, engine, &finished, first, options)?, file)?;
    }
    if arguments.json {
        let hits = ranking.hits.iter().map(|hit| {
            let product = products.get(&hit.product);
            HitLine {
                hit,
                path: project.paths().photo(&hit.photo),
                name: product.map(|p| p.name.as_str()),
                kind: product.map(|p| p.kind.as_str()),
            }
        });
        return output.json(&Answer {
            query: Query {
                path: &finished.path,
                width: finished.photo.width(),
                height: finished.photo.height(),
                crop: finished.crop,
            },
            model: &engine.model.name,
            checkpoint: engine.checkpoint().to_string(),
            device: nn::device::describe(engine.encoder.device()),
            options,
            timings_ms: ranking.timings,
            hits: hits.collect(),
        });
    }
    print(ranking, &products, output)?;
    if let Some(file) = &arguments.plan {
        output.line(format!("\nThe plan between the photo and the first hit: {}", file.display()))?;
    }
    Ok(())
}

fn find(
    project: &Project,
    engine: &Engine,
    named: &Path,
    crop: Option<CropRect>,
    options: MatchOptions,
    limit: usize,
) -> Result<Finished, CliError> {
    let start = Instant::now();
    let (source, known) = session::read_photo(project, named)?;
    let photo = source.decode()?;
    let decode_ms = start.elapsed().as_secs_f64() * 1e3;
    let crop = search::choose_crop(&photo, crop, &known, &source.label())?;
    let search = Search { engine, photo: &photo, crop, options, limit, decode_ms };
    let found = search.run(&StopFlag::new(), |_| {})?;
    search::log_finished(&source, &found.shown);
    Ok(Finished { path: session::find_photo(project, named), photo, crop, found })
}

fn plan_of(
    project: &Project,
    engine: &Engine,
    finished: &Finished,
    hit: &Hit,
    options: MatchOptions,
) -> Result<PlanInfo, CliError> {
    let gone = || CliError::Failure(format!("{} is no longer in the project", hit.photo));
    Ok(search::make_plan(PlanRequest {
        engine,
        found: &finished.found,
        photo: &finished.photo,
        crop: finished.crop,
        options,
        gallery: &project.photo(&hit.photo)?.ok_or_else(gone)?,
        gallery_path: &project.paths().photo(&hit.photo),
        product: project.product(&hit.product)?.ok_or_else(gone)?,
    })?)
}

type Products = std::collections::BTreeMap<crate::domain::ProductId, ProductRecord>;

fn print(ranking: &Ranking, products: &Products, output: &mut Output) -> Result<(), CliError> {
    output.line(format!(
        "{:>4}  {:<34} {:<10} {:>7} {:>8} {:>10}  {:>5}",
        "rank", "product", "kind", "score", "global", "structural", "was"
    ))?;
    for hit in &ranking.hits {
        let product = products.get(&hit.product);
        let name = product.map_or(hit.product.as_str(), |p| p.name.as_str());
        let kind = product.map_or("", |p| p.kind.as_str());
        let structural = hit.structural.map_or_else(|| "-".to_owned(), |s| format!("{s:.3}"));
        output.line(format!(
            "{:>4}  {name:<34} {kind:<10} {:>7.3} {:>8.3} {structural:>10}  {:>5}",
            hit.rank, hit.score, hit.global, hit.global_rank
        ))?;
    }
    let t = ranking.timings;
    output.line(format!(
        "\n{} photos compared in {:.0} ms (decode {:.0}, encode {:.0}, global {:.1}, structural {:.1})",
        ranking.gallery_size, t.total, t.decode, t.encode, t.global, t.structural
    ))
}

/// The main job where there is no display: searches an example, prints the ranking and draws the plan.
pub fn show_example(project: &ProjectChoice, file: &Path, output: &mut Output) -> Result<(), CliError> {
    let project = session::open_project(project, output)?;
    let ready = session::make_ready(&project, &DeviceChoice::default(), output)?;
    let options = MatchOptions::default();
    let example = crate::jobs::open::examples(&project)?.into_iter().next();
    let example = example.ok_or_else(|| CliError::Failure("this project has no street photo to search with".into()))?;
    let named = Path::new(example.as_str());
    let finished = find(&project, &ready.engine, named, None, options, 10)?;
    let ranking = &finished.found.shown;
    output.line(format!("Searching with {}\n", finished.path.display()))?;
    print(ranking, &project.products_named(ranking.hits.iter().map(|hit| &hit.product))?, output)?;
    let Some(first) = ranking.hits.first() else { return Ok(()) };
    picture::write(&plan_of(&project, &ready.engine, &finished, first, options)?, file)?;
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    output.line(format!("The plan between the photo and the first hit: {}", file.display()))
}

/// Milliseconds from a photo's file to the re-ranked result, sorted.
pub fn bench(arguments: &super::bench::Arguments) -> Result<Vec<f64>, CliError> {
    let mut output = Output;
    let project = session::open_project(arguments.project(), &mut output)?;
    let ready = session::make_ready(&project, arguments.device(), &mut output)?;
    let examples = crate::jobs::open::examples(&project)?;
    let mut turn = examples.iter().cycle();
    arguments.times_of(|| {
        let example = turn.next().ok_or_else(|| CliError::Failure("this project has no street photo".to_owned()))?;
        find(&project, &ready.engine, Path::new(example.as_str()), None, MatchOptions::default(), 100).map(drop)
    })
}
