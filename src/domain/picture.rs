//! Pixels that are ready to be shown.

use std::fmt;

/// An upright sRGB picture, 8 bits a channel, RGBA, row by row from the top.
#[derive(Clone, PartialEq, Eq)]
pub struct Pixels {
    pub width: u32,
    pub height: u32,
    pub rgba: Vec<u8>,
}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pixels({} x {})", self.width, self.height)
    }
}

/// The square that the network saw: a crop fitted into it, the rest padding.
#[derive(Clone, Debug, PartialEq)]
pub struct SquarePicture {
    pub pixels: std::sync::Arc<Pixels>,
    /// The part that is photo, not padding, as left, top, right, bottom in 0..=1 of the square.
    pub content: [f32; 4],
}
