//! What tasks themselves have noted: a line each, `number nanoseconds`, as the first thing they do. No peer is asked.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use crate::shell::Failure;

/// The lines read so far.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// For each number, when it was noted, since the epoch; more than once when a task ran more than once.
    times: Vec<Vec<Duration>>,
    /// Numbers noted at least once.
    seen: usize,
    /// The beginning of a line whose end is not written yet.
    open: String,
}

/// A ledger in a file that grows.
pub(crate) struct Reader {
    file: File,
    pub(crate) ledger: Ledger,
}

impl Reader {
    /// Makes the file, empty.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let made = File::create(path).and_then(|_| File::open(path));
        let file = made.map_err(|error| Failure::new(format!("cannot make {}: {error}.", path.display())))?;
        Ok(Self { file, ledger: Ledger::default() })
    }

    /// Reads what was appended since.
    pub(crate) fn read(&mut self) -> Result<&Ledger, Failure> {
        let mut text = String::new();
        let read = self.file.read_to_string(&mut text);
        read.map_err(|error| Failure::new(format!("cannot read the ledger: {error}.")))?;
        self.ledger.append(&text)?;
        Ok(&self.ledger)
    }
}

impl Ledger {
    /// Adds lines, the last of which may not be whole yet.
    ///
    /// # Errors
    /// When a line is not `number nanoseconds`.
    pub fn append(&mut self, text: &str) -> Result<(), Failure> {
        let whole = std::mem::take(&mut self.open) + text;
        let (lines, open) = whole.rsplit_once('\n').unwrap_or(("", &whole));
        open.clone_into(&mut self.open);
        for line in lines.lines() {
            let numbers = line.split_once(' ').and_then(|(index, at)| Some((index.parse().ok()?, at.parse().ok()?)));
            let Some((index, at)) = numbers else {
                return Err(Failure::new(format!("the ledger has a line `{line}` that is not `number nanoseconds`.")));
            };
            self.note(index, Duration::from_nanos(at));
        }
        Ok(())
    }

    fn note(&mut self, index: usize, at: Duration) {
        if self.times.len() <= index {
            self.times.resize(index + 1, Vec::new());
        }
        if let Some(times) = self.times.get_mut(index) {
            self.seen += usize::from(times.is_empty());
            times.push(at);
        }
    }

    /// How many tasks have run at least once.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// Of so many tasks, those that have not run.
    #[must_use]
    pub fn lost(&self, sent: usize) -> usize {
        sent.saturating_sub(self.seen)
    }

    /// Runs beyond the first of each task.
    #[must_use]
    pub fn doubled(&self) -> usize {
        self.times.iter().map(|times| times.len().saturating_sub(1)).sum()
    }

    /// When a task ran first.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<Duration> {
        self.times.get(index)?.iter().min().copied()
    }

    /// When the first and when the last of the tasks from `skip` on ran first.
    #[must_use]
    pub fn span(&self, skip: usize) -> Option<(Duration, Duration)> {
        let firsts = || (skip..self.times.len()).filter_map(|index| self.at(index));
        Some((firsts().min()?, firsts().max()?))
    }

    /// How much later than in `sent` each task ran that stands in both, in milliseconds; less than 0 when earlier.
    #[must_use]
    pub fn behind(&self, sent: &Self) -> Vec<f64> {
        let both = (0..self.times.len()).filter_map(|index| Some((self.at(index)?, sent.at(index)?)));
        both.map(|(ran, sent)| later(ran, sent)).collect()
    }

    /// How much later than `due` each task from `skip` on ran, likewise.
    #[must_use]
    pub fn after(&self, due: Duration, skip: usize) -> Vec<f64> {
        (skip..self.times.len()).filter_map(|index| self.at(index)).map(|ran| later(ran, due)).collect()
    }
}

/// The value below which so many of a hundred are, of values in any order; nothing of none.
#[must_use]
pub fn percentile(values: &[f64], hundredths: usize) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * hundredths).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied()
}

fn later(ran: Duration, planned: Duration) -> f64 {
    let early = planned.saturating_sub(ran).as_secs_f64();
    (ran.saturating_sub(planned).as_secs_f64() - early) * 1_000.0
}
