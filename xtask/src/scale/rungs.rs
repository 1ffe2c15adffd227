//! What grows: a few ladders, each from a small number of one thing to a large one, with all the rest as it was.

use std::fmt;
use std::str::FromStr;

use crate::shell::Failure;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Messages that wait.
    Waiting,
    /// Queues that they wait in.
    Queues,
    /// Worker processes.
    Processes,
    /// Messages beside that wait for their time.
    Delayed,
    /// Keys that have a limit each.
    Limits,
}

/// One size of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// Messages that wait, all the time.
    pub waiting: u64,
    /// Queues.
    pub queues: u64,
    /// Worker processes.
    pub processes: u64,
    /// Messages that wait for their time.
    pub delayed: u64,
    /// Keys with a limit of their own; 0: no limit is set.
    pub keys: u64,
}

const USUAL: Rung = Rung { waiting: 100_000, queues: 1, processes: 1, delayed: 0, keys: 0 };

/// A quick run goes up to this.
const QUICK: u64 = 1_000_000;

impl Axis {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Queues, Self::Processes, Self::Delayed, Self::Limits];

    /// Its rungs, from the smallest on.
    #[must_use]
    pub fn rungs(self, quick: bool) -> Vec<Rung> {
        let sizes: &[u64] = match self {
            Self::Waiting => &[1_000, 100_000, 1_000_000, 10_000_000],
            Self::Queues => &[1, 4, 16, 64],
            Self::Processes => &[1, 2, 4, 8],
            Self::Delayed => &[0, 1_000_000],
            Self::Limits => &[100, 100_000],
        };
        let sizes = sizes.iter().filter(|size| !quick || **size <= QUICK);
        sizes.map(|size| self.rung(*size)).collect()
    }

    fn rung(self, size: u64) -> Rung {
        match self {
            Self::Waiting => Rung { waiting: size, ..USUAL },
            Self::Queues => Rung { queues: size, ..USUAL },
            Self::Processes => Rung { processes: size, ..USUAL },
            Self::Delayed => Rung { delayed: size, ..USUAL },
            Self::Limits => Rung { keys: size, ..USUAL },
        }
    }

    /// How large it is on a rung.
    #[must_use]
    pub fn size(self, rung: &Rung) -> u64 {
        match self {
            Self::Waiting => rung.waiting,
            Self::Queues => rung.queues,
            Self::Processes => rung.processes,
            Self::Delayed => rung.delayed,
            Self::Limits => rung.keys,
        }
    }

    /// Its name on the command line and in the tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queues => "queues",
            Self::Processes => "processes",
            Self::Delayed => "delayed",
            Self::Limits => "limits",
        }
    }

    /// For who reads the table.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Waiting => "messages that wait in the queue, all the time",
            Self::Queues => "queues, in which 100,000 messages wait together",
            Self::Processes => "worker processes on one queue",
            Self::Delayed => "messages beside that wait for their time",
            Self::Limits => "keys with a limit of their own; each task asks for its place first",
        }
    }
}

impl Rung {
    /// The names of its queues.
    #[must_use]
    pub fn queue_names(&self) -> Vec<String> {
        (0..self.queues)
            .map(|number| if number == 0 { "celery".to_owned() } else { format!("celery-{number}") })
            .collect()
    }
}

impl FromStr for Axis {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        Self::ALL.into_iter().find(|axis| axis.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Failure::usage(format!("nothing called `{text}` grows here; there are {known}."))
        })
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
