//! Re-ranking 100 candidates of 7 x 7 cells in 128 dimensions, similarities included.
//!
//! `cargo bench --bench rerank`. Peers on two cores: POT's Sinkhorn without similarities 21 ms, its exact
//! solver 23 ms, a batched PyTorch loop of 100 iterations 10 ms.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use seamline::domain::{Grid, MatchOptions, StopFlag};
use seamline::ot::{Cells, exact, explain_pair, rerank};

const GRID: usize = 7;
const DIM: usize = 128;
const CANDIDATES: u64 = 100;

struct Photo {
    cells: Vec<f32>,
    global: Vec<f32>,
}

impl Photo {
    /// Random cells around a direction that all photos share, as a trained network's are.
    fn random(seed: u64) -> Self {
        let normal = |rng: &mut ChaCha8Rng| (0..4).map(|_| rng.next_u32() as f32 / u32::MAX as f32 - 0.5).sum::<f32>();
        let mut shared = ChaCha8Rng::seed_from_u64(0);
        let common: Vec<f32> = (0..DIM).map(|_| normal(&mut shared)).collect();
        let mut own = ChaCha8Rng::seed_from_u64(seed);
        let mut cells: Vec<f32> = (0..GRID * GRID * DIM).map(|i| 0.7 * common[i % DIM] + normal(&mut own)).collect();
        let mut global: Vec<f32> = (0..DIM).map(|c| cells.iter().skip(c).step_by(DIM).sum()).collect();
        cells.chunks_exact_mut(DIM).for_each(normalise);
        normalise(&mut global);
        Self { cells, global }
    }

    fn view(&self) -> Cells<'_> {
        Cells { grid: Grid::new(GRID, GRID), dim: DIM, cells: &self.cells, global: &self.global }
    }
}

fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
}

fn benches(c: &mut Criterion) {
    let query = Photo::random(1);
    let gallery: Vec<Photo> = (0..CANDIDATES).map(|i| Photo::random(100 + i)).collect();
    let candidates: Vec<Cells<'_>> = gallery.iter().map(Photo::view).collect();
    let stop = StopFlag::new();

    let mut group = c.benchmark_group("rerank 100 candidates, 7x7, 128-D");
    let default = MatchOptions::default();
    // No tolerance is met, so that every pair runs all its iterations.
    let fixed = MatchOptions { tolerance: 1e-30, ..default };
    for (name, options) in [
        ("epsilon 0.05, default stop", default),
        ("epsilon 0.05, 100 iterations", fixed),
        ("epsilon 0.02, 100 iterations", MatchOptions { epsilon: 0.02, ..fixed }),
        ("epsilon 0.001, 100 iterations", MatchOptions { epsilon: 1e-3, ..fixed }),
    ] {
        group.bench_function(name, |b| b.iter(|| rerank(&query.view(), black_box(&candidates), &options, &stop)));
    }
    group.finish();

    let pair = explain_pair(&query.view(), &gallery[0].view(), &default);
    let cost: Vec<f64> = pair.similarity.iter().map(|&s| 1.0 - f64::from(s)).collect();
    let wide = |weights: &[f32]| weights.iter().map(|&w| f64::from(w)).collect::<Vec<_>>();
    let (a, b) = (wide(&pair.row_marginal), wide(&pair.column_marginal));
    c.bench_function("exact, one pair of 49 x 49", |bench| bench.iter(|| exact(black_box(&cost), &a, &b)));
}

criterion_group!(rerank_benches, benches);
criterion_main!(rerank_benches);
