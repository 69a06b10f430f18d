//! The label log: appending to it, reading it back, and the state that follows from it.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::edit::is_corrected;
use super::event::{RawEvent, read_events};
use super::{Edit, History, LabelAction, LabelEvent, Project, ProjectError};
use crate::domain::{CheckpointId, Label, LabelKey, LabelValue, Origin, PhotoId};

/// The labels that people's events leave, by the text of their key; with the event that set each.
type Replayed = BTreeMap<String, (Label, i64)>;

impl Project {
    /// The label that holds for a key: what a person or a model said last, else what came with the data.
    pub fn label(&self, key: &LabelKey) -> Result<Option<Label>, ProjectError> {
        label_of(&self.connection, &self.database, key)
    }

    /// The change that would set (or with `None` take back) a person's answer.
    pub fn edit(&self, key: &LabelKey, value: Option<LabelValue>) -> Result<Edit, ProjectError> {
        let before = self.label(key)?;
        let after = match value {
            Some(value) => {
                Some(Label { key: key.clone(), value, origin: Origin::Corrected { by: self.author.clone() } })
            }
            // What came with the data shows again.
            None => self.given_label(key)?,
        };
        Ok(Edit::SetLabel { key: key.clone(), before, after })
    }

    /// Sets or takes back a person's answer. `false` where that is what held already, so that nothing was logged.
    pub fn set_label(
        &mut self,
        key: &LabelKey,
        value: Option<LabelValue>,
        reason: &str,
        model: Option<&CheckpointId>,
    ) -> Result<bool, ProjectError> {
        let edit = self.edit(key, value)?;
        self.apply(&edit, reason, model)
    }

    /// Writes an edit to the log and to the present labels, in one transaction. `false` where it would change nothing.
    pub fn apply(&mut self, edit: &Edit, reason: &str, model: Option<&CheckpointId>) -> Result<bool, ProjectError> {
        if edit.is_idle() {
            return Ok(false);
        }
        let Edit::SetLabel { key, .. } = edit;
        let name = match key {
            LabelKey::Match { product, .. } => Some(
                self.product(product)?
                    .ok_or_else(|| ProjectError::UnknownProduct {
                        product: product.clone(),
                        path: self.database.clone(),
                    })?
                    .name,
            ),
            LabelKey::Kind { .. } => None,
        };
        let says = edit.says(name.as_deref());
        self.append(LabelAction::Edit, edit, &says, reason, model)?;
        Ok(true)
    }

    /// Takes the last edit back. Says what that was; `None` where there is nothing to undo.
    pub fn undo(&mut self) -> Result<Option<String>, ProjectError> {
        let Some(of) = self.history.next_undo() else { return Ok(None) };
        let event = self.event(of)?;
        let edit = Edit::SetLabel { key: event.key, before: event.before, after: event.after }.inverse();
        self.append(LabelAction::Undo { of }, &edit, &event.says, "", None)?;
        Ok(Some(event.says))
    }

    /// Makes the last undone edit again.
    pub fn redo(&mut self) -> Result<Option<String>, ProjectError> {
        let Some(of) = self.history.next_redo() else { return Ok(None) };
        let event = self.event(of)?;
        let edit = Edit::SetLabel { key: event.key, before: event.before, after: event.after };
        self.append(LabelAction::Redo { of }, &edit, &event.says, "", None)?;
        Ok(Some(event.says))
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    /// The present labels made by people, newest last.
    pub fn corrections(&self) -> Result<Vec<Label>, ProjectError> {
        let sql = ProjectError::from_sql("read the corrections", &self.database);
        let mut statement = self.connection.prepare_cached("SELECT label FROM label ORDER BY seq").map_err(&sql)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(&sql)?;
        let mut corrections = Vec::new();
        for row in rows {
            let label: Label = from_json("a label", &self.database, &row.map_err(&sql)?)?;
            if is_corrected(&label) {
                corrections.push(label);
            }
        }
        Ok(corrections)
    }

    /// The log about one photo, oldest first: the audit of a label.
    pub fn events_of(&self, photo: &PhotoId) -> Result<Vec<LabelEvent>, ProjectError> {
        let events = read_events(&self.connection, &self.database, "WHERE photo = ?1", [photo.as_str()])?;
        events.into_iter().map(|event| event.parse(&self.database)).collect()
    }

    /// The whole log, oldest first.
    pub fn events(&self) -> Result<Vec<LabelEvent>, ProjectError> {
        let events = read_events(&self.connection, &self.database, "", [])?;
        events.into_iter().map(|event| event.parse(&self.database)).collect()
    }

    /// Checks the database's own structure, both logs' hashes, and that replaying the log gives the present labels.
    pub fn verify(&self) -> Result<(), ProjectError> {
        let sql = ProjectError::from_sql("check the database", &self.database);
        let said: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(&sql)?;
        if said != "ok" {
            let source =
                rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), Some(said));
            return Err(ProjectError::Damaged { source, path: self.database.clone() });
        }
        follow_log(&self.connection, &self.database)?;
        super::shelf::follow_shelf(&self.connection, &self.database)?;
        let replayed = self.replay()?;
        if replayed == self.stored_labels()? {
            return Ok(());
        }
        let entry = replayed.values().map(|(_, seq)| *seq).max().unwrap_or(0);
        Err(ProjectError::LogChanged { entry, path: self.database.clone() })
    }

    /// Builds the present labels anew from the log.
    pub fn rebuild_labels(&mut self) -> Result<(), ProjectError> {
        self.check_writable()?;
        let replayed = self.replay()?;
        let sql = ProjectError::from_sql("rebuild the labels", &self.database);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&sql)?;
        transaction.execute("DELETE FROM label", []).map_err(&sql)?;
        for (key, (label, seq)) in &replayed {
            let json = to_json("a label", &self.database, label)?;
            transaction
                .prepare_cached("INSERT INTO label (key, photo, label, seq, rev) VALUES (?1, ?2, ?3, ?4, 1)")
                .and_then(|mut statement| statement.execute(params![key, photo_of(&label.key).as_str(), json, seq]))
                .map_err(&sql)?;
        }
        transaction.commit().map_err(&sql)
    }

    fn append(
        &mut self,
        action: LabelAction,
        edit: &Edit,
        says: &str,
        reason: &str,
        model: Option<&CheckpointId>,
    ) -> Result<(), ProjectError> {
        self.check_writable()?;
        let Edit::SetLabel { key, before, after } = edit;
        let path = self.database.clone();
        let sql = ProjectError::from_sql("save the label", &path);
        let photo = photo_of(key);
        if self.photo(photo)?.is_none() {
            return Err(ProjectError::UnknownPhoto { photo: photo.clone(), path });
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&sql)?;
        if label_of(&transaction, &path, key)? != *before {
            return Err(ProjectError::Conflict { path });
        }
        let last: Option<(i64, String)> = transaction
            .prepare_cached("SELECT seq, hash FROM label_event ORDER BY seq DESC LIMIT 1")
            .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .map_err(&sql)?;
        let (last_seq, last_hash) = last.unwrap_or_default();
        let (action_name, of) = match action {
            LabelAction::Edit => ("edit", None),
            LabelAction::Undo { of } => ("undo", Some(of)),
            LabelAction::Redo { of } => ("redo", Some(of)),
        };
        let json = |label: &Option<Label>| label.as_ref().map(|label| to_json("a label", &path, label)).transpose();
        let mut event = RawEvent {
            seq: last_seq + 1,
            at_ms: now_ms(),
            author: self.author.clone(),
            action: action_name.to_owned(),
            of,
            key: to_json("a label's key", &path, key)?,
            before: json(before)?,
            after: json(after)?,
            says: says.to_owned(),
            reason: reason.to_owned(),
            model: model.map(|model| model.as_str().to_owned()),
            hash: String::new(),
        };
        event.hash = event.hash_after(&last_hash);
        event.insert(&transaction, photo).map_err(&sql)?;
        // What came with the data is in the photo's own row.
        let said = after.as_ref().is_some_and(|label| label.origin != Origin::Given);
        event.store_label(&transaction, photo, said).map_err(&sql)?;
        transaction.commit().map_err(&sql)?;
        // Holds by construction: the numbers come from this very history.
        let followed = self.history.follow(event.seq, action, says);
        debug_assert!(followed, "an undo or redo is always of the edit on top");
        Ok(())
    }

    fn event(&self, seq: i64) -> Result<LabelEvent, ProjectError> {
        read_events(&self.connection, &self.database, "WHERE seq = ?1", [seq])?
            .pop()
            .ok_or_else(|| ProjectError::LogChanged { entry: seq, path: self.database.clone() })?
            .parse(&self.database)
    }

    fn given_label(&self, key: &LabelKey) -> Result<Option<Label>, ProjectError> {
        given_label(&self.connection, &self.database, key)
    }

    fn replay(&self) -> Result<Replayed, ProjectError> {
        let mut labels = Replayed::new();
        for raw in read_events(&self.connection, &self.database, "", [])? {
            let key = raw.key.clone();
            let event = raw.parse(&self.database)?;
            match event.after {
                Some(label) if label.origin != Origin::Given => labels.insert(key, (label, event.seq)),
                _ => labels.remove(&key),
            };
        }
        Ok(labels)
    }

    fn stored_labels(&self) -> Result<Replayed, ProjectError> {
        let sql = ProjectError::from_sql("read the labels", &self.database);
        let mut statement = self.connection.prepare_cached("SELECT key, label, seq FROM label").map_err(&sql)?;
        let mut rows = statement.query([]).map_err(&sql)?;
        let mut labels = Replayed::new();
        while let Some(row) = rows.next().map_err(&sql)? {
            let (key, label, seq): (String, String, i64) =
                (row.get(0).map_err(&sql)?, row.get(1).map_err(&sql)?, row.get(2).map_err(&sql)?);
            labels.insert(key, (from_json("a label", &self.database, &label)?, seq));
        }
        Ok(labels)
    }
}

/// Reads the whole log, checks its chain, and gives the history that follows from it.
pub(super) fn follow_log(connection: &Connection, path: &Path) -> Result<History, ProjectError> {
    let mut history = History::default();
    let mut last = (0, String::new());
    for event in read_events(connection, path, "", [])? {
        let entry = event.seq;
        let whole = entry == last.0 + 1 && event.hash == event.hash_after(&last.1);
        if !whole || !history.follow(entry, event.action(path)?, &event.says) {
            return Err(ProjectError::LogChanged { entry, path: path.to_owned() });
        }
        last = (entry, event.hash);
    }
    Ok(history)
}

pub(super) fn photo_of(key: &LabelKey) -> &PhotoId {
    match key {
        LabelKey::Match { query, .. } => query,
        LabelKey::Kind { photo } => photo,
    }
}

pub(super) fn to_json<T: serde::Serialize>(what: &'static str, path: &Path, value: &T) -> Result<String, ProjectError> {
    serde_json::to_string(value).map_err(ProjectError::from_json(what, path))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    path: &Path,
    text: &str,
) -> Result<T, ProjectError> {
    serde_json::from_str(text).map_err(ProjectError::from_json(what, path))
}

fn label_of(connection: &Connection, path: &Path, key: &LabelKey) -> Result<Option<Label>, ProjectError> {
    let sql = ProjectError::from_sql("read a label", path);
    let text = to_json("a label's key", path, key)?;
    let said: Option<String> = connection
        .prepare_cached("SELECT label FROM label WHERE key = ?1")
        .and_then(|mut statement| statement.query_row([text], |row| row.get(0)).optional())
        .map_err(&sql)?;
    match said {
        Some(json) => from_json("a label", path, &json).map(Some),
        None => given_label(connection, path, key),
    }
}

/// What came with the data, read from the photo's own row.
fn given_label(connection: &Connection, path: &Path, key: &LabelKey) -> Result<Option<Label>, ProjectError> {
    let sql = ProjectError::from_sql("read a photo", path);
    let value = match key {
        LabelKey::Match { query, product } => connection
            .prepare_cached(
                "SELECT box_x, box_y, box_width, box_height FROM photo
                 WHERE photo = ?1 AND product = ?2 AND domain = 'street'",
            )
            .and_then(|mut statement| {
                statement.query_row([query.as_str(), product.as_str()], |row| super::photos::crop_at(row, 0)).optional()
            })
            .map_err(&sql)?
            .map(|crop| LabelValue::SameProduct { crop }),
        LabelKey::Kind { photo } => connection
            .prepare_cached("SELECT kind FROM photo WHERE photo = ?1 AND kind IS NOT NULL")
            .and_then(|mut statement| statement.query_row([photo.as_str()], |row| row.get(0)).optional())
            .map_err(&sql)?
            .map(|name| LabelValue::Kind { name }),
    };
    Ok(value.map(|value| Label { key: key.clone(), value, origin: Origin::Given }))
}

pub(super) fn now_ms() -> i64 {
    // A clock before 1970 is no reason to lose a label.
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
