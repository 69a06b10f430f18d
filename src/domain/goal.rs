//! What a search is for: the same product, or products that are worn with it.

use serde::{Deserialize, Serialize};

use super::PhotoId;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Photos that show what the query shows.
    #[default]
    SameProduct,
    /// Products of other kinds that go well with a garment, by the distance of their global vectors.
    GoesWith {
        /// A photo of the gallery that shows the garment; `None` is the query itself.
        of: Option<PhotoId>,
    },
}

impl Goal {
    pub fn is_same_product(&self) -> bool {
        *self == Self::SameProduct
    }
}

/// The garment that the products of a ranking are to go with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Garment {
    /// Its kind, which is left out of the ranking; `None` where no product of the gallery has a kind.
    pub kind: Option<String>,
    pub known_by: KindKnown,
}

/// How the kind of a garment is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KindKnown {
    /// A person said it.
    Person,
    /// The photo's data say it of this part.
    Photo,
    /// It is the product's.
    Product,
    /// Most of the products that look most like it are of this kind.
    Likeness,
}

/// Euclidean distance of two vectors of length 1 with this cosine, 0 to 2: the smaller, the better two garments go
/// together. It falls as the cosine rises, so that both give one order.
pub fn distance_of(cosine: f32) -> f32 {
    (2.0 - 2.0 * cosine).clamp(0.0, 4.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_that_of_the_vectors_themselves() {
        let unit = |values: [f32; 3]| {
            let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
            values.map(|v| v / length)
        };
        let (a, b) = (unit([0.3, -0.9, 0.2]), unit([0.5, 0.1, -0.4]));
        let cosine: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
        let naive = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
        assert!((distance_of(cosine) - naive).abs() < 1e-6);
        // A cosine a little above 1, as rounding gives it, is no distance below 0.
        assert_eq!((distance_of(1.000_001), distance_of(-1.0)), (0.0, 2.0));
    }
}
