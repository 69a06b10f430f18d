//! What the window knows of filters, rules, folding, past searches and the compare tray; and what panels ask about them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::domain::{
    Again, Effect, Facets, FilterTest, FoldOptions, FoldedAs, Goal, Hit, MatchOptions, PastSearch, PhotoId,
    ProductRecord, Ranking, Rule, RuleId, SearchId, ShelfOptions, Subject,
};
use crate::jobs::types::ExportFormat;
use crate::project::ShelfEdit;

/// What one boost or bury by key or menu adds or takes.
pub const BOOST: f32 = 0.1;

/// The most products that stand side by side.
pub const TRAY: usize = 4;

/// What a panel asks about the shelf.
#[derive(Clone, Debug, PartialEq)]
pub enum ShelfCommand {
    /// `None` takes the filter of a column away.
    Filter {
        column: String,
        test: Option<FilterTest>,
    },
    /// Gives a column a chip of its own.
    ShowColumn(String),
    WithoutRules(bool),
    Fold(FoldOptions),
    /// Shows or hides what stands behind a tile.
    Expand(PhotoId),
    Edit(ShelfEdit),
    /// Runs a past search again.
    Reopen(SearchId),
    Save(SearchId),
    /// Puts a photo on the tray, or takes it from there.
    Compare(PhotoId),
    ClearTray,
    /// Twice as many hits as now.
    MoreResults,
    Export(ExportFormat),
    CloseAgain,
    /// The same product, or what goes well with a garment.
    Goal(Goal),
}

/// A product on the tray, as it was when it was put there.
#[derive(Clone, Debug, PartialEq)]
pub struct OnTray {
    pub hit: Hit,
    pub options: MatchOptions,
    /// What rules added.
    pub offset: f32,
    pub product: Option<ProductRecord>,
    /// The query's name, since the tray outlives it.
    pub query: String,
}

#[derive(Default)]
pub struct ShelfState {
    pub options: ShelfOptions,
    pub facets: Arc<Facets>,
    pub rules: Arc<Vec<Rule>>,
    pub past: Arc<Vec<PastSearch>>,
    /// The past search that the present query is noted as.
    pub noted: Option<SearchId>,
    /// What running a past search again gave.
    pub again: Option<Arc<Again>>,
    /// Columns that were given a chip, besides those that always have one.
    pub columns: Vec<String>,
    /// How many hits the present query asks for; 0 before the first.
    pub limit: usize,
    /// Tiles of which all that stands behind them is shown.
    pub expanded: BTreeSet<PhotoId>,
    /// Results that are chosen together.
    pub picked: super::picked::Picked,
    pub tray: Vec<OnTray>,
    pub tray_open: bool,
    /// Counts the wishes to open the menu of a column, with the newest.
    pub menu_wanted: (u64, String),
}

impl ShelfState {
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// The change that one key makes: a rule about these products, or none where there is one of that sort. What pulls
    /// the other way is taken back first.
    pub fn edit_for(&self, subject: Subject, effect: Effect) -> ShelfEdit {
        let sort = |effect: &Effect| std::mem::discriminant(effect);
        let opposite = effect.opposite();
        let takes_back = |rule: &&Rule| {
            rule.enabled
                && rule.subject == subject
                && (sort(&rule.effect) == sort(&effect)
                    || opposite.as_ref().is_some_and(|o| sort(o) == sort(&rule.effect)))
        };
        match self.rules.iter().find(takes_back) {
            Some(rule) => ShelfEdit::RemoveRule { id: rule.id },
            None => ShelfEdit::AddRule { subject, effect },
        }
    }

    /// The change that one key makes for many: rules for those that lack one, or, where all have one, none for any. What
    /// pulls the other way is taken back.
    pub fn edit_for_all(&self, wanted: Vec<(Subject, Effect)>) -> ShelfEdit {
        let sort = |effect: &Effect| std::mem::discriminant(effect);
        let found = |subject: &Subject, effect: &Effect| {
            let fits = |rule: &&Rule| rule.enabled && rule.subject == *subject && sort(&rule.effect) == sort(effect);
            self.rules.iter().find(fits).map(|rule| rule.id)
        };
        let have: Vec<Option<RuleId>> = wanted.iter().map(|(subject, effect)| found(subject, effect)).collect();
        if have.iter().all(Option::is_some) {
            return ShelfEdit::Rules { remove: have.into_iter().flatten().collect(), add: Vec::new() };
        }
        let against = wanted.iter().filter_map(|(subject, effect)| found(subject, &effect.opposite()?));
        let remove = against.collect();
        let lacking = wanted.iter().zip(&have).filter(|(_, have)| have.is_none());
        ShelfEdit::Rules { remove, add: lacking.map(|(wanted, _)| wanted.clone()).collect() }
    }

    pub fn on_tray(&self, photo: &PhotoId) -> bool {
        self.tray.iter().any(|item| &item.hit.photo == photo)
    }
}

/// Which hits have tiles, worked out once a ranking and not every frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// Places in the ranking, in the order of the tiles.
    pub order: Vec<usize>,
    /// Of each place, its tile; of a folded one, the tile that it stands behind.
    pub tile_of: Vec<u32>,
    /// How many hits stand behind a place, shown or not.
    pub behind: HashMap<usize, usize>,
    /// Why a place stands behind another.
    pub why: HashMap<usize, (usize, FoldedAs)>,
    /// Hits that were compared cell by cell.
    pub compared: usize,
    /// The score of a full bar.
    pub full: f64,
    /// Hits that are not shown.
    pub hidden: usize,
}

impl Shown {
    pub fn of(ranking: &Ranking, expanded: &BTreeSet<PhotoId>) -> Self {
        let hits = &ranking.hits;
        let mut shown = Self { tile_of: vec![0; hits.len()], ..Self::default() };
        let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut is_folded = vec![false; hits.len()];
        shown.order.reserve(hits.len());
        for fold in &ranking.shelf.folds {
            if let Some(folded) = is_folded.get_mut(fold.place) {
                *folded = true;
            }
            *shown.behind.entry(fold.behind).or_default() += 1;
            shown.why.insert(fold.place, (fold.behind, fold.why));
            if hits.get(fold.behind).is_some_and(|hit| expanded.contains(&hit.photo)) {
                members.entry(fold.behind).or_default().push(fold.place);
            }
        }
        for (place, hit) in hits.iter().enumerate() {
            shown.compared += usize::from(hit.structural.is_some());
            shown.full = shown.full.max(f64::from(hit.score));
            if is_folded[place] {
                continue;
            }
            shown.tile_of[place] = shown.order.len() as u32;
            shown.order.push(place);
            for place in members.remove(&place).into_iter().flatten() {
                shown.tile_of[place] = shown.order.len() as u32;
                shown.order.push(place);
            }
        }
        shown.hidden = hits.len() - shown.order.len();
        for (place, (behind, _)) in &shown.why {
            let expanded = hits.get(*behind).is_some_and(|hit| expanded.contains(&hit.photo));
            if !expanded {
                shown.tile_of[*place] = shown.tile_of[*behind];
            }
        }
        if shown.full <= 0.0 {
            shown.full = 1.0;
        }
        shown
    }

    /// The tile of a place in the ranking.
    pub fn tile(&self, place: usize) -> Option<usize> {
        self.tile_of.get(place).map(|&tile| tile as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::fake;
    use crate::domain::{Fold, Stage};

    #[test]
    fn folded_hits_have_no_tile_until_their_tile_is_expanded() {
        let mut ranking = fake::ranking(Stage::Structural, MatchOptions::default(), 6);
        let fold = |place, behind| Fold { place, behind, why: FoldedAs::SameProduct };
        ranking.shelf.folds = vec![fold(2, 0), fold(3, 1), fold(5, 0)];
        let shown = Shown::of(&ranking, &BTreeSet::new());
        assert_eq!(shown.order, [0, 1, 4]);
        assert_eq!((shown.hidden, shown.behind[&0], shown.behind[&1]), (3, 2, 1));
        assert_eq!((shown.tile(2), shown.tile(3), shown.tile(4), shown.tile(9)), (Some(0), Some(1), Some(2), None));
        let expanded = BTreeSet::from([ranking.hits[0].photo.clone()]);
        let shown = Shown::of(&ranking, &expanded);
        assert_eq!(shown.order, [0, 2, 5, 1, 4]);
        assert_eq!((shown.hidden, shown.tile(5), shown.tile(3)), (1, Some(2), Some(3)));
        assert_eq!(shown.compared, 6);
    }
}
