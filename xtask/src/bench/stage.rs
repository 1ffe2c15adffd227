//! What one run is played on: a Redis, a ledger, a producer that takes orders, and the peer's workers.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::guardian::{Group, Guardian};
use super::install::Program;
use super::ledger::Reader;
use super::peers::Part;
use super::redis::Redis;
use super::watch;
use super::workloads::Workload;
use crate::shell::Failure;

/// How long nothing may happen before a run is given up.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long an order may take: the slowest peers need a minute for the largest workload.
const ORDER: Duration = Duration::from_mins(5);
/// How often the ledger is looked at.
const LOOK: Duration = Duration::from_millis(4);
/// How often the broker is asked whether it holds anything still.
const ASK: Duration = Duration::from_millis(1);

/// Everything of one run; gone when dropped.
pub(crate) struct Stage<'a> {
    pub(crate) part: &'a Part,
    pub(crate) redis: Option<Redis>,
    pub(crate) ledger: Reader,
    pub(crate) sent: Reader,
    /// When tasks ended, of peers whose tasks note it.
    pub(crate) ended: Reader,
    pub(crate) producer: Producer,
    pub(crate) workers: Vec<Group>,
    program: &'a Program,
    guardian: &'a Guardian,
    surroundings: Vec<(String, String)>,
    log: PathBuf,
    /// When the whole bench has to be over, where that is set.
    until: Option<Instant>,
}

/// The program that sends, and its answers with the time each came.
pub(crate) struct Producer {
    pub(crate) group: Group,
    orders: ChildStdin,
    answers: Receiver<(String, Duration)>,
}

/// The end of an order.
pub(crate) struct Answer {
    pub(crate) count: usize,
    /// When it came, since the epoch.
    pub(crate) at: Duration,
}

/// What the workers had done when the first task ran.
pub(crate) struct Started {
    /// Their time on the cores.
    pub(crate) cpu: Duration,
}

impl<'a> Stage<'a> {
    /// Sets everything up but the workers; the producer is ready for its first order.
    pub(crate) fn set(
        part: &'a Part,
        workload: Workload,
        program: &'a Program,
        guardian: &'a Guardian,
        server: &std::path::Path,
        until: Option<Instant>,
    ) -> Result<Self, Failure> {
        let folder = guardian.folder();
        let redis = if part.url.starts_with("redis:") { Some(Redis::start(server, guardian)?) } else { None };
        for stale in ["bench.db", "bench.db-wal", "bench.db-shm"] {
            drop(std::fs::remove_file(guardian.disk().join(stale)));
        }
        let [ledger, sent, ended, log] = ["ledger", "sent", "ended", "log"].map(|name| folder.join(name));
        let mut surroundings = part.set.clone();
        let port = redis.as_ref().map_or(0, |redis| redis.port);
        surroundings.extend([
            ("port".to_owned(), port.to_string()),
            ("disk".to_owned(), guardian.disk().display().to_string()),
            ("program".to_owned(), program.executable.display().to_string()),
            ("python".to_owned(), program.executable.display().to_string()),
            ("workload".to_owned(), workload.name().to_owned()),
            ("ledger".to_owned(), ledger.display().to_string()),
            ("sent".to_owned(), sent.display().to_string()),
            ("ended".to_owned(), ended.display().to_string()),
        ]);
        let url = filled(&part.url, &surroundings)?;
        surroundings.push(("url".to_owned(), url));
        let log_file = File::create(&log).map_err(|error| cannot("make", &log, &error))?;
        let mut command = command(&part.producer, program, &surroundings)?;
        let group = guardian.start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log_file))?;
        let producer = Producer::new(group)?;
        let (ledger, sent, ended) = (Reader::create(&ledger)?, Reader::create(&sent)?, Reader::create(&ended)?);
        let workers = Vec::new();
        let stage =
            Self { part, redis, ledger, sent, ended, producer, workers, program, guardian, surroundings, log, until };
        let ready = stage.producer.line(stage.patience(PATIENCE)).map_err(|failure| stage.with_log(failure))?.0;
        if ready == "ready" { Ok(stage) } else { Err(Failure::new(format!("its producer says `{ready}`."))) }
    }

    /// Gives the producer an order, and waits until it is done.
    pub(crate) fn order(&mut self, order: &str) -> Result<Answer, Failure> {
        self.producer.begin(order)?;
        self.done(order)
    }

    /// Waits until the order given before is done.
    pub(crate) fn done(&mut self, order: &str) -> Result<Answer, Failure> {
        let (line, at) = self.producer.line(self.patience(ORDER)).map_err(|failure| self.with_log(failure))?;
        let count = line.strip_prefix("done ").and_then(|count| count.parse().ok());
        let count = count.ok_or_else(|| Failure::new(format!("its producer answers `{order}` with `{line}`.")))?;
        Ok(Answer { count, at })
    }

    /// Starts the workers.
    pub(crate) fn start_workers(&mut self) -> Result<(), Failure> {
        for number in 1..=self.part.workers {
            let mut surroundings = self.surroundings.clone();
            surroundings.push(("number".to_owned(), number.to_string()));
            let log = File::options().append(true).open(&self.log);
            let log = log.map_err(|error| cannot("open", &self.log, &error))?;
            let same = log.try_clone().map_err(|error| cannot("open", &self.log, &error))?;
            let mut command = command(&self.part.worker, self.program, &surroundings)?;
            self.workers.push(self.guardian.start(command.stdin(Stdio::null()).stdout(log).stderr(same))?);
        }
        Ok(())
    }

    /// Waits until so many tasks have run, or nothing more happens; tells what the workers had done at the first of them.
    pub(crate) fn until_run(&mut self, expected: usize, patience: Duration) -> Result<Started, Failure> {
        let (mut seen, mut last) = (self.ledger.read()?.seen(), Instant::now());
        let before = seen;
        let mut started = None;
        while seen < expected {
            thread::sleep(LOOK);
            let now = self.ledger.read()?.seen();
            if now > seen {
                (seen, last) = (now, Instant::now());
                started.get_or_insert_with(|| Started { cpu: watch::cpu(&self.worker_groups()) });
            } else if let Some(ended) = self.workers.iter_mut().find_map(Group::ended) {
                let failure = Failure::new(format!("its worker has ended ({ended}) after {seen} of {expected} tasks."));
                return Err(self.with_log(failure));
            } else if last.elapsed() > self.patience(patience.max(PATIENCE)) {
                // What a peer loses is told; what it had no time for is not.
                if self.until.is_some_and(|until| Instant::now() >= until) {
                    let told = format!("the bench was over after {seen} of {expected} tasks.");
                    return Err(Failure::new(told));
                }
                break;
            }
        }
        match started {
            Some(started) => Ok(started),
            None if before >= expected => Ok(Started { cpu: Duration::ZERO }),
            None => Err(self.with_log(Failure::new(format!("no task ran in {} s.", last.elapsed().as_secs())))),
        }
    }

    /// Waits until the broker holds nothing more, waiting or unacknowledged, and tells when that was.
    pub(crate) fn until_drained(&mut self) -> Result<Duration, Failure> {
        let (mut least, mut last) = (u64::MAX, Instant::now());
        loop {
            let held = self.held(self.part.waiting.as_deref())? + self.held(self.part.claimed.as_deref())?;
            if held == 0 {
                return Ok(now());
            }
            if held < least {
                (least, last) = (held, Instant::now());
            } else if last.elapsed() > self.patience(PATIENCE) {
                let failure = Failure::new(format!("the broker holds {held} messages that nobody settles."));
                return Err(self.with_log(failure));
            }
            thread::sleep(ASK);
        }
    }

    /// Fails unless so many messages wait.
    pub(crate) fn all_waiting(&mut self, sent: usize) -> Result<(), Failure> {
        if self.part.waiting.is_none() {
            return Ok(());
        }
        let waiting = self.held(self.part.waiting.as_deref())?;
        if waiting == u64::try_from(sent).unwrap_or(u64::MAX) {
            return Ok(());
        }
        Err(self.with_log(Failure::new(format!("{sent} messages were sent and {waiting} wait."))))
    }

    fn held(&mut self, commands: Option<&str>) -> Result<u64, Failure> {
        match (commands, self.redis.as_mut()) {
            (Some(commands), Some(redis)) => redis.sum(commands),
            _ => Ok(0),
        }
    }

    /// So long, or until the whole bench has to be over.
    fn patience(&self, most: Duration) -> Duration {
        self.until.map_or(most, |until| most.min(until.saturating_duration_since(Instant::now())))
    }

    /// The groups of the workers.
    pub(crate) fn worker_groups(&self) -> Vec<u32> {
        self.workers.iter().map(Group::id).collect()
    }

    /// The groups of everything here.
    pub(crate) fn groups(&self) -> Vec<u32> {
        let others = [Some(self.producer.group.id()), self.redis.as_ref().map(|redis| redis.group.id())];
        self.worker_groups().into_iter().chain(others.into_iter().flatten()).collect()
    }

    /// The failure, with what the peer's programs have said last.
    fn with_log(&self, failure: Failure) -> Failure {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).rev().take(3).collect();
        if last.is_empty() {
            return failure;
        }
        let said = last.into_iter().rev().collect::<Vec<_>>().join(" | ");
        Failure::new(format!("{} It said last: {said}", failure.sentence))
    }
}

impl Producer {
    fn new(mut group: Group) -> Result<Self, Failure> {
        let piped = group.child.stdin.take().zip(group.child.stdout.take());
        let (orders, said) = piped.ok_or_else(|| Failure::new("a producer has no pipes."))?;
        let (tell, answers) = channel();
        // Ends with the producer, whose output it reads.
        thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                if tell.send((line, now())).is_err() {
                    return;
                }
            }
        });
        Ok(Self { group, orders, answers })
    }

    /// Gives an order and does not wait.
    pub(crate) fn begin(&mut self, order: &str) -> Result<(), Failure> {
        let given = writeln!(self.orders, "{order}");
        given.map_err(|error| Failure::new(format!("its producer takes no order: {error}.")))
    }

    fn line(&self, patience: Duration) -> Result<(String, Duration), Failure> {
        self.answers.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                Failure::new(format!("its producer did not answer in {} s.", patience.as_secs()))
            }
            RecvTimeoutError::Disconnected => Failure::new("its producer has ended."),
        })
    }
}

/// The time, since the epoch: the one clock that every language here can read.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A command of the list with its places filled, told of everything in its environment.
fn command(line: &str, program: &Program, surroundings: &[(String, String)]) -> Result<Command, Failure> {
    let words: Vec<String> =
        line.split_whitespace().map(|word| filled(word, surroundings)).collect::<Result<_, _>>()?;
    let (first, rest) = words.split_first().ok_or_else(|| Failure::new("the list names no command."))?;
    let mut command = Command::new(first);
    command.args(rest).current_dir(&program.folder).env("PYTHONDONTWRITEBYTECODE", "1");
    for (name, value) in surroundings {
        command.env(format!("BENCH_{}", name.to_uppercase()), value);
    }
    Ok(command)
}

/// The text with what stands for each `{name}`.
fn filled(text: &str, surroundings: &[(String, String)]) -> Result<String, Failure> {
    let mut whole = text.to_owned();
    for (name, value) in surroundings {
        whole = whole.replace(&format!("{{{name}}}"), value);
    }
    match whole.find('{') {
        None => Ok(whole),
        Some(_) => Err(Failure::new(format!("`{text}` has a place for which nothing is set."))),
    }
}

fn cannot(verb: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {error}.", path.display()))
}
