//! From a photo to a ranking and a plan, step by step and without threads: the window's search thread and the command
//! line both call this.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use image::RgbImage;

use super::JobError;
use super::open::Engine;
use super::shelve::Shelving;
use super::types::{PlanInfo, QueryInfo};
use crate::data;
use crate::domain::{
    CellPaint, CropRect, Hit, Layer, MatchOptions, PairMatch, PhotoDomain, PhotoId, ProductRecord, QueryEdit, Ranking,
    Recipe, SquarePicture, StopFlag, Timings,
};
use crate::index;
use crate::index::combine::Added;
use crate::nn::{CellFeatures, Encoder};
use crate::project::{PhotoRow, Project};

/// Long side in pixels at which a query is shown.
const SHOWN_SIDE_PX: u32 = 1024;
/// Side in pixels of the squares on which a plan is drawn.
const PLAN_SIDE_PX: u32 = 448;

/// A photo to search with, as its file holds it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name, for people.
    pub name: String,
    /// Where it lies, if it is a file.
    pub path: Option<PathBuf>,
    pub bytes: Arc<[u8]>,
}

impl Source {
    pub fn read(path: &Path) -> Result<Self, JobError> {
        let bytes = data::decode::read_file(path)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self { name, path: Some(path.to_owned()), bytes: bytes.into() })
    }

    /// The path, or the name of what has none.
    pub fn label(&self) -> String {
        self.path.as_ref().map_or_else(|| self.name.clone(), |path| path.display().to_string())
    }

    /// Upright pixels.
    pub fn decode(&self) -> Result<RgbImage, JobError> {
        Ok(data::decode_bytes(&self.bytes, &self.label())?)
    }
}

/// What the project knows of a photo that is searched with.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The photo, where it is one of the project's.
    pub row: Option<PhotoRow>,
    /// Boxes worth trying, the main garment first.
    pub boxes: Vec<(String, CropRect)>,
}

impl Known {
    /// Looks a photo up by its place in the project or by its content.
    pub fn look_up(project: &Project, source: &Source) -> Result<Self, JobError> {
        let inside = source.path.as_ref().and_then(|path| id_inside(project.paths().root(), path));
        let mut row = match inside {
            Some(photo) => project.photo(&photo)?,
            None => None,
        };
        if row.is_none() {
            row = project.photo_with_hash(&blake3::hash(&source.bytes).to_hex())?;
        }
        let Some(row) = row else {
            return Ok(Self::default());
        };
        let garments = project.garments(&row.photo)?;
        let mut boxes: Vec<(String, CropRect)> =
            garments.into_iter().map(|garment| (garment.kind, garment.bbox)).collect();
        if boxes.is_empty()
            && let (Some(kind), Some(bbox)) = (&row.kind, row.bbox)
        {
            boxes.push((kind.clone(), bbox));
        }
        Ok(Self { row: Some(row), boxes })
    }

    /// The same of a photo that was turned; its file has this size.
    pub fn turned(&self, edit: QueryEdit, width: u32, height: u32) -> Self {
        if edit.is_none() {
            return self.clone();
        }
        let place = |part: CropRect| edit.place(part, width, height);
        Self {
            row: self.row.clone().map(|row| PhotoRow { bbox: row.bbox.map(place), ..row }),
            boxes: self.boxes.iter().map(|(kind, part)| (kind.clone(), place(*part))).collect(),
        }
    }

    /// The box that shows the garment in this part of the photo, by its place.
    pub fn box_of(&self, part: CropRect) -> Option<usize> {
        self.boxes.iter().position(|(_, bbox)| overlap(*bbox, part) > LIKE_ANOTHER)
    }

    /// The kind of the garment in this part of the photo; a photo without boxes shows one garment.
    pub fn kind_in(&self, part: CropRect) -> Option<&str> {
        let of_photo = || self.row.as_ref().filter(|_| self.boxes.is_empty()).and_then(|row| row.kind.as_deref());
        self.box_of(part).map(|place| self.boxes[place].0.as_str()).or_else(of_photo)
    }

    /// The part to search where the person did not choose: the main garment's box, of a catalogue shot the product's,
    /// else the whole photo.
    pub fn crop(&self, photo: &RgbImage) -> CropRect {
        let domain = self.row.as_ref().map_or(PhotoDomain::Street, |row| row.domain);
        let main = self.row.as_ref().and_then(|row| row.bbox).or_else(|| self.boxes.first().map(|(_, bbox)| *bbox));
        data::compared_part(photo, domain, main)
    }
}

/// The id that a file inside the project folder has, whether or not the project knows it.
fn id_inside(root: &Path, path: &Path) -> Option<PhotoId> {
    let (root, path) = (root.canonicalize().ok()?, path.canonicalize().ok()?);
    let parts: Option<Vec<&str>> = path.strip_prefix(&root).ok()?.iter().map(|part| part.to_str()).collect();
    Some(PhotoId::new(parts?.join("/")))
}

/// The part that is searched: the chosen one, checked against the photo, else what the project suggests.
pub fn choose_crop(
    photo: &RgbImage,
    wanted: Option<CropRect>,
    known: &Known,
    name: &str,
) -> Result<CropRect, JobError> {
    Ok(match wanted {
        Some(crop) => data::check_crop(photo, crop, name)?,
        None => known.crop(photo),
    })
}

/// What the window shows of a query.
pub fn describe_query(source: &Source, photo: &RgbImage, crop: CropRect, known: &Known) -> QueryInfo {
    let suggested_crops = known
        .boxes
        .iter()
        .filter_map(|(kind, bbox)| Some((super::error::sentence(kind), bbox.clipped(photo.width(), photo.height())?)))
        .collect();
    QueryInfo {
        name: source.name.clone(),
        project_photo: known.row.as_ref().map(|row| row.photo.clone()),
        pixels: Arc::new(data::pixels(&data::shrink(photo, SHOWN_SIDE_PX))),
        width: photo.width(),
        height: photo.height(),
        crop,
        suggested_crops,
        edit: QueryEdit::default(),
        also: Vec::new(),
    }
}

/// Features of a photo, or of a part of it, as the index holds them of the gallery. `kind`: of its garment, where that is
/// known.
pub fn encode(
    encoder: &Encoder,
    photo: &RgbImage,
    crop: Option<CropRect>,
    kind: Option<&str>,
) -> Result<CellFeatures, JobError> {
    Ok(index::embed_photo(encoder, photo, crop, kind)?)
}

/// A photo as a comparison at some layer sees it: cells of that layer, and the global vector, which is always the last's.
#[derive(Clone, Debug)]
pub struct Looked {
    pub last: CellFeatures,
    pub cells: CellFeatures,
}

impl Looked {
    pub fn at(
        encoder: &Encoder,
        layer: Layer,
        photo: &RgbImage,
        crop: Option<CropRect>,
        kind: Option<&str>,
    ) -> Result<Self, JobError> {
        let last = encode(encoder, photo, crop, kind)?;
        let cells = match layer {
            Layer::Last => last.clone(),
            layer => index::embed_layer(encoder, layer, photo, crop)?,
        };
        Ok(Self { last, cells })
    }

    /// The photo as a query of which it is the first of several.
    pub fn with(self, added: &Added, layer: Layer) -> Self {
        // An earlier layer's cells go with that layer's own global vector.
        let cells = if layer == Layer::Last { added.to(self.cells) } else { self.cells };
        Self { last: added.to(self.last), cells }
    }

    /// Compares two photos. What is `painted` on them, on any grid, counts where the options ask for it.
    pub fn explain(&self, gallery: &Self, painted: [Option<&CellPaint>; 2], options: &MatchOptions) -> PairMatch {
        let mut pair = index::explain_features(&self.cells, &gallery.cells, painted, options);
        pair.global = index::global_cosine(self.last.global_of(0), gallery.last.global_of(0));
        pair.score = pair.global + options.structural_weight * pair.structural;
        pair
    }
}

/// Boxes in which the network finds most, of those that say more than the known ones and the whole photo.
pub fn spot(encoder: &Encoder, photo: &RgbImage, known: &[CropRect]) -> Result<Vec<CropRect>, JobError> {
    let features = encode(encoder, photo, None, None)?;
    let size = encoder.input_size().max(1) as u32;
    let [left, top, width, height] = data::fit::place_in_square(photo.width(), photo.height(), size);
    let share = |pixels: u32| pixels as f32 / size as f32;
    let content = [share(left), share(top), share(left + width), share(top + height)];
    let activation = index::suggest::activation(&features, 0);
    let boxes = index::suggest::boxes(&activation, features.grid, content, [photo.width(), photo.height()]);
    let differs = |part: &CropRect| known.iter().all(|known| overlap(*part, *known) < LIKE_ANOTHER);
    Ok(boxes.into_iter().filter(differs).collect())
}

/// Two boxes that share more than this part of their union are one to a person.
const LIKE_ANOTHER: f32 = 0.6;

/// Intersection over union.
fn overlap(a: CropRect, b: CropRect) -> f32 {
    let along = |a: f32, a_length: f32, b: f32, b_length: f32| ((a + a_length).min(b + b_length) - a.max(b)).max(0.0);
    let both = along(a.x, a.width, b.x, b.width) * along(a.y, a.height, b.y, b.height);
    both / (a.width * a.height + b.width * b.height - both).max(f32::MIN_POSITIVE)
}

/// What is added to a query's global vector: the other photos of the garment, which is of one kind, and the liked and
/// disliked photos of the gallery.
pub fn added(
    engine: &Engine,
    also: &[(RgbImage, CropRect)],
    recipe: &Recipe,
    kind: Option<&str>,
) -> Result<Added, JobError> {
    let also = also
        .iter()
        .map(|(photo, crop)| Ok(encode(&engine.encoder, photo, Some(*crop), kind)?.global_of(0).to_vec()))
        .collect::<Result<Vec<_>, JobError>>()?;
    let index = engine.searcher.index();
    let globals = |photos: &[PhotoId]| {
        let global = |photo: &PhotoId| index.row_of(photo).map(|row| index.global_f32(row));
        let found =
            photos.iter().map(|photo| global(photo).ok_or_else(|| JobError::NoExemplar { photo: photo.clone() }));
        found.collect::<Result<Vec<_>, JobError>>()
    };
    Ok(Added { also, liked: globals(&recipe.liked)?, disliked: globals(&recipe.disliked)? })
}

/// A query's features with all that is added to it.
pub fn compose(
    engine: &Engine,
    encoded: Encoded,
    also: &[(RgbImage, CropRect)],
    recipe: &Recipe,
    kind: Option<&str>,
) -> Result<Encoded, JobError> {
    let start = Instant::now();
    let added = added(engine, also, recipe, kind)?;
    if added.is_empty() {
        return Ok(encoded);
    }
    let features = added.to(CellFeatures::clone(&encoded.features));
    Ok(Encoded { features: Arc::new(features), ms: encoded.ms + ms_since(start) })
}

/// Both stages of a search.
pub struct Search<'a> {
    pub engine: &'a Engine,
    pub photo: &'a RgbImage,
    pub crop: CropRect,
    /// Of the garment in that part, where it is known.
    pub kind: Option<&'a str>,
    pub options: MatchOptions,
    /// How many hits are wanted.
    pub limit: usize,
    /// Milliseconds that reading the photo took.
    pub decode_ms: f64,
    /// Filters, rules and folding.
    pub shelving: &'a Shelving,
}

/// What is kept of a finished search, so that other knobs do not encode again.
#[derive(Clone, Debug)]
pub struct Found {
    pub features: Arc<CellFeatures>,
    /// All that the global stage gave, also beyond what is shown; filtered, but without rules.
    pub global: Arc<Ranking>,
    pub shown: Arc<Ranking>,
}

impl Search<'_> {
    /// Both stages. `on_global` is called with the first one's answer, as soon as it is there.
    pub fn run(&self, stop: &StopFlag, mut on_global: impl FnMut(&Found)) -> Result<Found, JobError> {
        let found = self.rank_globally(self.encode(stop)?)?;
        on_global(&found);
        rerank(self.engine, &found, &self.options, self.limit, self.shelving, stop)
    }

    /// The searched part's features, with the milliseconds that they took.
    pub fn encode(&self, stop: &StopFlag) -> Result<Encoded, JobError> {
        self.options.check().map_err(|sentence| JobError::Options { sentence })?;
        let start = Instant::now();
        let features = encode(&self.engine.encoder, self.photo, Some(self.crop), self.kind)?;
        if stop.is_stopped() {
            return Err(JobError::Stopped);
        }
        Ok(Encoded { features: Arc::new(features), ms: ms_since(start) })
    }

    /// The first stage alone.
    pub fn rank_globally(&self, encoded: Encoded) -> Result<Found, JobError> {
        let spent = Timings { decode: self.decode_ms, encode: encoded.ms, ..Timings::default() };
        rank_globally(self.engine, encoded.features, &self.options, self.limit, spent, self.shelving)
    }
}

/// Features of a query, and what they took.
#[derive(Clone, Debug)]
pub struct Encoded {
    pub features: Arc<CellFeatures>,
    pub ms: f64,
}

fn rank_globally(
    engine: &Engine,
    features: Arc<CellFeatures>,
    options: &MatchOptions,
    limit: usize,
    spent: Timings,
    shelving: &Shelving,
) -> Result<Found, JobError> {
    let start = Instant::now();
    let compared = shelving.compared(&features);
    let mut global =
        shelving.searcher(engine).search_within(&compared, limit.max(options.rerank), options, shelving.pass());
    let mut shown = shelving.finish(engine, &features, &global, options, limit, &StopFlag::new())?;
    let global_ms = ms_since(start);
    global.timings =
        Timings { global: global_ms, structural: 0.0, total: spent.decode + spent.encode + global_ms, ..spent };
    shown.timings = global.timings;
    Ok(Found { features, shown: Arc::new(shown), global: Arc::new(global) })
}

/// The first stage once more under other filters; the features stay.
pub fn refilter(
    engine: &Engine,
    found: &Found,
    options: &MatchOptions,
    limit: usize,
    shelving: &Shelving,
) -> Result<Found, JobError> {
    rank_globally(engine, Arc::clone(&found.features), options, limit, found.global.timings, shelving)
}

/// The second stage, also for other knobs, over what the filters of `found` let pass. Without anything to re-rank the
/// global order is the answer.
pub fn rerank(
    engine: &Engine,
    found: &Found,
    options: &MatchOptions,
    limit: usize,
    shelving: &Shelving,
    stop: &StopFlag,
) -> Result<Found, JobError> {
    options.check().map_err(|sentence| JobError::Options { sentence })?;
    let start = Instant::now();
    // More candidates may be wanted than were kept.
    let enough = found.global.hits.len() >= limit.max(options.rerank).min(shelving.passing(engine.searcher.index()));
    let base = if enough { found.clone() } else { refilter(engine, found, options, limit, shelving)? };
    let compares = options.rerank > 0 && shelving.compares_cells();
    let mut free = if !compares {
        Ranking { options: *options, ..(*base.global).clone() }
    } else {
        let ranking = engine.searcher.rerank_given(&base.features, &base.global, options, stop);
        // Stopped half way there is no ranking.
        ranking.filter(|_| !stop.is_stopped()).ok_or(JobError::Stopped)?
    };
    free.timings = base.global.timings;
    let mut shown = shelving.finish(engine, &base.features, &free, options, limit, stop)?;
    if compares {
        let (structural, spent) = (ms_since(start), base.global.timings);
        shown.timings = Timings { structural, total: spent.decode + spent.encode + spent.global + structural, ..spent };
    }
    Ok(Found { shown: Arc::new(shown), ..base })
}

/// One line per finished search, for whoever follows the log.
pub fn log_finished(source: &Source, ranking: &Ranking) {
    tracing::info!(
        target: "seamline",
        path = %source.label(),
        hits = ranking.hits.len(),
        ms = ranking.timings.total,
        "search finished"
    );
}

/// Why a photo of the gallery matches, with both pictures.
pub struct PlanRequest<'a> {
    pub engine: &'a Engine,
    pub found: &'a Found,
    pub photo: &'a RgbImage,
    pub crop: CropRect,
    pub options: MatchOptions,
    pub gallery: &'a PhotoRow,
    pub gallery_path: &'a Path,
    pub product: ProductRecord,
}

pub fn make_plan(request: PlanRequest<'_>) -> Result<PlanInfo, JobError> {
    let PlanRequest { engine, found, photo, crop, options, gallery, gallery_path, product } = request;
    options.check().map_err(|sentence| JobError::Options { sentence })?;
    let not_there = || JobError::NotInGallery { photo: gallery.photo.clone() };
    let hits = found.shown.hits.iter().chain(&found.global.hits);
    let hit = hits.into_iter().find(|hit| hit.photo == gallery.photo).cloned().ok_or_else(not_there)?;
    let pair: PairMatch = engine.searcher.explain(&found.features, &gallery.photo, &options)?;
    let gallery_pixels = data::decode_file(gallery_path)?;
    let gallery_part = data::compared_part(&gallery_pixels, gallery.domain, gallery.bbox);
    let hit = Hit {
        score: pair.score,
        global: pair.global,
        structural: Some(pair.structural),
        iterations: pair.iterations,
        marginal_error: pair.marginal_error,
        ..hit
    };
    Ok(PlanInfo {
        options,
        query_picture: square(photo, Some(crop)),
        gallery_picture: square(&gallery_pixels, Some(gallery_part)),
        hit,
        product,
        pair,
    })
}

/// The square that the network sees, large enough to be looked at.
pub fn square(photo: &RgbImage, crop: Option<CropRect>) -> SquarePicture {
    let (square, content) = data::letterbox(photo, crop, PLAN_SIDE_PX);
    SquarePicture { pixels: Arc::new(data::pixels(&square)), content }
}

pub(super) fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
