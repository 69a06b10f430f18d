//! Does a model know what is worn together? The two tests of the Polyvore data sets.
//!
//! The fewer the distances between its pieces, the better an outfit: its score is the mean over all pairs of pieces. The
//! compatibility AUC is the chance that an outfit scores better than a set of pieces that is none, ties counting half.
//! A fill-in-the-blank question is answered with the piece whose distances to the others sum up least; among equals the
//! answer is a guess, so a right one counts by its share. Oracle: `tests/fixtures/compatibility.py`.

use rayon::prelude::*;
use serde::Serialize;

use super::EvalError;
use crate::data::polyvore::Blank;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CompatibilityScores {
    /// Sets of pieces that were judged, and how many of them are outfits.
    pub judged: usize,
    pub outfits: usize,
    /// 0.5 is chance.
    pub auc: f64,
    pub questions: usize,
    /// Share of the questions that were answered right.
    pub fill_in_blank: f64,
    /// The same by guessing.
    pub by_guessing: f64,
}

/// Scores every judged set and every question by this distance between items.
///
/// # Errors
/// Where no question is asked, or only outfits or only sets that are none are judged.
pub fn compatibility(
    judged: &[(bool, Vec<usize>)],
    blanks: &[Blank],
    distance: &(dyn Fn(usize, usize) -> f64 + Sync),
) -> Result<CompatibilityScores, EvalError> {
    let scored: Vec<(f64, bool)> =
        judged.par_iter().map(|(outfit, items)| (mean_distance(items, distance), *outfit)).collect();
    let outfits = scored.iter().filter(|(_, outfit)| *outfit).count();
    if outfits == 0 || outfits == scored.len() {
        return Err(EvalError::Nothing(format!("{outfits} of {} judged sets are outfits", scored.len())));
    }
    if blanks.is_empty() {
        return Err(EvalError::Nothing("no blank is to be filled in".to_owned()));
    }
    let right: f64 = blanks.par_iter().map(|blank| answered_right(blank, distance)).collect::<Vec<f64>>().iter().sum();
    let guessed: f64 = blanks.iter().map(|blank| 1.0 / blank.answers.len() as f64).sum();
    Ok(CompatibilityScores {
        judged: scored.len(),
        outfits,
        auc: area_under_roc(&scored),
        questions: blanks.len(),
        fill_in_blank: right / blanks.len() as f64,
        by_guessing: guessed / blanks.len() as f64,
    })
}

/// Over all pairs of different places; 0 where there is none.
fn mean_distance(items: &[usize], distance: &(dyn Fn(usize, usize) -> f64 + Sync)) -> f64 {
    let pairs = (0..items.len()).flat_map(|i| (0..i).map(move |j| (items[i], items[j])));
    let (sum, count) = pairs.fold((0.0, 0_usize), |(sum, count), (a, b)| (sum + distance(a, b), count + 1));
    sum / count.max(1) as f64
}

/// 1 where the right answer alone is nearest, its share where several are.
fn answered_right(blank: &Blank, distance: &(dyn Fn(usize, usize) -> f64 + Sync)) -> f64 {
    let sums: Vec<f64> =
        blank.answers.iter().map(|&answer| blank.items.iter().map(|&item| distance(answer, item)).sum()).collect();
    let least = sums.iter().copied().fold(f64::INFINITY, f64::min);
    let nearest = sums.iter().filter(|sum| **sum == least).count();
    if sums[blank.right] == least { 1.0 / nearest as f64 } else { 0.0 }
}

/// Mann and Whitney's statistic by ranks: distances, and whether a small one was wanted.
fn area_under_roc(scored: &[(f64, bool)]) -> f64 {
    let mut order: Vec<&(f64, bool)> = scored.iter().collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let outfits = order.iter().filter(|one| one.1).count() as f64;
    let others = order.len() as f64 - outfits;
    // Counts, for each outfit, the others that lie farther out; equals count half.
    let mut above = others;
    let mut won = 0.0;
    for equals in order.chunk_by(|a, b| a.0 == b.0) {
        let wanted = equals.iter().filter(|one| one.1).count() as f64;
        let unwanted = equals.len() as f64 - wanted;
        above -= unwanted;
        won += wanted * (above + 0.5 * unwanted);
    }
    won / (outfits * others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> T {
        serde_json::from_value(value.clone()).unwrap()
    }

    /// Oracle: `tests/fixtures/compatibility.py`, which compares all pairs one by one.
    #[test]
    fn scores_equal_those_of_the_reference_script() {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/compatibility.json"));
        let golden: serde_json::Value = serde_json::from_str(text).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let vectors: Vec<Vec<f64>> = numbers(&case["vectors"]);
            let judged: Vec<(bool, Vec<usize>)> = numbers(&case["judged"]);
            let blanks: Vec<Blank> = case["questions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|q| Blank {
                    items: numbers(&q["items"]),
                    answers: numbers(&q["answers"]),
                    right: numbers(&q["right"]),
                })
                .collect();
            let distance = |a: usize, b: usize| -> f64 {
                vectors[a].iter().zip(&vectors[b]).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
            };
            for ((_, items), wanted) in judged.iter().zip(numbers::<Vec<f64>>(&case["scores"])) {
                assert!((mean_distance(items, &distance) - wanted).abs() < 1e-12);
            }
            let found = compatibility(&judged, &blanks, &distance).unwrap();
            let (auc, fill): (f64, f64) = (numbers(&case["auc"]), numbers(&case["fill_in_blank"]));
            assert!((found.auc - auc).abs() < 1e-12, "{} instead of {auc}", found.auc);
            assert!((found.fill_in_blank - fill).abs() < 1e-12, "{} instead of {fill}", found.fill_in_blank);
            assert_eq!((found.judged, found.questions), (judged.len(), blanks.len()));
        }
    }

    #[test]
    fn a_model_that_tells_nothing_apart_is_at_chance_and_nothing_to_measure_is_a_sentence() {
        let blank = |right| Blank { items: vec![0, 1], answers: vec![2, 3, 4, 5], right };
        let judged = [(true, vec![0, 1, 2]), (false, vec![3, 4]), (true, vec![0, 5])];
        let found = compatibility(&judged, &[blank(0), blank(3)], &|_, _| 1.0).unwrap();
        assert_eq!((found.auc, found.fill_in_blank, found.by_guessing), (0.5, 0.25, 0.25));
        let error = compatibility(&judged[..1], &[blank(0)], &|_, _| 1.0).unwrap_err();
        assert_eq!(error.to_string(), "there is nothing to measure: 1 of 1 judged sets are outfits");
        let error = compatibility(&judged, &[], &|_, _| 1.0).unwrap_err();
        assert_eq!(error.to_string(), "there is nothing to measure: no blank is to be filled in");
    }
}
