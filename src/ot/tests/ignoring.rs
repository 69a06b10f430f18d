//! Ignored cells, and edits that swap two matches.

use crate::domain::{Difference, Grid, Marginals, MatchOptions, StopFlag, SwapEdit};
use crate::ot::{
    Contest, ContestPaint, EPSILONS, MOST_WEIGHT, Painted, Remaining, SinkhornOptions, explain_pair, score_painted,
    score_pair, sinkhorn,
};

use super::support::{Photo, near, widen};

/// Exact enough that the two iterations can be held against each other.
pub(super) fn tight(marginals: Marginals) -> MatchOptions {
    MatchOptions { marginals, tolerance: 1e-6, max_iterations: 5000, ..MatchOptions::default() }
}

pub(super) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Weights in proportion to the agreement of the kept cells; an ignored one weighs 0.
pub(super) fn weights(photo: &Photo, other: &Photo, ignored: &[usize], marginals: Marginals) -> Vec<f64> {
    let cells = photo.cells.chunks_exact(photo.dim).enumerate();
    let raw: Vec<f64> = cells
        .map(|(cell, row)| match marginals {
            _ if ignored.contains(&cell) => 0.0,
            Marginals::Uniform => 1.0,
            _ => cosine(row, &other.global).max(0.0),
        })
        .collect();
    let sum: f64 = raw.iter().sum();
    raw.iter().map(|w| w / sum).collect()
}

/// The structural score by the log domain in 64 bits. Rows and columns of weight 0 are deleted, or kept.
pub(super) fn reference(query: &Photo, gallery: &Photo, a: &[f64], b: &[f64], delete: bool) -> f64 {
    let kept = |weights: &[f64]| (0..weights.len()).filter(|&i| !delete || weights[i] > 0.0).collect::<Vec<_>>();
    let (rows, columns) = (kept(a), kept(b));
    let row = |photo: &Photo, cell: usize| photo.cells[cell * photo.dim..(cell + 1) * photo.dim].to_vec();
    let cost: Vec<f64> = rows
        .iter()
        .flat_map(|&q| columns.iter().map(move |&g| (q, g)))
        .map(|(q, g)| 1.0 - cosine(&row(query, q), &row(gallery, g)))
        .collect();
    let pick = |weights: &[f64], cells: &[usize]| cells.iter().map(|&i| weights[i]).collect::<Vec<_>>();
    let options = SinkhornOptions { epsilon: 0.05, max_iterations: 20_000, tolerance: 1e-9 };
    let solved = sinkhorn(&cost, &pick(a, &rows), &pick(b, &columns), &options).unwrap();
    solved.plan.iter().zip(&cost).map(|(mass, cost)| mass * (1.0 - cost)).sum()
}

#[test]
fn ignoring_nothing_gives_the_score_to_the_bit_and_ignoring_everything_is_refused() {
    let (q, g) = (Photo::random(1, Grid::new(7, 7), 16), Photo::random(2, Grid::new(7, 7), 16));
    let (q, g) = (q.view(), g.view());
    let whole = Remaining::of(&q, &[]).unwrap();
    let options = MatchOptions::default();
    assert_eq!(score_pair(&whole.view(), &g, &options), score_pair(&q, &g, &options));
    assert!(Remaining::of(&q, &(0..49).collect::<Vec<_>>()).is_none());
    assert_eq!(Remaining::of(&q, &[3, 3, 99]).unwrap().view().grid.cells(), 48, "once each, and only what is there");
}

#[test]
fn masking_equals_the_problem_with_those_rows_or_columns_deleted_and_with_weights_of_zero() {
    for (seed, marginals) in [(3, Marginals::CrossCorrelation), (5, Marginals::Uniform)] {
        let (q, g) = (Photo::random(seed, Grid::new(3, 4), 12), Photo::random(seed + 50, Grid::new(4, 5), 12));
        let options = tight(marginals);
        for ignored in [vec![0], vec![2, 7, 11], (0..11).collect()] {
            let masked = Remaining::of(&q.view(), &ignored).unwrap();
            let got = score_pair(&masked.view(), &g.view(), &options);
            let (a, b) = (weights(&q, &g, &ignored, marginals), weights(&g, &q, &[], marginals));
            for delete in [true, false] {
                near(got.structural.into(), reference(&q, &g, &a, &b, delete), 2e-4, "query cells");
            }
            near(got.global.into(), cosine(&q.global, &g.global), 1e-5, "the global part stays");

            let masked = Remaining::of(&g.view(), &ignored).unwrap();
            let got = score_pair(&q.view(), &masked.view(), &options);
            let (a, b) = (weights(&q, &g, &[], marginals), weights(&g, &q, &ignored, marginals));
            near(got.structural.into(), reference(&q, &g, &a, &b, true), 2e-4, "gallery cells");
        }
    }
}

#[test]
fn a_mask_multiplies_what_is_painted() {
    let (q, g) = (Photo::random(21, Grid::new(3, 4), 12), Photo::random(22, Grid::new(4, 5), 12));
    let options = tight(Marginals::Painted);
    // Some cells are painted with nothing at all.
    let on_query: Vec<f32> = (0..12).map(|cell| (cell % 4) as f32 / 3.0).collect();
    let on_gallery: Vec<f32> = (0..20).map(|cell| ((cell * 7) % 5) as f32 / 4.0).collect();
    let normalised = |painted: &[f32], ignored: &[usize]| {
        let kept = |cell: usize| if ignored.contains(&cell) { 0.0 } else { f64::from(painted[cell]) };
        let sum: f64 = (0..painted.len()).map(kept).sum();
        (0..painted.len()).map(|cell| kept(cell) / sum).collect::<Vec<f64>>()
    };
    for ignored in [vec![], vec![1], vec![0, 2, 7, 11], vec![4]] {
        let left = Remaining::of_painted(&q.view(), Some(&on_query), &ignored).unwrap();
        let painted = Painted { query: left.painted(), gallery: Some(&on_gallery) };
        let got = score_painted(&left.view(), &g.view(), painted, &options);
        let (a, b) = (normalised(&on_query, &ignored), normalised(&on_gallery, &[]));
        near(got.structural.into(), reference(&q, &g, &a, &b, true), 2e-4, "query cells");

        let left = Remaining::of_painted(&g.view(), Some(&on_gallery), &ignored).unwrap();
        let painted = Painted { query: None, gallery: left.painted() };
        let got = score_painted(&q.view(), &left.view(), painted, &options);
        // A side on which nothing is painted keeps its cross-correlation.
        let a = weights(&q, &g, &[], Marginals::CrossCorrelation);
        let b = normalised(&on_gallery, &ignored);
        near(got.structural.into(), reference(&q, &g, &a, &b, true), 2e-4, "gallery cells");
    }
    let painted: Vec<usize> = (0..12).filter(|&cell| on_query[cell] > 0.0).collect();
    assert!(Remaining::of_painted(&q.view(), Some(&on_query), &painted).is_none(), "what is left weighs nothing");
    assert!(Remaining::of(&q.view(), &painted).is_some());
}

#[test]
fn edits_of_painted_matches_swap_them_as_they_are_painted() {
    let (mut found, options) = (0, MatchOptions { marginals: Marginals::Painted, ..MatchOptions::default() });
    for seed in 1..=60 {
        let [q, a, b] = seeded(seed);
        let paint = |salt: usize| (0..9).map(|cell| ((cell * salt + 1) % 4) as f32 / 3.0).collect::<Vec<f32>>();
        let (on_query, on_a) = (paint(5), paint(7));
        let painted = |gallery| Painted { query: Some(&on_query), gallery };
        let score = |photo: &Photo, gallery, options: &MatchOptions| {
            score_painted(&q.view(), &photo.view(), painted(gallery), options).score(options)
        };
        let first = score(&a, Some(&on_a), &options) > score(&b, None, &options);
        let sides = [(&a, Some(on_a.as_slice())), (&b, None)];
        let [above, below] = if first { sides } else { [sides[1], sides[0]] };
        let paint = ContestPaint { query: Some(&on_query), above: above.1, below: below.1 };
        let contest =
            Contest { query: q.view(), above: above.0.view(), below: below.0.view(), paint, options: &options };
        for swap in contest.swaps(&StopFlag::new()).all() {
            let (changed, ignored) = match &swap.edit {
                SwapEdit::StructuralWeight { to } => (MatchOptions { structural_weight: *to, ..options }, vec![]),
                SwapEdit::Epsilon { to } => (MatchOptions { epsilon: *to, ..options }, vec![]),
                SwapEdit::WithoutCells { cells, .. } => (options, cells.clone()),
            };
            // The same by weights of zero instead of deleted cells.
            let masked: Vec<f32> =
                (0..9).map(|cell| if ignored.contains(&cell) { 0.0 } else { on_query[cell] }).collect();
            let [above, below] = [above, below].map(|(photo, gallery)| {
                let painted = Painted { query: Some(&masked), gallery };
                score_painted(&q.view(), &photo.view(), painted, &changed).score(&changed)
            });
            near(swap.gap.into(), (above - below).into(), 2e-3, "the gap that is told");
            found += usize::from(above < below);
        }
    }
    assert!(found > 30, "{found}");
}

#[test]
fn the_parts_of_a_difference_add_up_to_the_gap() {
    let q = Photo::random(11, Grid::new(5, 5), 16);
    let (a, b) = (Photo::random(12, Grid::new(5, 5), 16), Photo::random(13, Grid::new(5, 5), 16));
    let options = MatchOptions { structural_weight: 0.7, ..MatchOptions::default() };
    let [above, below] = [&a, &b].map(|photo| explain_pair(&q.view(), &photo.view(), &options));
    let difference = Difference::of(&above, &below, options.structural_weight);
    let sum: f64 = widen(&difference.cells).iter().sum::<f64>() + f64::from(difference.global);
    near(sum, difference.gap.into(), 1e-5, "gap");
    let backwards = Difference::of(&below, &above, options.structural_weight);
    assert!(difference.cells.iter().zip(&backwards.cells).all(|(x, y)| (x + y).abs() < 1e-7), "symmetric");
    let column_sum: f32 = (0..25).map(|cell| above.of_gallery_cell(cell)).sum();
    near(column_sum.into(), above.structural.into(), 1e-5, "gallery cells add up too");
}

fn seeded(seed: u64) -> [Photo; 3] {
    [0, 1, 2].map(|part| Photo::random(seed * 7 + 1000 * part, Grid::new(3, 3), 6))
}

/// A contest whose first is above, and all swaps that are found.
fn with_contest(seed: u64, options: &MatchOptions, check: impl FnOnce(&Contest<'_>)) {
    let [q, a, b] = seeded(seed);
    let paint = ContestPaint::default();
    let contest = Contest { query: q.view(), above: a.view(), below: b.view(), paint, options };
    if contest.gap(options) > 0.0 {
        check(&contest);
    } else {
        check(&Contest { above: b.view(), below: a.view(), ..contest });
    }
}

#[test]
fn every_edit_that_is_found_really_swaps_the_two() {
    let mut found = [0; 4];
    for seed in 1..=160 {
        // From a smooth plan the way leads down, from a sharp one up.
        let epsilon = if seed % 2 == 0 { 0.6 } else { 0.02 };
        let options = MatchOptions { structural_weight: 2.5, epsilon, ..MatchOptions::default() };
        with_contest(seed, &options, |contest| {
            let swaps = contest.swaps(&StopFlag::new());
            for swap in swaps.all() {
                let (changed, ignored) = match &swap.edit {
                    SwapEdit::StructuralWeight { to } => (MatchOptions { structural_weight: *to, ..options }, vec![]),
                    SwapEdit::Epsilon { to } => (MatchOptions { epsilon: *to, ..options }, vec![]),
                    SwapEdit::WithoutCells { cells, .. } => (options, cells.clone()),
                };
                changed.check().unwrap();
                let query = Remaining::of(&contest.query, &ignored).unwrap();
                let [above, below] =
                    [&contest.above, &contest.below].map(|photo| explain_pair(&query.view(), photo, &changed).score);
                assert!(above < below, "seed {seed}: {swap:?} leaves {above} above {below}");
                near(swap.gap.into(), (above - below).into(), 1e-6, "the gap that is told");
                assert!(swap.size > 0.0, "{swap:?}");
            }
            let kinds = [&swaps.weight, &swaps.smaller_epsilon, &swaps.larger_epsilon, &swaps.cells];
            kinds.iter().zip(&mut found).for_each(|(kind, count)| *count += usize::from(kind.is_some()));
            let smallest = swaps.all().map(|swap| swap.size).reduce(f32::min);
            assert_eq!(swaps.smallest().map(|swap| swap.size), smallest);
        });
    }
    assert!(found.iter().all(|&count| count > 0), "each kind occurs: {found:?}");
}

#[test]
fn the_weight_is_that_of_a_plain_scan_and_no_fewer_cells_swap() {
    let options = MatchOptions::default();
    let stop = StopFlag::new();
    for seed in 41..=70 {
        with_contest(seed, &options, |contest| {
            let swaps = contest.swaps(&stop);
            let swapped = |weight: f32| contest.gap(&MatchOptions { structural_weight: weight, ..options }) < 0.0;
            let step = 0.01f32;
            let down = (1..=100).map(|n| 1.0 - n as f32 * step).find(|&w| w >= 0.0 && swapped(w));
            let up = (1..=900).map(|n| 1.0 + n as f32 * step).find(|&w| w <= MOST_WEIGHT && swapped(w));
            match (&swaps.weight, down.or(up)) {
                (Some(swap), Some(scanned)) => {
                    let SwapEdit::StructuralWeight { to } = swap.edit else { panic!("{swap:?}") };
                    near(to.into(), scanned.into(), 0.0305, "weight");
                }
                (None, None) => {}
                // Right at the border of what is looked at, rounding may decide.
                (one, other) => assert!(down.is_none_or(|w| w < 0.03), "seed {seed}: {one:?} {other:?}"),
            }
            if let Some(SwapEdit::WithoutCells { cells, fewest }) = swaps.cells.as_ref().map(|swap| &swap.edit) {
                assert_eq!(*fewest, cells.len() <= 2);
                let single = (0..9).any(|cell| contest.gap_without(&[cell]).unwrap() < 0.0);
                assert_eq!(single, cells.len() == 1, "seed {seed}");
            }
            for swap in [&swaps.smaller_epsilon, &swaps.larger_epsilon].into_iter().flatten() {
                let SwapEdit::Epsilon { to } = swap.edit else { panic!("{swap:?}") };
                assert!(EPSILONS.contains(&to));
                // Just on the near side the order still holds: it is the smallest, as finely as was looked.
                let near_side = to * (if to < options.epsilon { 1.002f32 } else { 0.998 });
                assert!(contest.gap(&MatchOptions { epsilon: near_side, ..options }) >= -1e-4, "seed {seed}: {to}");
            }
        });
    }
}

#[test]
fn there_is_no_swap_of_what_is_not_above_and_none_once_stopped() {
    let options = MatchOptions::default();
    with_contest(3, &options, |contest| {
        let upside_down = Contest { above: contest.below, below: contest.above, ..*contest };
        assert_eq!(upside_down.swaps(&StopFlag::new()), crate::domain::Swaps::default());
        let stop = StopFlag::new();
        stop.stop();
        assert_eq!(contest.swaps(&stop), crate::domain::Swaps::default());
    });
}
