//! What the command line of `verify` asks for: which run, on whose workers, under which harm, judged by what.

use std::path::PathBuf;
use std::time::Duration;

use apium_core::client::fresh_id;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::events::micros;
use super::harm::Wishes;
use crate::arguments::{name, number, seconds, switch};
use crate::failure::Failure;
use crate::settings::{HUNDRED_YEARS, Kind, quoted};

/// How many tasks, when nothing else is said.
const TASKS: u32 = 1_000;
/// How long each takes.
const TASK_TIME: &str = "0..100ms";
/// How many workers of a `--worker`.
const WORKERS: usize = 4;
/// Attempts at once in each worker of our own.
const SLOTS: u32 = 4;
/// The lease of workers of our own, in seconds: short, so that a run with many kills ends soon.
const LEASE: f64 = 2.0;
/// What later than the lease is late, in seconds.
const BOUND: f64 = 5.0;
/// Without a task that ends for so long, in seconds, nothing is waited for any more; and never less than three leases.
const TIMEOUT: f64 = 30.0;

/// A run that was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    /// Its name.
    pub(super) run: String,
    pub(super) tasks: u32,
    pub(super) rate: Option<u32>,
    pub(super) task_time: (Duration, Duration),
    pub(super) queue: String,
    /// Whether the queue is the run's own.
    pub(super) own_queue: bool,
    /// How many workers are to be started; none: those that are there.
    pub(super) workers: usize,
    /// Their commands; none: this executable's own worker.
    pub(super) commands: Vec<Vec<String>>,
    /// Attempts at once in each worker of our own.
    pub(super) slots: u32,
    /// How many of them are left alone.
    pub(super) spared: usize,
    pub(super) wishes: Wishes,
    pub(super) seed: u64,
    pub(super) lease: Duration,
    pub(super) bound: Duration,
    pub(super) timeout: Duration,
    /// The ledger of workers that are there.
    pub(super) ledger: Option<PathBuf>,
    pub(super) history: Option<PathBuf>,
    /// Whether results are looked at.
    pub(super) results: bool,
    pub(super) limits: Limits,
}

/// What must not be exceeded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    /// Memory of each worker that is spared, in MiB.
    pub(super) rss: Option<u32>,
    /// Its open files and connections.
    pub(super) descriptors: Option<u32>,
    /// The time to the first attempt at the p99.
    pub(super) pick_up: Option<Duration>,
}

/// The command line.
pub(crate) fn command() -> Command {
    Command::new("verify")
        .about("Send marked tasks through your broker and workers, kill workers meanwhile, and count what is lost or doubled")
        .long_about(
            "Send marked tasks through your broker and workers, Apium's or Celery's; kill, freeze and cut off workers \
             meanwhile; and count what is lost, doubled, late or out of order. With --workers or --worker the workers are \
             started here, on a queue of the run's own; without, the tasks go to workers that are there. Exits with 1 \
             when something was lost, or doubled without a reason.",
        )
        .args(load())
        .args(crew())
        .args(harm())
        .args(judgement())
}

fn load() -> [Arg; 4] {
    [
        value("tasks", "N").help("How many tasks [default: 1000]"),
        value("rate", "N").help("How many a second [default: as fast as they go]"),
        value("task-time", "TIME")
            .help("How long each takes: 50ms, or anything between two: 0..200ms [default: 0..100ms]"),
        value("queue", "QUEUE").help("Their queue [default: one of the run's own; without workers of its own, celery]"),
    ]
}

fn crew() -> [Arg; 5] {
    [
        value("worker", "COMMAND").action(ArgAction::Append).help(
            "A worker to start: a program and its arguments, without a shell; {queue}, {broker} and {name} are put in. \
             Several take turns [default: this program's own worker]",
        ),
        value("workers", "N").help("How many workers to start [default with --worker: 4]"),
        value("concurrency", "N").help("Attempts at once in each, if it is this program's own [default: 4]"),
        value("lease", "SECONDS")
            .help("The workers' lease [default: 2 of this program's own workers started here, else 30]"),
        value("spare", "N").help("How many of the workers are left alone, and watched [default: 0]"),
    ]
}

fn harm() -> [Arg; 7] {
    [
        value("kills", "N")
            .help("How many workers to kill with -9, spread over the tasks")
            .conflicts_with("kill-every"),
        value("kill-every", "SECONDS").help("How often to kill one, about"),
        value("freeze-every", "SECONDS").help("How often to let one stand still (SIGSTOP), about"),
        value("freeze-for", "SECONDS").help("For how long [default: twice the lease]"),
        value("cut-every", "SECONDS").help("How often to cut one off from the broker, about; on redis:// only"),
        value("cut-for", "SECONDS").help("For how long [default: twice the lease]"),
        value("seed", "N").help("Draws the same moments again [default: another each time]"),
    ]
}

fn judgement() -> [Arg; 10] {
    [
        value("timeout", "SECONDS").help("Without a task that ends for so long, what is missing is lost [default: 30]"),
        value("late-after", "SECONDS").help("How much later than the lease is late [default: 5]"),
        value("ledger", "FILE")
            .help("Where workers that are there write, as their APIUM_VERIFY_LEDGER allows; else results alone are judged")
            .conflicts_with_all(["worker", "workers"]),
        value("history", "FILE").help("Write down all that happened, one event a line of JSON"),
        switch("without-results", "Do not look at results: the workers store none"),
        value("rss-limit", "MIB").help("Fail when a worker that was spared needs more memory"),
        value("descriptor-limit", "N").help("Fail when it needs more open files and connections"),
        value("pick-up-limit", "SECONDS").help("Fail when tasks begin later than this at the p99; with --rate"),
        value("recheck", "FILE").action(ArgAction::Append).help("Judge a history again, and nothing else; several side by side"),
        switch("python", "Print the task for Celery's workers, apium_verify.py, and nothing else"),
    ]
}

fn value(id: &'static str, value: &'static str) -> Arg {
    Arg::new(id).long(id).value_name(value).allow_negative_numbers(true)
}

impl Asked {
    /// Reads it, and refuses what does not go together.
    pub(super) fn read(matches: &ArgMatches) -> Result<Self, Failure> {
        let count = |flag, least, most| number::<u32>(matches, flag, Kind::Count { least, most });
        let commands = commands(matches)?;
        let started = count("workers", 1, 1_000)?.map(|workers| usize::try_from(workers).unwrap_or(WORKERS));
        let workers = started.unwrap_or(if commands.is_empty() { 0 } else { WORKERS });
        let given = |flag: &str| moment(matches, flag);
        let lease = number(matches, "lease", Kind::Seconds { least: 1.0, most: 3_600.0 })?;
        let own = workers > 0 && commands.is_empty();
        let lease = span(lease.unwrap_or(if own { LEASE } else { 30.0 }));
        let wishes = wishes(matches, lease)?;
        let run = format!("verify-{}", &fresh_id()[..8]);
        let queue = name(matches, "queue")?;
        let own_queue = workers > 0 && queue.is_none();
        let task_takes = matches.get_one::<String>("task-time").map_or(TASK_TIME, String::as_str);
        let usual = || if own_queue { format!("apium.verify.{run}") } else { "celery".to_owned() };
        let asked = Self {
            queue: queue.unwrap_or_else(usual),
            own_queue,
            tasks: count("tasks", 1, 100_000_000)?.unwrap_or(TASKS),
            rate: count("rate", 1, 1_000_000)?,
            task_time: task_time(task_takes).ok_or_else(|| wrong_task_time(task_takes))?,
            workers,
            commands,
            slots: count("concurrency", 1, 10_000)?.unwrap_or(SLOTS),
            spared: usize::try_from(count("spare", 0, 1_000)?.unwrap_or(0)).unwrap_or_default(),
            wishes,
            seed: count("seed", 0, u32::MAX)?.map_or_else(|| micros() % 1_000_000, u64::from),
            bound: seconds(matches, "late-after")?.unwrap_or(span(BOUND)),
            timeout: given("timeout")?.unwrap_or_else(|| span(TIMEOUT).max(lease * 3)),
            lease,
            ledger: matches.get_one::<String>("ledger").map(PathBuf::from),
            history: matches.get_one::<String>("history").map(PathBuf::from),
            results: !matches.get_flag("without-results"),
            limits: Limits {
                rss: count("rss-limit", 1, u32::MAX)?,
                descriptors: count("descriptor-limit", 1, u32::MAX)?,
                pick_up: seconds(matches, "pick-up-limit")?,
            },
            run,
        };
        asked.fits()?;
        Ok(asked)
    }

    fn fits(&self) -> Result<(), Failure> {
        let refused = |why: &str| Err(Failure::usage(why.to_owned()));
        if self.workers == 0 && self.wishes.harms() {
            return refused(
                "only workers that are started here can be killed, frozen or cut off: say --workers or --worker",
            );
        }
        if self.workers == 0 && self.ledger.is_none() && !self.results {
            return refused("without a ledger and without results there is nothing to judge by");
        }
        if self.wishes.harms() && self.spared >= self.workers {
            return refused("every worker is spared, so that none can be killed, frozen or cut off");
        }
        if self.spared > self.workers {
            return refused("more workers are to be spared than are started");
        }
        if self.limits.pick_up.is_some() && self.rate.is_none() {
            return refused("--pick-up-limit needs --rate: what is sent at once waits for its turn");
        }
        Ok(())
    }
}

fn wishes(matches: &ArgMatches, lease: Duration) -> Result<Wishes, Failure> {
    let given = |flag: &str| moment(matches, flag);
    let lasting = |every: &str, lasting: &str| -> Result<Option<(Duration, Duration)>, Failure> {
        let (every, lasting) = (given(every)?, given(lasting)?.unwrap_or(lease * 2));
        Ok(every.map(|every| (every, lasting)))
    };
    Ok(Wishes {
        kills: number(matches, "kills", Kind::Count { least: 0, most: 10_000_000 })?.unwrap_or(0),
        kill_every: given("kill-every")?,
        freeze: lasting("freeze-every", "freeze-for")?,
        cut: lasting("cut-every", "cut-for")?,
    })
}

/// Seconds that are not none.
fn moment(matches: &ArgMatches, flag: &str) -> Result<Option<Duration>, Failure> {
    Ok(number(matches, flag, Kind::Seconds { least: 0.01, most: HUNDRED_YEARS })?.map(span))
}

/// The words of each command.
fn commands(matches: &ArgMatches) -> Result<Vec<Vec<String>>, Failure> {
    let given = matches.get_many::<String>("worker").into_iter().flatten();
    given
        .map(|line| {
            Kind::Command.check(line).map_err(|why| Failure::usage(format!("--worker {why}")))?;
            Ok(line.split_whitespace().map(ToOwned::to_owned).collect())
        })
        .collect()
}

/// `50ms`, `0.05s`, `0..200ms`.
fn task_time(text: &str) -> Option<(Duration, Duration)> {
    let (numbers, unit) = match text.strip_suffix("ms") {
        Some(numbers) => (numbers, 0.001),
        None => (text.strip_suffix('s')?, 1.0),
    };
    let (least, most) = numbers.split_once("..").unwrap_or((numbers, numbers));
    let span = |number: &str| Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok();
    let (least, most) = (span(least)?, span(most)?);
    (least <= most).then_some((least, most))
}

fn wrong_task_time(text: &str) -> Failure {
    Failure::usage(format!("--task-time must be a time such as 50ms or 0..200ms, not {}", quoted(text)))
}

fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_task_is_one_or_lies_between_two() {
        let ms = Duration::from_millis;
        for (text, time) in [
            ("50ms", Some((ms(50), ms(50)))),
            ("0..200ms", Some((ms(0), ms(200)))),
            ("0.5..1s", Some((ms(500), ms(1_000)))),
            ("200..0ms", None),
            ("50", None),
            ("-1ms", None),
        ] {
            assert_eq!(task_time(text), time, "{text}");
        }
    }
}
