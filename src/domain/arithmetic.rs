//! The numbers that a frozen network multiplies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a frozen network computes. Features of one photo differ a little between them, so an index is searched in the
/// one that it was made in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arithmetic {
    /// Floating point, 32 bits.
    #[default]
    F32,
    /// Products of 8-bit integers, on the CPU alone.
    Int8,
    /// Floating point, 16 bits (bfloat16), on a GPU alone.
    Bf16,
}

impl Arithmetic {
    /// In the order in which indexes number them.
    pub const ALL: [Self; 3] = [Self::F32, Self::Int8, Self::Bf16];

    /// As commands, projects and indexes name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
            Self::Bf16 => "bf16",
        }
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Arithmetic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.name() == text);
        found.ok_or_else(|| format!("`{text}` is no precision: f32, int8 or bf16"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_as_what_it_names() {
        for one in Arithmetic::ALL {
            assert_eq!(one.name().parse(), Ok(one));
            assert_eq!(serde_json::to_string(&one).unwrap(), format!("\"{one}\""));
        }
        assert!("f16".parse::<Arithmetic>().unwrap_err().contains("f32, int8 or bf16"));
    }
}
