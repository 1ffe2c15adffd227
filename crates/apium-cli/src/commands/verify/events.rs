//! What happened in a run of `verify`, one event a line of JSON: enough to judge the run again at any time.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Event {
    /// When, in microseconds since 1970.
    pub(super) at: u64,
    #[serde(flatten)]
    pub(super) what: What,
}

/// What it was. A worker is named afresh each time it is started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(super) enum What {
    /// The first line: what was asked for.
    Run(Terms),
    /// A task was sent: begun to be at `since`, answered `at`.
    Sent { task: u32, since: u64, answer: Answer },
    /// An attempt wrote its first line into the ledger.
    Begin { task: u32, attempt: String, worker: String, pid: u32 },
    /// An attempt wrote its last line.
    End { task: u32, attempt: String, worker: String, pid: u32 },
    /// A task was given up, as its dead letter or its result says.
    GivenUp { task: u32, reason: String },
    /// The result of a task is there, and is the right one; told only where the ledger does not tell of its end.
    Done { task: u32 },
    /// The result of a task is not there, or not the right one.
    Result { task: u32, instead: String },
    /// A worker was started.
    Started { worker: String, pid: u32 },
    /// A worker was killed: begun to be at `since`, gone `at`.
    Killed { worker: String, since: u64 },
    /// A worker stands still from now on.
    Frozen { worker: String },
    /// It goes on.
    Thawed { worker: String },
    /// A worker is cut off from the broker from now on; `silent`: its connections stand, and nothing comes through.
    Cut { worker: String, silent: bool },
    /// It is joined again.
    Joined { worker: String },
    /// A worker is told to stop, because the run is over.
    Stopped { worker: String },
    /// A worker ended and nobody had asked it to.
    Ended { worker: String, status: String },
    /// How much a worker that is spared needs.
    Watched { worker: String, rss_kib: u64, descriptors: u64 },
    /// Somebody did not want to wait for the end.
    Interrupted,
    /// What is left of the run's messages in the broker.
    Left { ready: u64, delayed: u64, claimed: u64 },
}

/// What was asked for, as far as it takes part in the judgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Terms {
    /// The name of the run; its tasks' ids begin with it.
    pub(super) run: String,
    /// The broker's URL, without secrets.
    pub(super) broker: String,
    /// The command of the workers, if they were started here.
    pub(super) workers: Vec<String>,
    pub(super) tasks: u32,
    /// Tasks a second; `None`: as fast as they go.
    pub(super) rate: Option<u32>,
    /// With this seed chance repeats itself.
    pub(super) seed: u64,
    /// In seconds.
    pub(super) lease: f64,
    /// How much later than the lease is late, in seconds.
    pub(super) bound: f64,
    /// Whether attempts write a ledger: without one, doubles are not seen.
    pub(super) ledger: bool,
}

/// What a sender was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// It is sent.
    Confirmed,
    /// Perhaps: the broker went away before it had answered.
    Unclear,
    /// It is not.
    Refused,
}

/// All that happened, in memory, and in a file where one was asked for.
pub(super) struct History {
    events: Vec<Event>,
    file: Option<BufWriter<File>>,
}

impl Event {
    /// Something that happens now.
    pub(super) fn now(what: What) -> Self {
        Self { at: micros(), what }
    }
}

impl History {
    /// An empty one, written to this file too.
    pub(super) fn begin(path: Option<&Path>) -> Result<Self, Failure> {
        let file = path.map(|path| File::create(path).map(BufWriter::new).map_err(|error| unwritable(path, &error)));
        Ok(Self { events: Vec::new(), file: file.transpose()? })
    }

    /// One that was written before.
    pub(super) fn read(path: &Path) -> Result<Vec<Event>, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("the history {} cannot be read: {error}", path.display())))?;
        let events: Vec<Event> = text
            .lines()
            .enumerate()
            .map(|(number, line)| {
                serde_json::from_str(line).map_err(|error| {
                    Failure::usage(format!("line {} of {} is no event: {error}", number + 1, path.display()))
                })
            })
            .collect::<Result<_, _>>()?;
        match events.first() {
            Some(Event { what: What::Run(_), .. }) => Ok(events),
            _ => Err(Failure::usage(format!("{} is no history of `verify`", path.display()))),
        }
    }

    /// Adds one.
    pub(super) fn add(&mut self, event: Event) -> Result<(), Failure> {
        if let Some(file) = &mut self.file {
            let written = serde_json::to_writer(&mut *file, &event).map_err(std::io::Error::from);
            written.and_then(|()| file.write_all(b"\n")).map_err(|error| incomplete(&error))?;
        }
        self.events.push(event);
        Ok(())
    }

    /// All of them; the file is complete then.
    pub(super) fn end(mut self) -> Result<Vec<Event>, Failure> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush).map_err(|error| incomplete(&error))?;
        Ok(self.events)
    }
}

/// Microseconds since 1970.
pub(super) fn micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("the history {} cannot be written: {error}", path.display()))
}

fn incomplete(error: &std::io::Error) -> Failure {
    Failure::new(format!("the history cannot be written: {error}"))
}
