//! Photos and rectangles on them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a photo comes from: worn in the world, or alone in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhotoDomain {
    Street,
    Shop,
}

impl PhotoDomain {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Street => "street",
            Self::Shop => "shop",
        }
    }
}

/// A rectangle in pixels of the upright photo (after EXIF orientation), origin at the top left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CropRect {
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub height: f32,
}

impl CropRect {
    pub fn new(x: f32, y: f32, width: f32, height: f32) -> Self {
        Self { x, y, width, height }
    }

    /// The whole of a photo of this many pixels.
    pub fn whole(width: u32, height: u32) -> Self {
        Self::new(0.0, 0.0, width as f32, height as f32)
    }

    /// The part that lies inside a photo of this size; `None` where less than one pixel is left.
    pub fn clipped(self, photo_width: u32, photo_height: u32) -> Option<Self> {
        let (left, top) = (self.x.max(0.0), self.y.max(0.0));
        let right = (self.x + self.width).min(photo_width as f32);
        let bottom = (self.y + self.height).min(photo_height as f32);
        let (width, height) = (right - left, bottom - top);
        // Written so that a NaN side is refused too.
        (width >= 1.0 && height >= 1.0).then(|| Self::new(left, top, width, height))
    }

    pub fn contains(self, x: f32, y: f32) -> bool {
        x >= self.x && y >= self.y && x < self.x + self.width && y < self.y + self.height
    }
}

impl fmt::Display for CropRect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{}", self.x, self.y, self.width, self.height)
    }
}

impl FromStr for CropRect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = || format!("a crop is X,Y,W,H in pixels, such as 40,60,200,240, not {text:?}");
        let numbers: Vec<f32> = text
            .split(',')
            .map(|part| part.trim().parse::<f32>().ok().filter(|n| n.is_finite()))
            .collect::<Option<_>>()
            .ok_or_else(expected)?;
        let [x, y, width, height] = numbers[..] else {
            return Err(expected());
        };
        if width < 1.0 || height < 1.0 {
            return Err(format!("a crop needs at least one pixel on each side, not {text:?}"));
        }
        Ok(Self::new(x, y, width, height))
    }
}
