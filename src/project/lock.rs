//! One writer at a time: an advisory lock on `project.lock`, which the system gives back when a process dies.

use std::fs::{File, OpenOptions, TryLockError};

use super::Paths;

/// Who may write.
pub(super) enum Access {
    /// The lock is held as long as the file is open.
    Write(File),
    /// Why nothing can be saved, to follow "because".
    Read(String),
}

pub(super) fn acquire(paths: &Paths) -> Access {
    let file = match OpenOptions::new().create(true).truncate(false).write(true).open(paths.lock()) {
        Ok(file) => file,
        Err(error) => return Access::Read(format!("its folder cannot be written to ({error})")),
    };
    match file.try_lock() {
        Ok(()) => Access::Write(file),
        Err(TryLockError::WouldBlock) => Access::Read("it is already open in another window or command".to_owned()),
        // Some network file systems know no locks; SQLite's own still hold there.
        Err(TryLockError::Error(_)) => Access::Write(file),
    }
}
