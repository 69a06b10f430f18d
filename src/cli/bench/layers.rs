//! `seamline bench layers`: where a frozen network's time goes, step by step, beside what a matrix product reaches.

use std::time::Instant;

use candle_core::{Device, Tensor};
use serde::Serialize;

use super::{Arguments, CliError, Output, WARM_UP, encoder, numbers};
use crate::nn::{self, EmbedderConfig, StepTime};

/// Side of the matrices whose product is the measure: large enough to be limited by arithmetic alone.
const PEAK_SIDE: usize = 1024;

#[derive(Serialize)]
struct Answer {
    what: String,
    runs: usize,
    threads: usize,
    device: String,
    /// A product of 1024 x 1024 matrices by the library that is behind candle's.
    peak_gflop_per_second: f64,
    /// Medians for the whole batch.
    steps: Vec<Row>,
    /// Of the steps' medians.
    sum_ms: f64,
    /// The network without a clock inside, with the embedding behind the backbone.
    whole_ms: f64,
}

/// One step; or in the printed table, all of one shape.
#[derive(Clone, Serialize)]
struct Row {
    algorithm: &'static str,
    shape: String,
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gflop: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gflop_per_second: Option<f64>,
    /// Of the sum.
    share_of_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    share_of_peak: Option<f64>,
}

impl Row {
    fn new(step: &StepTime, ms: f64) -> Self {
        let gflop = (step.flop > 0.0).then_some(step.flop / 1e9);
        Self {
            algorithm: step.algorithm,
            shape: shape(step),
            ms,
            gflop,
            gflop_per_second: None,
            share_of_time: 0.0,
            share_of_peak: None,
        }
    }

    fn measured(self, sum_ms: f64, peak: f64) -> Self {
        let speed = self.gflop.map(|gflop| gflop / self.ms.max(1e-9) * 1e3);
        Self {
            gflop_per_second: speed,
            share_of_time: self.ms / sum_ms,
            share_of_peak: speed.map(|speed| speed / peak),
            ..self
        }
    }
}

/// As in `64x56x56 to 256x56x56, 1x1/1`.
fn shape(step: &StepTime) -> String {
    let [c, h, w] = step.input;
    let [filters, down, across] = step.output;
    let mut text = format!("{c}x{h}x{w}");
    if step.output != step.input || step.kernel.is_some() {
        text += &format!(" to {filters}x{down}x{across}");
    }
    if let Some((kh, kw)) = step.kernel {
        text += &format!(", {kh}x{kw}/{}", step.stride);
    }
    if step.groups > 1 {
        text += &format!(", {} groups", step.groups);
    }
    text
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn seconds_of(work: impl FnOnce() -> Result<(), CliError>) -> Result<f64, CliError> {
    let begun = Instant::now();
    work().map(|()| begun.elapsed().as_secs_f64())
}

pub(super) fn run(
    arguments: &Arguments,
    config: &EmbedderConfig,
    device: &Device,
    output: &mut Output,
) -> Result<(), CliError> {
    let encoder = encoder(arguments, config, device)?;
    let batch = arguments.batch;
    let images = numbers(batch * 3 * arguments.size * arguments.size);
    let unplanned = || CliError::Failure("this network is not run as a list of planned steps here".into());
    let side = PEAK_SIDE;
    let left = Tensor::from_vec(numbers(side * side), (side, side), &Device::Cpu)?;
    let steps = encoder.profile(&images, batch)?.ok_or_else(unplanned)?;
    let mut times = vec![Vec::new(); steps.len()];
    let (mut peaks, mut wholes) = (Vec::new(), Vec::new());
    // In turns, so that a drift of the machine's speed hits all alike.
    for run in 0..WARM_UP + arguments.runs {
        let now = encoder.profile(&images, batch)?.ok_or_else(unplanned)?;
        let whole = seconds_of(|| Ok(encoder.encode(&images, batch).map(drop)?))?;
        let product = seconds_of(|| Ok(left.matmul(&left).map(drop)?))?;
        if run < WARM_UP {
            continue;
        }
        wholes.push(whole * 1e3);
        peaks.push(2.0 * (side as f64).powi(3) / product / 1e9);
        times.iter_mut().zip(&now).for_each(|(times, step)| times.push(step.seconds * 1e3));
    }
    let rows: Vec<Row> = steps.iter().zip(times).map(|(step, times)| Row::new(step, median(times))).collect();
    let (sum_ms, peak) = (rows.iter().map(|row| row.ms).sum(), median(peaks));
    let answer = Answer {
        what: format!(
            "{} in {}, step by step, {} px, batch {batch}",
            arguments.arch, arguments.precision, arguments.size
        ),
        runs: arguments.runs,
        threads: rayon::current_num_threads(),
        device: nn::device::describe(device),
        peak_gflop_per_second: peak,
        steps: rows.into_iter().map(|row| row.measured(sum_ms, peak)).collect(),
        sum_ms,
        whole_ms: median(wholes),
    };
    if arguments.json { output.json(&answer) } else { print(&answer, output) }
}

/// Steps of one shape are a line: how many, and their times and products together.
fn print(answer: &Answer, output: &mut Output) -> Result<(), CliError> {
    let mut lines: Vec<(usize, Row)> = Vec::new();
    for step in &answer.steps {
        let same = |(_, row): &&mut (usize, Row)| (row.algorithm, &row.shape) == (step.algorithm, &step.shape);
        match lines.iter_mut().find(same) {
            Some((count, row)) => {
                *count += 1;
                row.ms += step.ms;
                row.gflop = row.gflop.zip(step.gflop).map(|(sum, one)| sum + one);
            }
            None => lines.push((1, step.clone())),
        }
    }
    output.line(format!("{} ({}; medians of {} runs)", answer.what, answer.device, answer.runs))?;
    let number = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    let percent = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{:.0} %", value * 100.0));
    let mut table =
        vec![["steps", "shape", "by", "ms", "GFLOP", "GFLOP/s", "of the time", "of the peak"].map(str::to_owned)];
    table.extend(lines.into_iter().map(|(count, row)| {
        let row = row.measured(answer.sum_ms, answer.peak_gflop_per_second);
        [
            count.to_string(),
            row.shape,
            row.algorithm.to_owned(),
            format!("{:.2}", row.ms),
            number(row.gflop, 2),
            number(row.gflop_per_second, 0),
            percent(Some(row.share_of_time)),
            percent(row.share_of_peak),
        ]
    }));
    let width = |column: usize| table.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    for row in &table {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            1 | 2 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        output.line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    let gflop: f64 = answer.steps.iter().filter_map(|step| step.gflop).sum();
    output.line(format!(
        "sum of the steps {:.1} ms for {gflop:.1} GFLOP, {:.0} GFLOP/s; whole network, its embedding too, {:.1} ms",
        answer.sum_ms,
        gflop / answer.sum_ms * 1e3,
        answer.whole_ms
    ))?;
    output.line(format!(
        "peak: {:.0} GFLOP/s, a product of {PEAK_SIDE} x {PEAK_SIDE} matrices on {} threads; Winograd's form does a quarter of the \
         products that are counted",
        answer.peak_gflop_per_second, answer.threads
    ))
}
