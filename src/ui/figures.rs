//! Numbers as people read them: parts that add up to the total they stand beside, and figures with units.

/// Rounds parts to `decimals` so that what is shown adds up to the shown total (largest remainder method).
pub fn adding_up(total: f32, parts: &[f32], decimals: usize) -> Vec<f64> {
    let unit = 10f64.powi(decimals as i32);
    let scaled: Vec<f64> = parts.iter().map(|&part| f64::from(part) * unit).collect();
    let mut rounded: Vec<f64> = scaled.iter().map(|part| part.round()).collect();
    let wanted = (f64::from(total) * unit).round();
    let mut missing = wanted - rounded.iter().sum::<f64>();
    let mut open: Vec<usize> = (0..parts.len()).collect();
    while missing.abs() >= 0.5 && !open.is_empty() {
        let direction = missing.signum();
        let remainder = |&index: &usize| (scaled[index] - rounded[index]) * direction;
        let Some(best) = open.iter().copied().max_by(|a, b| remainder(a).total_cmp(&remainder(b))) else { break };
        rounded[best] += direction;
        missing -= direction;
        open.retain(|&index| index != best);
    }
    // No minus before a zero.
    rounded.into_iter().map(|part| part / unit + 0.0).collect()
}

/// "1,200".
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 correction", "3 corrections".
pub fn counted(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {one}s", count(n)) }
}

/// "412 MB".
pub fn megabytes(bytes: u64) -> String {
    format!("{} MB", count((bytes / (1 << 20)) as usize))
}

/// "45 s", "3 min".
pub fn duration(seconds: f32) -> String {
    if !seconds.is_finite() {
        return "a while".to_owned();
    }
    if seconds < 90.0 { format!("{:.0} s", seconds.max(1.0)) } else { format!("{:.0} min", seconds / 60.0) }
}

/// Milliseconds without false precision: "0.4", "41".
pub fn millis(ms: f64) -> String {
    if ms < 9.95 { format!("{ms:.1}") } else { format!("{ms:.0}") }
}

/// A minus that is as wide as a plus.
pub fn signed(value: f64, decimals: usize) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    format!("{sign}{:.decimals$}", value.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_parts_add_up_to_the_shown_total() {
        // 0.5214 + 0.4313 = 0.9527 would read 0.521 + 0.431 = 0.953.
        let parts = adding_up(0.9527, &[0.5214, 0.4313], 3);
        assert!((parts.iter().sum::<f64>() - 0.953).abs() < 1e-9, "{parts:?}");
        assert!((parts[0] - 0.521).abs() < 1.1e-3 && (parts[1] - 0.431).abs() < 1.1e-3);
    }

    #[test]
    fn many_parts_add_up_too_and_negative_ones() {
        let parts: Vec<f32> = (0..49).map(|i| (i as f32 - 8.0) * 0.000_37).collect();
        let total: f32 = parts.iter().sum();
        let shown = adding_up(total, &parts, 4);
        let wanted = (f64::from(total) * 1e4).round() / 1e4;
        assert!((shown.iter().sum::<f64>() - wanted).abs() < 1e-9);
        for (part, shown) in parts.iter().zip(&shown) {
            assert!((f64::from(*part) - shown).abs() <= 1.0e-4, "{part} {shown}");
        }
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1200), "1,200");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "correction"), "1 correction");
        assert_eq!(counted(0, "correction"), "0 corrections");
        assert_eq!(megabytes(432 << 20), "432 MB");
        assert_eq!(millis(0.43), "0.4");
        assert_eq!(millis(41.2), "41");
        assert_eq!(signed(-0.021, 3), "−0.021");
        assert_eq!(duration(12.4), "12 s");
        assert_eq!(duration(240.0), "4 min");
    }
}
