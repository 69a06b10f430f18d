//! `seamline search`: the main job on the terminal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::goes_with::GoesWith;
use super::options::{DeviceChoice, MatchChoice, ProjectChoice};
use super::output::ProgressLine;
use super::{CliError, Output, picture, session};
use crate::data;
use crate::domain::{
    Arithmetic, CropRect, Filter, Filters, Goal, Hit, Layer, MatchOptions, PhotoId, PlanView, ProductRecord, QueryEdit,
    Ranking, Recipe, Rule, ShelfOptions, StopFlag, Timings, Touched, goal,
};
use crate::jobs::export;
use crate::jobs::layers;
use crate::jobs::open::Engine;
use crate::jobs::search::{self, Found, PlanRequest, Search};
use crate::jobs::shelve::{Catalogue, Shelving};
use crate::jobs::worn;
use crate::jobs::{PlanInfo, QueryInfo, SheetInfo};
use crate::nn;
use crate::project::{Project, write_beside};

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
    /// Turn the photo clockwise first: 0, 90, 180 or 270 degrees; the crop is of the turned photo
    #[arg(long, value_name = "DEGREES", default_value_t = 0, value_parser = quarter)]
    rotate: u16,
    /// Mirror the photo, after turning it
    #[arg(long)]
    flip: bool,
    /// Another photo of the same garment; its global vector is averaged with the first photo's. May be given again
    #[arg(long, value_name = "PHOTO")]
    also: Vec<PathBuf>,
    /// A shop photo of the project that the answer should resemble, such as shop/p0001_0.jpg. May be given again
    #[arg(long, value_name = "ID")]
    like: Vec<String>,
    /// A shop photo that it should not resemble. May be given again
    #[arg(long, value_name = "ID")]
    dislike: Vec<String>,
    /// List products of other kinds that go well with the garment instead of the same product, nearest first by the
    /// distance of global vectors; for a product's own company name one of its shop photos
    #[arg(long, conflicts_with_all = ["plan", "rerank"])]
    goes_with: bool,
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
    #[command(flatten)]
    shelf: ShelfChoice,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write the hits with their attributes as a table
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// Draw the photo and the first tiles
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
    /// Draw the plan between the photo and the first hit
    #[arg(long, value_name = "FILE.png")]
    plan: Option<PathBuf>,
}

/// Which products are searched, and in which order they are shown.
#[derive(clap::Args, Default)]
pub struct ShelfChoice {
    /// Search only products that pass, such as kind=knit, colour=navy,red, "price<40" or price=20..40; all of them hold
    #[arg(long = "filter", value_name = "FILTER")]
    filters: Vec<Filter>,
    /// Leave the project's merchandising rules aside
    #[arg(long)]
    without_rules: bool,
}

impl ShelfChoice {
    /// # Errors
    /// Wrong use, where a filter names a column that no product has.
    fn shelving(&self, project: &Project, engine: &Engine, goal: Goal) -> Result<Shelving, CliError> {
        let catalogue = Catalogue::read(project, engine.searcher.index())?;
        let names: Vec<&str> = catalogue.columns.names().collect();
        for filter in &self.filters {
            if !names.contains(&filter.column.as_str()) {
                let column = &filter.column;
                return Err(CliError::usage(format!(
                    "no product has a column {column}; there are {}",
                    names.join(", ")
                )));
            }
        }
        let filters = self.filters.iter().cloned().collect();
        let without_rules = self.without_rules;
        let options = ShelfOptions { goal, filters, without_rules, ..ShelfOptions::default() };
        Ok(Shelving::of(project, Arc::new(catalogue), options)?)
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    query: Query<'a>,
    model: &'a str,
    checkpoint: String,
    device: String,
    precision: Arithmetic,
    options: MatchOptions,
    timings_ms: Timings,
    filters: &'a Filters,
    /// Photos that pass the filters and are not excluded.
    passing: usize,
    rules: usize,
    excluded: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    goes_with: Option<GoesWith<'a>>,
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
    /// To the garment, where products that go with it were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance: Option<f32>,
    /// What merchandising rules did to this hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Touch<'a>>,
    /// The rank of the hit that this one is a near duplicate, another photo or another colour of.
    #[serde(skip_serializing_if = "Option::is_none")]
    folded_behind: Option<usize>,
}

#[derive(Serialize)]
struct Touch<'a> {
    #[serde(flatten)]
    touched: &'a Touched,
    says: Vec<String>,
}

/// Degrees in quarters.
fn quarter(text: &str) -> Result<u16, String> {
    match text {
        "0" | "90" | "180" | "270" => text.parse().map_err(|_| String::new()),
        _ => Err("a photo can be turned by 0, 90, 180 or 270 degrees".to_owned()),
    }
}

/// What is searched with.
struct Asked<'a> {
    named: &'a Path,
    crop: Option<CropRect>,
    recipe: Recipe,
    also: &'a [PathBuf],
}

impl<'a> Asked<'a> {
    fn plainly(named: &'a Path) -> Self {
        Self { named, crop: None, recipe: Recipe::default(), also: &[] }
    }
}

impl Arguments {
    fn asked(&self) -> Asked<'_> {
        let ids = |all: &[String]| all.iter().map(PhotoId::new).collect();
        // One of four values, so a quarter turn is below 4.
        let edit = QueryEdit { quarter_turns: (self.rotate / 90) as u8, flipped: self.flip };
        let recipe = Recipe { edit, liked: ids(&self.like), disliked: ids(&self.dislike) };
        Asked { named: &self.photo, crop: self.crop, recipe, also: &self.also }
    }
}

/// A finished search and all that was needed for it.
struct Finished {
    path: PathBuf,
    photo: image::RgbImage,
    crop: CropRect,
    found: Found,
    info: QueryInfo,
    /// With the cells of the layer that was asked for.
    engine: Engine,
}

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    if arguments.limit == 0 {
        return Err(CliError::usage("-k must be at least 1"));
    }
    let options = MatchOptions { rerank: arguments.rerank, ..arguments.matching.options()? };
    let project = session::open_project(&arguments.project, output)?;
    let ready = session::make_ready(&project, &arguments.device, output)?;
    let engine = &ready.engine;
    let goal = if arguments.goes_with { Goal::GoesWith { of: None } } else { Goal::SameProduct };
    let shelving = arguments.shelf.shelving(&project, engine, goal)?;
    let finished = find(&project, engine, &arguments.asked(), options, arguments.limit, &shelving)?;
    let ranking = &finished.found.shown;
    let products = project.products_named(ranking.hits.iter().map(|hit| &hit.product))?;
    if let Some(file) = &arguments.plan {
        let first = ranking.hits.first().ok_or_else(|| CliError::Failure("there is no hit to draw".to_owned()))?;
        picture::write(&plan_of(&project, &finished, first, options)?, &PlanView::default(), file)?;
    }
    if arguments.csv.is_some() || arguments.sheet.is_some() {
        write_list(&project, engine, &finished, &products, shelving.rules(), arguments)?;
    }
    if arguments.json {
        let shelf = &ranking.shelf;
        let says = |touched: &Touched| {
            let rules = shelving.rules().iter().filter(|rule| touched.rules.contains(&rule.id));
            rules.map(|rule| rule.effect.words()).collect()
        };
        let behind = |rank: usize| {
            let fold = shelf.folds.iter().find(|fold| fold.place + 1 == rank)?;
            Some(ranking.hits[fold.behind].rank)
        };
        let hits = ranking.hits.iter().map(|hit| {
            let product = products.get(&hit.product);
            HitLine {
                hit,
                path: project.paths().photo(&hit.photo),
                name: product.map(|p| p.name.as_str()),
                kind: product.map(|p| p.kind.as_str()),
                distance: arguments.goes_with.then(|| goal::distance_of(hit.global)),
                rules: shelf.touched.get(&hit.photo).map(|touched| Touch { touched, says: says(touched) }),
                folded_behind: behind(hit.rank),
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
            precision: engine.arithmetic(),
            options,
            timings_ms: ranking.timings,
            filters: &shelf.options.filters,
            passing: shelf.passing,
            rules: shelf.rules,
            excluded: shelf.excluded,
            goes_with: GoesWith::of(shelf, &shelving, engine),
            hits: hits.collect(),
        });
    }
    if let Some(found) = GoesWith::of(&ranking.shelf, &shelving, engine) {
        found.print(ranking, &products, output)?;
    } else {
        print(ranking, &products, output)?;
    }
    if let Some(file) = &arguments.plan {
        output.line(format!("\nThe plan between the photo and the first hit: {}", file.display()))?;
    }
    Ok(())
}

fn find(
    project: &Project,
    engine: &Engine,
    asked: &Asked<'_>,
    options: MatchOptions,
    limit: usize,
    shelving: &Shelving,
) -> Result<Finished, CliError> {
    let start = Instant::now();
    let edit = asked.recipe.edit;
    let (source, known) = session::read_photo(project, asked.named)?;
    let photo = data::turned(source.decode()?, edit);
    let decode_ms = start.elapsed().as_secs_f64() * 1e3;
    let (width, height) = edit.size(photo.width(), photo.height());
    let known = known.turned(edit, width, height);
    let crop = search::choose_crop(&photo, asked.crop, &known, &source.label())?;
    let also = asked.also.iter().map(|named| {
        let (source, known) = session::read_photo(project, named)?;
        let photo = source.decode()?;
        let crop = known.crop(&photo);
        Ok((photo, crop))
    });
    let also = also.collect::<Result<Vec<_>, CliError>>()?;
    let kind = known.kind_in(crop);
    let search = Search { engine, photo: &photo, crop, kind, options, limit, decode_ms, shelving };
    let stop = StopFlag::new();
    let encoded = search::compose(engine, search.encode(&stop)?, &also, &asked.recipe, kind)?;
    let part = worn::Part { known: &known, crop, features: &encoded.features };
    let shelving = &worn::of_part(shelving.clone(), project, engine, &part)?;
    let global = Search { shelving, ..search }.rank_globally(encoded)?;
    let line = ProgressLine::default();
    // Only what is compared cell by cell needs the cells of an earlier layer.
    let at = MatchOptions { layer: if shelving.compares_cells() { options.layer } else { Layer::Last }, ..options };
    let engine = layers::engine_at_layer(project, engine, &global, (&photo, crop), &at, &|p| line.show(&p));
    line.finish();
    let engine = engine?;
    let found = search::rerank(&engine, &global, &options, limit, shelving, &stop)?;
    search::log_finished(&source, &found.shown);
    let info = search::describe_query(&source, &photo, crop, &known);
    Ok(Finished { path: session::find_photo(project, asked.named), photo, crop, found, info, engine })
}

/// The result list as files.
fn write_list(
    project: &Project,
    engine: &Engine,
    finished: &Finished,
    products: &Products,
    rules: &[Rule],
    arguments: &Arguments,
) -> Result<(), CliError> {
    let ranking = Arc::clone(&finished.found.shown);
    let lines = export::lines(&ranking, products, rules);
    if let Some(file) = &arguments.csv {
        let written = write_beside(file, export::csv(&lines).as_bytes());
        written.map_err(|error| CliError::Failure(format!("cannot write the table ({error}): {}", file.display())))?;
    }
    if let Some(file) = &arguments.sheet {
        let photos = ranking.hits.iter().map(|hit| project.paths().photo(&hit.photo)).collect();
        let query = Arc::new(finished.info.clone());
        let info = SheetInfo { query, ranking, lines, photos, model: engine.model.name.clone() };
        picture::save_sheet(&info, file).map_err(CliError::Failure)?;
    }
    Ok(())
}

fn plan_of(project: &Project, finished: &Finished, hit: &Hit, options: MatchOptions) -> Result<PlanInfo, CliError> {
    let gone = || CliError::Failure(format!("{} is no longer in the project", hit.photo));
    Ok(search::make_plan(PlanRequest {
        engine: &finished.engine,
        found: &finished.found,
        photo: &finished.photo,
        crop: finished.crop,
        options,
        gallery: &project.photo(&hit.photo)?.ok_or_else(gone)?,
        gallery_path: &project.paths().photo(&hit.photo),
        product: project.product(&hit.product)?.ok_or_else(gone)?,
    })?)
}

pub(super) type Products = std::collections::BTreeMap<crate::domain::ProductId, ProductRecord>;

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
    let shelving = ShelfChoice::default().shelving(&project, &ready.engine, Goal::SameProduct)?;
    let finished = find(&project, &ready.engine, &Asked::plainly(named), options, 10, &shelving)?;
    let ranking = &finished.found.shown;
    output.line(format!("Searching with {}\n", finished.path.display()))?;
    print(ranking, &project.products_named(ranking.hits.iter().map(|hit| &hit.product))?, output)?;
    let Some(first) = ranking.hits.first() else { return Ok(()) };
    picture::write(&plan_of(&project, &finished, first, options)?, &PlanView::default(), file)?;
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
        let (options, idle) = (MatchOptions::default(), Shelving::default());
        let asked = Asked::plainly(Path::new(example.as_str()));
        find(&project, &ready.engine, &asked, options, 100, &idle).map(drop)
    })
}
