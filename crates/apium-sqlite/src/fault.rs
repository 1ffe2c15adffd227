//! What went wrong, told as a sentence that names the file and says what to do about it.

use std::io;
use std::path::Path;

use apium_core::BackendError;
use rusqlite::{Error, ErrorCode};

/// Why a piece of work on the file failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// SQLite refused.
    Sqlite(Error),
    /// Something stored cannot be right; the sentence says what.
    Broken(String),
    /// The file itself is damaged; what was found.
    Damaged(String),
    /// The file holds no store yet, and none is to be made.
    NoStore,
    /// Something was thrown away before whoever listens had read it.
    Missed,
}

impl Fault {
    /// The sentence for the person who runs the program.
    pub(crate) fn tell(&self, file: &Path) -> BackendError {
        let name = file.display();
        match self {
            Self::Broken(sentence) => BackendError::Broken(format!("in {name}: {sentence}")),
            Self::Damaged(found) => BackendError::Broken(is_damaged(&name.to_string(), found)),
            Self::NoStore => no_store(file),
            Self::Missed => BackendError::Unavailable(format!(
                "more was said through {name} than could be kept until it was asked for; something was missed"
            )),
            Self::Sqlite(error) => tell_sqlite(error, &name.to_string()),
        }
    }

    /// Whether another process holds the file just now.
    pub(crate) fn is_busy(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The answer when the thread that should do the work is no more.
pub(crate) fn ended(file: &Path) -> BackendError {
    BackendError::Unavailable(format!("the store in {} is closed: its threads have ended", file.display()))
}

/// What the operating system said when the file or its folder was to be made.
pub(crate) fn tell_io(path: &Path, error: &io::Error) -> BackendError {
    let name = path.display();
    match error.kind() {
        io::ErrorKind::IsADirectory => BackendError::Broken(is_a_folder(path)),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => BackendError::Broken(format!(
            "{name} cannot be created or written by this user ({error}): give it write permission there, or name \
             another file"
        )),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            BackendError::Unavailable(format!("there is no room left on the disk for {name}: free some space"))
        }
        _ => BackendError::Broken(format!("{name} cannot be created ({error}): check the path, or name another file")),
    }
}

/// The sentence for a path that is a folder.
pub(crate) fn is_a_folder(path: &Path) -> String {
    let name = path.display();
    format!("{name} is a folder, not a file: name a file inside it, such as {name}/apium.db")
}

/// The answer where no store is to be made and there is none.
pub(crate) fn no_store(file: &Path) -> BackendError {
    BackendError::Broken(format!(
        "there is no store in {} yet: start `apium up`, or name the folder with --data",
        file.display()
    ))
}

/// The answer once the file that was opened is no longer the one of this name.
pub(crate) fn gone(path: &Path) -> BackendError {
    BackendError::Unavailable(format!(
        "the file {} was removed or replaced while this process had it open; nothing more is stored and nothing is \
         read: put that very file back, or restart this process, which then goes on with what it finds there",
        path.display()
    ))
}

fn is_damaged(name: &str, found: &str) -> String {
    format!(
        "{name} is damaged ({found}): stop every process that uses it, then put a good copy in its place or rescue \
         what can be read with `sqlite3 {name} .recover`"
    )
}

fn tell_sqlite(error: &Error, name: &str) -> BackendError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => BackendError::Unavailable(format!(
            "{name} has been locked by another process for too long: it will be tried again; look for a program that \
             keeps a transaction open on it"
        )),
        Some(ErrorCode::DiskFull) => {
            BackendError::Unavailable(format!("there is no room left on the disk that holds {name}: free some space"))
        }
        Some(ErrorCode::SystemIoFailure) => BackendError::Unavailable(format!(
            "the disk that holds {name} refused a read or a write ({error}): check its free space, its quota and its \
             health"
        )),
        Some(ErrorCode::ReadOnly) => BackendError::Broken(format!(
            "{name} cannot be written ({error}): give the user of this program write permission on the file and on \
             its folder"
        )),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => BackendError::Broken(format!(
            "{name} cannot be opened ({error}): give the user of this program read and write permission on the file \
             and on its folder"
        )),
        Some(ErrorCode::NotADatabase) => BackendError::Broken(format!(
            "{name} is not a SQLite database: name another file, or move this one away so that a new one is made"
        )),
        Some(ErrorCode::DatabaseCorrupt) => BackendError::Broken(is_damaged(name, &error.to_string())),
        _ => BackendError::Broken(format!("{name} could not be used ({error})")),
    }
}
