//! The log of changes to rules and searches: its entries, their chain, and what of them can be undone and redone.

use std::path::Path;

use rusqlite::{Connection, Row, Transaction, params};

use super::super::ProjectError;

/// One entry on the stacks of what can be undone and redone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) of: i64,
    /// The newest label event when the edit was made.
    pub(super) after_label: i64,
    pub(super) says: String,
}

/// What of the shelf's log can be undone and redone; read from the log when a project is opened.
#[derive(Clone, Debug, Default)]
pub struct ShelfHistory {
    pub(super) undo: Vec<Step>,
    pub(super) redo: Vec<Step>,
    /// The newest label event at the last edit, and at the last undo.
    pub(super) last_edit: Option<i64>,
    pub(super) last_undo: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Edit,
    Undo(i64),
    Redo(i64),
}

impl ShelfHistory {
    pub(super) fn follow(&mut self, seq: i64, action: Action, after_label: i64, says: &str) -> bool {
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

pub(super) fn step(from: &mut Vec<Step>, to: &mut Vec<Step>, of: i64) -> bool {
    match from.pop_if(|step| step.of == of) {
        Some(entry) => {
            to.push(entry);
            true
        }
        None => false,
    }
}

/// One entry of the log, as it lies in the database.
pub(super) struct Event {
    pub(super) seq: i64,
    pub(super) at_ms: i64,
    pub(super) author: String,
    pub(super) action: Action,
    pub(super) after_label: i64,
    pub(super) about: String,
    pub(super) id: i64,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) says: String,
    pub(super) hash: String,
}

impl Event {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
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

    pub(super) fn action_parts(&self) -> (&'static str, Option<i64>) {
        match self.action {
            Action::Edit => ("edit", None),
            Action::Undo(of) => ("undo", Some(of)),
            Action::Redo(of) => ("redo", Some(of)),
        }
    }

    /// Over the stored text and the hash before; each field has its length before it.
    pub(super) fn hash_after(&self, previous: &str) -> String {
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

    pub(super) fn insert(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
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
    pub(super) fn store(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        match (self.about.as_str(), &self.after) {
            // Many rules at once: pairs of a number and what is said of it.
            ("rule", Some(rules)) if rules.starts_with('[') => {
                let pairs: Vec<(i64, Option<serde_json::Value>)> = serde_json::from_str(rules)
                    .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
                for (id, rule) in pairs {
                    store_rule(transaction, id, rule.map(|rule| rule.to_string()).as_deref())?;
                }
                0
            }
            ("rule", rule) => store_rule(transaction, self.id, rule.as_deref())?,
            // A search that was let go of in the meantime stays away.
            (_, Some(card)) => transaction
                .prepare_cached("UPDATE search SET card = ?2 WHERE id = ?1")?
                .execute(params![self.id, card])?,
            (_, None) => 0,
        };
        Ok(())
    }
}

/// `None` takes the rule away.
fn store_rule(transaction: &Transaction<'_>, id: i64, rule: Option<&str>) -> rusqlite::Result<usize> {
    match rule {
        Some(rule) => transaction
            .prepare_cached(
                "INSERT INTO rule (id, rule) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET rule = excluded.rule",
            )?
            .execute(params![id, rule]),
        None => transaction.prepare_cached("DELETE FROM rule WHERE id = ?1")?.execute([id]),
    }
}

pub(super) fn read_events(
    connection: &Connection,
    path: &Path,
    condition: &str,
    seq: i64,
) -> Result<Vec<Event>, ProjectError> {
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
pub(in crate::project) fn follow_shelf(connection: &Connection, path: &Path) -> Result<ShelfHistory, ProjectError> {
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
