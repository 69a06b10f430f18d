//! Filters, rules and folding around a search: which rows it looks at, and what becomes of what it found.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::JobError;
use super::open::Engine;
use super::past::GallerySeen;
use crate::domain::{
    CheckpointId, FoldOptions, Garment, Hit, MatchOptions, PhotoId, ProductId, Ranking, Rule, Shelf, ShelfOptions,
    StopFlag, filter,
};
use crate::index::{self, Alike, Beside, Beyond, Columns, GalleryIndex, Searcher};
use crate::nn::{CellFeatures, Encoder};
use crate::project::Project;

/// Rows whose vectors are in memory in 32 bits at once.
const TOGETHER: usize = 1 << 16;

/// What is known of the products beside an index.
pub struct Catalogue {
    pub columns: Columns,
    designs: HashMap<ProductId, String>,
    version: i64,
    index: Arc<GalleryIndex>,
    gallery: OnceLock<GallerySeen>,
    worn: Mutex<Option<(CheckpointId, Arc<Vec<f16>>)>>,
}

impl Catalogue {
    pub fn read(project: &Project, index: &Arc<GalleryIndex>) -> Result<Self, JobError> {
        let products = project.products()?;
        let designs = index::designs(&products);
        let columns = Columns::new(index.rows(), products);
        let (version, index) = (project.catalogue()?, Arc::clone(index));
        Ok(Self { columns, designs, version, index, gallery: OnceLock::new(), worn: Mutex::default() })
    }

    /// Counts the changes of products.
    pub fn version(&self) -> i64 {
        self.version
    }

    pub fn gallery(&self) -> &GallerySeen {
        self.gallery.get_or_init(|| GallerySeen::of(&self.index))
    }

    /// Vectors of all rows, each as one of its product's kind, by whose distance a model says what is worn together; `None`
    /// where it has not learnt that. They are made once.
    pub fn worn(&self, encoder: &Encoder) -> Result<Option<Arc<Vec<f16>>>, JobError> {
        if !encoder.knows_outfits() {
            return Ok(None);
        }
        let mut kept = self.worn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, vectors)) = kept.as_ref().filter(|(of, _)| of == encoder.checkpoint()) {
            return Ok(Some(Arc::clone(vectors)));
        }
        let mut vectors = Vec::with_capacity(self.index.globals().len());
        let rows = self.index.rows().chunks(TOGETHER).zip(self.index.globals().chunks(TOGETHER * self.index.dim()));
        for (rows, globals) in rows {
            let kinds: Vec<Option<usize>> = rows
                .iter()
                .map(|row| encoder.kind_number(self.columns.value_of(&row.product, filter::KIND)?))
                .collect();
            let worn = encoder.worn(&globals.to_f32_vec(), &kinds)?;
            vectors.extend(worn.into_iter().map(f16::from_f32));
        }
        let vectors = Arc::new(vectors);
        *kept = Some((encoder.checkpoint().clone(), Arc::clone(&vectors)));
        Ok(Some(vectors))
    }
}

/// The catalogue in use, read anew when products or the index changed.
#[derive(Default)]
pub(super) struct CatalogueCache(Mutex<Option<Arc<Catalogue>>>);

impl CatalogueCache {
    pub fn get(&self, project: &Project, index: &Arc<GalleryIndex>) -> Result<Arc<Catalogue>, JobError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version = project.catalogue()?;
        if let Some(catalogue) = kept.as_ref().filter(|c| c.version == version && Arc::ptr_eq(&c.index, index)) {
            return Ok(Arc::clone(catalogue));
        }
        let catalogue = Arc::new(Catalogue::read(project, index)?);
        *kept = Some(Arc::clone(&catalogue));
        Ok(catalogue)
    }
}

/// How a search is filtered and rearranged. The default does neither.
#[derive(Clone)]
pub struct Shelving {
    catalogue: Option<Arc<Catalogue>>,
    /// The rules that are enabled; none where the order without them is wanted.
    rules: Arc<Vec<Rule>>,
    options: ShelfOptions,
    pass: Option<Arc<Vec<bool>>>,
    worn: Option<Arc<Worn>>,
}

/// The garment that products are to go with.
pub(super) struct Worn {
    pub garment: Garment,
    /// What products are compared with.
    pub vector: Vec<f32>,
    /// What products are ranked by instead of their global vectors.
    pub gallery: Option<Arc<Vec<f16>>>,
}

impl Default for Shelving {
    fn default() -> Self {
        let fold = FoldOptions { on: false, ..FoldOptions::default() };
        let options = ShelfOptions { fold, ..ShelfOptions::default() };
        Self { catalogue: None, rules: Arc::default(), options, pass: None, worn: None }
    }
}

impl Shelving {
    pub fn new(catalogue: Arc<Catalogue>, rules: Vec<Rule>, options: ShelfOptions) -> Self {
        let rules = if options.without_rules { Vec::new() } else { rules };
        let rules = Arc::new(rules.into_iter().filter(|rule| rule.enabled).collect::<Vec<_>>());
        let pass = catalogue.columns.rows_passing(&options.filters).map(Arc::new);
        Self { catalogue: Some(catalogue), rules, options, pass, worn: None }
    }

    pub fn of(project: &Project, catalogue: Arc<Catalogue>, options: ShelfOptions) -> Result<Self, JobError> {
        Ok(Self::new(catalogue, project.rules()?, options))
    }

    /// The same for products that go with this garment: rows of its own kind do not pass.
    pub(super) fn worn_with(self, worn: Worn) -> Self {
        let Some(catalogue) = &self.catalogue else { return self };
        let mut pass = catalogue.columns.rows_of_other_kinds(worn.garment.kind.as_deref());
        if let Some(filtered) = self.pass() {
            pass.iter_mut().zip(filtered).for_each(|(pass, filtered)| *pass &= filtered);
        }
        Self { pass: Some(Arc::new(pass)), worn: Some(Arc::new(worn)), ..self }
    }

    /// Whether the first photos are compared cell by cell: garments of different kinds have no cells in common.
    pub fn compares_cells(&self) -> bool {
        self.options.goal.is_same_product()
    }

    /// What is compared with the gallery: the query, or the garment of the gallery that stands for it.
    pub(super) fn compared<'a>(&self, features: &'a CellFeatures) -> Cow<'a, CellFeatures> {
        match &self.worn {
            Some(worn) => Cow::Owned(CellFeatures { globals: worn.vector.clone(), ..features.clone() }),
            None => Cow::Borrowed(features),
        }
    }

    /// What ranks the gallery.
    pub(super) fn searcher(&self, engine: &Engine) -> Searcher {
        match self.worn.as_ref().and_then(|worn| worn.gallery.clone()) {
            Some(vectors) => engine.searcher.with(Beside { vectors: Some(vectors), ..Beside::default() }),
            None => engine.searcher.clone(),
        }
    }

    pub fn pass(&self) -> Option<&[bool]> {
        self.pass.as_deref().map(Vec::as_slice)
    }

    pub fn catalogue(&self) -> Option<&Arc<Catalogue>> {
        self.catalogue.as_ref()
    }

    pub fn options(&self) -> &ShelfOptions {
        &self.options
    }

    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Rows that pass the filters.
    pub fn passing(&self, index: &GalleryIndex) -> usize {
        self.pass().map_or(index.len(), |pass| pass.iter().filter(|&&pass| pass).count())
    }

    /// The ranking as it is shown. `free` is the order without rules; photos that only rules bring in are compared like
    /// the first ones of it.
    pub fn finish(
        &self,
        engine: &Engine,
        features: &CellFeatures,
        free: &Ranking,
        options: &MatchOptions,
        limit: usize,
        stop: &StopFlag,
    ) -> Result<Ranking, JobError> {
        let (searcher, features) = (self.searcher(engine), &*self.compared(features));
        let passing = self.passing(searcher.index());
        let mut shelf = Shelf { options: self.options.clone(), passing, rules: self.rules.len(), ..Shelf::default() };
        shelf.garment = self.worn.as_ref().map(|worn| worn.garment.clone());
        let mut hits: Vec<Hit>;
        let row_rules = self.catalogue.as_ref().and_then(|catalogue| catalogue.columns.row_rules(&self.rules));
        match (row_rules, &self.catalogue) {
            (Some(rules), Some(catalogue)) => {
                let base = Ranking { options: *options, ..free.clone() };
                let count = limit.max(options.rerank);
                let Beyond { hits: mut beyond, compared } =
                    searcher.beyond(features, &base, count, self.pass(), &rules);
                let structural = free.stage == crate::domain::Stage::Structural && options.rerank > 0;
                if structural && !searcher.compare(features, &mut beyond[..compared], options, stop) {
                    return Err(JobError::Stopped);
                }
                let arranged =
                    index::arrange(&free.hits, &beyond, |product| catalogue.columns.effects_on(product, &self.rules));
                hits = arranged.hits;
                shelf.touched = arranged.touched;
                let out = |&(row, &out): &(usize, &bool)| out && self.pass().is_none_or(|pass| pass[row]);
                shelf.excluded = rules.excluded.iter().enumerate().filter(out).count();
                shelf.passing -= shelf.excluded;
            }
            _ => hits = free.hits.clone(),
        }
        hits.truncate(limit);
        if !shelf.touched.is_empty() {
            let shown: HashSet<&PhotoId> = hits.iter().map(|hit| &hit.photo).collect();
            shelf.touched.retain(|photo, _| shown.contains(photo));
        }
        let index = searcher.index();
        let alike = Alike {
            vector_of: &|photo| Some(index.global_f32(index.row_of(photo)?)),
            design_of: &|product| self.catalogue.as_ref()?.designs.get(product).cloned(),
        };
        let is_pinned = |photo: &PhotoId| shelf.touched.get(photo).is_some_and(|t| t.pinned);
        shelf.folds = index::fold(&hits, &self.options.fold, &alike, is_pinned);
        Ok(Ranking { hits, shelf, options: *options, ..free.clone() })
    }
}
