//! Where networks run. Beside `ops/` the only place that knows of CUDA.

use candle_core::Device;

use super::NnError;

/// The device of that name: `auto` (CUDA where this build and machine have it, else the CPU), `cpu`, `cuda` (the
/// first GPU) or `cuda:N`.
pub fn pick(name: &str) -> Result<Device, NnError> {
    let name = name.trim();
    match name {
        "cpu" => Ok(Device::Cpu),
        "auto" => Ok(cuda(name, 0).unwrap_or(Device::Cpu)),
        "cuda" => cuda(name, 0),
        _ => match name.strip_prefix("cuda:").and_then(|index| index.parse().ok()) {
            Some(index) => cuda(name, index),
            None => Err(NnError::UnknownDevice { name: name.to_owned() }),
        },
    }
}

#[cfg(feature = "cuda")]
fn cuda(_name: &str, index: usize) -> Result<Device, NnError> {
    // The driver library is loaded on first use, and cudarc panics where the machine has none.
    std::panic::catch_unwind(|| Device::new_cuda(index))
        .unwrap_or_else(|_| Err(candle_core::Error::Msg("this machine has no working CUDA driver".into())))
        .map_err(|source| NnError::Cuda { index, source })
}

#[cfg(not(feature = "cuda"))]
fn cuda(name: &str, _index: usize) -> Result<Device, NnError> {
    Err(NnError::NoCuda { name: name.to_owned() })
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

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_so() {
        for name in ["cuda", "cuda:3"] {
            let said = pick(name).unwrap_err().to_string();
            assert!(said.contains("this build has no CUDA") && said.contains(name), "{said}");
        }
    }
}
