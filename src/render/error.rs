//! What can go wrong while a picture is drawn.

use thiserror::Error;

#[derive(Debug, Error)]
pub enum RenderError {
    #[error("no graphics adapter is available")]
    NoAdapter(#[source] wgpu::RequestAdapterError),
    #[error("the graphics device could not be opened")]
    Device(#[source] wgpu::RequestDeviceError),
    #[error("a picture of {width} x {height} pixels is more than can be drawn")]
    Size { width: u32, height: u32 },
    #[error("the drawn picture could not be read back from the graphics device: {0}")]
    ReadBack(String),
}
