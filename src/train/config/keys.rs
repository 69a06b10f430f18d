//! Names of settings: unknown ones are refused with the one that was probably meant.

use toml::Value;

/// The first unknown key, with the known one that looks most like it.
pub fn refuse_unknown(prefix: &str, given: &Value, known: &Value) -> Result<(), String> {
    let (Value::Table(given), Value::Table(known)) = (given, known) else { return Ok(()) };
    for (key, value) in given {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match known.get(key) {
            Some(inner) => refuse_unknown(&path, value, inner)?,
            None => {
                let nearest = known.keys().map(|name| (edits(key, name), name)).min();
                let hint = match nearest {
                    Some((distance, name)) if distance <= 3.max(key.len() / 2) => format!("; did you mean {name}?"),
                    _ => String::new(),
                };
                return Err(format!("unknown setting {path}{hint}"));
            }
        }
    }
    Ok(())
}

/// Letters to put in, take out or change to make one word of the other.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// What is wrong with a TOML text, without the picture of the line.
pub fn one_line(error: &toml::de::Error) -> String {
    error.message().lines().next().unwrap_or("not TOML").trim().to_owned()
}
