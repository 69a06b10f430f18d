use candle_core::{DType, Device, Result, Tensor, Var};
use proptest::prelude::*;

use super::*;
use crate::domain::PhotoDomain::{self, Shop, Street};
use crate::train::golden::{assert_close, host, numbers, training, value};

const SOFT: TripletSpec = TripletSpec { distance: Distance::Euclidean, hinge: Hinge::Soft };

fn hinge(distance: Distance, margin: f64) -> TripletSpec {
    TripletSpec { distance, hinge: Hinge::Margin(margin) }
}

fn mined(e: &Tensor, partners: Partners<'_>, mining: Mining) -> Triplets {
    Triplets::mine(e, partners, mining, &mut draws(1, 2)).unwrap()
}

fn hardest(e: &Tensor, labels: &[usize], spec: TripletSpec) -> Result<Tensor> {
    let triplets = mined(e, Partners { labels, domains: None }, Mining::BatchHard);
    Ok(triplet(e, &triplets, &spec)?.unwrap())
}

/// The reference's loss of this name, on its inputs in their order.
fn by_name(name: &str, x: &[Tensor]) -> Result<Tensor> {
    let labels: Vec<usize> = (0..12).map(|i| i / 2).collect();
    let targets: Vec<_> = labels.iter().copied().map(Some).collect();
    match name {
        "batch_hard_triplet_euclidean_m0.3" => hardest(&x[0], &labels, hinge(Distance::Euclidean, 0.3)),
        "batch_hard_triplet_squared_m0.3" => hardest(&x[0], &labels, hinge(Distance::Squared, 0.3)),
        "batch_hard_triplet_softmargin" => hardest(&x[0], &labels, SOFT),
        "multi_similarity" => MultiSimilarity::default().of(&x[0], Partners { labels: &labels, domains: None }),
        "info_nce_t0.07" => info_nce(&x[0], &x[1], 0.07),
        "nt_xent_t0.1" => nt_xent(&x[0], &x[1], 0.1),
        "byol_mean" => byol(&x[0], &x[1]),
        "vicreg_25_25_1" => vicreg(&x[0], &x[1], [25.0, 25.0, 1.0]),
        "cross_entropy" => cross_entropy(&(&x[0] * 5.0)?, &targets, 0.0),
        "cross_entropy_smoothing0.1" => cross_entropy(&(&x[0] * 5.0)?, &targets, 0.1),
        "structural_triplet_m0.2" => {
            // Photo i of Y is the positive of photo i of X, the one before it the negative.
            let both = Compared::new(&Tensor::cat(&[&x[0], &x[1]], 0)?, None)?;
            let rows: Vec<_> = (0..12).map(|i| [i, 12 + i, 12 + (i + 11) % 12]).collect();
            let triplets = Triplets::of(&rows, &Device::Cpu)?;
            let plans = StructuralSettings { epsilon: 0.05, iterations: 200 };
            Ok(structural_triplet(&both, &triplets, 0.2, &plans)?.unwrap())
        }
        other => panic!("the reference has a loss that is not known here: {other}"),
    }
}

fn shape(key: &str) -> &'static [usize] {
    match key {
        "E" | "K" => &[12, 16],
        "Z" => &[12, 6],
        _ => &[12, 16, 9],
    }
}

/// Oracle: PyTorch in f64, `golden/training.py`.
#[test]
fn every_loss_and_its_gradient_equals_pytorch() {
    let golden = training();
    let prefix = golden["prefix"].as_str().unwrap();
    for (name, case) in golden["losses"].as_object().unwrap() {
        let keys: Vec<&str> = case["inputs"].as_array().unwrap().iter().map(|k| k.as_str().unwrap()).collect();
        let raw: Vec<Var> = keys.iter().map(|key| value(prefix, key, shape(key))).collect();
        let unit = case["unit_rows"].as_bool().unwrap();
        for dtype in [DType::F64, DType::F32] {
            let raw: Vec<Var> = raw
                .iter()
                .map(|x| Var::from_tensor(&x.as_detached_tensor().to_dtype(dtype).unwrap()).unwrap())
                .collect();
            let inputs: Vec<Tensor> =
                keys.iter()
                    .zip(&raw)
                    .map(|(key, x)| {
                        if unit && matches!(*key, "E" | "K") {
                            normalize_rows(x).unwrap()
                        } else {
                            x.as_tensor().clone()
                        }
                    })
                    .collect();
            let loss = by_name(name, &inputs).unwrap();
            let tolerance = if dtype == DType::F64 { 2e-8 } else { 1e-4 };
            assert_close(name, &[read_scalar(&loss).unwrap()], &[case["loss"].as_f64().unwrap()], tolerance);
            let gradients = loss.backward().unwrap();
            for (key, x) in keys.iter().zip(&raw) {
                let gradient = gradients.get(x.as_tensor()).unwrap_or_else(|| panic!("{name} does not reach {key}"));
                assert_close(&format!("{name} d{key}"), &host(gradient), &numbers(&case["grads"][key]), tolerance);
            }
        }
    }
}

/// Oracle: POT-like scaling iterations in PyTorch, `golden/training.py`.
#[test]
fn structural_scores_plans_and_marginals_equal_pytorch() {
    let golden = training();
    let (prefix, case) = (golden["prefix"].as_str().unwrap(), &golden["structural"]);
    let settings = StructuralSettings {
        epsilon: case["eps"].as_f64().unwrap(),
        iterations: case["iterations"].as_u64().unwrap() as usize,
    };
    let (x, y) = (value(prefix, "X", shape("X")), value(prefix, "Y", shape("Y")));
    let scores = structural_scores(&x, &y, &settings).unwrap();
    assert_close("structural", &host(&scores.structural), &numbers(&case["structural"]), 1e-9);
    assert_close("global", &host(&scores.global), &numbers(&case["global"]), 1e-9);
    let first = |all: &Tensor| host(&all.get(0).unwrap());
    assert_close("plan", &first(&scores.solved.plans), &numbers(&case["plan0"]), 1e-9);
    assert_close("rows", &first(&scores.solved.row_marginals), &numbers(&case["row_marginal0"]), 1e-9);
    assert_close("columns", &first(&scores.solved.column_marginals), &numbers(&case["column_marginal0"]), 1e-9);
}

/// The six unit rows of `methods.md` A7.
fn six_rows() -> Tensor {
    let values: Vec<f64> =
        (0..24).map(|k| ((k / 4) as f64, (k % 4) as f64)).map(|(i, d)| (1.3 * i + 0.7 * d * d + 0.2).sin()).collect();
    normalize_rows(&Tensor::from_vec(values, (6, 4), &Device::Cpu).unwrap()).unwrap()
}

/// Oracle: the published constants of the closed forms, to the six digits that are given.
#[test]
fn losses_on_six_rows_equal_the_published_constants() {
    let e = six_rows();
    let labels = [0, 0, 1, 1, 2, 2];
    let (even, odd) = (rows(&e, &[0, 2, 4]).unwrap(), rows(&e, &[1, 3, 5]).unwrap());
    let proxies: Vec<f64> = (0..12).map(|k| (0.9 * (k / 4) as f64 + 0.5 * (k % 4) as f64).cos()).collect();
    let proxies = normalize_rows(&Tensor::from_vec(proxies, (3, 4), &Device::Cpu).unwrap()).unwrap();
    let logits = (e.matmul(&proxies.t().unwrap()).unwrap() * 5.0).unwrap();
    let targets: Vec<_> = labels.iter().copied().map(Some).collect();
    let cases = [
        ("euclidean 0.3", hardest(&e, &labels, hinge(Distance::Euclidean, 0.3)), 1.200706),
        ("euclidean 0.5", hardest(&e, &labels, hinge(Distance::Euclidean, 0.5)), 1.400706),
        ("squared 0.3", hardest(&e, &labels, hinge(Distance::Squared, 0.3)), 2.206716),
        ("soft", hardest(&e, &labels, SOFT), 1.257108),
        ("multi-similarity", MultiSimilarity::default().of(&e, Partners { labels: &labels, domains: None }), 1.127455),
        ("proxy-anchor", proxy_anchor(&e, &labels, &proxies, 32.0, 0.1), 28.386360),
        ("nt-xent 0.1", nt_xent(&even, &odd, 0.1), 9.607342),
        ("nt-xent 0.5", nt_xent(&even, &odd, 0.5), 2.396989),
        ("info-nce 0.07", info_nce(&even, &odd, 0.07), 13.108027),
        ("info-nce symmetric 0.07", info_nce_symmetric(&even, &odd, 0.07), 13.208347),
        ("info-nce 0.2", info_nce(&even, &odd, 0.2), 4.655709),
        ("info-nce symmetric 0.2", info_nce_symmetric(&even, &odd, 0.2), 4.733807),
        ("cross-entropy", cross_entropy(&logits, &targets, 0.0), 2.006815),
        ("smoothed", cross_entropy(&logits, &targets, 0.1), 2.056713),
        ("vicreg", vicreg(&even, &odd, [25.0, 25.0, 1.0]), 24.841217),
        ("vicreg invariance", vicreg(&even, &odd, [1.0, 0.0, 0.0]), 0.562173),
        ("vicreg variance", vicreg(&even, &odd, [0.0, 1.0, 0.0]), 0.415311),
        ("vicreg covariance", vicreg(&even, &odd, [0.0, 0.0, 1.0]), 0.404111),
    ];
    for (name, loss, expected) in cases {
        let loss = read_scalar(&loss.unwrap()).unwrap();
        assert!((loss - expected).abs() < 1e-6, "{name}: {loss} instead of {expected}");
    }
}

/// Oracle: central differences in f64 of every entry.
fn slopes_agree(name: &str, shape: &[usize], start: &[f64], function: &dyn Fn(&Tensor) -> Tensor) {
    let at = |x: &[f64]| Var::from_tensor(&Tensor::from_slice(x, shape, &Device::Cpu).unwrap()).unwrap();
    let x = at(start);
    let gradients = function(&x).backward().unwrap();
    let step = 1e-6;
    let differences: Vec<f64> = (0..start.len())
        .map(|i| {
            let (mut up, mut down) = (start.to_vec(), start.to_vec());
            up[i] += step;
            down[i] -= step;
            let loss_at = |x: &[f64]| read_scalar(&function(&at(x))).unwrap();
            (loss_at(&up) - loss_at(&down)) / (2.0 * step)
        })
        .collect();
    assert_close(name, &host(gradients.get(x.as_tensor()).unwrap()), &differences, 1e-7);
    assert!(differences.iter().any(|d| d.abs() > 1e-3), "{name} is flat, so nothing was compared");
}

const LABELS: [usize; 9] = [0, 0, 0, 1, 1, 2, 2, 2, 3];
const DOMAINS: [PhotoDomain; 9] = [Street, Shop, Shop, Street, Shop, Street, Street, Shop, Shop];

#[test]
fn losses_across_domains_have_the_gradients_of_finite_differences() {
    let partners = Partners { labels: &LABELS, domains: Some(&DOMAINS) };
    let with = |e: &Tensor, mining| triplet(e, &mined(e, partners, mining), &SOFT).unwrap().unwrap();
    type Named<'a> = (&'a str, &'a dyn Fn(&Tensor) -> Tensor);
    let functions: [Named<'_>; 9] = [
        ("batch-hard", &|e| with(e, Mining::BatchHard)),
        ("semi-hard", &|e| with(e, Mining::SemiHard)),
        ("distance-weighted", &|e| with(e, Mining::DistanceWeighted)),
        ("random", &|e| with(e, Mining::Random)),
        ("multi-similarity", &|e| MultiSimilarity::default().of(e, partners).unwrap()),
        ("nt-xent", &|e| nt_xent(&e.narrow(0, 0, 4).unwrap(), &e.narrow(0, 4, 4).unwrap(), 0.3).unwrap()),
        ("info-nce", &|e| cross_domain_info_nce(e, &LABELS, &DOMAINS, 0.2).unwrap().unwrap()),
        ("negatives", &|e| explicit_negatives(e, &LABELS, &DOMAINS, &[(0, 4), (8, 2)], &SOFT, 1.9).unwrap().unwrap()),
        ("positives", &|e| explicit_positives(e, &[(0, 4), (5, 8)]).unwrap().unwrap()),
    ];
    let start = host(&value("domains/", "E", &[9, 5]));
    for (name, function) in functions {
        slopes_agree(name, &[9, 5], &start, &|x| function(&normalize_rows(x).unwrap()));
    }
}

/// Oracle: the published equations, row by row on the host, and central differences of vectors, boundaries and proxies.
#[test]
fn margin_and_proxy_anchor_have_their_values_and_gradients() {
    let raw = host(&value("margin/", "E", &[9, 5]));
    let unit = |x: &[f64]| -> Vec<Vec<f64>> {
        x.chunks(5)
            .map(|row| {
                let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                row.iter().map(|v| v / length).collect()
            })
            .collect()
    };
    let tensor = |x: &[f64], shape: (usize, usize)| Tensor::from_slice(x, shape, &Device::Cpu).unwrap();
    let e = normalize_rows(&tensor(&raw, (9, 5))).unwrap();
    let triplets = mined(&e, Partners { labels: &LABELS, domains: None }, Mining::SemiHard);
    let betas: Vec<f64> = triplets.anchors().iter().map(|a| 0.8 + 0.3 * LABELS[*a] as f64).collect();
    let rows = unit(&raw);
    let distance =
        |a: usize, b: usize| rows[a].iter().zip(&rows[b]).map(|(p, q)| (p - q) * (p - q)).sum::<f64>().sqrt();
    let terms: Vec<f64> = triplets
        .rows()
        .unwrap()
        .iter()
        .zip(&betas)
        .flat_map(|(&[a, p, n], beta)| [distance(a, p) - beta + 0.2, beta - distance(a, n) + 0.2])
        .map(|term| term.max(0.0))
        .collect();
    let active = terms.iter().filter(|term| **term > 0.0).count();
    assert!(active < terms.len(), "every term is active, so the division is not tested");
    let wanted = terms.iter().sum::<f64>() / active as f64;
    let count = betas.len();
    let of = |e: &Tensor, betas: &Tensor| margin(e, &triplets, betas, 0.2).unwrap().unwrap();
    let fixed = Tensor::from_slice(&betas, count, &Device::Cpu).unwrap();
    assert_close("margin", &[read_scalar(&of(&e, &fixed)).unwrap()], &[wanted], 1e-9);
    slopes_agree("margin", &[9, 5], &raw, &|x| of(&normalize_rows(x).unwrap(), &fixed));
    slopes_agree("boundaries", &[count], &betas, &|x| of(&e, x));
    let content = Tensor::full(1.0_f64, count, &Device::Cpu).unwrap();
    let far = Triplets::of(&vec![[0, 1, 2]; count], &Device::Cpu).unwrap();
    let apart = tensor(&[1.0, 0.0, 1.0, 0.0, -1.0, 0.0], (3, 2));
    assert_eq!(read_scalar(&margin(&apart, &far, &content, 0.2).unwrap().unwrap()).unwrap(), 0.0);

    let proxies = host(&value("margin/", "P", &[5, 5]));
    let p = unit(&proxies);
    let cosine = |row: usize, proxy: usize| rows[row].iter().zip(&p[proxy]).map(|(a, b)| a * b).sum::<f64>();
    let (mut pull, mut push, mut present) = (0.0, 0.0, 0.0);
    for proxy in 0..5 {
        let sum = |same: bool, sign: f64| -> f64 {
            let of = |i: usize| (sign * 32.0 * cosine(i, proxy) + 3.2).exp();
            (0..9).filter(|&i| (LABELS[i] == proxy) == same).map(of).sum()
        };
        let positives = sum(true, -1.0);
        if LABELS.contains(&proxy) {
            present += 1.0;
            pull += (1.0 + positives).ln();
        }
        push += (1.0 + sum(false, 1.0)).ln();
    }
    let wanted = pull / present + push / 5.0;
    let of = |e: &Tensor, p: &Tensor| proxy_anchor(e, &LABELS, p, 32.0, 0.1).unwrap();
    let fixed = tensor(&proxies, (5, 5));
    assert_close("proxy-anchor", &[read_scalar(&of(&e, &fixed)).unwrap()], &[wanted], 1e-9);
    slopes_agree("proxy-anchor", &[9, 5], &raw, &|x| of(&normalize_rows(x).unwrap(), &fixed));
    slopes_agree("proxies", &[5, 5], &proxies, &|p| of(&e, p));
    assert!(proxy_anchor(&e, &[7; 9], &fixed, 32.0, 0.1).unwrap_err().to_string().contains("5 proxies"));
}

proptest! {
    /// Oracle: the published equations, pair by pair on the host. On a grid of cosines many pairs are just at the margin.
    #[test]
    fn multi_similarity_keeps_the_pairs_of_its_definition(
        n in 2_usize..10, kinds in 1_usize..4, across: bool, seed: u64,
        values in prop::collection::vec(-8_i8..9, 10 * 10), grid: bool,
    ) {
        let labels: Vec<usize> = (0..n).map(|i| (seed >> (3 * i)) as usize % kinds).collect();
        let domains: Vec<_> = (0..n).map(|i| if seed >> (40 + i) & 1 == 0 { Shop } else { Street }).collect();
        let partners = Partners { labels: &labels, domains: across.then_some(&domains) };
        let loss = MultiSimilarity { margin: 0.125, ..MultiSimilarity::default() };
        let MultiSimilarity { alpha, beta, lambda, margin } = loss;
        let step = if grid { 0.125 } else { 0.111 };
        let s: Vec<f64> = values[..n * n].iter().map(|v| f64::from(*v) * step).collect();
        let wanted: f64 = (0..n)
            .map(|i| {
                let of = |same: bool| (0..n).filter(|&j| partners.fits(i, j, same)).map(|j| s[i * n + j]).collect::<Vec<_>>();
                let (positives, negatives) = (of(true), of(false));
                let nearest = negatives.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let farthest = positives.iter().copied().fold(f64::INFINITY, f64::min);
                let pull: Vec<f64> = positives.into_iter().filter(|s| s - margin < nearest).collect();
                let push: Vec<f64> = negatives.into_iter().filter(|s| s + margin > farthest).collect();
                if pull.is_empty() || push.is_empty() {
                    return 0.0;
                }
                let sum = |kept: Vec<f64>, scale: f64| kept.iter().map(|s| (scale * (s - lambda)).exp()).sum::<f64>();
                (1.0 + sum(pull, -alpha)).ln() / alpha + (1.0 + sum(push, beta)).ln() / beta
            })
            .sum();
        let similarity = Tensor::from_vec(s, (n, n), &Device::Cpu).unwrap();
        let found = read_scalar(&loss.of_similarities(&similarity, partners).unwrap()).unwrap();
        prop_assert!((found - wanted / n as f64).abs() < 1e-9, "{} instead of {}", found, wanted / n as f64);
    }
}

/// Oracle: the papers' equations, row by row on the host, and central differences.
#[test]
fn losses_without_labels_have_their_values_and_gradients() {
    let (n, dim) = (4, 5);
    let raw = host(&value("pretext/", "E", &[8, 5]));
    let tensor = |x: &[f64]| Tensor::from_slice(x, (x.len() / dim, dim), &Device::Cpu).unwrap();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let log_sum = |x: &[f64]| x.iter().map(|x| x.exp()).sum::<f64>().ln();
    let unit: Vec<Vec<f64>> = host(&normalize_rows(&tensor(&raw)).unwrap()).chunks(dim).map(<[f64]>::to_vec).collect();
    let halves = |x: &Tensor| (x.narrow(0, 0, n).unwrap(), x.narrow(0, n, n).unwrap());
    let rows = |x: &Tensor| halves(&normalize_rows(x).unwrap());
    let queue = normalize_rows(&value("pretext/", "Q", &[6, 5])).unwrap();
    let wrong: Vec<Vec<f64>> = host(&queue).chunks(dim).map(<[f64]>::to_vec).collect();
    let centre = Tensor::new(&[[0.1, -0.2, 0.3, 0.0, 0.2]], &Device::Cpu).unwrap();
    let c = host(&centre);

    let moco = |x: &Tensor| {
        let (q, k) = rows(x);
        queue_info_nce(&q, &k.detach(), &queue, 0.2).unwrap()
    };
    let wanted = (0..n).map(|i| {
        let positive = dot(&unit[i], &unit[n + i]) / 0.2;
        let all: Vec<f64> = wrong.iter().map(|w| dot(&unit[i], w) / 0.2).chain([positive]).collect();
        log_sum(&all) - positive
    });
    assert_close("moco", &[read_scalar(&moco(&tensor(&raw))).unwrap()], &[wanted.sum::<f64>() / n as f64], 1e-12);

    let decoupled = |x: &Tensor| {
        let (a, b) = rows(x);
        decoupled_nt_xent(&a, &b, 0.3).unwrap()
    };
    let wanted = (0..2 * n).map(|i| {
        let partner = (i + n) % (2 * n);
        let others = (0..2 * n).filter(|&j| j != i && j != partner);
        let all: Vec<f64> = others.map(|j| dot(&unit[i], &unit[j]) / 0.3).collect();
        log_sum(&all) - dot(&unit[i], &unit[partner]) / 0.3
    });
    let wanted = wanted.sum::<f64>() / (2 * n) as f64;
    assert_close("decoupled", &[read_scalar(&decoupled(&tensor(&raw))).unwrap()], &[wanted], 1e-12);

    let similar = |x: &Tensor| {
        let (p, z) = halves(x);
        simsiam(&p, &z.detach()).unwrap()
    };
    let wanted = -(0..n).map(|i| dot(&unit[i], &unit[n + i])).sum::<f64>() / n as f64;
    assert_close("simsiam", &[read_scalar(&similar(&tensor(&raw))).unwrap()], &[wanted], 1e-12);

    let taught = |x: &Tensor| {
        let (student, teacher) = halves(x);
        dino(&student, &teacher, &centre, [0.1, 0.04]).unwrap()
    };
    let softmax = |x: Vec<f64>| -> Vec<f64> {
        let total = log_sum(&x);
        x.into_iter().map(|x| (x - total).exp()).collect()
    };
    let wanted = (0..n).map(|i| {
        let teacher = softmax((0..dim).map(|k| (raw[(n + i) * dim + k] - c[k]) / 0.04).collect());
        let student = softmax((0..dim).map(|k| raw[i * dim + k] / 0.1).collect());
        -dot(&teacher, &student.iter().map(|p| p.ln()).collect::<Vec<_>>())
    });
    assert_close("dino", &[read_scalar(&taught(&tensor(&raw))).unwrap()], &[wanted.sum::<f64>() / n as f64], 1e-9);

    // Targets are constants, so only the first half moves in the differences.
    let target = tensor(&raw).narrow(0, n, n).unwrap();
    let with = |loss: &dyn Fn(&Tensor) -> Tensor, x: &Tensor| loss(&Tensor::cat(&[x, &target], 0).unwrap());
    slopes_agree("moco", &[n, dim], &raw[..n * dim], &|x| with(&moco, x));
    slopes_agree("simsiam", &[n, dim], &raw[..n * dim], &|x| with(&similar, x));
    slopes_agree("dino", &[n, dim], &raw[..n * dim], &|x| with(&taught, x));
    slopes_agree("decoupled", &[2 * n, dim], &raw, &decoupled);
    for constant in [&moco as &dyn Fn(&Tensor) -> Tensor, &similar, &taught] {
        let x = Var::from_tensor(&tensor(&raw)).unwrap();
        let gradient = host(constant(&x).backward().unwrap().get(x.as_tensor()).unwrap());
        assert!(gradient[n * dim..].iter().all(|g| *g == 0.0), "a target was pulled along");
    }
}

#[test]
fn across_domains_positives_and_negatives_come_from_the_other_domain_only() {
    // On a line: the street photo of product 0 at 0, its shop photo at 3, a street photo of product 1 at 0.5
    // (nearest of all, but of the same domain) and its shop photo at 2.
    let e = Tensor::from_vec(vec![0.0, 3.0, 0.5, 2.0_f64], (4, 1), &Device::Cpu).unwrap();
    let partners = Partners { labels: &[0, 0, 1, 1], domains: Some(&[Street, Shop, Street, Shop]) };
    let triplets = mined(&e, partners, Mining::BatchHard);
    let loss = triplet(&e, &triplets, &hinge(Distance::Euclidean, 1.0)).unwrap().unwrap();
    // Anchor by anchor: 3 - 2, 3 - 2.5, 1.5 - 2.5, 1.5 - 2, each + 1 and cut at 0.
    let expected = (2.0 + 1.5 + 0.0 + 0.5) / 4.0;
    assert!((read_scalar(&loss).unwrap() - expected).abs() < 1e-9);
    assert_eq!((triplets.len(), host(triplets.wrong())), (4, vec![2.0]));
}

#[test]
fn photos_that_coincide_and_batches_without_partners_stay_finite() {
    let same = Var::from_tensor(&Tensor::ones((4, 3), DType::F32, &Device::Cpu).unwrap()).unwrap();
    let loss = hardest(&same, &[0, 0, 1, 1], SOFT).unwrap();
    let gradient = host(loss.backward().unwrap().get(same.as_tensor()).unwrap());
    assert!(gradient.iter().all(|g| *g == 0.0), "{gradient:?}");
    let alone = mined(&same, Partners { labels: &[0, 1, 2, 3], domains: None }, Mining::BatchHard);
    assert!(alone.is_empty() && triplet(&same, &alone, &SOFT).unwrap().is_none());
    assert!(margin(&same, &alone, &same, 0.2).unwrap().is_none());
    assert!(cross_domain_info_nce(&same, &[0, 0, 1, 1], &[Shop; 4], 0.1).unwrap().is_none());
    assert!(explicit_negatives(&same, &[0, 0, 1, 1], &[Shop; 4], &[], &SOFT, 1.0).unwrap().is_none());
    let unlabelled = cross_entropy(&same, &[None; 4], 0.1).unwrap();
    assert_eq!(read_scalar(&unlabelled).unwrap(), 0.0);
}

#[test]
fn one_street_and_one_shop_photo_a_product_make_plain_symmetric_info_nce() {
    let (q, k) = (value("pairs/", "q", &[5, 4]), value("pairs/", "k", &[5, 4]));
    let (q, k) = (normalize_rows(&q).unwrap(), normalize_rows(&k).unwrap());
    let labels: Vec<usize> = (0..5).chain(0..5).collect();
    let domains: Vec<_> = [Street; 5].into_iter().chain([Shop; 5]).collect();
    let both = Tensor::cat(&[&q, &k], 0).unwrap();
    let ours = cross_domain_info_nce(&both, &labels, &domains, 0.3).unwrap().unwrap();
    let plain = info_nce_symmetric(&q, &k, 0.3).unwrap();
    assert!((read_scalar(&ours).unwrap() - read_scalar(&plain).unwrap()).abs() < 1e-12);
}

#[test]
fn softplus_and_relu_have_pytorch_s_values_and_slopes_at_zero_and_far_out() {
    let x = Var::from_tensor(&Tensor::new(&[-800.0_f64, -1.0, 0.0, 1.0, 800.0], &Device::Cpu).unwrap()).unwrap();
    let soft = softplus(&x).unwrap();
    assert_close(
        "softplus",
        &host(&soft),
        &[0.0, 0.313_261_687_518_222_8, 2_f64.ln(), 1.313_261_687_518_222_8, 800.0],
        1e-14,
    );
    let slope = soft.sum_all().unwrap().backward().unwrap();
    let expected = [0.0, 0.268_941_421_369_995_1, 0.5, 0.731_058_578_630_004_9, 1.0];
    assert_close("logistic", &host(slope.get(x.as_tensor()).unwrap()), &expected, 1e-14);
    let slope = relu(&x).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(host(slope.get(x.as_tensor()).unwrap()), [0.0, 0.0, 0.0, 1.0, 1.0]);
}

/// Of the defining property alone: a zero row has no direction, so nothing may come back through it.
#[test]
fn a_row_of_zeros_stays_zeros_and_has_no_gradient() {
    let x = Var::from_vec(vec![3.0_f64, 4.0, 0.0, 0.0, 0.0, -2.0], (3, 2), &Device::Cpu).unwrap();
    let y = normalize_rows(&x).unwrap();
    assert_eq!(y.to_vec2::<f64>().unwrap(), [[0.6, 0.8], [0.0, 0.0], [0.0, -1.0]]);
    let weights = Tensor::new(&[[1.0_f64, 0.0], [5.0, 7.0], [2.0, 3.0]], &Device::Cpu).unwrap();
    let found = (y * weights).unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = found.get(&x).unwrap().to_vec2::<f64>().unwrap();
    // (w - y (y . w)) / |x|.
    let wanted = [[0.128, -0.096], [0.0, 0.0], [1.0, 0.0]];
    for (got, wanted) in gradient.iter().flatten().zip(wanted.iter().flatten()) {
        assert!((got - wanted).abs() < 1e-12, "{gradient:?}");
    }
}
