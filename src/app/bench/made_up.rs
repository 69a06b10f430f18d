//! A gallery that costs nothing: what is measured over it is the window alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cpu_ms;
use crate::domain::{
    Arithmetic, CheckpointId, CropRect, Grid, Hit, MatchOptions, PhotoId, Pixels, ProductId, ProductRecord, QueryEdit,
    QueryId, Ranking, Shelf, SquarePicture, Stage, Tiles, Timings,
};
use crate::jobs::{
    Activity, Backend, Event, LabelState, ModelInfo, OutfitSkill, PlanInfo, ProjectSummary, QueryInfo, Request,
    ShelfRequest, Unneeded,
};
use crate::ot::{self, Cells};

/// Answers at once; all that takes time was made before.
pub(super) struct MadeUp {
    products: usize,
    /// Cells of every photo.
    grid: Grid,
    /// By how many hits are wanted.
    rankings: BTreeMap<usize, (Arc<Ranking>, Arc<Tiles>)>,
    picture: SquarePicture,
    photo: Arc<Pixels>,
    events: VecDeque<Event>,
    thumbnail: BTreeMap<u32, Arc<Pixels>>,
    pub seen: Arc<std::sync::Mutex<std::collections::HashSet<PhotoId>>>,
    let_go: Vec<Unneeded>,
    /// CPU that its own answers took.
    pub spent_ns: Arc<AtomicU64>,
}

impl MadeUp {
    pub fn new(products: usize, grid: Grid) -> Self {
        let mut made = Self {
            products,
            grid,
            rankings: BTreeMap::new(),
            picture: SquarePicture { pixels: pixels(448, 448), content: [0.0, 0.0, 1.0, 1.0] },
            photo: pixels(640, 900),
            events: VecDeque::new(),
            thumbnail: [128, 192, 288, 432].into_iter().map(|side| (side, pixels(side, side))).collect(),
            seen: Arc::default(),
            let_go: Vec::new(),
            spent_ns: Arc::default(),
        };
        let mut limit = crate::app::LIMIT;
        loop {
            let ranking = Arc::new(made.ranking(MatchOptions::default(), limit));
            let tiles = Arc::new(Tiles::of(&ranking));
            made.rankings.insert(limit, (ranking, tiles));
            if limit >= products {
                return made;
            }
            limit *= crate::app::GROWTH;
        }
    }

    fn summary(&self) -> ProjectSummary {
        let model = ModelInfo {
            checkpoint: CheckpointId::new("0123456789abcdef"),
            name: "made up".into(),
            recall_at_1: None,
            outfits: OutfitSkill::default(),
        };
        ProjectSummary {
            path: "made up".into(),
            name: "Made up".into(),
            is_sample: false,
            products: self.products,
            gallery_photos: self.products,
            model: model.clone(),
            models: vec![model],
            device: "CPU".into(),
            arithmetic: Arithmetic::F32,
            examples: Vec::new(),
            kinds: vec!["shirt".into(), "knit".into()],
            labels: Arc::new(LabelState::default()),
            read_only: None,
        }
    }

    fn ranking(&self, options: MatchOptions, limit: usize) -> Ranking {
        let hits = (0..limit.min(self.products)).map(|at| {
            let structural = (at < options.rerank).then_some(0.5 - at as f32 * 1e-3);
            let global = 0.9 - at as f32 / self.products as f32;
            Hit {
                rank: at + 1,
                product: product(at).product,
                photo: PhotoId::new(format!("gallery/{at:07}.jpg")),
                score: global + structural.unwrap_or(0.0),
                global,
                structural,
                global_rank: at + 1,
                iterations: 12,
                marginal_error: 1e-4,
            }
        });
        Ranking {
            stage: Stage::Structural,
            checkpoint: CheckpointId::new("0123456789abcdef"),
            options,
            hits: hits.collect(),
            gallery_size: self.products,
            timings: Timings::default(),
            shelf: Shelf::default(),
        }
    }

    fn ranked(&mut self, query: QueryId, limit: usize) {
        let Some((_, known)) = self.rankings.range(limit..).next().or(self.rankings.last_key_value()) else { return };
        let (ranking, tiles) = (Arc::clone(&known.0), Arc::clone(&known.1));
        let first = (0..ranking.hits.len().min(400)).map(product);
        let products = Arc::new(first.map(|record| (record.product.clone(), record)).collect());
        self.events.push_back(Event::Ranked { query, ranking, tiles, products });
    }
}

fn product(number: usize) -> ProductRecord {
    let attributes = [
        ("price", format!("{}.90", 9 + number % 120)),
        ("colour", ["navy", "rust", "sand", "ink"][number % 4].to_owned()),
        ("brand", format!("Brand {}", number % 40)),
        ("in_stock", if number.is_multiple_of(7) { "no" } else { "yes" }.to_owned()),
    ];
    ProductRecord {
        product: ProductId::new(format!("p{number:07}")),
        name: format!("Product number {number} with a name of the usual length"),
        kind: ["shirt", "knit"][number % 2].to_owned(),
        split: None,
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

fn pixels(width: u32, height: u32) -> Arc<Pixels> {
    let rgba = (0..width * height).flat_map(|at| [(at % 251) as u8, (at % 241) as u8, (at % 239) as u8, 255]).collect();
    Arc::new(Pixels { width, height, rgba })
}

/// A plan between cells that agree more the nearer they lie.
fn plan(hit: Hit, options: MatchOptions, picture: &SquarePicture, grid: Grid) -> PlanInfo {
    let dim = 16;
    let row = |cell: usize, shift: usize| -> Vec<f32> {
        let values: Vec<f32> = (0..dim).map(|at| (((cell + shift) * 7 + at * at) % 13) as f32 / 13.0 - 0.4).collect();
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-6);
        values.into_iter().map(|value| value / length).collect()
    };
    let cells = |shift: usize| (0..grid.cells()).flat_map(|cell| row(cell, shift)).collect::<Vec<f32>>();
    let (query, gallery) = (cells(0), cells(3));
    let (query_global, gallery_global) = (row(1, 0), row(2, 0));
    let as_cells = |cells, global| Cells { grid, dim, cells, global };
    let pair = ot::explain_pair(&as_cells(&query, &query_global), &as_cells(&gallery, &gallery_global), &options);
    let (query_picture, gallery_picture) = (picture.clone(), picture.clone());
    PlanInfo { pair, options, query_picture, gallery_picture, hit, product: product(0) }
}

impl MadeUp {
    fn answer(&mut self, request: Request) {
        match request {
            // Freed by another thread, in the window.
            Request::LetGo(thing) => self.let_go.push(thing),
            Request::OpenProject { .. } => {
                let summary = Arc::new(self.summary());
                self.events.push_back(Event::ProjectOpened(summary));
            }
            Request::Search(search) => {
                let photo = Arc::new(QueryInfo {
                    name: "street.jpg".into(),
                    project_photo: None,
                    pixels: Arc::clone(&self.photo),
                    width: 640,
                    height: 900,
                    crop: CropRect::whole(640, 900),
                    suggested_crops: Vec::new(),
                    edit: QueryEdit::default(),
                    also: Vec::new(),
                });
                self.events.push_back(Event::QueryReady { query: search.query, photo });
                self.ranked(search.query, search.limit);
            }
            Request::Shelf(ShelfRequest::Arrange { query, limit, .. }) => self.ranked(query, limit),
            Request::ShowPlan { query, photo, options } => {
                let hit = self.rankings.values().next().and_then(|(ranking, _)| ranking.hits.first());
                if let Some(hit) = hit.filter(|hit| hit.photo == photo) {
                    let plan = Arc::new(plan(hit.clone(), options, &self.picture, self.grid));
                    self.events.push_back(Event::PlanReady { query, photo, plan });
                }
            }
            Request::Products(products) => {
                let number = |product: &ProductId| product.as_str().trim_start_matches('p').parse().unwrap_or(0);
                let records = products.iter().map(|wanted| product(number(wanted))).collect();
                self.events.push_back(Event::Products(records));
            }
            Request::Thumbnail { photo, size_px } => {
                if let Ok(mut seen) = self.seen.lock() {
                    seen.insert(photo.clone());
                }
                let made = self.thumbnail.get(&size_px).map(Arc::clone);
                let pixels = made.ok_or_else(|| "no such size".to_owned());
                self.events.push_back(Event::Thumbnail { photo, size_px, pixels });
            }
            _ => {}
        }
    }
}

impl Backend for MadeUp {
    fn submit(&mut self, request: Request) {
        let begun = cpu_ms();
        self.answer(request);
        let spent = begun.zip(cpu_ms()).map_or(0.0, |(begun, ended)| ended - begun);
        self.spent_ns.fetch_add((spent * 1e6) as u64, Ordering::Relaxed);
    }

    fn try_next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn activity(&self) -> Activity {
        Activity::default()
    }
}
