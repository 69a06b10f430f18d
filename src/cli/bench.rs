//! `seamline bench`: how long the parts that matter take here, for comparing with peers on the same machine.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use super::options::{DeviceChoice, ProjectChoice};
use super::{CliError, Output};
use crate::domain::{Arithmetic, Grid, Marginals, MatchOptions, Solver, StopFlag};
use crate::nn::{self, Arch, BackboneConfig, Embedder, EmbedderConfig, Encoder, Mode, ModelCard};
use crate::ot::{self, Cells, Painted, PairSet, Starts};
use crate::train::optimizer::{Optimizer, Rule};

mod frames;
mod layers;

#[derive(clap::Args)]
pub struct Arguments {
    /// What to time
    #[arg(value_enum)]
    what: What,
    /// resnet18, resnet34, resnet50 or resnet101
    #[arg(long, value_name = "NAME", default_value = "resnet50")]
    arch: String,
    /// Channels after the stem; 64 is the published network
    #[arg(long, value_name = "CHANNELS", default_value_t = 64)]
    width: usize,
    /// Side of the network's input in pixels
    #[arg(long, value_name = "N", default_value_t = 224)]
    size: usize,
    #[arg(long, value_name = "N", default_value_t = 8)]
    batch: usize,
    /// Pairs of photos to compare
    #[arg(long, value_name = "N", default_value_t = 100)]
    pairs: usize,
    /// Products of the ranking that is scrolled
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    products: usize,
    /// Frames to draw while it is scrolled, or cells to point at
    #[arg(long, value_name = "N", default_value_t = 1200)]
    frames: usize,
    /// Cells a side of the photos of the match that is pointed at
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=14))]
    cells: u16,
    /// Compare by the exact solver instead of Sinkhorn
    #[arg(long)]
    exact: bool,
    /// Keep the similarities, as between two turns of a knob
    #[arg(long)]
    kept: bool,
    /// The same, and begin each turn of epsilon where the one before ended
    #[arg(long, conflicts_with = "exact")]
    warm: bool,
    /// How often to repeat
    #[arg(long, value_name = "N", default_value_t = 9)]
    runs: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// What a network computes in: f32, int8 (frozen, on the CPU) or bf16 (on CUDA)
    #[arg(long, value_name = "PRECISION", default_value_t = Arithmetic::F32)]
    precision: Arithmetic,
    /// Order of the axes of a training step's maps, in place of the one that is best for their type and device
    #[arg(long, value_enum, value_name = "ORDER")]
    order: Option<OrderChoice>,
    #[command(flatten)]
    device: DeviceChoice,
    #[command(flatten)]
    project: ProjectChoice,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    /// A network's forward pass, normalisation folded, without a graph
    Forward,
    /// The same step by step: what each layer takes, and how near it comes to the speed of a matrix product
    Layers,
    /// One training step: forward, cross-entropy, backward, SGD with momentum
    Train,
    /// Structural comparison of one query with many candidates, 7x7 cells in 128-D
    Rerank,
    /// CPU time of the window's frames while a ranking of many products is scrolled, without a display
    Grid,
    /// The same while cells of a match are pointed at, one after the other
    Point,
    /// From a photo's file to the re-ranked result, with the model and index of a project
    Search,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum OrderChoice {
    /// [images, channels, height, width]
    ChannelsFirst,
    /// [images, height, width, channels]
    ChannelsLast,
}

#[derive(Serialize)]
struct Answer {
    what: String,
    unit: &'static str,
    runs: usize,
    median_ms: f64,
    min_ms: f64,
    max_ms: f64,
    /// Multiplications and additions counted separately.
    #[serde(skip_serializing_if = "Option::is_none")]
    gflop_per_second: Option<f64>,
    threads: usize,
    device: String,
}

/// Runs that warm caches and buffers up and are not counted.
const WARM_UP: usize = 2;

/// Milliseconds of each run, sorted.
fn measure(runs: usize, mut work: impl FnMut() -> Result<(), CliError>) -> Result<Vec<f64>, CliError> {
    for _ in 0..WARM_UP {
        work()?;
    }
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

pub fn run(arguments: &Arguments, output: &mut Output) -> Result<(), CliError> {
    if arguments.runs == 0 || arguments.batch == 0 || arguments.pairs == 0 {
        return Err(CliError::usage("runs, batch and pairs must be at least 1"));
    }
    let device = arguments.device.pick_for(arguments.precision)?;
    let (what, unit, parts, flops, times) = match arguments.what {
        What::Forward => {
            let network = network(arguments)?;
            let work = forward(arguments, &network, &device)?;
            let Arguments { arch, size, batch, precision, .. } = arguments;
            let name = format!("{arch} forward in {precision}, {size} px, batch {batch}");
            (name, "image", arguments.batch, Some(2 * network.backbone.macs(arguments.size)), work)
        }
        What::Layers => return layers::run(arguments, &network(arguments)?, &device, output),
        What::Train => {
            let network = network(arguments)?;
            let work = train(arguments, &network, &device)?;
            let Arguments { arch, size, batch, precision, .. } = arguments;
            let name = format!("{arch} training step in {precision}, {size} px, batch {batch}");
            // Backward is twice the forward's work: one product for the weights, one for the data.
            (name, "image", arguments.batch, Some(6 * network.backbone.macs(arguments.size)), work)
        }
        What::Rerank => {
            let solver = match arguments {
                Arguments { exact: true, .. } => "exact",
                Arguments { warm: true, .. } => "another epsilon, similarities kept, warm start",
                Arguments { kept: true, .. } => "another epsilon, similarities kept",
                _ => "Sinkhorn",
            };
            let name = format!("comparing {} pairs of 7x7 cells in 128-D, {solver}", arguments.pairs);
            (name, "pair", arguments.pairs, None, rerank(arguments)?)
        }
        What::Grid => return frames::scrolled(arguments, output),
        What::Point => return frames::pointed(arguments, output),
        What::Search => ("searching one photo".to_owned(), "query", 1, None, super::search::bench(arguments)?),
    };
    let each = |ms: f64| ms / parts as f64;
    let median = each(times[times.len() / 2]);
    let answer = Answer {
        what,
        unit,
        runs: times.len(),
        median_ms: median,
        min_ms: each(times[0]),
        max_ms: each(times[times.len() - 1]),
        gflop_per_second: flops.map(|flops| flops as f64 / (median * 1e6)),
        threads: rayon::current_num_threads(),
        device: nn::device::describe(&device),
    };
    if arguments.json {
        return output.json(&answer);
    }
    let speed = answer.gflop_per_second.map_or(String::new(), |g| format!(", {g:.0} GFLOP/s"));
    output.line(format!(
        "{}: {:.3} ms a {} (median of {}; {:.3} to {:.3}{speed}; {})",
        answer.what, answer.median_ms, answer.unit, answer.runs, answer.min_ms, answer.max_ms, answer.device
    ))
}

impl Arguments {
    pub(super) fn times_of(&self, work: impl FnMut() -> Result<(), CliError>) -> Result<Vec<f64>, CliError> {
        measure(self.runs, work)
    }

    pub(super) fn project(&self) -> &ProjectChoice {
        &self.project
    }

    pub(super) fn device(&self) -> &DeviceChoice {
        &self.device
    }
}

fn network(arguments: &Arguments) -> Result<EmbedderConfig, CliError> {
    let arch: Arch = arguments.arch.parse().map_err(|error: nn::NnError| CliError::Usage(error.to_string()))?;
    let backbone = BackboneConfig { width: arguments.width, ..BackboneConfig::new(arch) };
    let config = EmbedderConfig::new(backbone, 128, 13);
    config.problem().map_or(Ok(config), |problem| Err(CliError::Usage(problem)))
}

/// Numbers in -1..1 that repeat; what they are does not matter to the time.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn encoder(arguments: &Arguments, config: &EmbedderConfig, device: &Device) -> Result<Encoder, CliError> {
    let embedder = Embedder::new(config, 1, device)?;
    let kinds = (0..config.classes).map(|class| class.to_string()).collect();
    let card = ModelCard { kinds, ..ModelCard::new("bench", config, arguments.size) };
    Ok(embedder.to_encoder_in(&card, arguments.precision)?)
}

fn forward(arguments: &Arguments, config: &EmbedderConfig, device: &Device) -> Result<Vec<f64>, CliError> {
    let encoder = encoder(arguments, config, device)?;
    let images = numbers(arguments.batch * 3 * arguments.size * arguments.size);
    measure(arguments.runs, || Ok(encoder.encode(&images, arguments.batch).map(drop)?))
}

fn train(arguments: &Arguments, config: &EmbedderConfig, device: &Device) -> Result<Vec<f64>, CliError> {
    let mut embedder = Embedder::new(config, 1, device)?;
    match arguments.precision {
        Arithmetic::F32 => {}
        Arithmetic::Bf16 => embedder.compute_maps_in(DType::BF16),
        Arithmetic::Int8 => return Err(CliError::usage("no network learns in int8: choose f32 or bf16")),
    }
    match arguments.order {
        None => {}
        Some(OrderChoice::ChannelsFirst) => embedder.order_maps(nn::ops::Order::ChannelsFirst),
        Some(OrderChoice::ChannelsLast) => embedder.order_maps(nn::ops::Order::ChannelsLast),
    }
    let (batch, size) = (arguments.batch, arguments.size);
    let images = Tensor::from_vec(numbers(batch * 3 * size * size), (batch, 3, size, size), device)?;
    let labels: Vec<Option<usize>> = (0..batch).map(|i| Some(i % config.classes)).collect();
    let mut optimizer = Optimizer::new(Rule::Sgd { momentum: 0.9 }, 1e-4, true);
    // Where a run's steps are computed.
    crate::jobs::with_stack(super::train::STACK_BYTES, || {
        measure(arguments.runs, || {
            let logits = embedder.forward(&images, Mode::Train)?.logits;
            let loss = crate::train::losses::cross_entropy(&logits, &labels, 0.0)?;
            let gradients = nn::ops::backward(&loss)?;
            optimizer.step(embedder.params.trainable(), &gradients, 0.01, 1.0)?;
            // A step on CUDA is asked for and not waited for; what is measured is the doing.
            Ok(device.synchronize()?)
        })
    })?
}

fn rerank(arguments: &Arguments) -> Result<Vec<f64>, CliError> {
    const DIM: usize = 128;
    let grid = Grid::new(7, 7);
    let unit_rows = |mut values: Vec<f32>| {
        for row in values.chunks_mut(DIM) {
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            row.iter_mut().for_each(|v| *v /= length);
        }
        values
    };
    let photos = arguments.pairs + 1;
    let cells = unit_rows(numbers(photos * grid.cells() * DIM));
    let globals = unit_rows(
        cells
            .chunks(grid.cells() * DIM)
            .flat_map(|photo| (0..DIM).map(move |d| photo.iter().skip(d).step_by(DIM).sum()))
            .collect(),
    );
    let all: Vec<Cells> = (0..photos)
        .map(|i| Cells {
            grid,
            dim: DIM,
            cells: &cells[i * grid.cells() * DIM..(i + 1) * grid.cells() * DIM],
            global: &globals[i * DIM..(i + 1) * DIM],
        })
        .collect();
    let (query, candidates) = (&all[0], &all[1..]);
    if arguments.exact {
        // One pair after the other on one thread, as the peer does it.
        let options = MatchOptions { solver: Solver::Exact, marginals: Marginals::Uniform, ..MatchOptions::default() };
        return measure(arguments.runs, || {
            for candidate in candidates {
                std::hint::black_box(ot::score_pair(query, candidate, &options));
            }
            Ok(())
        });
    }
    let stop = StopFlag::new();
    if arguments.kept || arguments.warm {
        return turned(arguments, query, candidates, &stop);
    }
    measure(arguments.runs, || {
        let scores = ot::rerank(query, candidates, &MatchOptions::default(), &stop);
        if scores.len() == candidates.len() {
            Ok(())
        } else {
            Err(CliError::Failure("some pairs were not compared".into()))
        }
    })
}

/// A turn of epsilon by a tenth, there and back, over similarities that are kept.
fn turned(
    arguments: &Arguments,
    query: &Cells<'_>,
    candidates: &[Cells<'_>],
    stop: &StopFlag,
) -> Result<Vec<f64>, CliError> {
    let failed = || CliError::Failure("some pairs were not compared".into());
    let pairs = PairSet::compare(query, candidates, stop).ok_or_else(failed)?;
    let all: Vec<usize> = (0..pairs.len()).collect();
    let mut starts = Starts::default();
    let mut up = false;
    measure(arguments.runs, || {
        up = !up;
        let options = MatchOptions { epsilon: if up { 0.055 } else { 0.05 }, ..MatchOptions::default() };
        let plain = |_| Painted::default();
        let scores = if arguments.warm {
            pairs.rerank_warm(&all, &plain, &options, &mut starts, stop)
        } else {
            pairs.rerank(&plain, &options, stop)
        };
        if scores.len() == candidates.len() { Ok(()) } else { Err(failed()) }
    })
}
