//! Reads weights that others wrote: `.safetensors`, and PyTorch's `.pth` with its tensors only.
//!
//! What a file is, its first bytes decide, not its name. Nothing in a file is trusted: sizes are checked before memory
//! is taken, a pickle is walked as data and never run, and values that are not finite are refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use super::NnError;
use super::arch::{Arch, BackboneConfig};
use super::params::{LoadReport, ParamSpec};
use super::plan::BackbonePlan;
use super::torch;

/// Larger than any network this program knows.
const LARGEST_FILE: u64 = 8 << 30;

/// Number types that files use for weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    F16,
    Bf16,
    F32,
    F64,
}

impl Number {
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The number at the start of these bytes, which hold it whole.
    pub fn first(self, bytes: &[u8]) -> Option<f32> {
        Some(match self {
            Self::F16 => f16::from_le_bytes(*bytes.first_chunk()?).to_f32(),
            Self::Bf16 => bf16::from_le_bytes(*bytes.first_chunk()?).to_f32(),
            Self::F32 => f32::from_le_bytes(*bytes.first_chunk()?),
            Self::F64 => f64::from_le_bytes(*bytes.first_chunk()?) as f32,
        })
    }

    /// Little-endian bytes to 32 bits. Bytes beyond the last whole number are ignored.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F16 => bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Self::Bf16 => bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            Self::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Self::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        }
    }
}

/// Reads all tensors of floating-point numbers in a `.safetensors` or `.pth` file, in 32 bits on the CPU. Integers, such
/// as PyTorch's counters of batches, are no weights and are passed over.
pub fn read(path: &Path) -> Result<BTreeMap<String, Tensor>, NnError> {
    let bytes = read_bytes(path)?;
    let tensors = torch::read(&bytes, path).unwrap_or_else(|| from_safetensors(&bytes, path))?;
    if tensors.is_empty() {
        return Err(NnError::weights("the file holds no tensors", path));
    }
    Ok(tensors)
}

/// The whole file, unless it is missing, empty, a folder or absurdly large.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, NnError> {
    let failed = |source| NnError::Read { what: "the weights", source, path: path.to_owned() };
    let about = fs::metadata(path).map_err(failed)?;
    if about.is_dir() {
        return Err(NnError::weights("this is a folder", path));
    }
    match about.len() {
        0 => Err(NnError::weights("the file is empty", path)),
        length if length > LARGEST_FILE => Err(NnError::weights("the file is larger than 8 GiB", path)),
        _ => fs::read(path).map_err(failed),
    }
}

/// The tensors of a safetensors file. `path` is only for the errors.
pub(super) fn from_safetensors(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, Tensor>, NnError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| NnError::weights(said(&error), path))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let number = match view.dtype() {
            Dtype::F16 => Number::F16,
            Dtype::BF16 => Number::Bf16,
            Dtype::F32 => Number::F32,
            Dtype::F64 => Number::F64,
            _ => continue,
        };
        if let Some(tensor) = tensor(name, number.decode(view.data()), view.shape(), path)? {
            tensors.insert(name.to_owned(), tensor);
        }
    }
    Ok(tensors)
}

fn said(error: &SafeTensorError) -> String {
    match error {
        SafeTensorError::MetadataIncompleteBuffer => "the file is cut off or too long".to_owned(),
        SafeTensorError::HeaderTooLarge
        | SafeTensorError::HeaderTooSmall
        | SafeTensorError::InvalidHeaderLength
        | SafeTensorError::InvalidHeader(_)
        | SafeTensorError::InvalidHeaderDeserialization(_) => {
            "the file is neither a whole .safetensors nor a .pth of PyTorch".to_owned()
        }
        other => format!("the file is damaged ({other})"),
    }
}

/// A tensor of checked values; nothing for one without values.
pub(super) fn tensor(name: &str, values: Vec<f32>, shape: &[usize], path: &Path) -> Result<Option<Tensor>, NnError> {
    if values.is_empty() {
        return Ok(None);
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(NnError::weights(format!("`{name}` holds values that are not finite"), path));
    }
    Tensor::from_vec(values, shape, &Device::Cpu)
        .map(Some)
        .map_err(|_| NnError::weights(format!("`{name}` does not fill its shape {shape:?}"), path))
}

/// Values in row-major order, in 32 bits.
pub(super) fn host_values(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

/// Reads a file and brings the names of its backbone, if it has one, to the published ones.
pub fn read_backbone(path: &Path) -> Result<BTreeMap<String, Tensor>, NnError> {
    Ok(modern(strip_prefix(read(path)?)))
}

/// torchvision's first DenseNet files call `norm1` in a layer `norm.1`, and so on.
fn modern(tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    let renamed = |name: String| -> String {
        let Some(place) = name.find(".denselayer") else { return name };
        let (before, after) = name.split_at(place);
        let after = ["norm.1.", "norm.2.", "conv.1.", "conv.2."]
            .into_iter()
            .fold(after.to_owned(), |after, old| after.replacen(old, &old.replacen('.', "", 1), 1));
        format!("{before}{after}")
    };
    tensors.into_iter().map(|(name, tensor)| (renamed(name), tensor)).collect()
}

/// Takes away what wrappers put before every name, such as `module.` (data parallel), `backbone.` or `encoder_q.` (MoCo).
/// Names outside the wrapper, such as a head beside it, stay as they are.
pub fn strip_prefix(tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    let Some(prefix) = backbone_prefix(&tensors) else { return tensors };
    let (inside, mut outside): (BTreeMap<_, _>, BTreeMap<_, _>) =
        tensors.into_iter().partition(|(name, _)| name.starts_with(&prefix));
    outside.extend(inside.into_iter().map(|(name, tensor)| (name[prefix.len()..].to_owned(), tensor)));
    outside
}

/// The stem's convolution in each way of naming, and a name that must be there beside it.
const STEMS: [(&str, &[&str]); 3] = [
    ("conv1.weight", &["layer1.0.conv1.weight"]),
    ("layer0.conv1.weight", &["layer1.0.conv1.weight"]),
    (
        "features.conv0.weight",
        &["features.denseblock1.denselayer1.conv1.weight", "features.denseblock1.denselayer1.conv.1.weight"],
    ),
];

/// Where the backbone's names begin. Of several, the one that trained by gradient, then the shortest.
fn backbone_prefix(tensors: &BTreeMap<String, Tensor>) -> Option<String> {
    const FOLLOWERS: [&str; 4] = ["encoder_k", "momentum", "target", "ema"];
    let of = |name: &str| {
        STEMS.into_iter().find_map(|(stem, beside)| {
            let prefix = name.strip_suffix(stem)?;
            let whole = prefix.is_empty() || prefix.ends_with('.');
            let found = beside.iter().any(|beside| tensors.contains_key(&format!("{prefix}{beside}")));
            (whole && found).then(|| prefix.to_owned())
        })
    };
    tensors
        .keys()
        .filter_map(|name| of(name))
        .min_by_key(|prefix| (FOLLOWERS.iter().any(|word| prefix.contains(word)), prefix.len(), prefix.clone()))
}

/// Channels after the stem.
pub(super) fn width(found: &BTreeMap<String, Tensor>) -> Option<usize> {
    let stem = STEMS.into_iter().find_map(|(stem, _)| found.get(stem));
    stem.and_then(|stem| stem.dims().first()).copied()
}

/// True where the file holds this very backbone; a deeper one has all the names of a shallower one, and more.
pub(super) fn fits(report: &LoadReport) -> bool {
    report.is_complete() && !report.unexpected.iter().any(|name| in_body(name))
}

/// Whether a name lies inside a backbone, other than its head.
fn in_body(name: &str) -> bool {
    let first = name.split('.').next().unwrap_or_default();
    matches!(first, "conv1" | "bn1" | "layer0" | "layer1" | "layer2" | "layer3" | "layer4" | "features")
}

/// One sentence on what the file holds instead of that backbone.
pub(super) fn misfit(
    wanted: &BackboneConfig,
    found: &BTreeMap<String, Tensor>,
    report: LoadReport,
    path: &Path,
) -> NnError {
    let name = |config: &BackboneConfig| match config.width {
        64 => config.arch.to_string(),
        width => format!("{} of width {width}", config.arch),
    };
    let known = Arch::ALL.into_iter().find_map(|arch| {
        let config = BackboneConfig { arch, width: width(found)?, ..wanted.clone() };
        // A width that no network has may be a hostile file's.
        config.problem().is_none().then_some(())?;
        let report = LoadReport::compare(&BackbonePlan::new("", &config).specs(), found);
        fits(&report).then(|| name(&config))
    });
    match known {
        Some(known) => NnError::weights(format!("they are {known}'s, not {}'s", name(wanted)), path),
        None => NnError::Misfit { network: name(wanted), report: Box::new(report), path: path.to_owned() },
    }
}

/// A running variance below zero has no root.
pub(super) fn check_variances(
    specs: &[ParamSpec],
    tensors: &BTreeMap<String, Tensor>,
    path: &Path,
) -> Result<(), NnError> {
    for spec in specs.iter().filter(|spec| spec.name.ends_with("running_var")) {
        let values = tensors.get(&spec.name).map(host_values).and_then(Result::ok).unwrap_or_default();
        if values.iter().any(|value| *value < 0.0) {
            return Err(NnError::weights(format!("`{}` holds variances below zero", spec.name), path));
        }
    }
    Ok(())
}
