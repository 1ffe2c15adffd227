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
    /// After its end, which may not have been settled: a blow more than a lease later explains nothing.
    Ended(u64),
}

/// All that was done, by worker.
#[derive(Debug, Default)]
pub(super) struct Blows<'a>(HashMap<&'a str, Vec<Blow>>);

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
        self.0.entry(worker).or_default().push(blow);
    }

    /// The worker is back.
    pub(super) fn over(&mut self, worker: &str, at: u64) {
        let away = self.0.get_mut(worker).into_iter().flatten().filter(|blow| blow.until == u64::MAX);
        away.for_each(|blow| blow.until = at);
    }

    /// The workers that were killed, or died.
    pub(super) fn killed(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(|(_, blows)| blows.iter().any(|blow| blow.deadly)).map(|(worker, _)| *worker)
    }

    /// The blow that struck an attempt. A worker that was away for longer than its lease learns of it within another.
    pub(super) fn hit(&self, attempt: &Attempt<'_>, lease: u64) -> Option<Hit> {
        self.0.get(attempt.worker)?.iter().find_map(|blow| blow.hit(attempt, lease))
    }

    /// Whether a worker that was away when another began this task had taken it before, and began it when it was back.
    pub(super) fn held_back(&self, late: &Attempt<'_>, other: &Attempt<'_>, lease: u64) -> bool {
        let away = self.0.get(late.worker).into_iter().flatten().filter(|blow| !blow.deadly);
        away.into_iter().any(|blow| {
            let waited = blow.from <= other.begin && blow.from <= late.begin;
            waited && late.begin <= blow.until.saturating_add(lease)
        })
    }
}

impl Blow {
    fn hit(&self, attempt: &Attempt<'_>, lease: u64) -> Option<Hit> {
        let felt = if self.deadly { self.until } else { self.until.saturating_add(lease) };
        match attempt.end {
            None => (attempt.begin <= felt).then_some(Hit::Running(self.from)),
            Some(end) if end >= self.from && !self.deadly => (attempt.begin <= felt).then_some(Hit::Running(self.from)),
            Some(end) => (end.saturating_add(lease) >= self.from).then_some(Hit::Ended(self.from)),
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
