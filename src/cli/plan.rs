//! `seamline plan`: why two photos match, as numbers and as a picture.

use std::path::PathBuf;

use serde::Serialize;

use super::options::{DeviceChoice, MatchChoice, ProjectChoice};
use super::{CliError, Output, picture, session};
use crate::data::compared_part;
use crate::domain::{CropRect, Hit, MatchOptions, PairMatch, PhotoDomain, PlanOverlay, PlanView, ProductRecord};
use crate::domain::{PhotoId, ProductId};
use crate::jobs::evidence;
use crate::jobs::models::{list_models, load_encoder, preferred, shipped_model_dirs};
use crate::jobs::search::{self, Looked};
use crate::jobs::{EvidencePhoto, EvidenceRecord, PlanInfo};

#[derive(clap::Args)]
pub struct Arguments {
    /// The street photo: a file, or a photo of the project
    query: PathBuf,
    /// The shop photo, likewise
    gallery: PathBuf,
    #[command(flatten)]
    project: ProjectChoice,
    /// The part of the street photo, in pixels; without it the known garment, else the whole photo
    #[arg(long, value_name = "X,Y,W,H", allow_hyphen_values = true)]
    crop: Option<CropRect>,
    /// The part of the shop photo, likewise
    #[arg(long, value_name = "X,Y,W,H", allow_hyphen_values = true)]
    gallery_crop: Option<CropRect>,
    #[command(flatten)]
    matching: MatchChoice,
    #[command(flatten)]
    device: DeviceChoice,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw the plan
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Write photos, plan and settings into one file that can be checked
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// How to draw it
    #[arg(long, value_enum, default_value = "ribbons")]
    view: View,
}

/// How a plan is drawn.
#[derive(Clone, Copy, clap::ValueEnum)]
enum View {
    /// Lines between cells
    Ribbons,
    /// Cells that belong together in one colour
    Colours,
    /// How much mass each cell holds
    Heat,
}

impl View {
    fn plan_view(self) -> PlanView {
        let overlay = match self {
            Self::Ribbons => PlanOverlay::Ribbons,
            Self::Colours => PlanOverlay::Colours,
            Self::Heat => PlanOverlay::Heat,
        };
        PlanView { overlay, ..PlanView::default() }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    grid: [usize; 2],
    /// `[query cell][gallery cell]`
    plan: Vec<&'a [f32]>,
    similarity: Vec<&'a [f32]>,
    row_marginal: &'a [f32],
    column_marginal: &'a [f32],
    structural: f32,
    global: f32,
    score: f32,
    iterations: usize,
    marginal_error: f32,
    uniform_fallback: bool,
    /// Mass that is moved: 1 unless the solver may leave some.
    moved: f32,
    options: MatchOptions,
}

/// How many contributions the plain answer lists.
const LISTED: usize = 10;

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    let options = arguments.matching.options()?;
    let project = session::open_project(&arguments.project, output)?;
    let (models, notes) = list_models(Some(&project), &shipped_model_dirs());
    let chosen = project.current_model()?;
    let model = preferred(&models, chosen.as_ref())
        .ok_or_else(|| CliError::Failure(notes.first().cloned().unwrap_or_else(|| "no model was found".to_owned())))?;
    let arithmetic = project.arithmetic()?;
    let encoder = load_encoder(model, &arguments.device.pick_for(arithmetic)?, arithmetic)?;

    let side = |named, crop: Option<CropRect>, domain| -> Result<_, CliError> {
        let (source, known) = session::read_photo(&project, named)?;
        let photo = source.decode()?;
        // The second photo is a shop's, also where no project knows it.
        let given = known.row.as_ref().and_then(|row| row.bbox);
        let crop = crop.or_else(|| (domain == PhotoDomain::Shop).then(|| compared_part(&photo, domain, given)));
        let crop = search::choose_crop(&photo, crop, &known, &source.label())?;
        let kind = known.kind_in(crop).map(str::to_owned);
        let looked = Looked::at(&encoder, options.layer, &photo, Some(crop), kind.as_deref())?;
        let part = (crop != CropRect::whole(photo.width(), photo.height())).then_some(crop);
        let about = EvidencePhoto {
            name: source.name.clone(),
            photo: known.row.as_ref().map(|row| row.photo.clone()),
            edit: Default::default(),
            crop: part,
            kind,
        };
        Ok((source, known, about, search::square(&photo, Some(crop)), looked))
    };
    let (query_source, _, query_about, query_picture, query) =
        side(&arguments.query, arguments.crop, PhotoDomain::Street)?;
    let (source, known, gallery_about, gallery_picture, gallery) =
        side(&arguments.gallery, arguments.gallery_crop, PhotoDomain::Shop)?;
    let pair = query.explain(&gallery, [None; 2], &options);

    if arguments.png.is_some() || arguments.evidence.is_some() {
        let row = known.row.as_ref();
        let product = row.and_then(|row| row.product.clone()).map(|id| project.product(&id)).transpose()?.flatten();
        let product = product.unwrap_or_else(|| ProductRecord {
            product: ProductId::new(&source.name),
            name: source.name.clone(),
            kind: row.and_then(|row| row.kind.clone()).unwrap_or_default(),
            split: None,
            attributes: Default::default(),
        });
        let hit = Hit {
            rank: 1,
            product: product.product.clone(),
            photo: row.map_or_else(|| PhotoId::new(&source.name), |row| row.photo.clone()),
            score: pair.score,
            global: pair.global,
            structural: Some(pair.structural),
            global_rank: 1,
            iterations: pair.iterations,
            marginal_error: pair.marginal_error,
        };
        let plan = PlanInfo { pair: pair.clone(), options, query_picture, gallery_picture, hit, product };
        if let Some(file) = &arguments.png {
            picture::write(&plan, &arguments.view.plan_view(), file)?;
        }
        if let Some(file) = &arguments.evidence {
            let decided =
                query_about.photo.as_ref().map(|photo| evidence::decision(&project, photo, &plan.product.product));
            let record = EvidenceRecord {
                program: evidence::program(),
                made_ms: evidence::made_now(),
                project: Some(project.name().to_owned()),
                query: query_about,
                gallery: gallery_about,
                product: plan.product.clone(),
                model: evidence::model(&model.info(), arithmetic),
                options,
                rank: None,
                decision: decided.transpose()?.flatten(),
                further: Vec::new(),
                paint: None,
            };
            let draft = evidence::Draft {
                record,
                plan,
                query: query_source.bytes.clone(),
                gallery: source.bytes.to_vec(),
                further: Vec::new(),
            };
            let picture = picture::draw(&draft.plan, &PlanView::default()).map_err(CliError::Failure)?;
            evidence::save(&draft.to_bytes(&picture)?, file)?;
        }
    }
    if arguments.json { answer(&pair, options, output) } else { print(&pair, arguments, output) }
}

fn answer(pair: &PairMatch, options: MatchOptions, output: &mut Output) -> Result<(), CliError> {
    let grid = pair.plan.query();
    let columns = pair.plan.gallery().cells();
    output.json(&Answer {
        grid: [grid.rows, grid.columns],
        plan: pair.plan.mass().chunks(columns).collect(),
        similarity: pair.similarity.chunks(columns).collect(),
        row_marginal: &pair.row_marginal,
        column_marginal: &pair.column_marginal,
        structural: pair.structural,
        global: pair.global,
        score: pair.score,
        iterations: pair.iterations,
        marginal_error: pair.marginal_error,
        uniform_fallback: pair.uniform_fallback,
        moved: pair.plan.moved(),
        options,
    })
}

fn print(pair: &PairMatch, arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    output.line(format!(
        "score {:.4} = global {:.4} + structural {:.4}{} ({} iterations, marginal error {:.1e})",
        pair.score,
        pair.global,
        pair.structural,
        if pair.uniform_fallback { ", uniform marginals for want of any agreement" } else { "" },
        pair.iterations,
        pair.marginal_error
    ))?;
    let (query, gallery) = (pair.plan.query(), pair.plan.gallery());
    let mut flows: Vec<(usize, usize)> =
        (0..query.cells()).flat_map(|q| (0..gallery.cells()).map(move |g| (q, g))).collect();
    flows.sort_by(|a, b| pair.contribution(b.0, b.1).total_cmp(&pair.contribution(a.0, a.1)));
    output.line(format!("{:<12} {:>8} {:>11} {:>13}", "cells", "mass", "similarity", "contribution"))?;
    for &(q, g) in flows.iter().take(LISTED) {
        let name = format!("{} to {}", query.name(q), gallery.name(g));
        let similarity = pair.similarity[q * gallery.cells() + g];
        let (mass, part) = (pair.plan.at(q, g), pair.contribution(q, g));
        output.line(format!("{name:<12} {mass:>8.4} {similarity:>11.3} {part:>13.4}"))?;
    }
    let rest: f32 = flows.iter().skip(LISTED).map(|&(q, g)| pair.contribution(q, g)).sum();
    output.line(format!(
        "{:<12} {:>8} {:>11} {rest:>13.4}",
        format!("{} more", flows.len().saturating_sub(LISTED)),
        "",
        ""
    ))?;
    if let Some(file) = &arguments.png {
        output.line(format!("\nThe plan: {}", file.display()))?;
    }
    if let Some(file) = &arguments.evidence {
        output.line(format!("\nThe evidence: {}", file.display()))?;
    }
    Ok(())
}
