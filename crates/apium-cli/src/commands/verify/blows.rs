//! What was done to workers, and which of their attempts it struck.

use std::collections::HashMap;

/// One attempt of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt<'a> {
    pub(super) worker: &'a str,
    /// In microseconds since 1970, as all here.
    pub(super) begin: u64,
    pub(super) end: Option<u64>,
}

/// One thing done to a worker.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blow {
    from: u64,
    until: u64,
    /// Whether the worker went on afterwards.
    deadly: bool,
}

/// How an attempt was struck, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hit {
    /// While it ran.
    Running(u64),
    /// After its end, which may not have been settled: a blow more than a lease later explains nothing. Time in which
    /// nobody could settle is not counted.
    Ended(u64),
}

/// All that was done, by worker.
#[derive(Debug, Default)]
pub(super) struct Blows<'a> {
    struck: HashMap<&'a str, Vec<Blow>>,
    /// From when to when nobody could write to the broker, by beginning.
    standstills: Vec<(u64, u64)>,
}

impl Blow {
    /// The worker died between these moments.
    pub(super) fn kill(from: u64, until: u64) -> Self {
        Self { from, until, deadly: true }
    }

    /// The worker was away from then on, until [`Blows::over`].
    pub(super) fn absence(from: u64) -> Self {
        Self { from, until: u64::MAX, deadly: false }
    }
}

impl<'a> Blows<'a> {
    pub(super) fn add(&mut self, worker: &'a str, blow: Blow) {
        self.struck.entry(worker).or_default().push(blow);
    }

    /// The worker is back.
    pub(super) fn over(&mut self, worker: &str, at: u64) {
        let away = self.struck.get_mut(worker).into_iter().flatten().filter(|blow| blow.until == u64::MAX);
        away.for_each(|blow| blow.until = at);
    }

    /// Notes when a worker that was away kept all others from writing to a broker that is a file: it stood still in the
    /// middle of its own write, and no send was confirmed from then on until it was back, or dead.
    pub(super) fn find_standstills(&mut self, mut confirmed: Vec<u64>) {
        confirmed.sort_unstable();
        for blows in self.struck.values() {
            for away in blows.iter().filter(|blow| !blow.deadly) {
                let death =
                    blows.iter().filter(|blow| blow.deadly && blow.from >= away.from).map(|blow| blow.from).min();
                let until = away.until.min(death.unwrap_or(u64::MAX));
                let written = confirmed[..confirmed.partition_point(|at| *at < until)].last();
                let since = written.map_or(away.from, |at| away.from.max(*at));
                if until < u64::MAX {
                    self.standstills.push((since, until));
                }
            }
        }
        self.standstills.sort_unstable();
    }

    /// The workers that were killed, or died.
    pub(super) fn killed(&self) -> impl Iterator<Item = &'a str> {
        self.struck.iter().filter(|(_, blows)| blows.iter().any(|blow| blow.deadly)).map(|(worker, _)| *worker)
    }

    /// The blow that struck an attempt. A worker that was away for longer than its lease learns of it within another.
    pub(super) fn hit(&self, attempt: &Attempt<'_>, lease: u64) -> Option<Hit> {
        self.struck.get(attempt.worker)?.iter().find_map(|blow| blow.hit(attempt, lease, &self.standstills))
    }

    /// Whether a worker that was away when another began this task had taken it before, and began it when it was back.
    pub(super) fn held_back(&self, late: &Attempt<'_>, other: &Attempt<'_>, lease: u64) -> bool {
        let away = self.struck.get(late.worker).into_iter().flatten().filter(|blow| !blow.deadly);
        away.into_iter().any(|blow| {
            let waited = blow.from <= other.begin && blow.from <= late.begin;
            waited && late.begin <= blow.until.saturating_add(lease)
        })
    }
}

impl Blow {
    fn hit(&self, attempt: &Attempt<'_>, lease: u64, standstills: &[(u64, u64)]) -> Option<Hit> {
        let felt = if self.deadly { self.until } else { self.until.saturating_add(lease) };
        match attempt.end {
            None => (attempt.begin <= felt).then_some(Hit::Running(self.from)),
            Some(end) if end >= self.from && !self.deadly => (attempt.begin <= felt).then_some(Hit::Running(self.from)),
            Some(end) => {
                let could_settle = self.from.saturating_sub(end) - shared(standstills, end, self.from);
                (could_settle <= lease).then_some(Hit::Ended(self.from))
            }
        }
    }
}

impl Hit {
    /// Since when the attempt was as good as dead.
    pub(super) fn at(self, attempt: &Attempt<'_>) -> u64 {
        let (Self::Running(at) | Self::Ended(at)) = self;
        at.max(attempt.begin)
    }
}

/// How much of a time is in any of these, which may overlap.
fn shared(standstills: &[(u64, u64)], from: u64, until: u64) -> u64 {
    let (mut sum, mut counted) = (0, from);
    for (begin, end) in standstills {
        let (begin, end) = ((*begin).max(counted), (*end).min(until));
        if begin < end {
            sum += end - begin;
            counted = end;
        }
    }
    sum
}
