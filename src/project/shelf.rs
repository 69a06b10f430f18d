//! Merchandising rules and searches of the past: what is kept of them, and a log of all that people change.
//!
//! The log is a second one beside that of the labels, chained in the same way. Each entry notes the newest label event
//! of its time, so that both logs have one order and Undo takes back whatever was done last.

mod log;
mod searches;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use serde::{Deserialize, Serialize};

use super::labels::{from_json, now_ms, to_json};
use super::{Project, ProjectError};
use log::{Action, Event, read_events};

pub use log::ShelfHistory;
pub(super) use log::follow_shelf;

use crate::domain::{Effect, ProductId, Rule, RuleId, SearchCard, SearchId, Subject};

/// A change that a person makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ShelfEdit {
    /// Replaces an earlier rule of the same sort about the same products.
    AddRule {
        subject: Subject,
        effect: Effect,
    },
    ChangeRule {
        id: RuleId,
        effect: Effect,
    },
    EnableRule {
        id: RuleId,
        enabled: bool,
    },
    RemoveRule {
        id: RuleId,
    },
    /// Many rules in one step: those that go, and those that come as [`Self::AddRule`] would bring them.
    Rules {
        remove: Vec<RuleId>,
        add: Vec<(Subject, Effect)>,
    },
    /// `None` gives it its photo's name again.
    NameSearch {
        id: SearchId,
        name: Option<String>,
    },
    StarSearch {
        id: SearchId,
        starred: bool,
    },
    DeleteSearch {
        id: SearchId,
    },
}

/// What an undo or redo concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    Label(String),
    Shelf(String),
}

impl Undone {
    /// What the menu calls it.
    pub fn into_says(self) -> String {
        match self {
            Self::Label(says) | Self::Shelf(says) => says,
        }
    }
}

/// A rule before and after.
type Change = (Option<Rule>, Option<Rule>);

impl Project {
    /// The rules, in the order of their making.
    pub fn rules(&self) -> Result<Vec<Rule>, ProjectError> {
        let sql = ProjectError::from_sql("read the rules", &self.database);
        let mut statement = self.connection.prepare_cached("SELECT rule FROM rule ORDER BY id").map_err(&sql)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(&sql)?;
        rows.map(|row| from_json("a rule", &self.database, &row.map_err(&sql)?)).collect()
    }

    /// Grows with each change of the products or their attributes.
    pub fn catalogue(&self) -> Result<i64, ProjectError> {
        Ok(self.setting("catalogue")?.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// Writes a change to the log and to what holds, in one transaction. `false` where it would change nothing.
    pub fn apply_shelf(&mut self, edit: &ShelfEdit) -> Result<bool, ProjectError> {
        match edit {
            ShelfEdit::AddRule { subject, effect } => {
                let (before, after) = self.added(&self.rules()?, self.next_rule()?, subject, *effect);
                self.change_rule(before, Some(after))
            }
            ShelfEdit::Rules { remove, add } => {
                let mut rules = self.rules()?;
                let mut next = self.next_rule()?;
                let mut changes = Vec::new();
                rules.retain(|rule| {
                    let goes = remove.contains(&rule.id);
                    if goes {
                        changes.push((Some(rule.clone()), None));
                    }
                    !goes
                });
                for (subject, effect) in add {
                    let (before, after) = self.added(&rules, next, subject, *effect);
                    next = next.max(after.id + 1);
                    if before.as_ref() != Some(&after) {
                        changes.push((before, Some(after)));
                    }
                }
                self.change_rules(changes)
            }
            ShelfEdit::ChangeRule { id, effect } => {
                let before = self.rule(*id)?;
                let after = before.clone().map(|rule| Rule { effect: *effect, ..rule });
                self.change_rule(before, after)
            }
            ShelfEdit::EnableRule { id, enabled } => {
                let before = self.rule(*id)?;
                let after = before.clone().map(|rule| Rule { enabled: *enabled, ..rule });
                self.change_rule(before, after)
            }
            ShelfEdit::RemoveRule { id } => {
                let before = self.rule(*id)?;
                self.change_rule(before, None)
            }
            ShelfEdit::NameSearch { id, name } => {
                let name = name.as_ref().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
                let says = format!("Name a search: {}", name.as_deref().unwrap_or("by its photo"));
                self.change_card(*id, &says, |card| SearchCard { name, ..card })
            }
            ShelfEdit::StarSearch { id, starred } => {
                let says = if *starred { "Save a search" } else { "No longer save a search" };
                self.change_card(*id, says, |card| SearchCard { starred: *starred, ..card })
            }
            ShelfEdit::DeleteSearch { id } => {
                self.change_card(*id, "Delete a search", |card| SearchCard { deleted: true, ..card })
            }
        }
    }

    /// The rule that comes of wishing this effect, and the one that it changes. A second rule of the same sort about the
    /// same products would only blur the first.
    fn added(&self, rules: &[Rule], id: RuleId, subject: &Subject, effect: Effect) -> (Option<Rule>, Rule) {
        let sort = std::mem::discriminant(&effect);
        let same = rules.iter().find(|rule| rule.subject == *subject && std::mem::discriminant(&rule.effect) == sort);
        match same {
            Some(before) => (Some(before.clone()), Rule { effect, enabled: true, ..before.clone() }),
            None => {
                let (subject, author) = (subject.clone(), self.author.clone());
                (None, Rule { id, subject, effect, enabled: true, author, at_ms: now_ms() })
            }
        }
    }

    /// All of these as one entry of the log, which one Undo takes back.
    fn change_rules(&mut self, changes: Vec<Change>) -> Result<bool, ProjectError> {
        let all: Vec<&Rule> = changes.iter().filter_map(|(before, after)| after.as_ref().or(before.as_ref())).collect();
        let Some(newest) = all.iter().map(|rule| rule.id).max() else { return Ok(false) };
        if changes.len() == 1 {
            return match changes.into_iter().next() {
                Some((before, after)) => self.change_rule(before, after),
                None => Ok(false),
            };
        }
        let added: Vec<&Rule> = changes.iter().filter_map(|(_, after)| after.as_ref()).collect();
        let says = match added.last() {
            Some(rule) => format!("{}: {} products", rule.effect.sort_words(), added.len()),
            None => format!("Remove {} rules", changes.len()),
        };
        let side = |of: fn(&Change) -> &Option<Rule>| {
            let pairs: Vec<(RuleId, &Option<Rule>)> =
                all.iter().map(|rule| rule.id).zip(changes.iter().map(of)).collect();
            to_json("rules", &self.database, &pairs)
        };
        let (before, after) = (side(|change| &change.0)?, side(|change| &change.1)?);
        // The newest number stands for all, so that none of them is given again.
        self.append_shelf(Action::Edit, "rule", newest, Some(before), Some(after), &says)?;
        Ok(true)
    }

    fn rule(&self, id: RuleId) -> Result<Option<Rule>, ProjectError> {
        Ok(self.rules()?.into_iter().find(|rule| rule.id == id))
    }

    /// Numbers are not given twice, so that what the log says stays clear.
    fn next_rule(&self) -> Result<RuleId, ProjectError> {
        self.connection
            .query_row("SELECT COALESCE(MAX(id), 0) + 1 FROM shelf_event WHERE about = 'rule'", [], |row| row.get(0))
            .map_err(ProjectError::from_sql("read the rules", &self.database))
    }

    fn change_rule(&mut self, before: Option<Rule>, after: Option<Rule>) -> Result<bool, ProjectError> {
        let Some(rule) = after.as_ref().or(before.as_ref()).filter(|_| before != after) else {
            return Ok(false);
        };
        let about = match &rule.subject {
            Subject::Product { product } => self.name_of(product)?,
            Subject::Value { column, value } => format!("{column} {value}"),
        };
        let enabled = |rule: &Option<Rule>| rule.as_ref().is_some_and(|rule| rule.enabled);
        let says = match (&before, &after) {
            (_, None) => format!("Remove a rule: {about}"),
            (Some(_), Some(_)) if enabled(&before) != enabled(&after) => {
                format!("{} a rule: {about}", if enabled(&after) { "Enable" } else { "Disable" })
            }
            (_, Some(rule)) => format!("{}: {about}", rule.effect.words()),
        };
        let id = rule.id;
        let json = |rule: &Option<Rule>| rule.as_ref().map(|rule| to_json("a rule", &self.database, rule)).transpose();
        let (before, after) = (json(&before)?, json(&after)?);
        self.append_shelf(Action::Edit, "rule", id, before, after, &says)?;
        Ok(true)
    }

    fn name_of(&self, product: &ProductId) -> Result<String, ProjectError> {
        Ok(self.product(product)?.map_or_else(|| product.to_string(), |record| record.name))
    }

    fn change_card(
        &mut self,
        id: SearchId,
        says: &str,
        change: impl FnOnce(SearchCard) -> SearchCard,
    ) -> Result<bool, ProjectError> {
        let sql = ProjectError::from_sql("read the searches", &self.database);
        let found: Option<String> = self
            .connection
            .query_row("SELECT card FROM search WHERE id = ?1", [id], |row| row.get(0))
            .optional()
            .map_err(&sql)?;
        let Some(before) = found else { return Ok(false) };
        let card: SearchCard = from_json("a search", &self.database, &before)?;
        let changed = change(card.clone());
        if changed == card {
            return Ok(false);
        }
        let after = to_json("a search", &self.database, &changed)?;
        self.append_shelf(Action::Edit, "search", id, Some(before), Some(after), says)?;
        Ok(true)
    }

    fn append_shelf(
        &mut self,
        action: Action,
        about: &str,
        id: i64,
        before: Option<String>,
        after: Option<String>,
        says: &str,
    ) -> Result<(), ProjectError> {
        self.check_writable()?;
        let path = self.database.clone();
        let sql = ProjectError::from_sql("save the change", &path);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&sql)?;
        let last: Option<(i64, String)> = transaction
            .prepare_cached("SELECT seq, hash FROM shelf_event ORDER BY seq DESC LIMIT 1")
            .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .map_err(&sql)?;
        let (last_seq, last_hash) = last.unwrap_or_default();
        let after_label = newest(&transaction, "SELECT MAX(seq) FROM label_event").map_err(&sql)?;
        let mut event = Event {
            seq: last_seq + 1,
            at_ms: now_ms(),
            author: self.author.clone(),
            action,
            after_label,
            about: about.to_owned(),
            id,
            before,
            after,
            says: says.to_owned(),
            hash: String::new(),
        };
        event.hash = event.hash_after(&last_hash);
        event.insert(&transaction).and_then(|()| event.store(&transaction)).map_err(&sql)?;
        transaction.commit().map_err(&sql)?;
        let followed = self.shelf.follow(event.seq, action, after_label, says);
        debug_assert!(followed, "an undo or redo is always of the edit on top");
        Ok(())
    }

    /// What Undo would take back: of both logs, what was done last.
    pub fn next_undo(&self) -> Option<Undone> {
        let label = self.history.next_undo();
        match (label, self.shelf.undo.last()) {
            (Some(label), Some(step)) if label > step.after_label => self.label_undo(),
            (_, Some(step)) => Some(Undone::Shelf(step.says.clone())),
            (_, None) => self.label_undo(),
        }
    }

    fn label_undo(&self) -> Option<Undone> {
        self.history.undo().map(|says| Undone::Label(says.to_owned()))
    }

    /// What Redo would make again; nothing that a later change of the other log has overtaken.
    pub fn next_redo(&self) -> Result<Option<Undone>, ProjectError> {
        let sql = ProjectError::from_sql("read the label log", &self.database);
        let count = |action: &str| {
            let text = format!("SELECT MAX(seq) FROM label_event WHERE action = '{action}'");
            newest(&self.connection, &text).map_err(&sql)
        };
        let (undone, edited) = (count("undo")?, count("edit")?);
        let label = self.history.next_redo().filter(|_| self.shelf.last_edit.is_none_or(|edit| edit < undone));
        let step = self.shelf.redo.last().filter(|_| edited <= self.shelf.last_undo);
        let label_says = || self.history.redo().map(|says| Undone::Label(says.to_owned()));
        Ok(match (label, step) {
            // The earlier one was undone later.
            (Some(label), Some(step)) if label <= step.after_label => label_says(),
            (_, Some(step)) => Some(Undone::Shelf(step.says.clone())),
            (Some(_), None) => label_says(),
            (None, None) => None,
        })
    }

    /// Takes back what was done last, a label or something of the shelf.
    pub fn undo_last(&mut self) -> Result<Option<Undone>, ProjectError> {
        let next = self.next_undo();
        match &next {
            Some(Undone::Label(_)) => drop(self.undo()?),
            Some(Undone::Shelf(_)) => {
                if let Some(of) = self.shelf.undo.last().map(|step| step.of) {
                    let event = self.shelf_event(of)?;
                    self.append_shelf(
                        Action::Undo(of),
                        &event.about,
                        event.id,
                        event.after,
                        event.before,
                        &event.says,
                    )?;
                }
            }
            None => {}
        }
        Ok(next)
    }

    /// Makes again what was undone last.
    pub fn redo_last(&mut self) -> Result<Option<Undone>, ProjectError> {
        let next = self.next_redo()?;
        match &next {
            Some(Undone::Label(_)) => drop(self.redo()?),
            Some(Undone::Shelf(_)) => {
                if let Some(of) = self.shelf.redo.last().map(|step| step.of) {
                    let event = self.shelf_event(of)?;
                    self.append_shelf(
                        Action::Redo(of),
                        &event.about,
                        event.id,
                        event.before,
                        event.after,
                        &event.says,
                    )?;
                }
            }
            None => {}
        }
        Ok(next)
    }

    fn shelf_event(&self, seq: i64) -> Result<Event, ProjectError> {
        read_events(&self.connection, &self.database, "seq = ?1", seq)?
            .pop()
            .ok_or_else(|| ProjectError::ShelfLogChanged { entry: seq, path: self.database.clone() })
    }
}

fn newest(connection: &Connection, select: &str) -> rusqlite::Result<i64> {
    Ok(connection.prepare_cached(select)?.query_row([], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0))
}
