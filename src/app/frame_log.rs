//! How long each frame kept the CPU, written into a file for whoever wants to see it: `SEAMLINE_FRAME_LOG=FILE seamline`.
//!
//! One line a frame: `logic_ms` takes events and decides, `ui_ms` lays the window out, `whole_ms` is what eframe measured
//! of the frame before, tessellation and recording for the GPU included, waiting for the screen not.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Names the file.
const VARIABLE: &str = "SEAMLINE_FRAME_LOG";
/// How often the lines reach the disk.
const FLUSH: Duration = Duration::from_secs(1);

pub struct FrameLog {
    out: BufWriter<File>,
    begun: Instant,
    flushed: Instant,
    frame: u64,
    logic: Duration,
    whole_secs: Option<f32>,
}

/// What was on screen in a frame.
pub struct Shown {
    pub results: usize,
    pub thumbnail_bytes: usize,
    pub memory_bytes: Option<u64>,
}

impl FrameLog {
    /// `None` where nobody asked for it, or where the file cannot be made, which is traced.
    pub fn from_environment() -> Option<Self> {
        let path = std::env::var_os(VARIABLE).filter(|path| !path.is_empty())?;
        Self::create(Path::new(&path))
            .inspect_err(|error| tracing::error!(target: "seamline", %error, "the frame log cannot be written"))
            .ok()
    }

    pub fn create(path: &Path) -> std::io::Result<Self> {
        let mut out = BufWriter::new(File::create(path)?);
        writeln!(out, "frame,at_s,logic_ms,ui_ms,whole_ms,results,thumbnails_mb,memory_mb")?;
        let now = Instant::now();
        Ok(Self { out, begun: now, flushed: now, frame: 0, logic: Duration::ZERO, whole_secs: None })
    }

    /// The first part of a frame, and what eframe says of the whole frame before.
    pub fn decided(&mut self, took: Duration, whole_secs: Option<f32>) {
        self.logic = took;
        self.whole_secs = whole_secs;
    }

    /// The second part ends the frame. A disk that is full ends the log, not the window.
    pub fn drawn(&mut self, took: Duration, shown: &Shown) {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let whole = self.whole_secs.map_or_else(String::new, |secs| format!("{:.3}", secs * 1e3));
        let memory = shown.memory_bytes.map_or_else(String::new, |bytes| (bytes >> 20).to_string());
        let (at, logic, ui) = (self.begun.elapsed().as_secs_f64(), ms(self.logic), ms(took));
        let (frame, results, thumbnails) = (self.frame, shown.results, shown.thumbnail_bytes >> 20);
        let _ = writeln!(self.out, "{frame},{at:.3},{logic:.3},{ui:.3},{whole},{results},{thumbnails},{memory}");
        self.frame += 1;
        if self.flushed.elapsed() >= FLUSH {
            self.flushed = Instant::now();
            let _ = self.out.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_frame_with_as_many_fields_as_the_first_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("frames.csv");
        let mut log = FrameLog::create(&path).unwrap();
        let shown = Shown { results: 100_000, thumbnail_bytes: 96 << 20, memory_bytes: None };
        for whole in [None, Some(0.004)] {
            log.decided(Duration::from_micros(250), whole);
            log.drawn(Duration::from_micros(1500), &shown);
        }
        drop(log);
        // The csv crate refuses lines of different lengths.
        let rows: Vec<csv::StringRecord> =
            csv::Reader::from_path(&path).unwrap().records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!((&rows[1][0], &rows[1][2], &rows[1][3], &rows[1][4]), ("1", "0.250", "1.500", "4.000"));
        assert_eq!(&rows[1][5], "100000");
        assert!(FrameLog::create(&dir.path().join("none/frames.csv")).is_err());
    }
}
