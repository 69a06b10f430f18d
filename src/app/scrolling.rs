//! What a person scrolls towards: more hits than the first, and the products that come into view.

use std::sync::Arc;

use super::{App, GROWTH, LIMIT};
use crate::domain::{ProductId, ProductRecord, Stage};
use crate::jobs::Request;

/// Products that are asked about in one frame at most.
const ASKED_AT_ONCE: usize = 128;
/// Products that are kept; beyond, all but the newest are let go of and asked for again where they are in view.
const KEPT: usize = 8192;

impl App {
    /// Asks for more hits, once, unless all are here.
    pub(super) fn more_results(&mut self) {
        let Some(query) = &self.session.query else { return };
        let Some(ranking) = &query.ranking else { return };
        let limit = self.session.shelf.limit.max(LIMIT);
        let passing = ranking.shelf.passing;
        let all = if passing > 0 { passing } else { ranking.gallery_size };
        let last = ranking.stage == Stage::Structural || ranking.options.rerank == 0;
        let asked = self.asked.ranking || self.asked.ranking_again || self.asked.arrange_again;
        let cut = ranking.hits.len() >= limit && ranking.hits.len() < all;
        if cut && last && !query.stale && !asked {
            self.session.shelf.limit = limit.saturating_mul(GROWTH);
            self.asked.arrange_again = true;
        }
    }

    pub(super) fn ask_for_products(&mut self, mut wanted: Vec<ProductId>) {
        wanted.retain(|product| !self.products_asked.contains(product));
        wanted.truncate(ASKED_AT_ONCE);
        wanted.dedup();
        if !wanted.is_empty() {
            self.products_asked.extend(wanted.iter().cloned());
            self.backend.submit(Request::Products(wanted));
        }
    }

    pub(super) fn products_told(&mut self, records: Vec<ProductRecord>) {
        let Some(query) = &mut self.session.query else { return };
        let products = Arc::make_mut(&mut query.products);
        if products.len() + records.len() > KEPT {
            products.clear();
            self.products_asked.clear();
        }
        products.extend(records.into_iter().map(|record| (record.product.clone(), record)));
    }
}
