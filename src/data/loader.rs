//! Batches for training: photos are decoded once into memory, views are made on all cores.
//!
//! The loader makes no thread. A trainer that wants the next batch while it computes calls
//! `rayon::join(|| step(&now), || loader.batch(&next, epoch, step))`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use image::RgbImage;
use rayon::prelude::*;

use super::augment::{Augment, SampleKey};
use super::dataset::{Dataset, Item};
use super::decode::decode_file;
use super::fit;
use super::ground::compared_part;
use super::pack::{Pack, PackShape, Packed, Writer};
use crate::domain::{CropRect, PhotoDomain, PhotoId, Progress, StopFlag};

#[derive(Clone, Debug, PartialEq)]
pub struct LoaderOptions {
    /// Side of the network's input.
    pub size: u32,
    pub augment: Augment,
    pub seed: u64,
    /// Decoded photos beyond this many bytes are not kept but decoded each time.
    pub cache_bytes: u64,
}

impl LoaderOptions {
    pub fn new(size: u32, augment: Augment, seed: u64) -> Self {
        Self { size, augment, seed, cache_bytes: 4 << 30 }
    }
}

/// What a step is trained on. Photos that cannot be read are left out, so it may be shorter than what was asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// `[n, 3, size, size]`, normalised as the network expects.
    pub images: Vec<f32>,
    pub size: u32,
    /// Indices into the dataset.
    pub items: Vec<usize>,
    pub products: Vec<usize>,
    pub kinds: Vec<usize>,
    pub domains: Vec<PhotoDomain>,
    /// What a method sees beside this: other views of the same photos, or views of unlabelled ones.
    pub views: Vec<Batch>,
    /// What is worn together.
    pub worn: Option<Box<Worn>>,
}

/// Photos of outfits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worn {
    pub photos: Batch,
    /// Rows of anchor, what is worn with it, and what is not.
    pub triplets: Vec<[usize; 3]>,
}

impl Worn {
    /// The photos of these triplets, each once.
    pub fn photos_of(wanted: &[usize]) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        wanted.iter().copied().filter(|item| seen.insert(*item)).collect()
    }

    /// `wanted` are anchor, positive and negative one after the other; `photos` are [`Self::photos_of`] them without those
    /// that cannot be read, and a triplet that lacks one is left out.
    pub fn new(wanted: &[usize], photos: Batch) -> Self {
        let row_of: BTreeMap<usize, usize> = photos.items.iter().enumerate().map(|(row, item)| (*item, row)).collect();
        let row = |item: &usize| row_of.get(item).copied();
        let triplets =
            wanted.as_chunks::<3>().0.iter().filter_map(|[a, p, n]| Some([row(a)?, row(p)?, row(n)?])).collect();
        Self { photos, triplets }
    }
}

impl Batch {
    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// A photo as it is kept: the garment with its surroundings, no larger than views need.
pub(super) struct Kept {
    pub(super) photo: RgbImage,
    pub(super) garment: CropRect,
}

/// Photos that are decoded before any of them is written.
const TOGETHER: usize = 64;

type Slot = OnceLock<Result<Arc<Kept>, String>>;

pub struct Loader {
    dataset: Arc<Dataset>,
    options: LoaderOptions,
    slots: Vec<Slot>,
    kept_bytes: AtomicU64,
    pack: Option<Pack>,
}

impl Loader {
    pub fn new(dataset: Arc<Dataset>, options: LoaderOptions) -> Self {
        let slots = dataset.items.iter().map(|_| Slot::new()).collect();
        Self { dataset, options, slots, kept_bytes: AtomicU64::new(0), pack: None }
    }

    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Decodes these photos ahead of the first epoch. Broken ones are found here; see `broken`.
    pub fn warm(&self, indices: &[usize], stop: &StopFlag, progress: &(dyn Fn(Progress) + Sync)) {
        let done = AtomicUsize::new(0);
        indices.par_iter().for_each(|&index| {
            if stop.is_stopped() {
                return;
            }
            // A broken photo is remembered in its slot.
            let _ = self.kept(index);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Progress { what: "Reading photos", done, total: indices.len() });
        });
    }

    /// Takes decoded photos from this file from now on. Where it is not there, or says nothing about some of these items,
    /// it is written first, with what it holds already and those items, as far as the budget goes, in bytes. Calls
    /// `progress` on this thread. A stop leaves the file as it was.
    pub fn keep_in(
        &mut self,
        path: &Path,
        among: &[usize],
        budget: u64,
        stop: &StopFlag,
        progress: &mut dyn FnMut(Progress),
    ) -> io::Result<Packed> {
        let shape = PackShape { size: self.options.size, margin: self.options.augment.margin() };
        let dataset = Arc::clone(&self.dataset);
        let items = &dataset.items;
        let old = Pack::open(path, shape, items);
        let missing = old.as_ref().map_or_else(|| among.to_vec(), |pack| pack.unsettled(items, among, budget));
        if let Some(pack) = old.as_ref().filter(|_| missing.is_empty()) {
            let contents = pack.contents();
            self.pack = old;
            return Ok(contents);
        }
        let missing: BTreeSet<usize> = missing.into_iter().collect();
        let held = |index: usize| old.as_ref().is_some_and(|pack| pack.holds(index));
        let wanted: Vec<usize> = (0..items.len()).filter(|&index| missing.contains(&index) || held(index)).collect();
        let mut writer = Writer::new(path, budget)?;
        if let Some(old) = &old {
            writer.carry_over(old);
        }
        for (chunk, indices) in wanted.chunks(TOGETHER).enumerate() {
            if stop.is_stopped() {
                self.pack = old;
                return Ok(Packed::default());
            }
            let made: Vec<(Option<Kept>, bool)> = indices
                .par_iter()
                .map(|&index| match old.as_ref().and_then(|pack| pack.get(index)) {
                    Some(kept) => (Some(kept), false),
                    None => (self.read(&items[index]).ok(), true),
                })
                .collect();
            for (&index, (kept, decoded)) in indices.iter().zip(&made) {
                writer.add(&items[index], kept.as_ref(), *decoded)?;
            }
            let done = chunk * TOGETHER + indices.len();
            progress(Progress { what: "Decoding photos", done, total: wanted.len() });
        }
        let packed = writer.finish(shape)?;
        self.pack = Pack::open(path, shape, items);
        Ok(packed)
    }

    /// Augmented views of these items, keyed by epoch and step.
    pub fn batch(&self, indices: &[usize], epoch: u64, step: u64) -> Batch {
        self.view(indices, epoch, step, 0)
    }

    /// The same for another view, for methods that compare several views of one photo.
    pub fn view(&self, indices: &[usize], epoch: u64, step: u64, view: u64) -> Batch {
        self.view_as(indices, epoch, step, view, &self.options.augment)
    }

    /// The same with another augmentation, whose crops reach no farther than the loader's own do.
    pub fn view_as(&self, indices: &[usize], epoch: u64, step: u64, view: u64, augment: &Augment) -> Batch {
        self.assemble(indices, augment, |position| SampleKey {
            seed: self.options.seed,
            epoch,
            sample: (step << 32) | position as u64,
            view,
        })
    }

    /// These items as a search sees them.
    pub fn plain(&self, indices: &[usize]) -> Batch {
        self.assemble(indices, &Augment::none(), |_| SampleKey { seed: 0, epoch: 0, sample: 0, view: 0 })
    }

    /// Photos that could not be read so far, with the reason.
    pub fn broken(&self) -> Vec<(PhotoId, String)> {
        let reason = |slot: &Slot| slot.get().and_then(|kept| kept.as_ref().err().cloned());
        self.dataset
            .items
            .iter()
            .zip(&self.slots)
            .filter_map(|(item, slot)| Some((item.photo.clone(), reason(slot)?)))
            .collect()
    }

    fn assemble(&self, indices: &[usize], augment: &Augment, key: impl Fn(usize) -> SampleKey + Sync) -> Batch {
        let values = 3 * self.options.size as usize * self.options.size as usize;
        let mut images = vec![0.0; indices.len() * values];
        let made: Vec<bool> = images
            .par_chunks_mut(values.max(1))
            .zip(indices)
            .enumerate()
            .map(|(position, (out, &index))| {
                let Ok(kept) = self.kept(index) else { return false };
                augment.view(&kept.photo, kept.garment, self.options.size, key(position), out);
                true
            })
            .collect();
        let mut batch = Batch { size: self.options.size, ..Batch::default() };
        for (position, &index) in indices.iter().enumerate().filter(|(position, _)| made[*position]) {
            images.copy_within(position * values..(position + 1) * values, batch.len() * values);
            let item = &self.dataset.items[index];
            batch.items.push(index);
            batch.products.push(item.product);
            batch.kinds.push(item.kind);
            batch.domains.push(item.domain);
        }
        images.truncate(batch.len() * values);
        batch.images = images;
        batch
    }

    fn kept(&self, index: usize) -> Result<Arc<Kept>, String> {
        let slot = &self.slots[index];
        if let Some(kept) = slot.get() {
            return kept.clone();
        }
        if let Some(kept) = self.pack.as_ref().and_then(|pack| pack.get(index)) {
            return Ok(Arc::new(kept));
        }
        let kept = self.read(&self.dataset.items[index]).map(Arc::new);
        let bytes = kept.as_ref().map_or(0, |kept| kept.photo.as_raw().len() as u64);
        let before = self.kept_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > self.options.cache_bytes {
            self.kept_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return kept;
        }
        // Another thread may have been faster; both read the same file.
        slot.get_or_init(|| kept).clone()
    }

    /// The garment's box with the margin that views may reach into, at 9/7 of the network's resolution, so that a
    /// view of a part is not blurred.
    fn read(&self, item: &Item) -> Result<Kept, String> {
        let photo = decode_file(&item.path).map_err(|error| error.to_string())?;
        let garment = match item.crop {
            Some(crop) => fit::check_crop(&photo, crop, &item.path.display().to_string()).map_err(|e| e.to_string())?,
            None => compared_part(&photo, item.domain, None),
        };
        let margin = self.options.augment.margin();
        let (dx, dy) = (margin * garment.width, margin * garment.height);
        let around = CropRect::new(garment.x - dx, garment.y - dy, garment.width + 2.0 * dx, garment.height + 2.0 * dy);
        let part = fit::whole_pixels(around, &photo);
        let [left, top, width, height] = part;
        let wanted = self.options.size as f32 * 9.0 / 7.0;
        let scale = (wanted / garment.width.max(garment.height)).min(1.0);
        let kept = fit::shrink_part(&photo, part, (width.max(height) as f32 * scale).round() as u32);
        let (sx, sy) = (kept.width() as f32 / width as f32, kept.height() as f32 / height as f32);
        let (x, y) = (garment.x - left as f32, garment.y - top as f32);
        let garment = CropRect::new(x * sx, y * sy, garment.width * sx, garment.height * sy);
        Ok(Kept { photo: kept, garment })
    }
}
