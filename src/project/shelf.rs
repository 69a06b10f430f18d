//! Merchandising rules and searches of the past: what is kept of them, and a log of all that people change.
//!
//! The log is a second one beside that of the labels, chained in the same way. Each entry notes the newest label event
//! of its time, so that both logs have one order and Undo takes back whatever was done last.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use super::labels::{from_json, now_ms, to_json};
use super::{Project, ProjectError};
use crate::domain::{Effect, LoggedSearch, PastSearch, ProductId, Rule, RuleId, SearchCard, SearchId, Subject};

/// Searches without a star that are kept.
const KEPT: usize = 200;

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

/// One entry on the stacks of what can be undone and redone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    of: i64,
    /// The newest label event when the edit was made.
    after_label: i64,
    says: String,
}

/// What of the shelf's log can be undone and redone; read from the log when a project is opened.
#[derive(Clone, Debug, Default)]
pub struct ShelfHistory {
    undo: Vec<Step>,
    redo: Vec<Step>,
    /// The newest label event at the last edit, and at the last undo.
    last_edit: Option<i64>,
    last_undo: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Edit,
    Undo(i64),
    Redo(i64),
}

impl ShelfHistory {
    fn follow(&mut self, seq: i64, action: Action, after_label: i64, says: &str) -> bool {
        match action {
            Action::Edit => {
                self.undo.push(Step { of: seq, after_label, says: says.to_owned() });
                self.redo.clear();
                self.last_edit = Some(after_label);
                true
            }
            Action::Undo(of) => {
                self.last_undo = after_label;
                step(&mut self.undo, &mut self.redo, of)
            }
            Action::Redo(of) => step(&mut self.redo, &mut self.undo, of),
        }
    }
}

fn step(from: &mut Vec<Step>, to: &mut Vec<Step>, of: i64) -> bool {
    match from.pop_if(|step| step.of == of) {
        Some(entry) => {
            to.push(entry);
            true
        }
        None => false,
    }
}

/// One entry of the log, as it lies in the database.
struct Event {
    seq: i64,
    at_ms: i64,
    author: String,
    action: Action,
    after_label: i64,
    about: String,
    id: i64,
    before: Option<String>,
    after: Option<String>,
    says: String,
    hash: String,
}

impl Event {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let action: String = row.get(3)?;
        let of: Option<i64> = row.get(4)?;
        Ok(Self {
            seq: row.get(0)?,
            at_ms: row.get(1)?,
            author: row.get(2)?,
            // The table admits no other pairs.
            action: match (action.as_str(), of) {
                ("undo", Some(of)) => Action::Undo(of),
                ("redo", Some(of)) => Action::Redo(of),
                _ => Action::Edit,
            },
            after_label: row.get(5)?,
            about: row.get(6)?,
            id: row.get(7)?,
            before: row.get(8)?,
            after: row.get(9)?,
            says: row.get(10)?,
            hash: row.get(11)?,
        })
    }

    fn action_parts(&self) -> (&'static str, Option<i64>) {
        match self.action {
            Action::Edit => ("edit", None),
            Action::Undo(of) => ("undo", Some(of)),
            Action::Redo(of) => ("redo", Some(of)),
        }
    }

    /// Over the stored text and the hash before; each field has its length before it.
    fn hash_after(&self, previous: &str) -> String {
        let (action, of) = self.action_parts();
        let number = |n: i64| n.to_string();
        let fields = [
            Some(previous.to_owned()),
            Some(number(self.seq)),
            Some(number(self.at_ms)),
            Some(self.author.clone()),
            Some(action.to_owned()),
            of.map(number),
            Some(number(self.after_label)),
            Some(self.about.clone()),
            Some(number(self.id)),
            self.before.clone(),
            self.after.clone(),
            Some(self.says.clone()),
        ];
        let mut hasher = blake3::Hasher::new();
        for field in fields {
            hasher.update(&field.as_ref().map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
            hasher.update(field.unwrap_or_default().as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    fn insert(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let (action, of) = self.action_parts();
        transaction
            .prepare_cached(
                "INSERT INTO shelf_event
                 (seq, at_ms, author, action, of_seq, after_label, about, id, before, after, says, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                self.seq,
                self.at_ms,
                self.author,
                action,
                of,
                self.after_label,
                self.about,
                self.id,
                self.before,
                self.after,
                self.says,
                self.hash
            ])?;
        Ok(())
    }

    /// Brings the present state in step.
    fn store(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        match (self.about.as_str(), &self.after) {
            ("rule", Some(rule)) => transaction
                .prepare_cached(
                    "INSERT INTO rule (id, rule) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET rule = excluded.rule",
                )?
                .execute(params![self.id, rule])?,
            ("rule", None) => transaction.prepare_cached("DELETE FROM rule WHERE id = ?1")?.execute([self.id])?,
            // A search that was let go of in the meantime stays away.
            (_, Some(card)) => transaction
                .prepare_cached("UPDATE search SET card = ?2 WHERE id = ?1")?
                .execute(params![self.id, card])?,
            (_, None) => 0,
        };
        Ok(())
    }
}

fn read_events(connection: &Connection, path: &Path, condition: &str, seq: i64) -> Result<Vec<Event>, ProjectError> {
    let sql = ProjectError::from_sql("read the log of rules and searches", path);
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT seq, at_ms, author, action, of_seq, after_label, about, id, before, after, says, hash
             FROM shelf_event WHERE {condition} ORDER BY seq"
        ))
        .map_err(&sql)?;
    let rows = statement.query_map([seq], Event::read).map_err(&sql)?;
    rows.collect::<Result<_, _>>().map_err(&sql)
}

/// Reads the whole log, checks its chain, and gives what can be undone.
pub(super) fn follow_shelf(connection: &Connection, path: &Path) -> Result<ShelfHistory, ProjectError> {
    let mut history = ShelfHistory::default();
    let mut last = (0, String::new());
    for event in read_events(connection, path, "seq >= ?1", 0)? {
        let whole = event.seq == last.0 + 1 && event.hash == event.hash_after(&last.1);
        if !whole || !history.follow(event.seq, event.action, event.after_label, &event.says) {
            return Err(ProjectError::ShelfLogChanged { entry: event.seq, path: path.to_owned() });
        }
        last = (event.seq, event.hash);
    }
    Ok(history)
}

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
        let now = now_ms();
        match edit {
            ShelfEdit::AddRule { subject, effect } => {
                // A second rule of the same sort about the same products would only blur the first.
                let sort = std::mem::discriminant(effect);
                let same = self
                    .rules()?
                    .into_iter()
                    .find(|rule| rule.subject == *subject && std::mem::discriminant(&rule.effect) == sort);
                if let Some(before) = same {
                    if before.effect == *effect && before.enabled {
                        return Ok(false);
                    }
                    let after = Rule { effect: *effect, enabled: true, ..before.clone() };
                    return self.change_rule(Some(before), Some(after));
                }
                let rule = Rule {
                    id: self.next_rule()?,
                    subject: subject.clone(),
                    effect: *effect,
                    enabled: true,
                    author: self.author.clone(),
                    at_ms: now,
                };
                self.change_rule(None, Some(rule))
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

    /// Searches of the past that were not deleted, the newest first.
    pub fn past_searches(&self) -> Result<Vec<PastSearch>, ProjectError> {
        let all = self.search_rows("WHERE json_extract(card, '$.deleted') = 0 ORDER BY at_ms DESC, id DESC", [])?;
        Ok(all)
    }

    pub fn past_search(&self, id: SearchId) -> Result<Option<PastSearch>, ProjectError> {
        Ok(self.search_rows("WHERE id = ?1", [id])?.pop())
    }

    fn search_rows(&self, rest: &str, values: impl rusqlite::Params) -> Result<Vec<PastSearch>, ProjectError> {
        let sql = ProjectError::from_sql("read the searches", &self.database);
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT id, at_ms, author, card, record FROM search {rest}"))
            .map_err(&sql)?;
        let text = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
        let rows = statement.query_map(values, text).map_err(&sql)?;
        rows.map(|row| {
            let (id, at_ms, author, card, record): (i64, i64, String, String, String) = row.map_err(&sql)?;
            let card = from_json("a search", &self.database, &card)?;
            let search = from_json("a search", &self.database, &record)?;
            Ok(PastSearch { id, at_ms, author, card, search })
        })
        .collect()
    }

    /// Notes a search. A former one of the same part of the same photo is brought up to date, unless it was saved: that
    /// one stays as it was. `photos` are what the gallery's fingerprint stands for.
    pub fn log_search(&mut self, search: &LoggedSearch, photos: &[u8]) -> Result<SearchId, ProjectError> {
        self.check_writable()?;
        let path = self.database.clone();
        let record = to_json("a search", &path, search)?;
        let card = to_json("a search", &path, &SearchCard::default())?;
        let crop = to_json("a search", &path, &search.crop)?;
        let author = self.author.clone();
        let sql = ProjectError::from_sql("note the search", &path);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&sql)?;
        let noted: rusqlite::Result<i64> = (|| {
            transaction
                .prepare_cached(
                    "INSERT INTO gallery_seen (fingerprint, photos) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                )?
                .execute(params![search.gallery, photos])?;
            let former: Option<i64> = transaction
                .prepare_cached(
                    "SELECT id FROM search WHERE content_hash = ?1 AND json_extract(record, '$.crop') = json(?2)
                     AND json_extract(card, '$.starred') = 0 AND json_extract(card, '$.deleted') = 0
                     ORDER BY id DESC LIMIT 1",
                )?
                .query_row(params![search.content_hash, crop], |row| row.get(0))
                .optional()?;
            let id = match former {
                Some(id) => {
                    transaction
                        .prepare_cached("UPDATE search SET at_ms = ?2, author = ?3, record = ?4 WHERE id = ?1")?
                        .execute(params![id, now_ms(), author, record])?;
                    id
                }
                None => {
                    transaction
                        .prepare_cached(
                            "INSERT INTO search (at_ms, author, card, content_hash, record)
                             VALUES (?1, ?2, ?3, ?4, ?5)",
                        )?
                        .execute(params![now_ms(), author, card, search.content_hash, record])?;
                    transaction.last_insert_rowid()
                }
            };
            transaction
                .prepare_cached(
                    "DELETE FROM search WHERE json_extract(card, '$.starred') = 0 AND id NOT IN
                     (SELECT id FROM search WHERE json_extract(card, '$.starred') = 0
                      ORDER BY at_ms DESC, id DESC LIMIT ?1)",
                )?
                .execute([KEPT as i64])?;
            transaction
                .prepare_cached(
                    "DELETE FROM gallery_seen
                     WHERE fingerprint NOT IN (SELECT json_extract(record, '$.gallery') FROM search)",
                )?
                .execute([])?;
            Ok(id)
        })();
        let id = noted.map_err(&sql)?;
        transaction.commit().map_err(&sql)?;
        Ok(id)
    }

    /// What a gallery's fingerprint stands for, where that is still kept.
    pub fn gallery_seen(&self, fingerprint: &str) -> Result<Option<Vec<u8>>, ProjectError> {
        self.connection
            .query_row("SELECT photos FROM gallery_seen WHERE fingerprint = ?1", [fingerprint], |row| row.get(0))
            .optional()
            .map_err(ProjectError::from_sql("read the searches", &self.database))
    }

    /// Points a past search to a copy of its photo.
    pub fn move_search_photo(&mut self, search: &PastSearch) -> Result<(), ProjectError> {
        self.check_writable()?;
        let record = to_json("a search", &self.database, &search.search)?;
        self.connection
            .execute("UPDATE search SET record = ?2 WHERE id = ?1", params![search.id, record])
            .map_err(ProjectError::from_sql("note the search", &self.database))?;
        Ok(())
    }
}

fn newest(connection: &Connection, select: &str) -> rusqlite::Result<i64> {
    Ok(connection.prepare_cached(select)?.query_row([], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0))
}
