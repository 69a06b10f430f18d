//! What a person scrolls towards: more hits than the first, and the products that come into view.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{App, GROWTH, LIMIT};
use crate::domain::{ProductId, ProductRecord, Ranking, Shown, Stage};
use crate::jobs::{Request, Unneeded};
use crate::ui::state::Query;

/// Products that are asked about in one frame at most.
const ASKED_AT_ONCE: usize = 128;
/// Products that are kept; beyond, all but the newest are let go of and asked for again where they are in view.
const KEPT: usize = 8192;
/// What has as many parts is not freed within a frame.
const LARGE: usize = 1024;

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
        let mut full = None;
        if query.products.len() + records.len() > KEPT {
            full = Some(std::mem::take(&mut query.products));
            self.products_asked.clear();
        }
        let products = Arc::make_mut(&mut query.products);
        products.extend(records.into_iter().map(|record| (record.product.clone(), record)));
        if let Some(full) = full {
            self.backend.submit(Request::LetGo(Unneeded::new(full)));
        }
    }

    /// Another query in place of the present one, or none.
    pub(super) fn take_up(&mut self, query: Option<Query>) {
        if let Some(before) = std::mem::replace(&mut self.session.query, query) {
            self.let_go(before.ranking, before.shown, before.products);
        }
    }

    /// Freeing a large ranking takes longer than a frame, so that is done elsewhere.
    pub(super) fn let_go(
        &mut self,
        ranking: Option<Arc<Ranking>>,
        shown: Shown,
        products: Arc<BTreeMap<ProductId, ProductRecord>>,
    ) {
        if shown.len() >= LARGE || products.len() >= LARGE {
            self.backend.submit(Request::LetGo(Unneeded::new((ranking, shown, products))));
        }
    }
}
