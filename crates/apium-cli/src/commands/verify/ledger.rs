//! The ledger read: what attempts wrote while they ran, as events.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::events::{Event, What};
use crate::failure::Failure;

/// The ledger of one run, read as it grows.
pub(super) struct Ledger {
    file: File,
    run: String,
    /// The beginning of a line whose end is still to come.
    rest: String,
}

impl Ledger {
    /// Makes the file where there is none.
    pub(super) fn open(path: &Path, run: &str) -> Result<Self, Failure> {
        let made = File::options().create(true).append(true).open(path);
        let file = made.and_then(|_| File::open(path));
        let file =
            file.map_err(|error| Failure::usage(format!("the ledger {} cannot be used: {error}", path.display())))?;
        Ok(Self { file, run: run.to_owned(), rest: String::new() })
    }

    /// What was written since the last time.
    pub(super) fn news(&mut self) -> Result<Vec<Event>, Failure> {
        let read = self.file.read_to_string(&mut self.rest);
        read.map_err(|error| Failure::new(format!("the ledger cannot be read: {error}")))?;
        let end = self.rest.rfind('\n').map_or(0, |at| at + 1);
        let rest = self.rest.split_off(end);
        let lines = std::mem::replace(&mut self.rest, rest);
        Ok(lines.lines().filter_map(|line| self.event(line)).collect())
    }

    /// A line of another run, or a piece of one whose writer was killed, tells nothing.
    fn event(&self, line: &str) -> Option<Event> {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, run, task, attempt, pid, worker, at, "."] = words[..] else { return None };
        if run != self.run {
            return None;
        }
        let (task, pid, at) = (task.parse().ok()?, pid.parse().ok()?, at.parse().ok()?);
        let (attempt, worker) = (attempt.to_owned(), worker.to_owned());
        let what = match what {
            "begin" => What::Begin { task, attempt, worker, pid },
            "end" => What::End { task, attempt, worker, pid },
            _ => return None,
        };
        Some(Event { at, what })
    }
}
