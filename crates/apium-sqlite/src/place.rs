//! Where the file lies: its absolute name, its folder, and that both are for their owner alone.
//!
//! Messages and results may hold personal data, so nothing here is made readable for other users.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::path::{Path, PathBuf};

use apium_core::BackendError;

use crate::fault::{is_a_folder, no_store, tell_io};

/// The one name of the file, the same for every process, after making it and its folder if they are missing and
/// `create` says so.
pub(crate) fn prepare(path: &Path, create: bool) -> Result<PathBuf, BackendError> {
    let path = std::path::absolute(path).map_err(|error| tell_io(path, &error))?;
    if path.is_dir() {
        return Err(BackendError::Broken(is_a_folder(&path)));
    }
    if fs::metadata(&path).is_ok_and(|place| !place.is_file()) {
        return Err(BackendError::Broken(format!("{} is no file: name a file for the store", path.display())));
    }
    let filled = fs::metadata(&path).is_ok_and(|file| file.len() > 0);
    if !filled && !create {
        return Err(no_store(&path));
    }
    if let Some(folder) = path.parent()
        && !folder.exists()
    {
        private_folder(folder).map_err(|error| tell_io(folder, &error))?;
    }
    if !filled {
        // Never on a file in use: closing it would take the locks away that this process holds on it elsewhere.
        private_file(&path).map_err(|error| tell_io(&path, &error))?;
    }
    fs::canonicalize(&path).map_err(|error| tell_io(&path, &error))
}

/// Opens a file for writing; a new one is its owner's alone.
pub(crate) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The name of a file that stands beside the database, as SQLite names its own.
pub(crate) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
