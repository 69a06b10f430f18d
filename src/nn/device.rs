//! Where networks run. Beside `ops/` the only place that knows of CUDA.

use candle_core::{Device, Error};

use super::NnError;
use crate::domain::Arithmetic;

/// The name of the processor.
const CPU: &str = "cpu";

/// The device of that name: `auto` (CUDA where this build and machine have it, else the CPU), `cpu`, `cuda` (the
/// first GPU) or `cuda:N`.
pub fn pick(name: &str) -> Result<Device, NnError> {
    let name = name.trim();
    match name {
        CPU => Ok(Device::Cpu),
        "auto" => Ok(cuda(name, 0).unwrap_or_else(|error| {
            if cfg!(feature = "cuda") {
                tracing::warn!(target: "seamline", "{error}, so the CPU is used");
            }
            Device::Cpu
        })),
        "cuda" => cuda(name, 0),
        _ => match name.strip_prefix("cuda:").and_then(|index| index.parse().ok()) {
            Some(index) => cuda(name, index),
            None => Err(NnError::UnknownDevice { name: name.to_owned() }),
        },
    }
}

/// A device that networks can run on here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What [`pick`] takes.
    pub name: String,
    /// For a person, such as "NVIDIA H100 80GB HBM3" or "CPU, 2 threads".
    pub label: String,
    /// All of a GPU's memory.
    pub memory_bytes: Option<u64>,
}

/// Every device that is here, the CPU first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    pub devices: Vec<Found>,
    /// Why there is no GPU among them, as a sentence.
    pub without_gpu: Option<String>,
    /// What 8-bit arithmetic is worth on this processor, as a sentence.
    pub int8: String,
}

/// Looks for devices. May take a moment where the driver of a GPU wakes up.
pub fn survey() -> Survey {
    let mut devices = vec![Found { name: CPU.to_owned(), label: describe(&Device::Cpu), memory_bytes: None }];
    let without_gpu = match gpus() {
        Ok(found) if found.is_empty() => Some("the NVIDIA driver shows no GPU".to_owned()),
        Ok(found) => {
            devices.extend(found);
            None
        }
        Err(reason) => Some(reason),
    };
    Survey { devices, without_gpu, int8: worth_of_int8() }
}

fn worth_of_int8() -> String {
    use super::ops::blocked::{Speed, int8_kernel};
    let (name, speed) = int8_kernel();
    let worth = match speed {
        Speed::Made => "instructions made for it, which multiply four numbers for one of f32",
        Speed::Vectors => "about as fast as f32, as this processor has no instructions made for it",
        Speed::Plain => "slower than f32",
    };
    format!("8-bit arithmetic (int8) runs here by {name}: {worth}")
}

#[cfg(feature = "cuda")]
fn gpus() -> Result<Vec<Found>, String> {
    use candle_core::cuda_backend::cudarc::driver::result;
    let look = || -> Result<Vec<Found>, result::DriverError> {
        result::init()?;
        (0..result::device::get_count()?)
            .map(|index| {
                let device = result::device::get(index)?;
                // SAFETY: the handle was just given by the driver, which has been initialised.
                let memory = unsafe { result::device::total_mem(device)? };
                let name = gpu(index.unsigned_abs() as usize);
                Ok(Found { name, label: result::device::get_name(device)?, memory_bytes: Some(memory as u64) })
            })
            .collect()
    };
    // The driver library is loaded on first use, and cudarc panics where the machine has none.
    std::panic::catch_unwind(look)
        .map_err(|_| "this machine has no working CUDA driver".to_owned())?
        .map_err(|error| format!("no NVIDIA driver answers: {error}"))
}

#[cfg(not(feature = "cuda"))]
fn gpus() -> Result<Vec<Found>, String> {
    Err("this build runs on the CPU alone; a GPU needs one with `--features cuda`".to_owned())
}

/// What work on a device can run into besides its own mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Less at once may fit.
    OutOfMemory,
    /// The device does not answer any more: nothing works on it until the program starts again.
    Lost,
}

/// Reads trouble out of an error. Errors of the driver and of NVIDIA's libraries reach us as text with their names in it.
pub fn trouble(error: &Error) -> Option<Trouble> {
    const MEMORY: [&str; 3] =
        ["ERROR_OUT_OF_MEMORY", "STATUS_ALLOC_FAILED", "STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"];
    // After any of these every call fails (CUDA Driver API, "Error handling").
    const LOST: [&str; 13] = [
        "ERROR_NO_DEVICE",
        "ERROR_DEVICE_UNAVAILABLE",
        "ERROR_DEVICE_NOT_LICENSED",
        "ERROR_DEINITIALIZED",
        "ERROR_CONTEXT_IS_DESTROYED",
        "ERROR_ECC_UNCORRECTABLE",
        "ERROR_NVLINK_UNCORRECTABLE",
        "ERROR_HARDWARE_STACK_ERROR",
        "ERROR_ILLEGAL_ADDRESS",
        "ERROR_ILLEGAL_INSTRUCTION",
        "ERROR_MISALIGNED_ADDRESS",
        "ERROR_LAUNCH_FAILED",
        "ERROR_LAUNCH_TIMEOUT",
    ];
    let said = format!("{error:?}");
    let names = |all: &[&str]| all.iter().any(|name| said.contains(name));
    if names(&MEMORY) {
        Some(Trouble::OutOfMemory)
    } else if names(&LOST) {
        Some(Trouble::Lost)
    } else {
        None
    }
}

/// An error as it comes from a device in that trouble, to be injected where there is no GPU.
#[cfg(test)]
pub fn injected(trouble: Trouble) -> Error {
    let code = match trouble {
        Trouble::OutOfMemory => "CUDA_ERROR_OUT_OF_MEMORY",
        Trouble::Lost => "CUDA_ERROR_ILLEGAL_ADDRESS",
    };
    Error::Msg(format!("DriverError({code}, \"injected\")")).bt()
}

#[cfg(feature = "cuda")]
fn cuda(_name: &str, index: usize) -> Result<Device, NnError> {
    // The driver library is loaded on first use, and cudarc panics where the machine has none.
    std::panic::catch_unwind(|| {
        let device = Device::new_cuda(index)?;
        if let Device::Cuda(cuda) = &device {
            without_overhead(cuda, index)?;
        }
        Ok(device)
    })
    .unwrap_or_else(|_| Err(Error::Msg("this machine has no working CUDA driver".into())))
    .map_err(|source| NnError::Cuda { index, source })
}

/// candle gives a device one stream, which to the driver is each thread's own, so that events beside every tensor would
/// order nothing; and memory that was freed stays with the process, because the next step wants it again.
#[cfg(feature = "cuda")]
fn without_overhead(device: &candle_core::CudaDevice, index: usize) -> candle_core::Result<()> {
    use candle_core::cuda_backend::cudarc::driver::{result, sys};
    // SAFETY: there is no second stream object. What crosses threads is an encoder's weights, which are waited for when
    // it is made and never written again, and a batch that was sent ahead, which has an event of its own that whoever
    // takes or drops it waits for; everything else is made, used and freed by one thread.
    unsafe { device.disable_event_tracking() };
    let index = i32::try_from(index).map_err(Error::wrap)?;
    let handle = result::device::get(index).map_err(Error::wrap)?;
    let mut pool = std::ptr::null_mut();
    let mut keep = u64::MAX;
    let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the handle was just given by the driver, the pool is the one it answers with, and the attribute is 64 bits.
    unsafe {
        sys::cuDeviceGetDefaultMemPool(&raw mut pool, handle).result().map_err(Error::wrap)?;
        sys::cuMemPoolSetAttribute(pool, threshold, (&raw mut keep).cast()).result().map_err(Error::wrap)?;
    }
    Ok(())
}

#[cfg(not(feature = "cuda"))]
fn cuda(name: &str, _index: usize) -> Result<Device, NnError> {
    Err(NnError::NoCuda { name: name.to_owned() })
}

/// Steps of a training run that are asked of a device before the numbers of one are read. One keeps a GPU at work; more
/// would only hold memory, and tell later that a number is not finite.
pub fn steps_behind(device: &Device) -> usize {
    usize::from(!device.is_cpu())
}

/// # Errors
/// Where that arithmetic does not run on that device.
pub fn check(device: &Device, arithmetic: Arithmetic) -> Result<(), NnError> {
    match arithmetic {
        Arithmetic::Int8 if !device.is_cpu() => Err(NnError::Int8 { device: describe(device) }),
        Arithmetic::Bf16 if !device.is_cuda() => Err(NnError::Bf16 { device: describe(device) }),
        Arithmetic::F32 | Arithmetic::Int8 | Arithmetic::Bf16 => Ok(()),
    }
}

/// The name of a GPU, counted from 0.
pub fn gpu(index: usize) -> String {
    format!("cuda:{index}")
}

/// The device as a person reads it, such as "CPU, 2 threads" or "CUDA 0".
pub fn describe(device: &Device) -> String {
    match device.location() {
        candle_core::DeviceLocation::Cpu => {
            let threads = rayon::current_num_threads();
            if threads == 1 { "CPU, 1 thread".to_owned() } else { format!("CPU, {threads} threads") }
        }
        candle_core::DeviceLocation::Cuda { gpu_id } => format!("CUDA {gpu_id}"),
        candle_core::DeviceLocation::Metal { gpu_id } => format!("Metal {gpu_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there() {
        assert!(pick("cpu").unwrap().is_cpu());
        assert!(pick("auto").is_ok());
        assert!(describe(&Device::Cpu).starts_with("CPU, "));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        for name in ["gpu", "cuda:", "cuda:x", "cuda:-1", "", "CPU2"] {
            let said = pick(name).unwrap_err().to_string();
            assert!(said.contains("auto, cpu, cuda or cuda:N"), "{said}");
        }
    }

    #[test]
    fn what_is_found_can_be_picked_and_what_is_not_is_explained() {
        let Survey { devices, without_gpu, int8 } = survey();
        assert!(int8.starts_with("8-bit"), "{int8}");
        assert_eq!(devices[0].name, "cpu");
        assert_eq!(without_gpu.is_none(), devices.len() > 1, "{without_gpu:?}");
        for found in &devices {
            assert!(pick(&found.name).is_ok(), "{found:?}");
        }
        if cfg!(not(feature = "cuda")) {
            assert!(without_gpu.is_some_and(|sentence| sentence.contains("--features cuda")));
        }
    }

    #[test]
    fn trouble_is_read_out_of_errors_and_out_of_nothing_else() {
        for it in [Trouble::OutOfMemory, Trouble::Lost] {
            assert_eq!(trouble(&injected(it)), Some(it));
            assert_eq!(trouble(&injected(it).context("while encoding")), Some(it), "beneath a context");
        }
        let cudnn = Error::Msg("CudnnError(CUDNN_STATUS_ALLOC_FAILED)".into());
        assert_eq!(trouble(&cudnn), Some(Trouble::OutOfMemory));
        assert_eq!(trouble(&Error::Msg("shape mismatch in matmul".into())), None);
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_so() {
        for name in ["cuda", "cuda:3"] {
            let said = pick(name).unwrap_err().to_string();
            assert!(said.contains("this build has no CUDA") && said.contains(name), "{said}");
        }
    }
}
