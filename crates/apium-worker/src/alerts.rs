//! The alert loop: a command of the operator's is told of new dead letters, grouped, and not too often.
//!
//! It stands beside the work: what is told waits in a short line of its own, and nothing that goes wrong here reaches a
//! settlement. The letters themselves are in the store, whoever was told of them.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apium_core::{DeadLetter, DeadReason};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::station::Station;

/// Letters that may wait to be told of.
const LINE: usize = 1_000;

/// Letters shown of one group; of more, only how many there were.
const SHOWN: usize = 20;

/// Groups that are told apart; further ones wait until one of these has been quiet for the interval.
const GROUPS: usize = 1_000;

/// How long the command may take before it is killed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two lines of the log about a command that fails, or a line that is full.
const COMPLAINT: Duration = Duration::from_mins(1);

/// What belongs together: task, reason and class of the error.
type Kin = (Option<String>, DeadReason, String);

/// The way into the loop.
pub(crate) struct Alerts {
    letters: mpsc::Sender<Box<DeadLetter>>,
    line: Mutex<Option<mpsc::Receiver<Box<DeadLetter>>>>,
    /// Letters that found the line full, since that was last complained of.
    let_go: AtomicU64,
    wanted: bool,
}

/// What is to be told of one kin.
#[derive(Default)]
struct Group {
    called: Option<Instant>,
    count: u64,
    shown: Vec<Value>,
}

/// What the loop knows.
struct Desk {
    command: Vec<String>,
    interval: Duration,
    groups: HashMap<Kin, Group>,
    complained: Option<Instant>,
}

impl Alerts {
    /// Alerts for this command; without one, nothing is told.
    pub(crate) fn new(command: &[String]) -> Self {
        let (letters, line) = mpsc::channel(LINE);
        Self { letters, line: Mutex::new(Some(line)), let_go: AtomicU64::new(0), wanted: !command.is_empty() }
    }

    /// A letter to tell of, without its message, if anybody wants to be told.
    pub(crate) fn of(&self, letter: &DeadLetter) -> Option<Box<DeadLetter>> {
        let copy = || DeadLetter {
            id: letter.id.clone(),
            queue: letter.queue.clone(),
            priority: letter.priority,
            reason: letter.reason,
            error: letter.error.clone(),
            task: letter.task.clone(),
            task_id: letter.task_id.clone(),
            attempts: letter.attempts,
            worker: letter.worker.clone(),
            died_with: letter.died_with.clone(),
            at: letter.at.clone(),
            message: Vec::new(),
        };
        self.wanted.then(|| Box::new(copy()))
    }

    /// Tells of a letter that is written, in its time, if there is one. Where too many wait, it is let go.
    pub(crate) fn tell(&self, letter: Option<Box<DeadLetter>>) {
        if letter.is_some_and(|letter| self.letters.try_send(letter).is_err()) {
            self.let_go.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Calls the command until told to end; what was not told of by then is in the store.
pub(crate) async fn run(station: Arc<Station>, end: CancellationToken) {
    let line = station.alerts.line.lock().unwrap_or_else(PoisonError::into_inner).take();
    let command = station.options.dead_letter_command.clone();
    let Some(mut line) = line.filter(|_| !command.is_empty()) else { return };
    let interval = station.options.dead_letter_interval;
    let mut desk = Desk { command, interval, groups: HashMap::new(), complained: None };
    let working = async {
        loop {
            let room = desk.groups.len() < GROUPS;
            let due = desk.due();
            tokio::select! {
                Some(letter) = line.recv(), if room => {
                    desk.take(&letter);
                    // What came with it is told with it.
                    while desk.groups.len() < GROUPS && let Ok(letter) = line.try_recv() {
                        desk.take(&letter);
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    desk.call().await;
                    let let_go = station.alerts.let_go.swap(0, Ordering::Relaxed);
                    if let_go > 0 {
                        desk.complain(&format!("{let_go} came while too many others waited"));
                    }
                }
            }
        }
    };
    end.run_until_cancelled(working).await;
}

impl Desk {
    fn take(&mut self, letter: &DeadLetter) {
        let class = letter.error.split(':').next().unwrap_or_default().to_owned();
        let group = self.groups.entry((letter.task.clone(), letter.reason, class)).or_default();
        group.count += 1;
        if group.shown.len() < SHOWN {
            let mut told = serde_json::to_value(letter).unwrap_or_default();
            if let Some(fields) = told.as_object_mut() {
                fields.remove("message");
            }
            group.shown.push(told);
        }
    }

    /// When there is something to do next: a call, or a group to forget.
    fn due(&self) -> Option<Instant> {
        let now = Instant::now();
        self.groups.values().map(|group| group.called.map_or(now, |called| called + self.interval)).min()
    }

    /// Calls the command for each group whose time has come, and forgets those that were quiet.
    async fn call(&mut self) {
        let now = Instant::now();
        let interval = self.interval;
        let is_due = |group: &Group| group.called.is_none_or(|called| called + interval <= now);
        self.groups.retain(|_, group| group.count > 0 || !is_due(group));
        let mut told = Vec::new();
        for ((task, reason, class), group) in self.groups.iter_mut().filter(|(_, group)| is_due(group)) {
            let letters = std::mem::take(&mut group.shown);
            told.push(json!({
                "task": task, "reason": reason.word(), "error_class": class,
                "count": std::mem::take(&mut group.count), "letters": letters,
            }));
            group.called = Some(now);
        }
        for group in told {
            if let Err(why) = self.say(&group).await {
                self.complain(&why);
            }
        }
    }

    async fn say(&self, group: &Value) -> Result<(), String> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("{program} cannot be started: {error}"))?;
        let text = group.to_string();
        let stdin = child.stdin.take();
        let telling = async {
            if let Some(mut stdin) = stdin {
                // One that does not read to the end is no failure: how it ends tells.
                let _ = stdin.write_all(text.as_bytes()).await;
            }
            child.wait().await
        };
        match timeout(PATIENCE, telling).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("{program} ended with {status}")),
            Ok(Err(error)) => Err(format!("{program}: {error}")),
            Err(_) => Err(format!("{program} took longer than {} s", PATIENCE.as_secs())),
        }
    }

    fn complain(&mut self, why: &str) {
        let now = Instant::now();
        if self.complained.is_none_or(|before| before + COMPLAINT <= now) {
            self.complained = Some(now);
            tracing::warn!(error = why, "the alert of dead letters was not told");
        }
    }
}
