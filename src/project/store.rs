//! Opening and making a project: SQLite with the settings that keep what a person did.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use refinery::{Migration, Runner};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::lock::{Access, acquire};
use super::{History, Paths, ProjectError, ShelfHistory, labels, shelf};
use crate::domain::{Arithmetic, CheckpointId};

/// "Seam" in ASCII, in the header of every `project.db`.
const APPLICATION_ID: i64 = 0x5365_616d;
/// The newest layout that this program knows.
pub(super) const LAYOUT: i64 = 2;

/// An open project. One process writes at a time; a second one opens it to read.
#[derive(Debug)]
pub struct Project {
    pub(super) paths: Paths,
    pub(super) database: PathBuf,
    pub(super) connection: Connection,
    pub(super) history: History,
    pub(super) shelf: ShelfHistory,
    pub(super) author: String,
    name: String,
    read_only: Option<String>,
    /// Held as long as the project may be written.
    _lock: Option<File>,
}

/// How much a project holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub products: usize,
    pub shop_photos: usize,
    pub street_photos: usize,
}

impl Project {
    /// Makes an empty project in a folder, which is made where it is missing.
    pub fn create(dir: &Path, name: &str) -> Result<Self, ProjectError> {
        fs::create_dir_all(dir).map_err(ProjectError::from_io("make the project folder", dir))?;
        Self::create_with(dir, |connection, path| {
            set_setting(connection, "name", name).map_err(ProjectError::from_sql("make the project", path))
        })
    }

    /// Opens a project; to read only where it is open elsewhere or cannot be written, see `read_only`.
    pub fn open(dir: &Path) -> Result<Self, ProjectError> {
        let paths = Paths::new(dir);
        let path = || dir.to_owned();
        match fs::metadata(dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ProjectError::Missing { path: path() });
            }
            Err(source) => return Err(ProjectError::Io { doing: "open the project folder", source, path: path() }),
            Ok(found) if !found.is_dir() => return Err(ProjectError::NotAFolder { path: path() }),
            Ok(_) if !paths.database().is_file() => return Err(ProjectError::NotAProject { path: path() }),
            Ok(_) => {}
        }
        let access = acquire(&paths);
        Self::open_with(paths, access)
    }

    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why nothing can be saved, as a sentence; `None` where all is well.
    pub fn read_only(&self) -> Option<String> {
        self.check_writable().err().map(|error| error.to_string())
    }

    /// Whether it is a drawn sample, whose photos can be made again.
    pub fn is_sample(&self) -> Result<bool, ProjectError> {
        Ok(self.setting("sample_seed")?.is_some())
    }

    /// Who is noted as author of labels from now on.
    pub fn set_author(&mut self, author: &str) {
        self.author = author.to_owned();
    }

    pub fn counts(&self) -> Result<Counts, ProjectError> {
        let sql = ProjectError::from_sql("count the photos", &self.database);
        let count = |from: &str| -> Result<usize, ProjectError> {
            let rows: i64 = self
                .connection
                .prepare_cached(&format!("SELECT COUNT(*) FROM {from}"))
                .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
                .map_err(&sql)?;
            Ok(usize::try_from(rows).unwrap_or(0))
        };
        Ok(Counts {
            products: count("product")?,
            shop_photos: count("photo WHERE domain = 'shop'")?,
            street_photos: count("photo WHERE domain = 'street'")?,
        })
    }

    /// The model that searches, once one was chosen.
    pub fn current_model(&self) -> Result<Option<CheckpointId>, ProjectError> {
        Ok(self.setting("model")?.map(CheckpointId::new))
    }

    pub fn set_current_model(&mut self, checkpoint: &CheckpointId) -> Result<(), ProjectError> {
        self.check_writable()?;
        set_setting(&self.connection, "model", checkpoint.as_str())
            .map_err(ProjectError::from_sql("save the choice of model", &self.database))
    }

    /// What the model computes in, and so the features that are searched. A name that is not known here, as a later
    /// version may have left it, counts as none.
    pub fn arithmetic(&self) -> Result<Arithmetic, ProjectError> {
        let named = self.setting("arithmetic")?;
        Ok(named.and_then(|name| name.parse().ok()).unwrap_or_default())
    }

    pub fn set_arithmetic(&mut self, arithmetic: Arithmetic) -> Result<(), ProjectError> {
        self.check_writable()?;
        set_setting(&self.connection, "arithmetic", arithmetic.name())
            .map_err(ProjectError::from_sql("save the choice of precision", &self.database))
    }

    pub(super) fn setting(&self, key: &str) -> Result<Option<String>, ProjectError> {
        self.connection
            .prepare_cached("SELECT value FROM setting WHERE key = ?1")
            .and_then(|mut statement| statement.query_row([key], |row| row.get(0)).optional())
            .map_err(ProjectError::from_sql("read the settings", &self.database))
    }

    pub(super) fn check_writable(&self) -> Result<(), ProjectError> {
        match &self.read_only {
            Some(why) => Err(ProjectError::ReadOnly { why: why.clone(), path: self.paths.root().to_owned() }),
            None => Ok(()),
        }
    }

    /// Builds the database beside and renames it, so that a project is either whole or not there.
    pub(super) fn create_with(
        dir: &Path,
        fill: impl FnOnce(&mut Connection, &Path) -> Result<(), ProjectError>,
    ) -> Result<Self, ProjectError> {
        let paths = Paths::new(dir);
        let database = paths.database();
        let access = match acquire(&paths) {
            Access::Read(why) => return Err(ProjectError::ReadOnly { why, path: dir.to_owned() }),
            access @ Access::Write(_) => access,
        };
        if database.exists() {
            return Err(ProjectError::AlreadyThere { path: dir.to_owned() });
        }
        let beside = dir.join("project.db.part");
        let clear = || {
            for name in ["project.db.part", "project.db.part-journal"] {
                // Left by a crash, or nothing.
                let _ = fs::remove_file(dir.join(name));
            }
        };
        clear();
        let built = build(&beside, &database, fill);
        if built.is_err() {
            clear();
        }
        built?;
        Self::open_with(paths, access)
    }

    fn open_with(paths: Paths, access: Access) -> Result<Self, ProjectError> {
        let database = paths.database();
        let (lock, mut read_only) = match access {
            Access::Write(lock) => (Some(lock), None),
            Access::Read(why) => (None, Some(why)),
        };
        let mut connection = connect(&database, read_only.is_some())?;
        let sql = ProjectError::from_sql("open the project", &database);
        let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(&sql)?;
        if application != APPLICATION_ID {
            return Err(ProjectError::Foreign { path: database });
        }
        let found = layout_of(&connection).map_err(&sql)?;
        if found > LAYOUT {
            return Err(ProjectError::Newer { found, known: LAYOUT, path: database });
        }
        if found < LAYOUT {
            if let Some(why) = read_only {
                return Err(ProjectError::ReadOnly { why, path: database });
            }
            migrate(&mut connection, &database)?;
        }
        let history = match labels::follow_log(&connection, &database) {
            Ok(history) => history,
            // Reading goes on, but nothing is added to a log that cannot be trusted.
            Err(ProjectError::LogChanged { entry, .. }) => {
                read_only = Some(format!("its label log was changed outside of Seamline at entry {entry}"));
                History::default()
            }
            Err(error) => return Err(error),
        };
        let shelf = match shelf::follow_shelf(&connection, &database) {
            Ok(shelf) => shelf,
            Err(ProjectError::ShelfLogChanged { entry, .. }) => {
                read_only =
                    Some(format!("its log of rules and searches was changed outside of Seamline at entry {entry}"));
                ShelfHistory::default()
            }
            Err(error) => return Err(error),
        };
        let mut project = Self {
            name: String::new(),
            author: person(),
            history,
            shelf,
            read_only,
            paths,
            database,
            connection,
            _lock: lock,
        };
        project.paths.gallery = project.gallery_setting()?;
        project.name = match project.setting("name")? {
            Some(name) => name,
            None => project.paths.root().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        Ok(project)
    }
}

fn build(
    beside: &Path,
    database: &Path,
    fill: impl FnOnce(&mut Connection, &Path) -> Result<(), ProjectError>,
) -> Result<(), ProjectError> {
    let sql = ProjectError::from_sql("make the project", database);
    let mut connection = Connection::open(beside).map_err(&sql)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(&sql)?;
    // Nobody sees this file before the rename, which is synced.
    connection.pragma_update(None, "synchronous", "OFF").map_err(&sql)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(&sql)?;
    migrate(&mut connection, database)?;
    fill(&mut connection, database)?;
    connection.close().map_err(|(_, error)| sql(error))?;
    let io = ProjectError::from_io("make the project", database);
    File::options().write(true).open(beside).and_then(|file| file.sync_all()).map_err(&io)?;
    fs::rename(beside, database).map_err(&io)?;
    super::paths::sync_folder_of(database);
    Ok(())
}

/// `read_only` never creates files; a folder that cannot be written at all is read as it stands.
fn connect(database: &Path, read_only: bool) -> Result<Connection, ProjectError> {
    let sql = ProjectError::from_sql("open the project", database);
    if read_only {
        let open = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(database, open).map_err(&sql)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(&sql)?;
        // A WAL database wants its -shm file; where that cannot be made, nobody else can be writing either.
        if connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(())).is_ok() {
            return Ok(connection);
        }
        let uri = format!("file:{}?immutable=1", uri_path(database));
        return Connection::open_with_flags(uri, open | OpenFlags::SQLITE_OPEN_URI).map_err(&sql);
    }
    let open = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, open).map_err(&sql)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(&sql)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(&sql)?;
    let _mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(&sql)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(&sql)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn uri_path(path: &Path) -> String {
    let text = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    text.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// 0 where no migration ran yet.
fn layout_of(connection: &Connection) -> rusqlite::Result<i64> {
    let known = connection.table_exists(None::<&str>, "refinery_schema_history")?;
    if !known {
        return Ok(0);
    }
    connection.query_row("SELECT COALESCE(MAX(version), 0) FROM refinery_schema_history", [], |row| row.get(0))
}

fn migrate(connection: &mut Connection, database: &Path) -> Result<(), ProjectError> {
    let failed =
        |source: refinery::Error| ProjectError::Migration { source: Box::new(source), path: database.to_owned() };
    let migrations = [
        ("V1__initial", include_str!("migrations/V1__initial.sql")),
        ("V2__shelf", include_str!("migrations/V2__shelf.sql")),
    ]
    .map(|(name, sql)| Migration::unapplied(name, sql))
    .into_iter()
    .collect::<Result<Vec<_>, _>>()
    .map_err(failed)?;
    Runner::new(&migrations).run(connection).map_err(failed)?;
    Ok(())
}

pub(super) fn set_setting(connection: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO setting (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )?
        .execute(params![key, value])?;
    Ok(())
}

/// The name under which this person is logged in.
fn person() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "someone".to_owned())
}
