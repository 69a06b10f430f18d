//! PyTorch's format since version 1.6: a zip archive with one pickle and the bytes of each storage.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;

use candle_core::Tensor;
use zip::ZipArchive;

use super::{pickle, shorten, view};
use crate::nn::{NnError, weights};

/// State dictionaries are some kilobytes; optimisers may add a megabyte.
const LARGEST_PICKLE: u64 = 32 << 20;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

pub fn read(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, Tensor>, NnError> {
    let refuse = |reason: String| NnError::weights(reason, path);
    let mut archive =
        Archive::new(Cursor::new(bytes)).map_err(|_| refuse("the archive is cut off or damaged".to_owned()))?;
    let root = root(&archive).map_err(refuse)?;
    // Absent in older files, which are little-endian.
    let order = entry(&mut archive, &format!("{root}byteorder"), 16).unwrap_or_default();
    if order.starts_with(b"big") {
        return Err(refuse("their numbers are big-endian, which is not supported".to_owned()));
    }
    let program = entry(&mut archive, &format!("{root}data.pkl"), LARGEST_PICKLE).map_err(refuse)?;
    let views = pickle::walk(&program)
        .and_then(|pickle| pickle.state_dict().ok_or_else(|| pickle::NO_TENSORS.to_owned()))
        .map_err(refuse)?;
    view::check_total(&views, bytes.len()).map_err(refuse)?;

    let mut tensors = BTreeMap::new();
    for (storage, views) in view::by_storage(&views) {
        // Stored without compression, a storage is never larger than the archive.
        let data = entry(&mut archive, &format!("{root}data/{storage}"), bytes.len() as u64).map_err(refuse)?;
        for (name, view) in views {
            let values = view.values(name, &data).map_err(refuse)?;
            if let Some(tensor) = weights::tensor(name, values, &view.shape, path)? {
                tensors.insert(name.to_owned(), tensor);
            }
        }
    }
    Ok(tensors)
}

/// The folder inside the archive, with its slash.
fn root(archive: &Archive) -> Result<String, String> {
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    if names.iter().any(|name| name.ends_with("constants.pkl")) {
        return Err("the file is a TorchScript program; save the network's state_dict instead".to_owned());
    }
    names
        .iter()
        .filter_map(|name| name.strip_suffix("data.pkl"))
        .find(|root| root.is_empty() || root.ends_with('/'))
        .map(str::to_owned)
        .ok_or_else(|| "the file is a zip archive, but not one of PyTorch's".to_owned())
}

fn entry(archive: &mut Archive, name: &str, limit: u64) -> Result<Vec<u8>, String> {
    let damaged = || format!("the part `{}` of the archive is missing or damaged", shorten(name));
    let file = archive.by_name(name).map_err(|_| damaged())?;
    let size = file.size();
    if size > limit {
        return Err(format!("the part `{}` of the archive claims {size} bytes", shorten(name)));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // The archive's own checksum is verified at the end.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|_| damaged())?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(damaged()) }
}
