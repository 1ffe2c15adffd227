//! Troubles: which of the worker's calls on its broker fail, and since when.
//!
//! Each is told at once, then with a count at most every half a minute, and once when it is over: a broker that is away
//! must not fill the disk with the log of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::BackendError;
use tokio::time::Instant;

/// How often the same trouble is told.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// A trouble younger than this may be over at the next try.
const GRACE: Duration = Duration::from_secs(10);

/// A errand that nobody has tried for so long says nothing of the present.
const STALE: Duration = Duration::from_mins(1);

/// What a worker asks of its broker again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Errand {
    Claim,
    Follow,
    Settle,
    Renew,
    Recover,
    Revocations,
    Beat,
    Announce,
    Begin,
    Admit,
    Limits,
    Sort,
    Listen,
    Answer,
    Events,
    Child,
}

/// The troubles of one worker.
#[derive(Debug, Default)]
pub(crate) struct Troubles(Mutex<BTreeMap<Errand, Trouble>>);

#[derive(Debug)]
struct Trouble {
    /// When the first try failed after the last that went well; `None` while all is well.
    since: Option<Instant>,
    last: Instant,
    error: String,
    told: Instant,
    untold: u64,
    /// Whether the log has been left with the bad news.
    announced: bool,
}

impl Troubles {
    /// Notes that a errand failed.
    pub(crate) fn failed(&self, errand: Errand, error: &BackendError) {
        let now = Instant::now();
        let mut troubles = self.open();
        let news = Trouble { since: None, last: now, error: String::new(), told: now, untold: 0, announced: false };
        let first = !troubles.contains_key(&errand);
        let trouble = troubles.entry(errand).or_insert(news);
        let since = *trouble.since.get_or_insert(now);
        trouble.last = now;
        trouble.error = error.to_string();
        if !first && trouble.told + TELL_EVERY > now {
            trouble.untold += 1;
            return;
        }
        let (more, seconds) = (trouble.untold, (now - since).as_secs());
        (trouble.told, trouble.untold, trouble.announced) = (now, 0, true);
        drop(troubles);
        if more == 0 {
            tracing::warn!(%error, "{errand} fail; trying again");
        } else {
            tracing::warn!(%error, more, seconds, "{errand} still fail; trying again");
        }
    }

    /// Notes that a errand went well.
    pub(crate) fn well(&self, errand: Errand) {
        let mut troubles = self.open();
        let Some(trouble) = troubles.get_mut(&errand) else { return };
        let Some(since) = trouble.since.take() else { return };
        if std::mem::take(&mut trouble.announced) {
            let (seconds, error, more) = (since.elapsed().as_secs(), trouble.error.clone(), trouble.untold);
            trouble.untold = 0;
            drop(troubles);
            tracing::info!(seconds, more, error, "{errand} go well again");
        }
    }

    /// The oldest trouble that has lasted, as a sentence.
    pub(crate) fn oldest(&self) -> Option<String> {
        let troubles = self.open();
        let lasting = troubles.iter().filter_map(|(errand, trouble)| Some((errand, trouble, trouble.since?)));
        let lasting = lasting.filter(|(_, trouble, since)| since.elapsed() >= GRACE && trouble.last.elapsed() < STALE);
        let (errand, trouble, since) = lasting.min_by_key(|(_, _, since)| *since)?;
        Some(format!("{errand} have failed for {} s: {}", since.elapsed().as_secs(), trouble.error))
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<Errand, Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claim => "claims",
            Self::Follow => "steps of workflows",
            Self::Settle => "settlements",
            Self::Renew => "renewals of leases",
            Self::Recover => "looks for what dead workers left",
            Self::Revocations => "questions for what was revoked",
            Self::Beat => "heartbeats",
            Self::Announce => "announcements of STARTED",
            Self::Begin => "beginnings of unique tasks",
            Self::Admit => "admissions by shared limits",
            Self::Limits => "questions for what is limited",
            Self::Sort => "turns in shared queues",
            Self::Listen => "calls to listen for remote control",
            Self::Answer => "answers to remote control",
            Self::Events => "publications of events",
            Self::Child => "starts of children for isolated tasks",
        })
    }
}
