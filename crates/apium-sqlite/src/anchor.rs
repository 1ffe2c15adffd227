//! Which files were opened, and whether they still bear their names: an open file outlives its removal, and what is
//! written to it then is lost with the process.

use std::path::{Path, PathBuf};

use apium_core::BackendError;

use crate::fault::gone;
use crate::place::beside;

/// The file and its log as they were when they were opened.
pub(crate) struct Anchor {
    held: [(PathBuf, Mark); 2],
}

/// What tells a file from any other that ever bore its name: nobody else gets it while this one is open.
#[cfg(unix)]
type Mark = (u64, u64);

/// Where an open file cannot be removed or replaced, there is nothing to tell apart.
#[cfg(not(unix))]
type Mark = ();

impl Anchor {
    /// Remembers the files that bear the names now; both are open already.
    pub(crate) fn cast(file: &Path) -> std::io::Result<Self> {
        let held = |path: PathBuf| mark(&path).map(|mark| (path, mark));
        // Without its log a file lacks its last commits; SQLite itself removes it only when nobody has the file open.
        Ok(Self { held: [held(file.to_owned())?, held(beside(file, "-wal"))?] })
    }

    /// Fails when one of the names stands for nothing, or for another file. It costs a few microseconds.
    pub(crate) fn holds(&self) -> Result<(), BackendError> {
        match self.held.iter().find(|(path, held)| mark(path).ok() != Some(*held)) {
            Some((path, _)) => Err(gone(path)),
            None => Ok(()),
        }
    }
}

#[cfg(unix)]
fn mark(path: &Path) -> std::io::Result<Mark> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn mark(path: &Path) -> std::io::Result<Mark> {
    std::fs::metadata(path).map(|_| ())
}
