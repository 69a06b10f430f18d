//! PyTorch's format from before version 1.6, in which many published weights still come: a magic number, a version, the
//! writer's machine, the object and the storages' keys, each a pickle of its own, and then each storage as its length and
//! its bytes.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;

use super::pickle::{self, Pickle};
use super::{shorten, view};
use crate::nn::{NnError, weights};

/// The magic number as a pickle.
const MAGIC: [u8; 15] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
/// The format's only version.
const VERSION: i64 = 1001;

pub fn read(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, Tensor>, NnError> {
    let refuse = |reason: String| NnError::weights(reason, path);
    let file = parse(bytes).map_err(refuse)?;
    let mut tensors = BTreeMap::new();
    for (storage, views) in view::by_storage(&file.views) {
        let missing = || refuse(format!("the storage `{}` is missing", shorten(storage)));
        let data = file.storages.get(storage).ok_or_else(missing)?;
        for (name, view) in views {
            let values = view.values(name, data).map_err(refuse)?;
            if let Some(tensor) = weights::tensor(name, values, &view.shape, path)? {
                tensors.insert(name.to_owned(), tensor);
            }
        }
    }
    Ok(tensors)
}

struct File<'a> {
    views: BTreeMap<String, view::View>,
    storages: BTreeMap<String, &'a [u8]>,
}

fn parse(bytes: &[u8]) -> Result<File<'_>, String> {
    let mut rest = bytes.strip_prefix(&MAGIC).ok_or("the file is a pickle, but not one of PyTorch's")?;
    let mut next = || -> Result<Pickle, String> {
        let pickle = pickle::walk(rest)?;
        rest = &rest[pickle.length..];
        Ok(pickle)
    };
    if next()?.integer() != Some(VERSION) {
        return Err("the file is of a version of PyTorch's format that is not known".to_owned());
    }
    if next()?.flag("little_endian") != Some(true) {
        return Err("their numbers are big-endian, which is not supported".to_owned());
    }
    let object = next()?;
    let keys = next()?.texts().ok_or("the list of storages is damaged")?;
    let views = object.state_dict().ok_or(pickle::NO_TENSORS)?;
    view::check_total(&views, bytes.len())?;

    let mut storages = BTreeMap::new();
    for key in keys {
        let each = object.storages.get(&key).ok_or("the list of storages is damaged")?;
        let cut = || format!("the file is cut off in the storage `{}`", shorten(&key));
        let (count, data) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let length = usize::try_from(i64::from_le_bytes(*count)).ok().and_then(|count| count.checked_mul(*each));
        let (data, after) = length.and_then(|length| data.split_at_checked(length)).ok_or_else(cut)?;
        storages.insert(key, data);
        rest = after;
    }
    Ok(File { views, storages })
}
