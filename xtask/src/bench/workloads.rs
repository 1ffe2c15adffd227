//! What is measured: each workload with its name, its size and the figure that decides.

use std::fmt;
use std::str::FromStr;

use crate::shell::Failure;

/// A kind of work that every peer does in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Workload {
    /// Tasks that do nothing, waiting in a queue before the worker starts.
    Noop,
    /// The same with results stored, which nobody fetches.
    Stored,
    /// The same with every result fetched meanwhile.
    Results,
    /// Single tasks to an idle worker.
    Latency,
    /// Tasks that wait for 10 ms.
    Io,
    /// Tasks that are all due at one instant.
    Delayed,
    /// Chains of five, one after the other.
    Chain,
    /// A chord of a thousand parts.
    Chord,
    /// From the start of the worker's process to its first task.
    Startup,
    /// A worker that has nothing to do.
    Idle,
    /// Messages sent one by one.
    Single,
    /// Messages sent many at once.
    Bulk,
}

use Workload::{Bulk, Chain, Chord, Delayed, Idle, Io, Latency, Noop, Results, Single, Startup, Stored};

/// What there is to know of one.
struct Row {
    name: &'static str,
    /// The measure that decides, and whether more of it is better.
    measure: &'static str,
    more: bool,
    /// How many tasks (chains, chords) where the list says nothing.
    tasks: usize,
    /// For the page.
    about: &'static str,
}

/// In the order of the tables.
const ALL: [Workload; 12] = [Noop, Stored, Results, Latency, Io, Delayed, Chain, Chord, Startup, Idle, Single, Bulk];

const fn more(name: &'static str, measure: &'static str, tasks: usize, about: &'static str) -> Row {
    Row { name, measure, more: true, tasks, about }
}

const fn less(name: &'static str, measure: &'static str, tasks: usize, about: &'static str) -> Row {
    Row { name, measure, more: false, tasks, about }
}

impl Workload {
    /// All of them, in the order of the tables.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter()
    }

    /// Its name on the command line and in the list.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The measure that decides.
    #[must_use]
    pub fn measure(self) -> &'static str {
        self.row().measure
    }

    /// Whether more of it is better.
    #[must_use]
    pub fn more_is_better(self) -> bool {
        self.row().more
    }

    /// How many tasks there are where the list says nothing.
    #[must_use]
    pub fn tasks(self) -> usize {
        self.row().tasks
    }

    /// What it is, for the page.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.row().about
    }

    const fn row(self) -> Row {
        match self {
            Noop => more(
                "noop",
                "acked/s",
                20_000,
                "Tasks that do nothing wait in the queue before the worker starts. Counted from the first task's line to the \
                 moment when all have run and the broker holds none, waiting or unacknowledged (`acked/s`); `run/s` counts to \
                 the last task's line alone.",
            ),
            Stored => more("stored", "acked/s", 20_000, "The same, and each result is stored; nobody fetches them."),
            Results => more(
                "results",
                "fetched/s",
                20_000,
                "The same, and the producer fetches every result while the worker works, in the peer's own way; counted \
                 until it has the last.",
            ),
            Latency => less(
                "latency",
                "p50 ms",
                200,
                "One task each 20 ms to a worker that has nothing else to do: from before the sending to the task's line.",
            ),
            Io => more(
                "io",
                "acked/s",
                5_000,
                "Tasks that wait for 10 ms, as for an answer over the network; else as `noop`.",
            ),
            Delayed => less(
                "delayed",
                "p99 ms",
                20_000,
                "Tasks sent to a running worker, all due at one instant some seconds later: how much after it each has run.",
            ),
            Chain => less(
                "chain",
                "ms",
                50,
                "Chains of five tasks, one chain after the other: from the sending to the result, on average.",
            ),
            Chord => less(
                "chord",
                "ms",
                3,
                "A chord of 1,000 parts and its body: from the sending to the body's result, on average.",
            ),
            Startup => {
                less("startup", "ms", 1, "From the start of the worker's process to the line of a task that waits.")
            }
            Idle => less(
                "idle",
                "MiB",
                1,
                "A worker that has run one task, some seconds later: memory in use (RSS; PSS beside), time on the cores, \
                 commands to Redis.",
            ),
            Single => more(
                "single",
                "messages/s",
                5_000,
                "Messages sent one by one, each when the one before has been taken.",
            ),
            Bulk => {
                more("bulk", "messages/s", 20_000, "Messages sent in the fastest way that the peer's client offers.")
            }
        }
    }
}

impl FromStr for Workload {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        Self::all().find(|workload| workload.name() == text).ok_or_else(|| {
            let known: Vec<&str> = Self::all().map(Self::name).collect();
            Failure::usage(format!("there is no workload `{text}`; there are {}.", known.join(", ")))
        })
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
