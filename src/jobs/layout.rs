//! Where the panes of the window lie, kept as a text beside the session. What the text means is the window's business.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::JobError;
use crate::project::write_beside;

const FILE: &str = "layout.json";
/// Far more than any layout takes; whatever else lies there is not read into memory.
const MOST_BYTES: u64 = 1 << 20;

/// `None` where none was written yet.
pub(super) fn read(dir: &Path) -> Result<Option<String>, JobError> {
    let path = dir.join(FILE);
    let failed = |source| JobError::Io { doing: "read the window's layout", source, path: path.clone() };
    match fs::metadata(&path) {
        Ok(known) if known.len() > MOST_BYTES => Err(failed(ErrorKind::FileTooLarge.into())),
        Ok(_) => fs::read(&path).map(|bytes| Some(String::from_utf8_lossy(&bytes).into_owned())).map_err(failed),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

pub(super) fn write(dir: &Path, text: &str) -> Result<(), JobError> {
    let path = dir.join(FILE);
    fs::create_dir_all(dir).and_then(|()| write_beside(&path, text.as_bytes())).map_err(|source| JobError::Io {
        doing: "save the window's layout",
        source,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_before_that_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("not/yet/there");
        assert_eq!(read(&inside).unwrap(), None);
        write(&inside, "one").unwrap();
        write(&inside, "two").unwrap();
        assert_eq!(read(&inside).unwrap(), Some("two".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_or_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(FILE)).unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains(FILE));
        assert!(write(dir.path(), "x").unwrap_err().to_string().starts_with("could not save the window's layout"));
    }
}
