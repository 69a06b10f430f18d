//! From a person's answers to what a model learns: a frozen set per run, and which checkpoint has seen which answer.

use rusqlite::{TransactionBehavior, params};

use super::labels::to_json;
use super::{Project, ProjectError};
use crate::domain::{CheckpointId, Label};

/// The corrections of one moment. Training uses these even while the person goes on correcting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CorrectionQueue {
    /// Newest last.
    pub labels: Vec<Label>,
    /// The log's last entry when the set was frozen.
    pub up_to: i64,
}

impl CorrectionQueue {
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

impl Project {
    /// All corrections as they are now.
    pub fn freeze_corrections(&self) -> Result<CorrectionQueue, ProjectError> {
        let sql = ProjectError::from_sql("read the corrections", &self.database);
        // One read transaction, so that both belong to the same moment.
        let moment = self.connection.unchecked_transaction().map_err(&sql)?;
        let labels = self.corrections()?;
        let up_to =
            moment.query_row("SELECT COALESCE(MAX(seq), 0) FROM label_event", [], |row| row.get(0)).map_err(&sql)?;
        Ok(CorrectionQueue { labels, up_to })
    }

    /// Remembers that a checkpoint has learnt from these answers.
    pub fn mark_trained(&mut self, checkpoint: &CheckpointId, set: &CorrectionQueue) -> Result<(), ProjectError> {
        self.check_writable()?;
        let path = self.database.clone();
        let sql = ProjectError::from_sql("note what a model was trained on", &path);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&sql)?;
        for label in &set.labels {
            let (key, value) = (to_json("a label's key", &path, &label.key)?, to_json("a label", &path, &label.value)?);
            transaction
                .prepare_cached("INSERT OR REPLACE INTO trained_on (checkpoint, key, value) VALUES (?1, ?2, ?3)")
                .and_then(|mut statement| statement.execute(params![checkpoint.as_str(), key, value]))
                .map_err(&sql)?;
        }
        transaction.commit().map_err(&sql)
    }

    /// How many of the present corrections a checkpoint has not learnt from. An answer that was changed since counts.
    pub fn untrained(&self, checkpoint: &CheckpointId) -> Result<usize, ProjectError> {
        let sql = ProjectError::from_sql("read what a model was trained on", &self.database);
        let mut statement = self
            .connection
            .prepare_cached("SELECT 1 FROM trained_on WHERE checkpoint = ?1 AND key = ?2 AND value = ?3")
            .map_err(&sql)?;
        let mut untrained = 0;
        for label in self.corrections()? {
            let key = to_json("a label's key", &self.database, &label.key)?;
            let value = to_json("a label", &self.database, &label.value)?;
            if !statement.exists(params![checkpoint.as_str(), key, value]).map_err(&sql)? {
                untrained += 1;
            }
        }
        Ok(untrained)
    }
}
