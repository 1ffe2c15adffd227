//! One run: a workload played by one peer, and what was measured of it.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::figures::{OTHERS, PLACES};
use super::guardian::Guardian;
use super::install::Program;
use super::ledger::percentile;
use super::peers::Part;
use super::redis::Counters;
use super::stage::{Stage, now};
use super::watch::{self, Beside};
use super::workloads::Workload;
use crate::shell::Failure;

/// Figures by name, in the order of the tables.
pub(crate) type Measures = Vec<(&'static str, f64)>;

/// Steps of a chain, and parts of a chord.
const STEPS: usize = 5;
const PARTS: usize = 1_000;
/// Microseconds between single tasks.
const PACE: u32 = 20_000;
/// How long an idle worker is left alone first, and then watched.
const SETTLED: Duration = Duration::from_secs(3);
const WATCHED: Duration = Duration::from_secs(3);
/// How long after their instant the first delayed task may run: apalis 1.0 falls asleep now and then, for 30 s.
const OVERDUE: Duration = Duration::from_secs(40);
/// How long sending delayed messages may take, where the list sets no `lead`.
const LEAD: u64 = 5;
/// A clock that was set by more than this during a run has spoilt it, which is then played again, so often at most.
const STEADY: Duration = Duration::from_millis(20);
const TRIES: usize = 3;

/// Who plays what, and with what.
pub(crate) struct Run<'a> {
    pub(crate) workload: Workload,
    pub(crate) part: &'a Part,
    pub(crate) program: &'a Program,
    pub(crate) guardian: &'a Guardian,
    /// The executable of Redis.
    pub(crate) server: &'a Path,
    /// Processes that are the bench's own besides.
    pub(crate) beside: &'a [u32],
    /// When the whole bench has to be over, where that is set.
    pub(crate) until: Option<Instant>,
}

impl Run<'_> {
    /// Plays it.
    ///
    /// # Errors
    /// When the peer did not get through; the sentence says how far.
    pub(crate) fn play(&self) -> Result<Measures, Failure> {
        for _ in 0..TRIES {
            let (clock, timer) = (now(), Instant::now());
            let measures = self.once();
            let (by_clock, by_timer) = (now().saturating_sub(clock), timer.elapsed());
            if by_clock.abs_diff(by_timer) <= STEADY {
                return measures;
            }
        }
        Err(Failure::new("the machine's clock was set in the middle of it, again and again; run it later."))
    }

    fn once(&self) -> Result<Measures, Failure> {
        let mut stage = Stage::set(self.part, self.workload, self.program, self.guardian, self.server, self.until)?;
        let mut measures = match self.workload {
            Workload::Noop => self.drain(&mut stage, "send", false),
            Workload::Stored => self.drain(&mut stage, "stored", false),
            Workload::Results => self.drain(&mut stage, "results", true),
            Workload::Io => self.drain(&mut stage, "pause", false),
            Workload::Latency => self.latency(&mut stage),
            Workload::Delayed => self.delayed(&mut stage),
            Workload::Chain => self.canvas(&mut stage, "chains", STEPS, STEPS),
            Workload::Chord => self.canvas(&mut stage, "chords", PARTS, PARTS + 1),
            Workload::Startup => Self::startup(&mut stage),
            Workload::Idle => Self::idle(&mut stage),
            Workload::Single => self.sending(&mut stage, "single"),
            Workload::Bulk => self.sending(&mut stage, "send"),
        }?;
        if ![Workload::Startup, Workload::Idle].contains(&self.workload) {
            measures.push(("tasks", real(self.part.tasks)));
        }
        Ok(measures)
    }

    /// A full queue, and workers that empty it.
    fn drain(&self, stage: &mut Stage<'_>, order: &str, fetch: bool) -> Result<Measures, Failure> {
        let tasks = self.part.tasks;
        stage.order(&format!("{order} {tasks}"))?;
        stage.all_waiting(tasks)?;
        let (before, beside) = (counters(stage)?, self.watch(stage));
        let sender = [stage.producer.group.id()];
        let sending = watch::cpu(&sender);
        stage.start_workers()?;
        if fetch {
            stage.producer.begin("fetch")?;
        }
        let started = stage.until_run(tasks, Duration::ZERO)?;
        let drained = stage.until_drained()?;
        let done = counters(stage)?.since(before);
        let groups = stage.worker_groups();
        let (cpu, memory) = (watch::cpu(&groups).saturating_sub(started.cpu), watch::memory(&groups));
        let fetched = if fetch { Some(self.fetched(stage)?) } else { None };
        let ledger = stage.ledger.read()?;
        let (first, last) = ledger.span(0).ok_or_else(|| Failure::new("no task ran."))?;
        let rate = |count: usize, end: Duration| real(count) / end.saturating_sub(first).as_secs_f64();
        let mut measures = Vec::new();
        measures.extend(fetched.map(|at| ("fetched/s", rate(tasks, at.max(drained)))));
        if self.part.claimed.is_some() {
            measures.push(("acked/s", rate(tasks, drained)));
        }
        measures.push(("run/s", rate(ledger.seen(), last)));
        let places = self.part.setting("concurrency").map(real);
        let running = stage.ended.read()?.behind(ledger).into_iter().sum::<f64>() / 1_000.0;
        let share = places.map(|places| 100.0 * running / (places * drained.saturating_sub(first).as_secs_f64()));
        measures.extend(share.filter(|share| *share > 0.0).map(|share| (PLACES, share)));
        measures.extend([("lost", real(ledger.lost(tasks))), ("doubled", real(ledger.doubled()))]);
        let each = 1.0 / real(tasks);
        measures.extend([("peak MiB", mebibytes(memory.peak)), ("worker µs/task", micros(cpu) * each)]);
        if fetch {
            measures.push(("sender µs/task", micros(watch::cpu(&sender).saturating_sub(sending)) * each));
        }
        if stage.redis.is_some() {
            measures.extend(asked(done, each));
        }
        measures.push((OTHERS, beside.share(&self.groups(stage))));
        Ok(measures)
    }

    /// When the producer had the last result.
    fn fetched(&self, stage: &mut Stage<'_>) -> Result<Duration, Failure> {
        let (fetched, tasks) = (stage.done("fetch")?, self.part.tasks);
        if fetched.count == tasks {
            return Ok(fetched.at);
        }
        Err(Failure::new(format!("{} of {tasks} results came.", fetched.count)))
    }

    /// Single tasks to an idle worker.
    fn latency(&self, stage: &mut Stage<'_>) -> Result<Measures, Failure> {
        Self::wake(stage)?;
        let beside = self.watch(stage);
        let tasks = self.part.tasks;
        stage.order(&format!("paced {tasks} {PACE}"))?;
        stage.until_run(tasks + 1, Duration::ZERO)?;
        let sent = stage.sent.read()?.clone();
        let ledger = stage.ledger.read()?;
        let (late, lost) = (ledger.behind(&sent), ledger.lost(tasks + 1));
        let mut measures = percentiles(&late);
        measures.extend([("lost", real(lost)), (OTHERS, beside.share(&self.groups(stage)))]);
        Ok(measures)
    }

    /// Everything due at once.
    fn delayed(&self, stage: &mut Stage<'_>) -> Result<Measures, Failure> {
        Self::wake(stage)?;
        let beside = self.watch(stage);
        let tasks = self.part.tasks;
        let lead = Duration::from_secs(self.part.setting("lead").unwrap_or(LEAD));
        // Whole seconds, because some peers know no others.
        let due = Duration::from_secs((now() + lead).as_secs() + 1);
        let sent = stage.order(&format!("delayed {tasks} {}", due.as_nanos()))?;
        if sent.at > due {
            let late = sent.at.saturating_sub(due).as_secs_f64();
            return Err(Failure::new(format!("the sending took {late:.1} s longer than its `lead`; raise that.")));
        }
        stage.until_run(tasks + 1, due.saturating_sub(now()) + OVERDUE)?;
        let memory = watch::memory(&stage.worker_groups());
        let ledger = stage.ledger.read()?;
        let late = ledger.after(due, 1);
        let early = late.iter().filter(|late| **late < 0.0).count();
        let (lost, doubled) = (ledger.lost(tasks + 1), ledger.doubled());
        let mut measures = percentiles(&late);
        measures.extend([("early", real(early)), ("lost", real(lost)), ("doubled", real(doubled))]);
        measures.extend([("peak MiB", mebibytes(memory.peak)), (OTHERS, beside.share(&self.groups(stage)))]);
        Ok(measures)
    }

    /// Chains or chords, one after the other, each of so many parts and so many tasks.
    fn canvas(&self, stage: &mut Stage<'_>, order: &str, parts: usize, each: usize) -> Result<Measures, Failure> {
        Self::wake(stage)?;
        let beside = self.watch(stage);
        let (count, began) = (self.part.tasks, now());
        let done = stage.order(&format!("{order} {count} {parts}"))?;
        if done.count != count {
            return Err(Failure::new(format!("{} of {count} gave the right result.", done.count)));
        }
        let ledger = stage.ledger.read()?;
        let (lost, doubled) = (ledger.lost(count * each + 1), ledger.doubled());
        let took = (done.at.saturating_sub(began)).as_secs_f64() * 1_000.0;
        Ok(vec![
            ("ms", took / real(count)),
            ("lost", real(lost)),
            ("doubled", real(doubled)),
            (OTHERS, beside.share(&self.groups(stage))),
        ])
    }

    /// From the start of the process to the first task.
    fn startup(stage: &mut Stage<'_>) -> Result<Measures, Failure> {
        stage.order("send 1")?;
        let began = now();
        stage.start_workers()?;
        stage.until_run(1, Duration::ZERO)?;
        let ran = stage.ledger.read()?.at(0).unwrap_or_default();
        Ok(vec![("ms", ran.saturating_sub(began).as_secs_f64() * 1_000.0)])
    }

    /// Nothing to do.
    fn idle(stage: &mut Stage<'_>) -> Result<Measures, Failure> {
        Self::wake(stage)?;
        thread::sleep(SETTLED);
        let groups = stage.worker_groups();
        let (before, cpu) = (counters(stage)?, watch::cpu(&groups));
        thread::sleep(WATCHED);
        let (done, cpu) = (counters(stage)?.since(before), watch::cpu(&groups).saturating_sub(cpu));
        let (memory, seconds) = (watch::memory(&groups), WATCHED.as_secs_f64());
        Ok(vec![
            ("MiB", mebibytes(memory.resident)),
            ("PSS MiB", mebibytes(memory.own)),
            ("core ms/s", cpu.as_secs_f64() * 1_000.0 / seconds),
            ("commands/s", whole(done.commands) / seconds),
        ])
    }

    /// Sending alone.
    fn sending(&self, stage: &mut Stage<'_>, order: &str) -> Result<Measures, Failure> {
        // The first message finds and prepares what is needed once.
        stage.order("send 1")?;
        let beside = self.watch(stage);
        let groups = [stage.producer.group.id()];
        let (before, cpu, began) = (counters(stage)?, watch::cpu(&groups), now());
        let tasks = self.part.tasks;
        let sent = stage.order(&format!("{order} {tasks}"))?;
        let (done, cpu) = (counters(stage)?.since(before), watch::cpu(&groups).saturating_sub(cpu));
        stage.all_waiting(tasks + 1)?;
        let each = 1.0 / real(tasks);
        let mut measures = vec![
            ("messages/s", real(tasks) / sent.at.saturating_sub(began).as_secs_f64()),
            ("sender µs/message", micros(cpu) * each),
        ];
        if stage.redis.is_some() {
            measures.extend(asked(done, each));
        }
        measures.push((OTHERS, beside.share(&self.groups(stage))));
        Ok(measures)
    }

    /// Starts the workers, and waits until they have run a task.
    fn wake(stage: &mut Stage<'_>) -> Result<(), Failure> {
        stage.start_workers()?;
        stage.order("send 1")?;
        stage.until_run(1, Duration::ZERO)?;
        stage.until_drained().map(drop)
    }

    fn watch(&self, stage: &Stage<'_>) -> Beside {
        Beside::begin(&self.groups(stage))
    }

    fn groups(&self, stage: &Stage<'_>) -> Vec<u32> {
        stage.groups().into_iter().chain(self.beside.iter().copied()).collect()
    }
}

fn counters(stage: &mut Stage<'_>) -> Result<Counters, Failure> {
    stage.redis.as_mut().map_or(Ok(Counters::default()), super::redis::Redis::counters)
}

/// What Redis has done, a task.
fn asked(done: Counters, each: f64) -> Measures {
    vec![
        ("commands/task", whole(done.commands) * each),
        ("reads/task", whole(done.reads) * each),
        ("Redis µs/task", micros(done.cpu) * each),
    ]
}

fn percentiles(late: &[f64]) -> Measures {
    let at = |hundredths| percentile(late, hundredths).unwrap_or(f64::NAN);
    vec![("p50 ms", at(50)), ("p99 ms", at(99)), ("worst ms", at(100))]
}

fn mebibytes(kib: u64) -> f64 {
    whole(kib) / 1_024.0
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

#[allow(clippy::cast_precision_loss, reason = "counts of one run")]
fn real(count: usize) -> f64 {
    count as f64
}

#[allow(clippy::cast_precision_loss, reason = "counts of one run")]
fn whole(count: u64) -> f64 {
    count as f64
}
