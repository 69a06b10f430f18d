//! The calls of which a state dictionary is made, by name. None is carried out; each says what its result is.

use super::pickle::{DAMAGED, Id, Machine, Value};
use super::shorten;
use super::view::View;
use crate::nn::weights::Number;

/// Longest key of a storage.
const LONGEST_KEY: usize = 256;

/// Classes and functions whose results carry no weights and, being kept as husks, can do no harm.
const INERT: [&str; 41] = [
    "torch.device",
    "torch.dtype",
    "torch.Generator",
    "torch.serialization._get_layout",
    "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "torch._utils._rebuild_wrapper_subclass",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "_codecs.encode",
    "argparse.Namespace",
    "types.SimpleNamespace",
    "collections.Counter",
    "collections.deque",
    "pathlib.Path",
    "pathlib.PurePath",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "pathlib.WindowsPath",
    "pathlib.PureWindowsPath",
    "datetime.datetime",
    "datetime.date",
    "datetime.timedelta",
    "builtins.set",
    "builtins.frozenset",
    "builtins.complex",
    "builtins.slice",
    "builtins.range",
    "builtins.object",
    "builtins.bytearray",
    "builtins.bytes",
    "builtins.int",
    "builtins.float",
    "builtins.str",
    "__builtin__.set",
    "__builtin__.frozenset",
];

impl Machine<'_> {
    /// What a call would give. A call that weights have no need of refuses the file.
    pub(super) fn call(&mut self, callable: Id, arguments: Id) -> Result<(), String> {
        let Value::Global(name) = self.value(callable) else {
            return match self.value(callable) {
                Value::Husk => self.push(Value::Husk),
                _ => Err(DAMAGED.to_owned()),
            };
        };
        let name = name.clone();
        let result = match name.as_str() {
            "collections.OrderedDict" | "collections.defaultdict" | "builtins.dict" | "__builtin__.dict" => {
                Value::Dict(Vec::new())
            }
            "torch.Size" | "builtins.list" | "builtins.tuple" | "__builtin__.list" | "__builtin__.tuple" => {
                match self.row(arguments).and_then(|row| row.first()).map(|id| self.value(*id)) {
                    Some(Value::Row(row)) => Value::Row(row.clone()),
                    _ => Value::Row(Vec::new()),
                }
            }
            "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor_v3" => {
                self.tensor(arguments)?
            }
            // The tensor is the first argument.
            "torch._utils._rebuild_parameter"
            | "torch._utils._rebuild_parameter_with_state"
            | "torch.nn.parameter.Parameter"
            | "torch.nn.parameter.Buffer" => match self.row(arguments).and_then(|row| row.first()) {
                Some(inner) => return self.push_id(*inner),
                None => return Err(DAMAGED.to_owned()),
            },
            // (function, type, arguments, state)
            "torch._tensor._rebuild_from_type_v2" | "torch._tensor._rebuild_from_type" => {
                return match self.row(arguments) {
                    Some(&[function, _, arguments, ..]) if self.is_rebuild(function) => self.call(function, arguments),
                    _ => Err(DAMAGED.to_owned()),
                };
            }
            inert if INERT.contains(&inert) => Value::Husk,
            other => return Err(refusal(other)),
        };
        if let Value::Row(row) = &result {
            self.grow(row.len())?;
        }
        self.push(result)
    }

    /// So that a wrapper's call cannot wrap another: a chain would recurse.
    fn is_rebuild(&self, function: Id) -> bool {
        matches!(self.value(function), Value::Global(name) if name.starts_with("torch._utils._rebuild_"))
    }

    fn row(&self, id: Id) -> Option<&[Id]> {
        match self.value(id) {
            Value::Row(row) => Some(row),
            _ => None,
        }
    }

    /// What stands for a storage: `('storage', type, key, location, length)` and, in old files, a view of another
    /// storage, which no file of weights has.
    pub(super) fn storage(&mut self, id: Id) -> Result<(), String> {
        let damaged = || "a storage of the pickle is damaged".to_owned();
        let Some(&[_, kind, key, _, _, ref rest @ ..]) = self.row(id) else { return Err(damaged()) };
        let (Value::Global(kind), Value::Text(key)) = (self.value(kind), self.value(key)) else {
            return Err(damaged());
        };
        let plain = rest.iter().all(|view| matches!(self.value(*view), Value::None));
        if key.len() > LONGEST_KEY || !plain {
            return Err(damaged());
        }
        let bytes =
            storage_bytes(kind).ok_or_else(|| format!("a storage is of the unknown type `{}`", shorten(kind)))?;
        let key = key.clone();
        if *self.storages.entry(key).or_insert(bytes) != bytes {
            return Err(damaged());
        }
        self.push(Value::Persistent(id))
    }

    /// `(storage, offset, size, stride, …)`. Tensors of integers become husks.
    fn tensor(&self, arguments: Id) -> Result<Value, String> {
        let damaged = || "a tensor of the pickle is damaged".to_owned();
        let Some([storage, offset, size, stride, rest @ ..]) = self.row(arguments) else { return Err(damaged()) };
        let Value::Persistent(storage) = self.value(*storage) else { return Err(damaged()) };
        let Some(&[_, kind, key, ..]) = self.row(*storage) else { return Err(damaged()) };
        let (Value::Global(kind), Value::Text(key)) = (self.value(kind), self.value(key)) else {
            return Err(damaged());
        };
        // The third form has an untyped storage and its number type after two flags.
        let kind = match rest.get(2).map(|id| self.value(*id)) {
            Some(Value::Global(given)) if kind.ends_with("UntypedStorage") => given,
            _ => kind,
        };
        let number = match kind.rsplit('.').next().unwrap_or_default() {
            "FloatStorage" | "float32" => Number::F32,
            "DoubleStorage" | "float64" => Number::F64,
            "HalfStorage" | "float16" => Number::F16,
            "BFloat16Storage" | "bfloat16" => Number::Bf16,
            _ => return Ok(Value::Husk),
        };
        let offset = self.size_of(*offset).ok_or_else(damaged)?;
        let sizes = |id: Id| self.row(id)?.iter().map(|size| self.size_of(*size)).collect::<Option<Vec<_>>>();
        let (shape, strides) = (sizes(*size).ok_or_else(damaged)?, sizes(*stride).ok_or_else(damaged)?);
        // Weights have at most five dimensions.
        if shape.len() != strides.len() || shape.len() > 8 {
            return Err(damaged());
        }
        Ok(Value::Tensor(View { storage: key.clone(), number, offset, shape, strides }))
    }

    fn size_of(&self, id: Id) -> Option<usize> {
        match self.value(id) {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }
}

fn refusal(name: &str) -> String {
    let name = shorten(name);
    if ["torch.nn.", "torchvision.", "timm."].iter().any(|package| name.starts_with(package)) {
        format!("the file holds a whole Python object (`{name}`); save the network's state_dict instead")
    } else {
        format!("the file asks to call `{name}`, which weights have no need of; nothing was run")
    }
}

/// Bytes of one number in a storage of that type.
fn storage_bytes(kind: &str) -> Option<usize> {
    match kind.strip_prefix("torch.").and_then(|kind| kind.rsplit('.').next())? {
        "ByteStorage" | "CharStorage" | "BoolStorage" | "UntypedStorage" | "QInt8Storage" | "QUInt8Storage" => Some(1),
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => Some(2),
        "FloatStorage" | "IntStorage" | "QInt32Storage" => Some(4),
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => Some(8),
        "ComplexDoubleStorage" => Some(16),
        _ => None,
    }
}
