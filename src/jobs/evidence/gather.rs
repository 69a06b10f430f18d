//! Collects what goes into an evidence file.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use image::RgbImage;

use super::{Evidence, EvidenceError};
use crate::data;
use crate::domain::{
    Arithmetic, CropRect, LabelKey, LabelValue, Marginals, MatchOptions, PhotoId, ProductId, QueryEdit, QueryId,
};
use crate::jobs::JobError;
use crate::jobs::queries::Kept;
use crate::jobs::searcher::{SearchThread, engine_of};
use crate::jobs::shared::Opened;
use crate::jobs::types::{
    EvidenceDecision, EvidenceFurther, EvidenceModel, EvidencePaint, EvidencePhoto, EvidenceRank, EvidenceRecord,
    FurtherRole, ModelInfo, PlanInfo, QueryPhoto,
};
use crate::project::Project;

/// Everything but the picture, which is drawn where writing a file makes nobody wait.
pub struct Draft {
    pub record: EvidenceRecord,
    pub plan: PlanInfo,
    pub query: Arc<[u8]>,
    pub gallery: Vec<u8>,
    /// The files of the record's further photos.
    pub further: Vec<Arc<[u8]>>,
}

impl Draft {
    /// The file's bytes with the drawn plan.
    pub fn to_bytes(&self, picture: &[u8]) -> Result<Vec<u8>, EvidenceError> {
        let evidence = Evidence {
            record: &self.record,
            pair: &self.plan.pair,
            query: &self.query,
            gallery: &self.gallery,
            picture,
            further: &self.further,
        };
        evidence.to_bytes()
    }
}

impl SearchThread {
    pub(in crate::jobs) fn draft(
        &self,
        query: QueryId,
        photo: &PhotoId,
        options: MatchOptions,
    ) -> Result<Draft, JobError> {
        let plan = self.plan(query, photo, options)?;
        let kept = self.kept(query)?;
        let opened = self.shared.opened()?;
        let engine = engine_of(&kept, &opened);
        let (about_gallery, gallery) = stored_photo(&opened, photo)?;
        let (about_further, further) = further(&opened, &kept)?.into_iter().unzip();
        let painted = self.shared.knobs.paint(query).filter(|_| options.marginals == Marginals::Painted);
        let paint = painted
            .map(|paint| EvidencePaint { query: paint.query.clone(), gallery: paint.gallery.get(photo).cloned() });
        let query_row = kept.known.row.as_ref().map(|row| row.photo.clone());
        let whole = CropRect::whole(kept.info.width, kept.info.height);
        let project = opened.project();
        let decided = query_row.as_ref().map(|query| decision(&project, query, &plan.product.product));
        let rank = EvidenceRank {
            rank: plan.hit.rank,
            global_rank: plan.hit.global_rank,
            gallery_size: engine.searcher.index().len(),
        };
        let record = EvidenceRecord {
            program: program(),
            made_ms: made_now(),
            project: Some(project.name().to_owned()),
            query: EvidencePhoto {
                name: kept.source.name.clone(),
                photo: query_row,
                edit: kept.recipe.edit,
                crop: (kept.crop != whole).then_some(kept.crop),
                kind: kept.kind(),
            },
            gallery: about_gallery,
            product: plan.product.clone(),
            model: model(&engine.model, engine.arithmetic()),
            options,
            rank: Some(rank),
            decision: decided.transpose()?.flatten(),
            further: about_further,
            paint,
        };
        Ok(Draft { record, plan, query: Arc::clone(&kept.source.bytes), gallery, further })
    }
}

/// A photo of the project as its file is, with the part of it that is compared and the kind that it is embedded as.
fn stored_photo(opened: &Opened, photo: &PhotoId) -> Result<(EvidencePhoto, Vec<u8>), JobError> {
    let bytes = data::decode::read_file(&opened.paths.photo(photo))?;
    let pixels = data::decode_bytes(&bytes, photo.as_str())?;
    let row = opened.project().photo(photo)?.ok_or_else(|| JobError::NotInGallery { photo: photo.clone() })?;
    let part = data::compared_part(&pixels, row.domain, row.bbox);
    let name = photo.as_str().rsplit('/').next().unwrap_or_default().to_owned();
    let crop = unless_whole(part, &pixels);
    let kind = match (row.kind, row.product) {
        (None, Some(product)) => opened.project().product(&product)?.map(|product| product.kind),
        (kind, _) => kind,
    };
    Ok((EvidencePhoto { name, photo: Some(photo.clone()), edit: QueryEdit::default(), crop, kind }, bytes))
}

fn unless_whole(part: CropRect, pixels: &RgbImage) -> Option<CropRect> {
    (part != CropRect::whole(pixels.width(), pixels.height())).then_some(part)
}

/// A photo with its file.
type Further = (EvidenceFurther, Arc<[u8]>);

/// All else that a query is made of: other photos of the garment, liked and disliked products.
fn further(opened: &Opened, kept: &Kept) -> Result<Vec<Further>, JobError> {
    let mut all = Vec::new();
    for also in &kept.also {
        let photo = match &also.photo {
            QueryPhoto::Project(photo) => Some(photo.clone()),
            _ => None,
        };
        let (name, crop) = (also.source.name.clone(), unless_whole(also.crop, &also.source.decode()?));
        let photo = EvidencePhoto { name, photo, edit: QueryEdit::default(), crop, kind: kept.kind() };
        all.push((EvidenceFurther { role: FurtherRole::Also, photo }, Arc::clone(&also.source.bytes)));
    }
    let (liked, disliked) = (&kept.recipe.liked, &kept.recipe.disliked);
    for (role, photos) in [(FurtherRole::Liked, liked), (FurtherRole::Disliked, disliked)] {
        for photo in photos {
            let (photo, bytes) = stored_photo(opened, photo)?;
            all.push((EvidenceFurther { role, photo }, bytes.into()));
        }
    }
    Ok(all)
}

/// "seamline 0.1.0".
pub fn program() -> String {
    concat!("seamline ", env!("CARGO_PKG_VERSION")).to_owned()
}

pub fn model(info: &ModelInfo, arithmetic: Arithmetic) -> EvidenceModel {
    EvidenceModel { name: info.name.clone(), checkpoint: info.checkpoint.clone(), arithmetic }
}

/// Milliseconds since 1970, UTC.
pub fn made_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What a person said last about a query photo and a product; `None` where that was taken back, or never said.
pub fn decision(project: &Project, query: &PhotoId, product: &ProductId) -> Result<Option<EvidenceDecision>, JobError> {
    let key = LabelKey::Match { query: query.clone(), product: product.clone() };
    let last = project.events_of(query)?.into_iter().rev().find(|event| event.key == key);
    Ok(last.and_then(|event| {
        let same_product = match event.after?.value {
            LabelValue::SameProduct { .. } => true,
            LabelValue::NotThisProduct { .. } => false,
            LabelValue::Kind { .. } => return None,
        };
        Some(EvidenceDecision { same_product, author: event.author, at_ms: event.at_ms })
    }))
}
