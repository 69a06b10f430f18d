//! `[outfits]`: what is worn together (the labelled loss of Revanur et al. 2021).

use serde::{Deserialize, Serialize};

use super::ranges;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutfitsSection {
    /// Weight of the triplets of two pieces of an outfit and one that is not worn with the first; 0 has none.
    /// Which share of the outfits is used, data.label_fraction says.
    pub weight: f64,
    /// Triplets beside each batch. They share photos: 64 are of about six outfits.
    pub triplets: usize,
    pub margin: f64,
}

impl Default for OutfitsSection {
    fn default() -> Self {
        Self { weight: 0.0, triplets: 64, margin: 0.4 }
    }
}

impl OutfitsSection {
    pub fn is_on(&self) -> bool {
        self.weight > 0.0
    }

    pub(super) fn check(&self) -> Result<(), String> {
        ranges::counts(&[("outfits.triplets", self.triplets, 1, 4096)])?;
        ranges::numbers(&[("outfits.weight", self.weight, 0.0, 1e3), ("outfits.margin", self.margin, 0.0, 4.0)])?;
        if !self.is_on() && *self != Self::default() {
            return Err("the settings in [outfits] have no effect while outfits.weight is 0".to_owned());
        }
        Ok(())
    }
}
