//! What is to be done with every due time of an entry, and when to look again: a decision that follows from the entry, its
//! [state](State) and what is now, and from nothing else. Whoever leads decides the same.
//!
//! Due times are decided in their order, each once. One is *late* when it is sent more than [`ON_TIME`] after its time;
//! only then does it count as missed. What is not late is sent, however many there are.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::entry::Entry;
use crate::policy::{Missed, Overlap};
use crate::state::{Run, State};

/// So much after its time a run still counts as on time: a leader that was lost is replaced within ten seconds.
pub const ON_TIME: SignedDuration = SignedDuration::from_secs(15);

/// The most runs of one entry that one plan sends; a plan with more to send asks to be made again at once.
pub const MOST: usize = 1_000;

/// What is to be done now, and what is the state once it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the due times.
    pub decisions: Vec<Decision>,
    /// The state to be kept, in the step that sends.
    pub state: State,
    /// When to make the next plan: none when nothing is due any more. With a run that waits, also when the last one ends.
    pub wake: Option<Timestamp>,
}

/// What becomes of a due time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is sent.
    Fire {
        /// When it was due.
        due: Timestamp,
        /// Under this id, which is the same whoever sends it.
        task_id: String,
        /// So much after its time.
        late: SignedDuration,
        /// The run that is called off for it.
        cancels: Option<String>,
    },
    /// It is sent once the run before it has ended.
    Wait {
        /// When it was due.
        due: Timestamp,
        /// The id of the run before.
        behind: String,
    },
    /// It is not sent; nor are those before it for the same reason.
    Skip {
        /// The first that is not sent.
        first: Timestamp,
        /// The last; the same if it is one.
        last: Timestamp,
        /// How many they are; [`MOST`] stands for as many or more.
        count: usize,
        /// Why.
        why: Why,
    },
}

/// Why a due time is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The entry is paused.
    Paused,
    /// It is later than the entry's window.
    TooLate,
    /// Nobody was there, and missed runs are not made up for.
    Missed,
    /// A later run makes up for it.
    MadeUpFor,
    /// The run before has not ended.
    Running {
        /// Its id.
        task_id: String,
    },
    /// The run before has not ended, and another waits for that already.
    OneWaits {
        /// When the one that waits was due.
        due: Timestamp,
    },
}

/// What is to be done with the due times of an entry up to now.
pub fn plan(entry: &Entry, state: &State, now: Timestamp) -> Plan {
    let first = entry.next(state.through);
    let mut planner = Planner { entry, now, first, state: state.clone(), decisions: Vec::new() };
    planner.paused();
    planner.waiting();
    let mut ready = planner.missed();
    ready.extend(planner.recent(MOST - ready.len()));
    let ready = planner.made_up_for(ready);
    for due in ready {
        planner.decide(due);
    }
    planner.end()
}

struct Planner<'a> {
    entry: &'a Entry,
    now: Timestamp,
    /// The first due time that was not decided when the plan began.
    first: Option<Timestamp>,
    state: State,
    decisions: Vec<Decision>,
}

impl Planner<'_> {
    /// What is due while the entry is paused is past.
    fn paused(&mut self) {
        if self.entry.paused {
            if let Some(due) = self.state.waiting.take() {
                self.skip(due, Why::Paused);
            }
            self.skip_all(self.now, &Why::Paused);
        }
    }

    /// A run that has waited for the end of the one before.
    fn waiting(&mut self) {
        if self.state.running {
            return;
        }
        if let Some(due) = self.state.waiting.take() {
            self.fire(due, None);
        }
    }

    /// What lies so far back that it is late in any case: a few of them are to be sent, or none.
    fn missed(&mut self) -> Vec<Timestamp> {
        if let Some(expired) = self.expired() {
            self.skip_all(expired, &Why::TooLate);
        }
        let late = self.before(ON_TIME);
        match self.entry.missed {
            _ if self.is_clear(late) => Vec::new(),
            Missed::Skip => {
                self.skip_all(late, &Why::Missed);
                Vec::new()
            }
            Missed::Latest => self.entry.latest(self.state.through, late).into_iter().collect(),
            Missed::All => self.due(late).take(MOST).collect(),
        }
    }

    /// What is due beside, as far as its time has come.
    fn recent(&self, room: usize) -> Vec<Timestamp> {
        let known = self.before(ON_TIME).max(self.state.through);
        let first = self.first.filter(|first| *first > known).or_else(|| self.entry.next(known));
        let upcoming = std::iter::successors(first, |due| self.entry.next(*due)).take_while(|due| *due <= self.now);
        // In their order: one that is put off holds up those after it.
        upcoming.take_while(|due| self.entry.release(*due) <= self.now).take(room).collect()
    }

    /// Of several the newest may stand for all: for those that are late, or for all that it would call off.
    fn made_up_for(&mut self, mut ready: Vec<Timestamp>) -> Vec<Timestamp> {
        let Some(newest) = ready.len().checked_sub(1) else { return ready };
        let first = match (self.entry.overlap, self.entry.missed) {
            (Overlap::CancelRunning, _) => newest,
            (_, Missed::Latest) => {
                let late = ready.iter().rposition(|due| self.is_late(*due));
                late.map_or(0, |late| newest.min(late + 1))
            }
            (_, Missed::Skip | Missed::All) => 0,
        };
        let ready = ready.split_off(first);
        if let Some(before) = ready.first().and_then(|due| due.checked_sub(SignedDuration::from_nanos(1)).ok()) {
            self.skip_all(before, &Why::MadeUpFor);
        }
        ready
    }

    /// One that is to be sent, if the run before it lets it.
    fn decide(&mut self, due: Timestamp) {
        if self.entry.missed == Missed::Skip && self.is_late(due) {
            return self.skip(due, Why::Missed);
        }
        let running = self.state.last.as_ref().filter(|_| self.state.running).map(|run| run.task_id.clone());
        let Some(task_id) = running else { return self.fire(due, None) };
        match (self.entry.overlap, self.state.waiting) {
            (Overlap::Allow, _) => self.fire(due, None),
            (Overlap::CancelRunning, _) => self.fire(due, Some(task_id)),
            (Overlap::Skip, _) => self.skip(due, Why::Running { task_id }),
            (Overlap::QueueOne, Some(waiting)) => self.skip(due, Why::OneWaits { due: waiting }),
            (Overlap::QueueOne, None) => {
                self.state.waiting = Some(due);
                self.state.through = due;
                self.decisions.push(Decision::Wait { due, behind: task_id });
            }
        }
    }

    fn fire(&mut self, due: Timestamp, cancels: Option<String>) {
        let task_id = self.entry.task_id(due);
        let late = self.now.duration_since(self.entry.release(due)).max(SignedDuration::ZERO);
        self.state.through = self.state.through.max(due);
        self.state.sent(Run { task_id: task_id.clone(), due, sent: self.now });
        self.decisions.push(Decision::Fire { due, task_id, late, cancels });
    }

    fn skip(&mut self, due: Timestamp, why: Why) {
        self.state.through = self.state.through.max(due);
        match self.decisions.last_mut() {
            Some(Decision::Skip { last, count, why: same, .. }) if *same == why => {
                *last = due;
                *count = MOST.min(*count + 1);
            }
            _ => self.decisions.push(Decision::Skip { first: due, last: due, count: 1, why }),
        }
    }

    /// Skips everything that is due up to an instant.
    fn skip_all(&mut self, until: Timestamp, why: &Why) {
        if self.is_clear(until) {
            return;
        }
        let Some(last) = self.entry.latest(self.state.through, until) else { return };
        let some: Vec<Timestamp> = self.due(last).take(MOST).collect();
        for due in some.into_iter().chain([last]) {
            if due > self.state.through {
                self.skip(due, why.clone());
            }
        }
    }

    /// Whether nothing is to be decided up to an instant.
    fn is_clear(&self, until: Timestamp) -> bool {
        self.first.is_none_or(|first| first > until)
    }

    /// The due times that are not decided, up to an instant.
    fn due(&self, until: Timestamp) -> impl Iterator<Item = Timestamp> {
        self.entry.upcoming(self.state.through).take_while(move |due| *due <= until)
    }

    /// What was due up to here is outside of the window, whatever its jitter.
    fn expired(&self) -> Option<Timestamp> {
        SignedDuration::try_from(self.entry.window?).ok().map(|window| self.before(window))
    }

    /// What was due up to here is later than so much, whatever its jitter.
    fn before(&self, late: SignedDuration) -> Timestamp {
        let jitter = SignedDuration::try_from(self.entry.jitter).unwrap_or(SignedDuration::MAX);
        let most = late.saturating_add(jitter).saturating_add(SignedDuration::from_nanos(1));
        self.now.saturating_sub(most).unwrap_or(Timestamp::MIN)
    }

    fn is_late(&self, due: Timestamp) -> bool {
        self.now.duration_since(self.entry.release(due)) > ON_TIME
    }

    fn end(self) -> Plan {
        let wake = self.entry.next(self.state.through).map(|due| self.entry.release(due).max(self.now));
        Plan { decisions: self.decisions, state: self.state, wake }
    }
}

/// As it is told in a log: "fired, 3s late", "skipped 12 because it is paused".
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fire { late, cancels, .. } => {
                f.write_str("fired")?;
                if *late >= SignedDuration::from_secs(1) {
                    write!(f, ", late by {:#}", SignedDuration::from_secs(late.as_secs()))?;
                }
                cancels.as_ref().map_or(Ok(()), |run| write!(f, ", and {run} is called off"))
            }
            Self::Wait { behind, .. } => write!(f, "waits for the end of {behind}"),
            Self::Skip { count: 1, why, .. } => write!(f, "skipped because {why}"),
            Self::Skip { count, first, last, why } => {
                let more = if *count == MOST { "at least " } else { "" };
                write!(f, "skipped {more}{count}, from {first} to {last}, because {why}")
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => f.write_str("the entry is paused"),
            Self::TooLate => f.write_str("it would be later than its window"),
            Self::Missed => f.write_str("nobody was there, and missed runs are not made up for"),
            Self::MadeUpFor => f.write_str("a later run makes up for it"),
            Self::Running { task_id } => write!(f, "{task_id} has not ended"),
            Self::OneWaits { due } => write!(f, "the run that was due at {due} waits already"),
        }
    }
}
