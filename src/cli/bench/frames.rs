//! What the window's frames take, without a display.

use super::super::{CliError, Output};
use super::Arguments;
use crate::app::bench::{point, scroll};
use crate::domain::Grid;

/// No frame is to keep the CPU longer while a ranking is scrolled.
const SCROLL_BAR_MS: f64 = 8.0;
/// Nor while cells are pointed at.
const POINT_BAR_MS: f64 = 2.0;

/// Milliseconds of frames, sorted.
struct Frames(Vec<f64>);

impl Frames {
    fn new(mut ms: Vec<f64>) -> Self {
        ms.sort_by(f64::total_cmp);
        Self(ms)
    }

    fn at(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        self.0.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
    }

    fn above(&self, bar: f64) -> usize {
        self.0.iter().filter(|ms| **ms > bar).count()
    }

    fn sentence(&self, bar: f64) -> String {
        format!(
            "{:.2} ms of CPU a frame (median of {}; 99 % below {:.2}, most {:.2}, {} above {bar})",
            self.at(0.5),
            self.0.len(),
            self.at(0.99),
            self.at(1.0),
            self.above(bar)
        )
    }
}

/// While a large ranking is scrolled.
pub fn scrolled(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    if arguments.products == 0 || arguments.frames == 0 {
        return Err(CliError::usage("products and frames must be at least 1"));
    }
    let scrolled = scroll(arguments.products, arguments.frames);
    let frames = Frames::new(scrolled.frame_ms);
    let thumbnails_mb = scrolled.thumbnail_bytes >> 20;
    if arguments.json {
        return output.json(&serde_json::json!({
            "what": "CPU of a frame while scrolling", "products": arguments.products, "results": scrolled.results,
            "frames": frames.0.len(), "median_ms": frames.at(0.5), "p99_ms": frames.at(0.99), "max_ms": frames.at(1.0),
            "over_8_ms": frames.above(SCROLL_BAR_MS), "thumbnails_mb": thumbnails_mb, "photos_seen": scrolled.seen,
        }));
    }
    output.line(format!(
        "scrolling {} of {} products: {}, thumbnails at most {thumbnails_mb} MB",
        scrolled.results,
        arguments.products,
        frames.sentence(SCROLL_BAR_MS)
    ))
}

/// While cells of a match are pointed at.
pub fn pointed(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    if arguments.frames == 0 {
        return Err(CliError::usage("frames must be at least 1"));
    }
    let side = usize::from(arguments.cells);
    let pointed = point(Grid::new(side, side), arguments.frames);
    let (moved, still) = (Frames::new(pointed.moved_ms), Frames::new(pointed.still_ms));
    if arguments.json {
        return output.json(&serde_json::json!({
            "what": "CPU of a frame while pointing", "cells": [side, side], "seen": pointed.seen,
            "frames": moved.0.len(), "median_ms": moved.at(0.5), "p99_ms": moved.at(0.99), "max_ms": moved.at(1.0),
            "over_2_ms": moved.above(POINT_BAR_MS), "still_median_ms": still.at(0.5),
        }));
    }
    output.line(format!(
        "pointing at {} cells and pairs of {side}x{side} grids: {}; a frame in which nothing changes takes {:.2}",
        pointed.seen,
        moved.sentence(POINT_BAR_MS),
        still.at(0.5)
    ))
}
