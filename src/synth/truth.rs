//! From a finished canvas to what the manifest says about each garment in it.

use crate::domain::{CropRect, DenseMap};

use super::num::floor;
use super::warp::Canvas;

fn rounded(value: f32) -> f32 {
    floor(value * 1000.0 + 0.5) / 1000.0
}

/// Box and dense map of one garment's visible pixels, sampled every `step` pixels; `None` where nothing is seen.
pub fn of(canvas: &Canvas, owner: u8, step: usize) -> Option<(CropRect, DenseMap)> {
    let (w, h) = (canvas.width, canvas.height);
    let (mut x0, mut y0, mut x1, mut y1) = (w, h, 0, 0);
    for y in 0..h {
        for x in 0..w {
            if canvas.owner[y * w + x] == owner {
                x0 = x0.min(x);
                x1 = x1.max(x + 1);
                y0 = y0.min(y);
                y1 = y1.max(y + 1);
            }
        }
    }
    if x1 <= x0 || y1 <= y0 {
        return None;
    }
    let bbox = CropRect::new(x0 as f32, y0 as f32, (x1 - x0) as f32, (y1 - y0) as f32);
    let (columns, rows) = ((x1 - x0).div_ceil(step), (y1 - y0).div_ceil(step));
    let mut uv = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        for column in 0..columns {
            let index = (y0 + row * step) * w + x0 + column * step;
            uv.push((canvas.owner[index] == owner).then(|| canvas.uv[index].map(rounded)));
        }
    }
    // A sample belongs to a pixel's centre.
    let map = DenseMap { x0: x0 as f32 + 0.5, y0: y0 as f32 + 0.5, step: step as f32, columns, rows, uv };
    Some((bbox, map))
}

/// Share of the main garment's pixels in the frame that nothing covers, and how many those are.
pub fn visible(canvas: &Canvas) -> (f32, usize) {
    let seen = canvas.owner.iter().filter(|&&owner| owner == 1).count();
    let laid = canvas.main.iter().filter(|&&laid| laid).count();
    (seen as f32 / laid.max(1) as f32, seen)
}
