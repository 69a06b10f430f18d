use candle_core::{DType, Device, Result, Tensor, Var};

use super::*;
use crate::domain::PhotoDomain::{Shop, Street};
use crate::train::golden::{assert_close, host, numbers, training, value};

const SOFT: TripletSpec = TripletSpec { distance: Distance::Euclidean, hinge: Hinge::Soft };

fn margin(distance: Distance, margin: f64) -> TripletSpec {
    TripletSpec { distance, hinge: Hinge::Margin(margin) }
}

fn triplet(e: &Tensor, labels: &[usize], spec: TripletSpec) -> Result<Tensor> {
    Ok(batch_hard_triplet(e, labels, None, &spec)?.loss.unwrap())
}

/// The reference's loss of this name, on its inputs in their order.
fn by_name(name: &str, x: &[Tensor]) -> Result<Tensor> {
    let labels: Vec<usize> = (0..12).map(|i| i / 2).collect();
    let targets: Vec<_> = labels.iter().copied().map(Some).collect();
    match name {
        "batch_hard_triplet_euclidean_m0.3" => triplet(&x[0], &labels, margin(Distance::Euclidean, 0.3)),
        "batch_hard_triplet_squared_m0.3" => triplet(&x[0], &labels, margin(Distance::Squared, 0.3)),
        "batch_hard_triplet_softmargin" => triplet(&x[0], &labels, SOFT),
        "multi_similarity" => multi_similarity(&x[0], &labels, 2.0, 40.0, 0.5, 0.1),
        "info_nce_t0.07" => info_nce(&x[0], &x[1], 0.07),
        "nt_xent_t0.1" => nt_xent(&x[0], &x[1], 0.1),
        "byol_mean" => byol(&x[0], &x[1]),
        "vicreg_25_25_1" => vicreg(&x[0], &x[1], [25.0, 25.0, 1.0]),
        "cross_entropy" => cross_entropy(&(&x[0] * 5.0)?, &targets, 0.0),
        "cross_entropy_smoothing0.1" => cross_entropy(&(&x[0] * 5.0)?, &targets, 0.1),
        "structural_triplet_m0.2" => {
            structural_triplet(&x[0], &x[1], 0.2, &StructuralSettings { epsilon: 0.05, iterations: 200 })
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
    assert_close("plan", &host(&scores.plans.get(0).unwrap()), &numbers(&case["plan0"]), 1e-9);
    assert_close("rows", &scores.row_marginals[0], &numbers(&case["row_marginal0"]), 1e-9);
    assert_close("columns", &scores.column_marginals[0], &numbers(&case["column_marginal0"]), 1e-9);
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
        ("euclidean 0.3", triplet(&e, &labels, margin(Distance::Euclidean, 0.3)), 1.200706),
        ("euclidean 0.5", triplet(&e, &labels, margin(Distance::Euclidean, 0.5)), 1.400706),
        ("squared 0.3", triplet(&e, &labels, margin(Distance::Squared, 0.3)), 2.206716),
        ("soft", triplet(&e, &labels, SOFT), 1.257108),
        ("multi-similarity", multi_similarity(&e, &labels, 2.0, 40.0, 0.5, 0.1), 1.127455),
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

/// Oracle: central differences in f64.
#[test]
fn losses_across_domains_have_the_gradients_of_finite_differences() {
    let labels = [0, 0, 0, 1, 1, 2, 2, 2, 3];
    let domains = [Street, Shop, Shop, Street, Shop, Street, Street, Shop, Shop];
    type Named<'a> = (&'a str, &'a dyn Fn(&Tensor) -> Tensor);
    let functions: [Named<'_>; 4] = [
        ("batch-hard", &|e| batch_hard_triplet(e, &labels, Some(&domains), &SOFT).unwrap().loss.unwrap()),
        ("info-nce", &|e| cross_domain_info_nce(e, &labels, &domains, 0.2).unwrap().unwrap()),
        ("negatives", &|e| explicit_negatives(e, &labels, &domains, &[(0, 4), (8, 2)], &SOFT, 1.9).unwrap().unwrap()),
        ("positives", &|e| explicit_positives(e, &[(0, 4), (5, 8)]).unwrap().unwrap()),
    ];
    let start = host(&value("domains/", "E", &[9, 5]));
    for (name, function) in functions {
        let at = |x: &[f64]| Var::from_tensor(&Tensor::from_slice(x, (9, 5), &Device::Cpu).unwrap()).unwrap();
        let loss_at = |x: &[f64]| read_scalar(&function(&normalize_rows(&at(x)).unwrap())).unwrap();
        let x = at(&start);
        let gradients = function(&normalize_rows(&x).unwrap()).backward().unwrap();
        let step = 1e-6;
        let differences: Vec<f64> = (0..start.len())
            .map(|i| {
                let (mut up, mut down) = (start.clone(), start.clone());
                up[i] += step;
                down[i] -= step;
                (loss_at(&up) - loss_at(&down)) / (2.0 * step)
            })
            .collect();
        assert_close(name, &host(gradients.get(x.as_tensor()).unwrap()), &differences, 1e-7);
        assert!(differences.iter().any(|d| d.abs() > 1e-3), "{name} is flat, so nothing was compared");
    }
}

#[test]
fn across_domains_positives_and_negatives_come_from_the_other_domain_only() {
    // On a line: the street photo of product 0 at 0, its shop photo at 3, a street photo of product 1 at 0.5
    // (nearest of all, but of the same domain) and its shop photo at 2.
    let e = Tensor::from_vec(vec![0.0, 3.0, 0.5, 2.0_f64], (4, 1), &Device::Cpu).unwrap();
    let triplets =
        batch_hard_triplet(&e, &[0, 0, 1, 1], Some(&[Street, Shop, Street, Shop]), &margin(Distance::Euclidean, 1.0))
            .unwrap();
    // Anchor by anchor: 3 - 2, 3 - 2.5, 1.5 - 2.5, 1.5 - 2, each + 1 and cut at 0.
    let expected = (2.0 + 1.5 + 0.0 + 0.5) / 4.0;
    assert!((read_scalar(&triplets.loss.unwrap()).unwrap() - expected).abs() < 1e-9);
    assert_eq!((triplets.anchors, triplets.wrong), (4, 2));
}

#[test]
fn photos_that_coincide_and_batches_without_partners_stay_finite() {
    let same = Var::from_tensor(&Tensor::ones((4, 3), DType::F32, &Device::Cpu).unwrap()).unwrap();
    let loss = triplet(&same, &[0, 0, 1, 1], SOFT).unwrap();
    let gradient = host(loss.backward().unwrap().get(same.as_tensor()).unwrap());
    assert!(gradient.iter().all(|g| *g == 0.0), "{gradient:?}");
    let alone = batch_hard_triplet(&same, &[0, 1, 2, 3], None, &SOFT).unwrap();
    assert!(alone.loss.is_none() && alone.anchors == 0);
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
