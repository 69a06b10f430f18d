//! A CUDA device as our operations use it: tensors' addresses, fresh memory, and kernels that are compiled when first
//! launched. A thread's work goes onto one stream, so nothing waits for anything but the reading of results, and memory is
//! freed in the order of that work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use candle_core::backend::BackendDevice;
use candle_core::cuda_backend::cudarc::driver::sys::{CUdevice_attribute, CUfunction_attribute_enum};
use candle_core::cuda_backend::cudarc::driver::{DevicePtr, DeviceRepr, LaunchConfig, PushKernelArg};
use candle_core::cuda_backend::cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, CudaStorage, DType, Device, Error, Layout, Result, Shape, Storage, Tensor, bail};

use super::plan::{Address, Arguments, Launch, Module, Number, PRELUDE};

/// The kernels' number type for tensors of that type.
pub fn number(op: &str, dtype: DType) -> Result<Number> {
    match dtype {
        DType::F32 => Ok(Number::F32),
        DType::F64 => Ok(Number::F64),
        DType::BF16 => Ok(Number::Bf16),
        other => bail!("{op}: {other:?} is not supported on CUDA, only f32, f64 and bf16 are"),
    }
}

impl Number {
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F64 => DType::F64,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// The device of a tensor that is known to lie on one.
pub fn device(tensor: &Tensor) -> Result<&CudaDevice> {
    match tensor.device() {
        Device::Cuda(device) => Ok(device),
        _ => bail!("the tensors of one operation lie on different devices"),
    }
}

/// Storage of that size, not written yet.
pub fn storage(device: &CudaDevice, shape: impl Into<Shape>, dtype: DType) -> Result<CudaStorage> {
    let shape = shape.into();
    // The driver gives no memory of no size.
    let shape = if shape.elem_count() == 0 { Shape::from(1) } else { shape };
    // SAFETY: every caller launches kernels that write all of it before anything reads it.
    unsafe { device.alloc_uninit(&shape, dtype) }
}

/// A tensor over that storage, without a graph.
pub fn tensor(storage: CudaStorage, shape: impl Into<Shape>) -> Tensor {
    Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
}

/// A tensor of that size, not written yet, without a graph.
pub fn empty(device: &CudaDevice, shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
    let shape = shape.into();
    Ok(tensor(storage(device, shape.clone(), dtype)?, shape))
}

/// Where the first value of a contiguous tensor lies.
pub fn address(tensor: &Tensor) -> Result<Address> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cuda(storage) => address_in(storage, layout),
        _ => bail!("the tensors of one operation lie on different devices"),
    }
}

/// As [`address`], of a storage that candle hands to an operation.
pub fn address_in(storage: &CudaStorage, layout: &Layout) -> Result<Address> {
    let Some((start, _)) = layout.contiguous_offsets() else {
        bail!("an operation on CUDA was given a view that is not contiguous")
    };
    let stream = storage.device.cuda_stream();
    macro_rules! first {
        ($type:ty) => {
            storage.as_cuda_slice::<$type>()?.device_ptr(&stream).0 + (start * size_of::<$type>()) as u64
        };
    }
    use candle_core::backend::BackendStorage;
    Ok(match storage.dtype() {
        DType::F32 => first!(f32),
        DType::F64 => first!(f64),
        DType::BF16 => first!(half::bf16),
        DType::U32 => first!(u32),
        other => bail!("an operation on CUDA was given {other:?}"),
    })
}

/// Launches kernels for one number type.
pub struct Gpu<'a> {
    pub(super) device: &'a CudaDevice,
    pub(super) number: Number,
}

impl<'a> Gpu<'a> {
    pub fn new(device: &'a CudaDevice, number: Number) -> Self {
        Self { device, number }
    }
}

/// Bytes of shared memory that a block has without asking for more (CUDA C++ Programming Guide, "Shared Memory").
const UNASKED: i32 = 48 << 10;

/// Kernels take their one argument by value.
#[repr(transparent)]
struct Passed<A>(A);
// SAFETY: `Arguments` promises the layout of the kernel's own struct.
unsafe impl<A: Arguments> DeviceRepr for Passed<A> {}

impl Launch for Gpu<'_> {
    type Error = Error;

    fn room(&self) -> Result<usize> {
        let most = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let bytes = self.device.cuda_stream().context().attribute(most).map_err(Error::wrap)?;
        Ok(usize::try_from(bytes).unwrap_or(0) / self.number.computed())
    }

    fn launch_with<A: Arguments>(
        &self,
        kernel: &'static str,
        blocks: usize,
        shared: usize,
        arguments: A,
    ) -> Result<()> {
        if blocks == 0 {
            return Ok(());
        }
        let (Ok(blocks), Ok(shared)) = (u32::try_from(blocks), i32::try_from(shared * self.number.computed())) else {
            bail!("{kernel}: the tensors are too large for one launch")
        };
        let compiled = compiled(self.device, A::MODULE, self.number)?;
        let module = format!("seamline_{}_{:?}", A::MODULE.name(), self.number);
        let function = self.device.get_or_load_custom_func(kernel, &module, &compiled)?;
        if shared > UNASKED {
            // As much as there is, whoever asks: a thread that wants less must not lower it for another.
            let all = i32::try_from(self.room()? * self.number.computed()).map_err(Error::wrap)?;
            let most = CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            function.set_attribute(most, all).map_err(Error::wrap)?;
        }
        let passed = Passed(arguments);
        let mut builder = function.builder();
        builder.arg(&passed);
        let config = LaunchConfig {
            grid_dim: (blocks, 1, 1),
            block_dim: (super::plan::THREADS as u32, 1, 1),
            shared_mem_bytes: shared.unsigned_abs(),
        };
        // SAFETY: the kernel takes this struct (a test compares the two), and the plans' callers give addresses of
        // tensors as large as the sizes beside them; memory is freed in the stream's order, so it outlives the kernel.
        unsafe { builder.launch(config) }.map_err(Error::wrap)?;
        Ok(())
    }
}

/// The module's code for this device, compiled once.
fn compiled(device: &CudaDevice, module: Module, number: Number) -> Result<Arc<str>> {
    type Cache = Mutex<HashMap<(Module, Number, i32), Arc<str>>>;
    static COMPILED: OnceLock<Cache> = OnceLock::new();
    let stream = device.cuda_stream();
    let attribute = |which| stream.context().attribute(which).map_err(Error::wrap);
    let architecture = 10 * attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?
        + attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    let mut cache = COMPILED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(code) = cache.get(&(module, number, architecture)) {
        return Ok(Arc::clone(code));
    }
    let options = CompileOptions {
        // The steps of the optimizers round as the CPU's do.
        fmad: Some(module != Module::Update),
        options: vec![
            format!("--gpu-architecture=compute_{architecture}"),
            number.define().to_owned(),
            "--std=c++17".to_owned(),
        ],
        name: Some(format!("{}.cu", module.name())),
        ..CompileOptions::default()
    };
    let code = compile_ptx_with_opts([PRELUDE, module.source()].concat(), options).map_err(Error::wrap)?;
    let code: Arc<str> = code.to_src().into();
    cache.insert((module, number, architecture), Arc::clone(&code));
    Ok(code)
}
