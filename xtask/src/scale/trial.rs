//! One rung: a Redis with so much in it, workers, and what a task took of each while so many of them ran.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::rungs::Rung;
use crate::bench::guardian::{Group, Guardian};
use crate::bench::redis::{Counters, Redis, Reply};
use crate::bench::watch;
use crate::shell::{Done, Failure};

/// Tasks that are measured together, and how often: many short windows, of which some are not disturbed.
const WINDOW: u64 = 20_000;
const WINDOWS: u64 = 8;
/// Tasks that run before: connections are made, memory is taken, scripts are read.
const WARM: u64 = 5_000;
/// Attempts at once in each process.
const CONCURRENCY: &str = "100";
/// Messages that one call of the script adds at most; Redis serves nobody else meanwhile.
const AT_ONCE: u64 = 5_000;
/// How often the queues are looked at.
const LOOK: Duration = Duration::from_millis(2);
/// How long nothing may happen before a rung is given up.
const PATIENCE: Duration = Duration::from_secs(30);

const TEND: &str = include_str!("tend.lua");

/// What a task took on one rung, for each window.
#[derive(Debug, Clone, Default)]
pub struct Took {
    /// Microseconds of all workers' time on the cores.
    pub worker: Vec<f64>,
    /// And of Redis's.
    pub redis: Vec<f64>,
    /// Commands Redis was given, those inside of scripts too.
    pub commands: Vec<f64>,
    /// Tasks a second.
    pub rate: Vec<f64>,
    /// The most memory that a worker process has had, in MiB.
    pub peak: Vec<f64>,
}

/// Where it is played.
pub(crate) struct Trial<'a> {
    pub(crate) rung: &'a Rung,
    pub(crate) program: &'a Path,
    pub(crate) guardian: &'a Guardian,
    /// The executable of Redis.
    pub(crate) server: &'a Path,
}

/// A Redis whose queues are kept as full as is wanted.
struct Field {
    redis: Redis,
    queues: Vec<String>,
    /// The message cut where its id stands; empty where none can be added.
    parts: Vec<String>,
    /// Messages sent in all.
    sent: u64,
    /// What adding them has cost Redis, which no worker has caused.
    own: Counters,
}

/// How things stand at one moment.
struct Moment {
    at: Instant,
    /// Messages taken out so far.
    taken: u64,
    redis: Counters,
    workers: Duration,
}

impl Took {
    /// Adds the windows of another round.
    pub fn extend(&mut self, other: Self) {
        self.worker.extend(other.worker);
        self.redis.extend(other.redis);
        self.commands.extend(other.commands);
        self.rate.extend(other.rate);
        self.peak.extend(other.peak);
    }
}

impl Trial<'_> {
    /// Plays it.
    ///
    /// # Errors
    /// When something cannot be started, or no more tasks run.
    pub(crate) fn play(&self) -> Result<Took, Failure> {
        let mut field = self.field()?;
        let mut workers = self.workers(&field)?;
        let groups: Vec<u32> = workers.iter().map(Group::id).collect();
        // Every key has been used once when it begins.
        field.until_taken(self.rung.keys + WARM, self.rung.waiting, &mut workers)?;
        let mut took = Took::default();
        for _ in 0..WINDOWS {
            field.fill(self.rung.waiting)?;
            let before = field.moment(&groups)?;
            let kept = if self.rung.waiting > WINDOW { 0 } else { self.rung.waiting };
            field.until_taken(before.taken + WINDOW, kept, &mut workers)?;
            let after = field.moment(&groups)?;
            after.since(&before, &mut took);
        }
        let processes = real(self.rung.processes);
        took.peak.push(real(watch::memory(&groups).peak) / 1_024.0 / processes);
        Ok(took)
    }

    /// A Redis with everything in it.
    fn field(&self) -> Result<Field, Failure> {
        let redis = Redis::start(self.server, self.guardian)?;
        let queues = self.rung.queue_names();
        let mut field = Field { redis, queues, parts: Vec::new(), sent: 0, own: Counters::default() };
        if self.rung.delayed > 0 {
            self.send(&field, &[&self.rung.delayed.to_string(), "later"])?;
        }
        if self.rung.keys > 0 {
            // Their arguments differ, so that they cannot be made after one.
            field.sent = self.rung.keys + WARM + WINDOW * (WINDOWS + 1);
            self.send(&field, &[&field.sent.to_string(), "limited", &self.rung.keys.to_string()])?;
            return Ok(field);
        }
        self.send(&field, &["1"])?;
        field.sent = 1;
        field.parts = field.cut()?;
        field.fill(self.rung.waiting)?;
        Ok(field)
    }

    fn send(&self, field: &Field, words: &[&str]) -> Done {
        let mut command = Command::new(self.program);
        let status = command.args(["send", &field.url()]).args(words).stdin(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::new(format!("sending `{}` failed ({status}).", words.join(" ")))),
            Err(error) => Err(Failure::new(format!("`{}` could not be started: {error}.", self.program.display()))),
        }
    }

    fn workers(&self, field: &Field) -> Result<Vec<Group>, Failure> {
        let start = |number: u64| {
            let path = self.guardian.folder().join(format!("worker-{number}"));
            let log = File::create(&path)
                .map_err(|error| Failure::new(format!("cannot make {}: {error}.", path.display())))?;
            let mut command = Command::new(self.program);
            command.args(["work", &field.url(), &format!("scale-{number}@here"), CONCURRENCY]).args(&field.queues);
            self.guardian.start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log))
        };
        (0..self.rung.processes).map(start).collect()
    }
}

impl Field {
    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.redis.port)
    }

    /// The one message there is, cut where its id stands.
    fn cut(&mut self) -> Result<Vec<String>, Failure> {
        let nonsense = || Failure::new("the queue does not hold the one message that was sent.");
        let Reply::List(messages) = self.redis.ask(&["LRANGE", "celery", "0", "0"])? else { return Err(nonsense()) };
        let Some(Reply::Text(message)) = messages.first() else { return Err(nonsense()) };
        let id = message.split_once("\"id\": \"").or_else(|| message.split_once("\"id\":\""));
        let id = id.and_then(|(_, rest)| rest.split_once('"')).map(|(id, _)| id).ok_or_else(nonsense)?;
        Ok(message.split(id).map(ToOwned::to_owned).collect())
    }

    /// Adds messages until so many wait.
    fn fill(&mut self, wanted: u64) -> Done {
        while !self.parts.is_empty() && self.tend(wanted)? < wanted {}
        Ok(())
    }

    /// Adds some, if so many are wanted and fewer wait; tells how many waited before.
    fn tend(&mut self, wanted: u64) -> Result<u64, Failure> {
        let wanted = if self.parts.is_empty() { 0 } else { wanted };
        let numbers = [wanted, AT_ONCE, self.sent].map(|number| number.to_string());
        let count = self.queues.len().to_string();
        let mut words = vec!["EVAL", TEND, count.as_str()];
        words.extend(self.queues.iter().map(String::as_str));
        words.extend(numbers.iter().map(String::as_str));
        words.extend(self.parts.iter().map(String::as_str));
        let answer = match self.redis.ask(&words)? {
            Reply::List(answer) => answer,
            other => return Err(Failure::new(format!("Redis cannot be filled: {other:?}."))),
        };
        let number = |at: usize| match answer.get(at) {
            Some(Reply::Number(number)) => u64::try_from(*number).unwrap_or_default(),
            _ => 0,
        };
        if let (Some(Reply::Text(before)), Some(Reply::Text(after))) = (answer.get(3), answer.get(4)) {
            self.own.cpu += Counters::read(after).cpu.saturating_sub(Counters::read(before).cpu);
        }
        self.sent += number(1);
        self.own.commands += number(2);
        Ok(number(0))
    }

    /// Waits until so many have been taken out, and keeps so many waiting meanwhile.
    fn until_taken(&mut self, taken: u64, kept: u64, workers: &mut [Group]) -> Done {
        let (mut most, mut last) = (0, Instant::now());
        loop {
            let sent = self.sent;
            let now = sent.saturating_sub(self.tend(kept)?);
            if now >= taken {
                return Ok(());
            }
            if now > most {
                (most, last) = (now, Instant::now());
            }
            if let Some(ended) = workers.iter_mut().find_map(Group::ended) {
                return Err(Failure::new(format!("a worker has ended ({ended}) after {now} tasks.")));
            }
            if last.elapsed() > PATIENCE {
                let seconds = PATIENCE.as_secs();
                return Err(Failure::new(format!("{now} tasks have run, and in {seconds} s no other.")));
            }
            thread::sleep(LOOK);
        }
    }

    fn moment(&mut self, groups: &[u32]) -> Result<Moment, Failure> {
        let sent = self.sent;
        let taken = sent.saturating_sub(self.tend(0)?);
        let (at, workers, told) = (Instant::now(), watch::cpu(groups), self.redis.counters()?);
        Ok(Moment { at, taken, redis: told.since(self.own), workers })
    }
}

impl Moment {
    /// What a task took since then.
    fn since(&self, before: &Self, took: &mut Took) {
        let tasks = real(self.taken.saturating_sub(before.taken).max(1));
        let micros = |span: Duration| span.as_secs_f64() * 1e6 / tasks;
        let redis = self.redis.since(before.redis);
        took.worker.push(micros(self.workers.saturating_sub(before.workers)));
        took.redis.push(micros(redis.cpu));
        took.commands.push(real(redis.commands) / tasks);
        took.rate.push(tasks / self.at.saturating_duration_since(before.at).as_secs_f64());
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of one run")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}
