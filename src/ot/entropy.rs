//! How spread a plan is.

/// Entropy of a plan's masses as shares of all that moves, over its largest value, ln(number of entries): 0 where all
/// mass is in one entry, 1 where every entry holds the same. A plan that moves nothing has none.
pub fn plan_entropy(mass: &[f32]) -> f32 {
    let total: f64 = mass.iter().map(|&m| f64::from(m.max(0.0))).sum();
    if mass.len() < 2 || !(total > 0.0 && total.is_finite()) {
        return 0.0;
    }
    let shares = mass.iter().map(|&m| f64::from(m) / total).filter(|&share| share > 0.0);
    let entropy: f64 = shares.map(|share| -share * share.ln()).sum();
    (entropy / (mass.len() as f64).ln()).clamp(0.0, 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::tests::support::lcg;

    #[test]
    fn one_entry_has_no_entropy_and_equal_entries_have_all() {
        assert_eq!(plan_entropy(&[0.0, 0.4, 0.0]), 0.0);
        assert!((plan_entropy(&[0.1; 12]) - 1.0).abs() < 1e-6);
        assert_eq!(plan_entropy(&[0.0; 4]), 0.0);
        assert_eq!((plan_entropy(&[]), plan_entropy(&[1.0])), (0.0, 0.0));
    }

    /// Oracle: the chain rule, H(pairs) = H(rows) + sum of row x H(columns within the row).
    #[test]
    fn entropy_of_pairs_is_that_of_rows_and_of_columns_within_them() {
        let (rows, columns) = (6, 11);
        let mass: Vec<f32> = lcg(77, rows * columns).iter().map(|&x| if x < 0.2 { 0.0 } else { x as f32 }).collect();
        let h = |parts: &[f64]| -> f64 {
            let total: f64 = parts.iter().sum();
            total.ln() - parts.iter().filter(|&&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>() / total
        };
        let wide: Vec<f64> = mass.iter().map(|&m| f64::from(m)).collect();
        let total: f64 = wide.iter().sum();
        let sums: Vec<f64> = wide.chunks(columns).map(|row| row.iter().sum()).collect();
        let within: f64 = wide.chunks(columns).zip(&sums).map(|(row, sum)| sum / total * h(row)).sum();
        let expected = (h(&sums) + within) / ((rows * columns) as f64).ln();
        assert!((f64::from(plan_entropy(&mass)) - expected).abs() < 1e-6, "{expected}");
    }
}
