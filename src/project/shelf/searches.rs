//! Searches of the past.

use rusqlite::{OptionalExtension, Row, TransactionBehavior, params};

use super::super::labels::{from_json, now_ms, to_json};
use super::super::{Project, ProjectError};
use crate::domain::{LoggedSearch, PastSearch, SearchCard, SearchId};

/// Searches without a star that are kept.
const KEPT: usize = 200;

impl Project {
    /// Searches of the past that were not deleted, the newest first.
    pub fn past_searches(&self) -> Result<Vec<PastSearch>, ProjectError> {
        let all = self.search_rows("WHERE json_extract(card, '$.deleted') = 0 ORDER BY at_ms DESC, id DESC", [])?;
        Ok(all)
    }

    pub fn past_search(&self, id: SearchId) -> Result<Option<PastSearch>, ProjectError> {
        Ok(self.search_rows("WHERE id = ?1", [id])?.pop())
    }

    pub(super) fn search_rows(
        &self,
        rest: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<PastSearch>, ProjectError> {
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
