//! The sentences about settings out of range.

/// A square's side.
pub fn size(name: &str, size: usize) -> Result<(), String> {
    if !(32..=1024).contains(&size) {
        return Err(format!("{name} must lie between 32 and 1024 pixels, not {size}"));
    }
    Ok(())
}

/// (name, value, least, most) of whole numbers.
pub fn counts(settings: &[(&str, usize, usize, usize)]) -> Result<(), String> {
    for &(name, value, least, most) in settings {
        if !(least..=most).contains(&value) {
            return Err(format!("{name} must lie between {least} and {most}, not {value}"));
        }
    }
    Ok(())
}

/// (name, value, least, most) of numbers; NaN lies in no range.
pub fn numbers(settings: &[(&str, f64, f64, f64)]) -> Result<(), String> {
    for &(name, value, least, most) in settings {
        if !(value >= least && value <= most) {
            return Err(format!("{name} must lie between {least} and {most}, not {value}"));
        }
    }
    Ok(())
}
