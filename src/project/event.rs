//! One entry of the label log: as people read it, and as it lies in the database, chained by its hash.

use std::path::Path;

use rusqlite::{Connection, Row, Transaction, params};

use super::ProjectError;
use super::labels::from_json;
use crate::domain::{CheckpointId, Label, LabelKey, PhotoId};

/// How an event came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelAction {
    Edit,
    /// Takes back the edit with this number.
    Undo {
        of: i64,
    },
    /// Makes the edit with this number again.
    Redo {
        of: i64,
    },
}

/// One entry of the log: who changed what, when, from what to what, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelEvent {
    /// From 1, without gaps.
    pub seq: i64,
    /// Milliseconds since 1970, UTC.
    pub at_ms: i64,
    pub author: String,
    pub action: LabelAction,
    pub key: LabelKey,
    pub before: Option<Label>,
    pub after: Option<Label>,
    /// What the menu called it.
    pub says: String,
    pub reason: String,
    /// The model whose answer the person saw.
    pub model: Option<CheckpointId>,
    /// BLAKE3 over this entry and the hash of the one before.
    pub hash: String,
}

/// What the database holds of an event, before its JSON is read.
pub(super) struct RawEvent {
    pub seq: i64,
    pub at_ms: i64,
    pub author: String,
    pub action: String,
    pub of: Option<i64>,
    pub key: String,
    pub before: Option<String>,
    pub after: Option<String>,
    pub says: String,
    pub reason: String,
    pub model: Option<String>,
    pub hash: String,
}

impl RawEvent {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            at_ms: row.get(1)?,
            author: row.get(2)?,
            action: row.get(3)?,
            of: row.get(4)?,
            key: row.get(5)?,
            before: row.get(6)?,
            after: row.get(7)?,
            says: row.get(8)?,
            reason: row.get(9)?,
            model: row.get(10)?,
            hash: row.get(11)?,
        })
    }

    pub fn parse(self, path: &Path) -> Result<LabelEvent, ProjectError> {
        let label = |json: Option<String>| json.map(|json| from_json("a label", path, &json)).transpose();
        Ok(LabelEvent {
            seq: self.seq,
            at_ms: self.at_ms,
            action: self.action(path)?,
            author: self.author,
            key: from_json("a label's key", path, &self.key)?,
            before: label(self.before)?,
            after: label(self.after)?,
            says: self.says,
            reason: self.reason,
            model: self.model.map(CheckpointId::new),
            hash: self.hash,
        })
    }

    pub fn action(&self, path: &Path) -> Result<LabelAction, ProjectError> {
        match (self.action.as_str(), self.of) {
            ("edit", None) => Ok(LabelAction::Edit),
            ("undo", Some(of)) => Ok(LabelAction::Undo { of }),
            ("redo", Some(of)) => Ok(LabelAction::Redo { of }),
            _ => Err(ProjectError::LogChanged { entry: self.seq, path: path.to_owned() }),
        }
    }

    /// Covers the stored text itself, so that a later layout of the JSON does not break an old chain. Each field has its
    /// length before it, so that no two different entries give the same bytes.
    pub fn hash_after(&self, previous: &str) -> String {
        let (seq, at_ms) = (self.seq.to_string(), self.at_ms.to_string());
        let of = self.of.map(|of| of.to_string());
        let fields = [
            Some(previous),
            Some(&seq),
            Some(&at_ms),
            Some(&self.author),
            Some(&self.action),
            of.as_deref(),
            Some(&self.key),
            self.before.as_deref(),
            self.after.as_deref(),
            Some(&self.says),
            Some(&self.reason),
            self.model.as_deref(),
        ];
        let mut hasher = blake3::Hasher::new();
        for field in fields {
            // A missing field is not an empty one.
            hasher.update(&field.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
            hasher.update(field.unwrap_or_default().as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    pub fn insert(&self, transaction: &Transaction<'_>, photo: &PhotoId) -> rusqlite::Result<()> {
        let mut statement = transaction.prepare_cached(
            "INSERT INTO label_event
             (seq, at_ms, author, action, of_seq, key, photo, before, after, says, reason, model, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?;
        statement.execute(params![
            self.seq,
            self.at_ms,
            self.author,
            self.action,
            self.of,
            self.key,
            photo.as_str(),
            self.before,
            self.after,
            self.says,
            self.reason,
            self.model,
            self.hash
        ])?;
        Ok(())
    }

    /// Brings the present labels in step. `said` is false where the answer was taken back.
    pub fn store_label(&self, transaction: &Transaction<'_>, photo: &PhotoId, said: bool) -> rusqlite::Result<()> {
        if said {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO label (key, photo, label, seq, rev) VALUES (?1, ?2, ?3, ?4, 1)
                 ON CONFLICT (key) DO UPDATE SET label = excluded.label, seq = excluded.seq, rev = rev + 1",
            )?;
            statement.execute(params![self.key, photo.as_str(), self.after, self.seq])?;
        } else {
            transaction.prepare_cached("DELETE FROM label WHERE key = ?1")?.execute([&self.key])?;
        }
        Ok(())
    }
}

pub(super) fn read_events(
    connection: &Connection,
    path: &Path,
    condition: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<RawEvent>, ProjectError> {
    let sql = ProjectError::from_sql("read the label log", path);
    let mut statement = connection
        .prepare_cached(&format!(
            "SELECT seq, at_ms, author, action, of_seq, key, before, after, says, reason, model, hash
             FROM label_event {condition} ORDER BY seq"
        ))
        .map_err(&sql)?;
    let rows = statement.query_map(values, RawEvent::read).map_err(&sql)?;
    rows.collect::<Result<_, _>>().map_err(&sql)
}
