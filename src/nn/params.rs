//! The named variables of a network, in one order everywhere, and how they begin.
//!
//! candle's `VarMap` is a `HashMap` and its initialisers draw from the thread's generator, so that neither the order
//! nor the values of two runs agree. Here names are sorted and every tensor's first values depend on the seed and its
//! name alone, not on what was made before it or on how many threads there are.

use std::collections::BTreeMap;
use std::fmt;

use candle_core::{DType, Device, Result, Shape, Tensor, Var};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// How a tensor begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    Zeros,
    Ones,
    Constant {
        value: f64,
    },
    /// Normal with deviation `sqrt(2 / fan_out)` (He et al. 2015), which torchvision gives its convolutions.
    KaimingNormalFanOut,
    /// Uniform in `±1 / sqrt(fan_in)`, PyTorch's linear layer.
    Uniform {
        fan_in: usize,
    },
    Normal {
        deviation: f64,
    },
}

/// What a network expects under a name.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    pub name: String,
    pub shape: Vec<usize>,
    pub init: Init,
    pub trainable: bool,
}

impl ParamSpec {
    pub fn new(name: impl Into<String>, shape: &[usize], init: Init, trainable: bool) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), init, trainable }
    }
}

/// A variable and whether an optimizer may change it; running statistics are variables that it may not.
#[derive(Clone, Debug)]
pub struct Param {
    pub var: Var,
    pub trainable: bool,
}

/// All variables of a network by name.
#[derive(Debug)]
pub struct Params {
    seed: u64,
    dtype: DType,
    device: Device,
    map: BTreeMap<String, Param>,
}

impl Params {
    /// An empty set of 32-bit variables.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self::with_dtype(seed, DType::F32, device)
    }

    pub fn with_dtype(seed: u64, dtype: DType, device: &Device) -> Self {
        Self { seed, dtype, device: device.clone(), map: BTreeMap::new() }
    }

    /// A set that already holds these values, for instance those of a file; what a network asks for beyond them
    /// begins as usual. Values are converted to `dtype`.
    pub fn from_tensors(
        seed: u64,
        dtype: DType,
        device: &Device,
        specs: &[ParamSpec],
        mut tensors: BTreeMap<String, Tensor>,
    ) -> Result<Self> {
        let mut params = Self::with_dtype(seed, dtype, device);
        for spec in specs {
            if let Some(tensor) = tensors.remove(&spec.name).filter(|tensor| tensor.dims() == spec.shape) {
                let var = Var::from_tensor(&tensor.to_device(device)?.to_dtype(dtype)?)?;
                params.map.insert(spec.name.clone(), Param { var, trainable: spec.trainable });
            }
        }
        Ok(params)
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    pub fn len(&self) -> usize {
        self.map.len()
    }

    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The variable of that name, made on the first call. Asking again with another shape is an error.
    pub fn get_or_init(&mut self, name: &str, shape: &[usize], init: Init, trainable: bool) -> Result<Var> {
        if let Some(param) = self.map.get(name) {
            if param.var.dims() != shape {
                let found = param.var.dims();
                candle_core::bail!("`{name}` is {found:?} and was asked for as {shape:?}");
            }
            return Ok(param.var.clone());
        }
        let values = initial_values(self.seed, name, shape, init);
        let tensor = Tensor::from_vec(values, Shape::from(shape), &self.device)?.to_dtype(self.dtype)?;
        let var = Var::from_tensor(&tensor)?;
        self.map.insert(name.to_owned(), Param { var: var.clone(), trainable });
        Ok(var)
    }

    pub fn get_or_init_spec(&mut self, spec: &ParamSpec) -> Result<Var> {
        self.get_or_init(&spec.name, &spec.shape, spec.init, spec.trainable)
    }

    pub fn get(&self, name: &str) -> Option<&Param> {
        self.map.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Param)> {
        self.map.iter().map(|(name, param)| (name.as_str(), param))
    }

    /// What an optimizer changes, sorted by name.
    pub fn trainable(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.iter().filter(|(_, param)| param.trainable).map(|(name, param)| (name, &param.var))
    }

    /// Number of trainable values.
    pub fn count(&self) -> usize {
        self.trainable().map(|(_, var)| var.elem_count()).sum()
    }

    /// Copies of all values, detached from any graph.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        self.map.iter().map(|(name, param)| Ok((name.clone(), param.var.as_detached_tensor().copy()?))).collect()
    }

    /// Takes the values whose names and shapes fit and leaves the rest as it was; the report says which was which.
    pub fn load(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<LoadReport> {
        let specs: Vec<_> = self
            .map
            .iter()
            .map(|(name, param)| ParamSpec::new(name.clone(), param.var.dims(), Init::Zeros, param.trainable))
            .collect();
        let report = LoadReport::compare(&specs, tensors);
        for (name, param) in &self.map {
            if let Some(tensor) = tensors.get(name).filter(|tensor| tensor.dims() == param.var.dims()) {
                param.var.set(&tensor.to_device(&self.device)?.to_dtype(self.dtype)?)?;
            }
        }
        Ok(report)
    }
}

/// A tensor of the file whose shape is not the network's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongShape {
    pub name: String,
    pub wanted: Vec<usize>,
    pub found: Vec<usize>,
}

/// How the names of a file and those of a network agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Names that fit.
    pub loaded: usize,
    /// Wanted by the network, absent from the file.
    pub missing: Vec<String>,
    /// In the file, unknown to the network.
    pub unexpected: Vec<String>,
    pub wrong_shape: Vec<WrongShape>,
}

impl LoadReport {
    /// Compares without loading. PyTorch's `num_batches_tracked` counters carry no weights and are passed over.
    pub fn compare(specs: &[ParamSpec], tensors: &BTreeMap<String, Tensor>) -> Self {
        let mut report = Self::default();
        let wanted: BTreeMap<&str, &ParamSpec> = specs.iter().map(|spec| (spec.name.as_str(), spec)).collect();
        for (name, spec) in &wanted {
            match tensors.get(*name) {
                None => report.missing.push((*name).to_owned()),
                Some(tensor) if tensor.dims() == spec.shape => report.loaded += 1,
                Some(tensor) => report.wrong_shape.push(WrongShape {
                    name: (*name).to_owned(),
                    wanted: spec.shape.clone(),
                    found: tensor.dims().to_vec(),
                }),
            }
        }
        report.unexpected = tensors
            .keys()
            .filter(|name| !wanted.contains_key(name.as_str()) && !name.ends_with("num_batches_tracked"))
            .cloned()
            .collect();
        report
    }

    /// True where every name fits and none is left over.
    pub fn is_clean(&self) -> bool {
        self.is_complete() && self.unexpected.is_empty()
    }

    /// True where the network got all it needs, whatever else the file holds.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.wrong_shape.is_empty()
    }
}

/// One line: the counts and the first names of each kind. The fields have all of them.
impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        let names = |names: &[String]| {
            let mut text = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            if names.len() > SHOWN {
                text.push_str(", …");
            }
            text
        };
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("{} missing ({})", self.missing.len(), names(&self.missing)));
        }
        if !self.unexpected.is_empty() {
            parts.push(format!("{} unexpected ({})", self.unexpected.len(), names(&self.unexpected)));
        }
        if !self.wrong_shape.is_empty() {
            let shapes: Vec<_> = self
                .wrong_shape
                .iter()
                .map(|wrong| format!("{} {:?} instead of {:?}", wrong.name, wrong.found, wrong.wanted))
                .collect();
            parts.push(format!("{} of the wrong shape ({})", self.wrong_shape.len(), names(&shapes)));
        }
        if parts.is_empty() { write!(f, "all {} tensors fit", self.loaded) } else { f.write_str(&parts.join(", ")) }
    }
}

/// The first values of a tensor, drawn from a generator keyed by seed and name.
fn initial_values(seed: u64, name: &str, shape: &[usize], init: Init) -> Vec<f64> {
    let count = shape.iter().product();
    let key = blake3::Hasher::new().update(&seed.to_le_bytes()).update(name.as_bytes()).finalize();
    let mut random = ChaCha8Rng::from_seed(*key.as_bytes());
    match init {
        Init::Zeros => vec![0.0; count],
        Init::Ones => vec![1.0; count],
        Init::Constant { value } => vec![value; count],
        Init::Uniform { fan_in } => {
            let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
            (0..count).map(|_| (2.0 * unit(&mut random) - 1.0) * bound).collect()
        }
        Init::KaimingNormalFanOut => {
            // [O, C, kh, kw]: every input value reaches O * kh * kw outputs.
            let fan_out = shape.iter().product::<usize>() / shape.get(1).copied().unwrap_or(1).max(1);
            normal(&mut random, count, (2.0 / fan_out.max(1) as f64).sqrt())
        }
        Init::Normal { deviation } => normal(&mut random, count, deviation),
    }
}

/// Uniform in [0, 1) with all 53 bits.
fn unit(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Box and Muller 1958: two uniform values give two normal ones.
fn normal(random: &mut ChaCha8Rng, count: usize, deviation: f64) -> Vec<f64> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        // 1 - u lies in (0, 1], so the logarithm is finite.
        let radius = (-2.0 * (1.0 - unit(random)).ln()).sqrt() * deviation;
        let (sin, cos) = (std::f64::consts::TAU * unit(random)).sin_cos();
        values.extend([radius * cos, radius * sin]);
    }
    values.truncate(count);
    values
}
