//! A tensor as a pickle describes it, and its values.

use std::collections::BTreeMap;

use super::shorten;
use crate::nn::weights::Number;

/// Where a tensor's values lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub storage: String,
    pub number: Number,
    /// In numbers, as the strides.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

impl View {
    /// Number of values, unless it overflows.
    fn elements(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        self.shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size))
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1usize;
        self.shape.iter().zip(&self.strides).rev().all(|(size, stride)| {
            let fits = *size == 1 || *stride == expected;
            expected = expected.saturating_mul(*size);
            fits
        })
    }

    /// Values in row-major order. `name` is only for the error.
    pub fn values(&self, name: &str, storage: &[u8]) -> Result<Vec<f32>, String> {
        let outside = || format!("`{}` reaches outside its storage", shorten(name));
        let count = self.elements().ok_or_else(outside)?;
        if count == 0 {
            return Ok(Vec::new());
        }
        // The furthest element; with no stride below zero all others lie before it.
        let mut last = self.offset;
        for (size, stride) in self.shape.iter().zip(&self.strides) {
            let reach = (size - 1).checked_mul(*stride).ok_or_else(outside)?;
            last = last.checked_add(reach).ok_or_else(outside)?;
        }
        let each = self.number.bytes();
        if last >= storage.len() / each {
            return Err(outside());
        }
        if self.is_contiguous() {
            return Ok(self.number.decode(&storage[self.offset * each..(last + 1) * each]));
        }
        let mut values = Vec::with_capacity(count);
        let mut index = vec![0usize; self.shape.len()];
        for _ in 0..count {
            let steps = index.iter().zip(&self.strides).map(|(index, stride)| index * stride);
            let at = self.offset + steps.sum::<usize>();
            values.push(self.number.first(&storage[at * each..]).ok_or_else(outside)?);
            for (place, size) in index.iter_mut().zip(&self.shape).rev() {
                *place += 1;
                if *place < *size {
                    break;
                }
                *place = 0;
            }
        }
        Ok(values)
    }
}

/// Many names may share a storage, but a small file that unfolds to much more than itself is no file of weights.
pub fn check_total(views: &BTreeMap<String, View>, file_bytes: usize) -> Result<(), String> {
    let mut total = 0usize;
    for (name, view) in views {
        total = view
            .elements()
            .and_then(|count| count.checked_mul(view.number.bytes()))
            .and_then(|bytes| total.checked_add(bytes))
            .filter(|total| *total <= file_bytes.saturating_mul(4))
            .ok_or_else(|| format!("`{}` claims more values than the file can hold", shorten(name)))?;
    }
    Ok(())
}

/// The views by the storage that they look at, so that each is read once.
pub fn by_storage(views: &BTreeMap<String, View>) -> BTreeMap<&str, Vec<(&str, &View)>> {
    let mut storages: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (name, view) in views {
        storages.entry(&view.storage).or_default().push((name.as_str(), view));
    }
    storages
}
