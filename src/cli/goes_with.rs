//! `seamline search --goes-with`: products of other kinds that go well with a garment.

use serde::Serialize;

use super::search::Products;
use super::{CliError, Output};
use crate::domain::{FacetValues, Garment, KindKnown, Ranking, Shelf, filter, goal};
use crate::jobs::OutfitSkill;
use crate::jobs::open::Engine;
use crate::jobs::shelve::Shelving;

/// What the products go with, and what the model is worth at it.
#[derive(Serialize)]
pub(super) struct GoesWith<'a> {
    #[serde(flatten)]
    garment: &'a Garment,
    /// Products of each other kind that pass the filters.
    kinds: Vec<(String, usize)>,
    model: OutfitSkill,
    says: String,
}

impl<'a> GoesWith<'a> {
    /// `None` where the same product was searched for.
    pub fn of(shelf: &'a Shelf, shelving: &Shelving, engine: &Engine) -> Option<Self> {
        let garment = shelf.garment.as_ref()?;
        let facets = shelving.catalogue()?.columns.facets(&shelf.options.filters);
        let counted = match facets.get(filter::KIND).map(|facet| &facet.values) {
            Some(FacetValues::Text { values, .. }) => values.as_slice(),
            _ => &[],
        };
        let other = |(kind, _): &&(String, usize)| !kind.is_empty() && Some(kind) != garment.kind.as_ref();
        let model = engine.model.outfits;
        Some(Self { garment, kinds: counted.iter().filter(other).cloned().collect(), model, says: model.words() })
    }

    pub fn print(&self, ranking: &Ranking, products: &Products, output: &mut Output) -> Result<(), CliError> {
        let kind = self.garment.kind.as_deref().unwrap_or("garment");
        let how = match self.garment.known_by {
            KindKnown::Person => "as a person said",
            KindKnown::Photo => "as the photo's data say",
            KindKnown::Product => "as the catalogue says",
            KindKnown::Likeness => "as most of what looks like it is",
        };
        output.line(format!("Goes well with this {kind} ({how}). {}\n", self.says))?;
        output.line(format!("{:>4}  {:<34} {:<10} {:>8}", "rank", "product", "kind", "distance"))?;
        for hit in &ranking.hits {
            let product = products.get(&hit.product);
            let name = product.map_or(hit.product.as_str(), |p| p.name.as_str());
            let kind = product.map_or("", |p| p.kind.as_str());
            output.line(format!("{:>4}  {name:<34} {kind:<10} {:>8.3}", hit.rank, goal::distance_of(hit.global)))?;
        }
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, products)| format!("{kind} {products}")).collect();
        output.line(format!("\n{} photos of other kinds; products: {}", ranking.shelf.passing, kinds.join(", ")))
    }
}
