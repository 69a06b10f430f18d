//! PyTorch's files of tensors, without Python and without running what they ask for.
//!
//! Since version 1.6 a file is a zip archive with one pickle and the bytes of each storage (`zipped`); before, it was five
//! pickles and the storages in a row (`legacy`). `pickle` walks either's pickle as data, `view` takes values from storages.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;

use super::NnError;

mod calls;
mod legacy;
mod pickle;
#[cfg(test)]
mod tests;
mod view;
mod zipped;

/// All tensors of floating-point numbers, if the file is one of PyTorch's. `path` is only for the errors.
pub(super) fn read(bytes: &[u8], path: &Path) -> Option<Result<BTreeMap<String, Tensor>, NnError>> {
    match bytes {
        [b'P', b'K', 3 | 5, ..] => Some(zipped::read(bytes, path)),
        [0x80, 1..=5, ..] => Some(legacy::read(bytes, path)),
        _ => None,
    }
}

/// Names come from the file: one line, not too long.
fn shorten(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(80).collect()
}
