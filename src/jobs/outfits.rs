//! Outfits: those of the sample as files, and how well a model knows what is worn together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::JobError;
use super::open::Report;
use crate::data::polyvore::{OutfitFiles, OutfitSet, OutfitTest, RightAnswer, ask};
use crate::domain::{ManifestRecord, PhotoDomain, PhotoId, ProductId, Split, StopFlag};
use crate::eval::{CompatibilityScores, EvalItem, compatibility, worn_vectors};
use crate::nn::Encoder;
use crate::project::Project;
use crate::synth::{self, SampleSpec};

/// Where a project's outfits lie unless somebody says otherwise.
pub fn folder(project: &Project) -> PathBuf {
    project.paths().root().join("outfits")
}

/// Writes the outfits of a sample, with their questions, for all three splits; answers how many there are of each.
pub fn write_sample_outfits(project: &Project, dir: &Path) -> Result<Vec<(Split, usize)>, JobError> {
    let spec = sample_of(project).ok_or_else(|| JobError::Options {
        sentence: "only the outfits of a sample wardrobe can be written, drawn by this version of the program; other projects bring theirs in their folder outfits".to_owned(),
    })?;
    let kind_of = kinds(project)?;
    let mut written = Vec::new();
    for split in [Split::Train, Split::Validation, Split::Test] {
        let outfits: Vec<OutfitSet> = synth::outfits(&spec, split)
            .into_iter()
            .map(|outfit| OutfitSet::new(outfit.id, outfit.products.iter().map(ProductId::to_string)))
            .collect();
        written.push((split, outfits.len()));
        ask(outfits, &kind_of, spec.seed).write(dir, split)?;
    }
    Ok(written)
}

fn kinds(project: &Project) -> Result<BTreeMap<String, String>, JobError> {
    Ok(project.products()?.into_iter().map(|row| (row.product.to_string(), row.kind)).collect())
}

/// What a project's sample was drawn from; `None` for other projects.
fn sample_of(project: &Project) -> Option<SampleSpec> {
    let mut line = String::new();
    BufReader::new(File::open(project.paths().manifest()).ok()?).read_line(&mut line).ok()?;
    match serde_json::from_str(&line).ok()? {
        ManifestRecord::Sample { seed, products, drawing: synth::DRAWING, .. } => {
            Some(SampleSpec { products, seed, ..SampleSpec::default() })
        }
        _ => None,
    }
}

/// Which outfits a model is measured on.
pub struct OutfitQuestions<'a> {
    /// The folder of their files.
    pub dir: &'a Path,
    pub split: Split,
    pub rule: RightAnswer,
    /// Photos named after items; without it items are the project's products.
    pub images: Option<&'a Path>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OutfitReport {
    pub scores: CompatibilityScores,
    pub items: usize,
    /// Sets and questions with an item whose photo could not be read.
    pub left_out: usize,
    pub skipped: Vec<(PhotoId, String)>,
    /// Items that the training split has too, so that the model may have seen them; `None` where it is not there.
    pub also_in_training: Option<usize>,
}

/// Measures an encoder by the distances between its vectors of shop photos.
pub fn measure(
    project: &Project,
    encoder: &Encoder,
    asked: &OutfitQuestions<'_>,
    stop: &StopFlag,
    report: Report<'_>,
) -> Result<OutfitReport, JobError> {
    let files = OutfitFiles::read(asked.dir, asked.split)?;
    let test = files.resolve(asked.dir, asked.split, asked.rule)?;
    let kind_of = kinds(project)?;
    let items = test
        .items
        .iter()
        .enumerate()
        .map(|(number, id)| photo_of(project, asked.images, &kind_of, number, id))
        .collect::<Result<Vec<EvalItem>, JobError>>()?;
    let found = worn_vectors(encoder, &items, PhotoDomain::Shop, stop, report)?;
    let (vectors, skipped) = found.ok_or(JobError::Stopped)?;
    let asked_in_all = test.judged.len() + test.blanks.len();
    let OutfitTest { items: ids, mut judged, mut blanks } = test;
    let readable = |items: &[usize]| items.iter().all(|&item| vectors[item].is_some());
    judged.retain(|(_, items)| readable(items));
    blanks.retain(|blank| readable(&blank.items) && readable(&blank.answers));
    let left_out = asked_in_all - judged.len() - blanks.len();
    let distance = |a: usize, b: usize| match (&vectors[a], &vectors[b]) {
        (Some(a), Some(b)) => a.iter().zip(b).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt(),
        // Left out above.
        _ => f64::INFINITY,
    };
    let scores = compatibility(&judged, &blanks, &distance)?;
    let also_in_training = (asked.split != Split::Train)
        .then(|| OutfitFiles::read(asked.dir, Split::Train).ok())
        .flatten()
        .map(|training| {
            let seen: BTreeSet<&str> =
                training.outfits.iter().flat_map(|set| &set.items).map(|item| item.item_id.as_str()).collect();
            ids.iter().filter(|id| seen.contains(id.as_str())).count()
        });
    Ok(OutfitReport { scores, items: items.len(), left_out, skipped, also_in_training })
}

/// The photo that shows an item: `<images>/<item>.jpg`, or the first shop photo of the product of that name.
fn photo_of(
    project: &Project,
    images: Option<&Path>,
    kind_of: &BTreeMap<String, String>,
    number: usize,
    id: &str,
) -> Result<EvalItem, JobError> {
    let kind = kind_of.get(id).cloned().unwrap_or_default();
    let item = |photo: PhotoId, path: PathBuf, crop| EvalItem { photo, path, product: number, kind, crop };
    if let Some(images) = images {
        let inside = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !inside {
            let sentence = format!("the item {id:?} of the outfits is no name of a photo");
            return Err(JobError::Options { sentence });
        }
        let name = format!("{id}.jpg");
        return Ok(item(PhotoId::new(&name), images.join(&name), None));
    }
    let photos = project.photos_of(&ProductId::new(id))?;
    let shop = photos.into_iter().find(|row| row.domain == PhotoDomain::Shop);
    let shop = shop.ok_or_else(|| JobError::Options {
        sentence: format!("the item {id} of the outfits is no product of this project with a shop photo"),
    })?;
    let path = project.paths().photo(&shop.photo);
    Ok(item(shop.photo, path, shop.bbox))
}
