//! What a task does first: one line with its number and the time, appended in one write.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

/// A file that only grows; several processes may append to it.
pub(crate) struct Ledger(File);

impl Ledger {
    /// Opens the file that an environment variable names.
    pub(crate) fn open(variable: &str) -> io::Result<Self> {
        let path = std::env::var_os(variable).ok_or_else(|| io::Error::other(format!("{variable} is not set")))?;
        OpenOptions::new().append(true).create(true).open(path).map(Self)
    }

    /// Appends a line.
    pub(crate) fn note(&self, index: u64) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        (&self.0).write_all(format!("{index} {now}\n").as_bytes())
    }
}
