//! Structural losses. Oracle: a second implementation on the host, in which plans are numbers that stay as they are while
//! the photos move, and its central differences.

use candle_core::{Device, Tensor, Var};
use proptest::prelude::*;

use super::structural::{solve_elsewhere, solve_here};
use super::*;
use crate::domain::PhotoDomain::{self, Shop, Street};
use crate::nn::ops::Transport;
use crate::ot::{self, SinkhornOptions};
use crate::train::golden::{assert_close, host, value};

const PHOTOS: usize = 6;
const CHANNELS: usize = 5;
const CELLS: usize = 4;
const LABELS: [usize; PHOTOS] = [0, 0, 1, 1, 2, 2];
const DOMAINS: [PhotoDomain; PHOTOS] = [Street, Shop, Street, Shop, Shop, Street];
const PLANS: StructuralSettings = StructuralSettings { epsilon: 0.05, iterations: 60 };

fn raw() -> Vec<f64> {
    // Shifted, so that cells have something in common.
    host(&value("structural-losses/", "X", &[PHOTOS, CHANNELS, CELLS])).into_iter().map(|v| v + 0.7).collect()
}

fn compared(values: &[f64]) -> (Var, Compared) {
    let x = Tensor::from_slice(values, (PHOTOS, CHANNELS, CELLS), &Device::Cpu).unwrap();
    let x = Var::from_tensor(&x).unwrap();
    let photos = Compared::new(x.as_tensor(), None).unwrap();
    (x, photos)
}

/// Photos on the host: unit cells and the unit mean.
struct Host {
    cells: Vec<Vec<Vec<f64>>>,
    global: Vec<Vec<f64>>,
}

fn unit(vector: Vec<f64>) -> Vec<f64> {
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    vector.into_iter().map(|v| v / length).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Host {
    fn new(values: &[f64]) -> Self {
        let (mut cells, mut global) = (Vec::new(), Vec::new());
        for photo in values.chunks(CHANNELS * CELLS) {
            let cell = |cell: usize| (0..CHANNELS).map(|c| photo[c * CELLS + cell]).collect::<Vec<_>>();
            cells.push((0..CELLS).map(|k| unit(cell(k))).collect());
            global.push(unit(photo.chunks(CELLS).map(|channel| channel.iter().sum::<f64>() / CELLS as f64).collect()));
        }
        Self { cells, global }
    }

    fn weighed(&self, plan: &[f64], i: usize, j: usize, of: impl Fn(f64) -> f64) -> f64 {
        let pair = |k: usize| plan[k] * of(dot(&self.cells[i][k / CELLS], &self.cells[j][k % CELLS]));
        ((0..CELLS * CELLS).map(pair).sum::<f64>() + of(dot(&self.global[i], &self.global[j]))) / 2.0
    }

    fn score(&self, plan: &[f64], i: usize, j: usize) -> f64 {
        self.weighed(plan, i, j, |cosine| cosine)
    }

    fn distance(&self, plan: &[f64], i: usize, j: usize) -> f64 {
        self.weighed(plan, i, j, |cosine| (2.0 - 2.0 * cosine + 1e-6).sqrt())
    }
}

/// The plans between photos, each way round.
fn plans(values: &[f64]) -> Vec<Vec<Vec<f64>>> {
    let (_, photos) = compared(values);
    let matrix = score_matrix(&photos, |_, _| true, &PLANS).unwrap();
    let solved = host(&matrix.solved.unwrap().plans);
    let mut all = vec![vec![vec![0.0; CELLS * CELLS]; PHOTOS]; PHOTOS];
    for ([i, j], plan) in matrix.pairs.into_iter().zip(solved.chunks(CELLS * CELLS)) {
        all[j][i] = (0..CELLS * CELLS).map(|k| plan[k % CELLS * CELLS + k / CELLS]).collect();
        all[i][j] = plan.to_vec();
    }
    all
}

/// The plans of the pairs that the triplets compare, solved from the anchor's side.
fn plan_of(values: &[f64], i: usize, j: usize) -> Vec<f64> {
    let photo = |i: usize| {
        let part = &values[i * CHANNELS * CELLS..(i + 1) * CHANNELS * CELLS];
        Tensor::from_slice(part, (1, CHANNELS, CELLS), &Device::Cpu).unwrap()
    };
    host(&structural_scores(&photo(i), &photo(j), &PLANS).unwrap().solved.plans)
}

fn agree(name: &str, loss: &Tensor, x: &Var, second: &dyn Fn(&Host) -> f64) {
    let start = raw();
    assert_close(name, &[read_scalar(loss).unwrap()], &[second(&Host::new(&start))], 1e-9);
    let gradients = loss.backward().unwrap();
    let step = 1e-6;
    let differences: Vec<f64> = (0..start.len())
        .map(|i| {
            let (mut up, mut down) = (start.clone(), start.clone());
            up[i] += step;
            down[i] -= step;
            (second(&Host::new(&up)) - second(&Host::new(&down))) / (2.0 * step)
        })
        .collect();
    assert_close(name, &host(gradients.get(x.as_tensor()).unwrap()), &differences, 1e-7);
    assert!(differences.iter().any(|d| d.abs() > 1e-3), "{name} is flat, so nothing was compared");
}

#[test]
fn structural_triplet_and_margin_hold_their_plans_constant() {
    let (x, photos) = compared(&raw());
    let rows = [[0, 1, 3], [2, 3, 4], [5, 4, 1], [3, 2, 0]];
    let triplets = Triplets::of(&rows, &Device::Cpu).unwrap();
    let plan: Vec<[Vec<f64>; 2]> =
        rows.iter().map(|&[a, p, n]| [plan_of(&raw(), a, p), plan_of(&raw(), a, n)]).collect();
    let loss = structural_triplet(&photos, &triplets, 0.3, &PLANS).unwrap().unwrap();
    agree("triplet", &loss, &x, &|photos| {
        let term = |(&[a, p, n], [near, far]): (&[usize; 3], &[Vec<f64>; 2])| {
            (0.3 - photos.score(near, a, p) + photos.score(far, a, n)).max(0.0)
        };
        rows.iter().zip(&plan).map(term).sum::<f64>() / 4.0
    });
    let betas = [0.6, 0.5, 0.9, 0.7];
    let betas_tensor = Tensor::new(&betas, &Device::Cpu).unwrap();
    let loss = structural_margin(&photos, &triplets, &betas_tensor, 0.2, &PLANS).unwrap().unwrap();
    agree("margin", &loss, &x, &|photos| {
        let terms: Vec<f64> = (0..4)
            .flat_map(|t| {
                let [a, p, n] = rows[t];
                let (near, far) = (photos.distance(&plan[t][0], a, p), photos.distance(&plan[t][1], a, n));
                [near - betas[t] + 0.2, betas[t] - far + 0.2]
            })
            .map(|term| term.max(0.0))
            .collect();
        terms.iter().sum::<f64>() / terms.iter().filter(|term| **term > 0.0).count() as f64
    });
    let none = Triplets::of(&[], &Device::Cpu).unwrap();
    assert!(structural_triplet(&photos, &none, 0.3, &PLANS).unwrap().is_none());
    assert!(structural_margin(&photos, &none, &betas_tensor, 0.2, &PLANS).unwrap().is_none());
}

#[test]
fn structural_multi_similarity_and_info_nce_hold_their_plans_constant() {
    let (x, photos) = compared(&raw());
    let plan = plans(&raw());
    let settings = MultiSimilarity { alpha: 2.0, beta: 10.0, lambda: 0.5, margin: 0.4 };
    let partners = Partners { labels: &LABELS, domains: None };
    let scores = score_matrix(&photos, |_, _| true, &PLANS).unwrap().scores;
    agree("multi-similarity", &settings.of_similarities(&scores, partners).unwrap(), &x, &|photos| {
        let s = |i: usize, j: usize| photos.score(&plan[i][j], i, j);
        let mut sum = 0.0;
        for (i, label) in LABELS.iter().enumerate() {
            let of = |same: bool| -> Vec<f64> {
                (0..PHOTOS).filter(|&j| j != i && (*label == LABELS[j]) == same).map(|j| s(i, j)).collect()
            };
            let (near, far) = (of(true), of(false));
            let (highest, lowest) =
                (far.iter().copied().fold(-9.0, f64::max), near.iter().copied().fold(9.0, f64::min));
            let near: Vec<f64> = near.into_iter().filter(|s| s - 0.4 < highest).collect();
            let far: Vec<f64> = far.into_iter().filter(|s| s + 0.4 > lowest).collect();
            if !near.is_empty() && !far.is_empty() {
                let of =
                    |all: &[f64], scale: f64| (1.0 + all.iter().map(|s| (scale * (s - 0.5)).exp()).sum::<f64>()).ln();
                sum += of(&near, -2.0) / 2.0 + of(&far, 10.0) / 10.0;
            }
        }
        sum / PHOTOS as f64
    });

    // Across domains only the pairs that are compared are solved.
    let across = |i: usize, j: usize| DOMAINS[i] != DOMAINS[j];
    let matrix = score_matrix(&photos, across, &PLANS).unwrap();
    let every = || (0..PHOTOS).flat_map(|i| (0..PHOTOS).map(move |j| [i, j]));
    assert_eq!(matrix.pairs, every().filter(|&[i, j]| i < j && across(i, j)).collect::<Vec<_>>());
    assert_eq!(matrix.solved.unwrap().plans.dims(), [matrix.pairs.len(), CELLS, CELLS]);
    let loss = info_nce_of(&matrix.scores, &LABELS, &DOMAINS, 0.2).unwrap().unwrap();
    agree("info-nce", &loss, &x, &|photos| {
        let s = |i: usize, j: usize| photos.score(&plan[i][j], i, j) / 0.2;
        let one = |i: usize| {
            let others: Vec<usize> = (0..PHOTOS).filter(|&j| across(i, j)).collect();
            let total: f64 = others.iter().map(|&j| s(i, j).exp()).sum();
            let positive = others.iter().find(|&&j| LABELS[i] == LABELS[j]).unwrap();
            total.ln() - s(i, *positive)
        };
        (0..PHOTOS).map(one).sum::<f64>() / PHOTOS as f64
    });
}

/// Oracle: the worked example of `methods.md` A7 (converged, marginals of the paper's inference). Its marginals carry the
/// reference's 1e-5 beneath their sums, which moves the fifth digit.
#[test]
fn structural_similarity_of_the_worked_example_is_the_published_one() {
    let wave = |f: &dyn Fn(f64, f64) -> f64| {
        let values: Vec<f64> = (0..32).map(|k| f((k / 4) as f64, (k % 4) as f64)).collect();
        Tensor::from_vec(values, (1, 8, 4), &Device::Cpu).unwrap()
    };
    let query = wave(&|c, r| (1.0 + 0.7 * c + 1.3 * r).sin() + 1.0);
    let gallery = wave(&|c, r| (0.5 + 0.9 * c - 0.4 * r).cos() + 1.0);
    let settings = StructuralSettings { epsilon: 0.05, iterations: 100 };
    let scores = structural_scores(&query, &gallery, &settings).unwrap();
    let near = |what: &str, found: &[f64], wanted: &[f64]| {
        assert!(found.iter().zip(wanted).all(|(f, w)| (f - w).abs() < 3e-5), "{what}: {found:?} is not {wanted:?}");
    };
    near("structural", &host(&scores.structural), &[0.835210]);
    near("global", &host(&scores.global), &[0.899196]);
    near("gallery", &host(&scores.solved.column_marginals), &[0.257159, 0.253354, 0.248025, 0.241459]);
    near("query", &host(&scores.solved.row_marginals), &[0.261895, 0.330204, 0.240836, 0.167061]);
    // Published with the gallery's cells as rows.
    let plan = host(&scores.solved.plans);
    let first: Vec<f64> = (0..4).map(|query| plan[query * 4]).collect();
    near("plan", &first, &[0.000243, 0.026135, 0.158987, 0.071794]);
}

#[test]
fn photos_with_nothing_in_common_and_broken_ones_do_not_stop_the_solver() {
    let mut values = raw();
    // The second photo points the other way throughout.
    let (first, second) = values.split_at_mut(CHANNELS * CELLS);
    second[..CHANNELS * CELLS].copy_from_slice(&first.iter().map(|v| -v).collect::<Vec<_>>());
    let (x, photos) = compared(&values);
    let triplets = Triplets::of(&[[0, 1, 2]], &Device::Cpu).unwrap();
    let loss = structural_triplet(&photos, &triplets, 0.3, &PLANS).unwrap().unwrap();
    assert!(read_scalar(&loss).unwrap().is_finite());
    assert!(host(loss.backward().unwrap().get(x.as_tensor()).unwrap()).iter().all(|g| g.is_finite()));
    let matrix = score_matrix(&photos, |_, _| true, &PLANS).unwrap();
    assert!(host(&matrix.scores).iter().all(|s| s.is_finite()));

    values[3] = f64::NAN;
    let (_, photos) = compared(&values);
    assert!(read_scalar(&structural_triplet(&photos, &triplets, 0.3, &PLANS).unwrap().unwrap()).unwrap().is_nan());
    assert!(score_matrix(&photos, |_, _| true, &PLANS).is_ok());
}

/// With other than mean pooling, the global vector is not the mean of the cells.
#[test]
fn a_global_vector_that_is_given_decides_marginals_and_the_global_part() {
    let values = raw();
    let cells = Tensor::from_slice(&values, (PHOTOS, CHANNELS, CELLS), &Device::Cpu).unwrap();
    let other = value("structural-losses/", "G", &[PHOTOS, CHANNELS]);
    let (own, given) = (Compared::new(&cells, None).unwrap(), Compared::new(&cells, Some(other.as_tensor())).unwrap());
    let global = normalize_rows(&other).unwrap();
    let cosines = global.matmul(&global.t().unwrap()).unwrap();
    let none = score_matrix(&given, |_, _| false, &PLANS).unwrap();
    assert_close("global alone", &host(&none.scores), &host(&cosines), 1e-12);
    assert!(none.pairs.is_empty() && none.solved.is_none());
    let plans = |photos: &Compared| host(&score_matrix(photos, |_, _| true, &PLANS).unwrap().solved.unwrap().plans);
    assert_ne!(plans(&own), plans(&given));
}

/// Transport as a device's own operation gives it, by the reference solver.
fn transport(cost: &Tensor, a: &Tensor, b: &Tensor, how: Transport) -> Result<Tensor> {
    let Transport { epsilon, iterations, tolerance } = how;
    let options = SinkhornOptions { epsilon, max_iterations: iterations, tolerance };
    let mut plans = Vec::new();
    for pair in 0..cost.dim(0)? {
        let [cost, a, b] = [cost, a, b].map(|all| host(&all.get(pair).unwrap()));
        plans.extend(ot::sinkhorn(&cost, &a, &b, &options).unwrap().plan);
    }
    Tensor::from_vec(plans, cost.shape(), &Device::Cpu)
}

proptest! {
    /// Oracle: the plans that are solved on the host. Asymmetric pairs, some with cells or whole photos that have nothing
    /// in common with the other.
    #[test]
    fn what_another_device_does_gives_the_hosts_plans(
        n in 1_usize..5, rows in 1_usize..9, columns in 1_usize..9, epsilon in 0.02_f64..0.5, iterations in 1_usize..30,
        lift in -1.0_f64..1.0, seed: u32,
    ) {
        let noise = |salt: usize, shape: &[usize], lift: f64| {
            let value = |k: usize| ((f64::from(seed % 9973) + 0.37) * (k + 17 * salt + 1) as f64).sin() + lift;
            let values: Vec<f64> = (0..shape.iter().product()).map(value).collect();
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
        };
        let similarity = noise(1, &[n, rows, columns], 0.0);
        let common = || [noise(2, &[n, rows], lift), noise(3, &[n, columns], lift)];
        let settings = StructuralSettings { epsilon, iterations };
        let there = solve_elsewhere(&similarity, common(), &settings, &transport).unwrap();
        let here = solve_here(&similarity, common(), &settings).unwrap();
        for (what, there, here) in [
            ("plans", there.plans, here.plans),
            ("rows", there.row_marginals, here.row_marginals),
            ("columns", there.column_marginals, here.column_marginals),
        ] {
            prop_assert_eq!(there.dims(), here.dims());
            for (there, here) in host(&there).iter().zip(host(&here)) {
                prop_assert!((there - here).abs() < 1e-11, "{}: {} is not {}", what, there, here);
            }
        }
    }
}
