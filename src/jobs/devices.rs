//! What the model can be asked to run on.

use super::types::{DeviceChoice, DeviceFound, DeviceSurvey};
use crate::nn::device;

/// The CPU, then the GPUs in the driver's order. May take a moment.
pub(super) fn survey() -> DeviceSurvey {
    let device::Survey { devices, without_gpu, int8 } = device::survey();
    let devices = devices.into_iter().enumerate().map(|(index, found)| DeviceFound {
        choice: if index == 0 { DeviceChoice::Cpu } else { DeviceChoice::Gpu(index - 1) },
        label: found.label,
        memory_bytes: found.memory_bytes,
    });
    DeviceSurvey { devices: devices.collect(), without_gpu, int8 }
}
