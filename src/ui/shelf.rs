//! What the window knows of filters, rules, folding, past searches and the compare tray; and what panels ask about them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::{
    Again, Effect, Facets, FilterTest, FoldOptions, Goal, Hit, MatchOptions, PastSearch, PhotoId, ProductRecord, Rule,
    RuleId, SearchId, ShelfOptions, Subject,
};
use crate::jobs::types::ExportFormat;
use crate::project::ShelfEdit;
use crate::ui::command::Action;

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

    /// The change that one key makes: rules for those that lack one, or, where all have one, none for any. What pulls the
    /// other way is taken back first.
    pub fn edit_for(&self, wanted: &[(Subject, Effect)]) -> ShelfEdit {
        let sort = |effect: &Effect| std::mem::discriminant(effect);
        let found = |subject: &Subject, effect: &Effect| {
            let fits = |rule: &&Rule| rule.enabled && rule.subject == *subject && sort(&rule.effect) == sort(effect);
            self.rules.iter().find(fits).map(|rule| rule.id)
        };
        let have: Vec<Option<RuleId>> = wanted.iter().map(|(subject, effect)| found(subject, effect)).collect();
        let (mut remove, mut add) = (Vec::new(), Vec::new());
        if have.iter().all(Option::is_some) {
            remove = have.into_iter().flatten().collect();
        } else {
            for ((subject, effect), _) in wanted.iter().zip(have).filter(|(_, have)| have.is_none()) {
                match effect.opposite().and_then(|opposite| found(subject, &opposite)) {
                    Some(against) => remove.push(against),
                    None => add.push((subject.clone(), *effect)),
                }
            }
        }
        match (remove.as_slice(), add.as_slice()) {
            (&[id], []) => ShelfEdit::RemoveRule { id },
            ([], [(subject, effect)]) => ShelfEdit::AddRule { subject: subject.clone(), effect: *effect },
            _ => ShelfEdit::Rules { remove, add },
        }
    }

    pub fn on_tray(&self, photo: &PhotoId) -> bool {
        self.tray.iter().any(|item| &item.hit.photo == photo)
    }
}

impl Action {
    /// The keys that make rules about products.
    pub const RULES: [Self; 4] = [Self::Pin, Self::Boost, Self::Bury, Self::Exclude];

    /// The rule that a key makes about a product of this rank; `None` where it makes none.
    pub fn effect(self, rank: usize) -> Option<Effect> {
        Some(match self {
            Self::Pin => Effect::Pin { place: rank },
            Self::Boost => Effect::Boost { by: BOOST },
            Self::Bury => Effect::Bury { by: BOOST },
            Self::Exclude => Effect::Exclude,
            _ => return None,
        })
    }
}
