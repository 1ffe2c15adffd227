//! Other processes: this test binary, started once more with a role to play.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{self, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use apium_core::broadcast::Topic;
use apium_core::protocol::{RawJson, ResultRecord};
use apium_core::{Broker, Claim, Fleet, ResultStore, Settled, Settlement, StoredResult};
use apium_sqlite::{SqliteBackend, SqliteSettings};

use crate::{LEASE, SOON, broadcasting, claim, memory, message, open, spending, stalls, text};

const ROLE: &str = "APIUM_SQLITE_ROLE";
const FILE: &str = "APIUM_SQLITE_FILE";
const MARK: &str = "=> ";

/// A running child: killed, as by `kill -9`, when it is dropped.
pub(crate) struct Child {
    process: process::Child,
    lines: BufReader<ChildStdout>,
}

impl Child {
    /// Starts a child in a role, on a file.
    pub(crate) fn start(role: &str, file: &Path) -> Self {
        Self::run(Self::command(&std::env::current_exe().unwrap(), role, file))
    }

    /// The command line of a child, for a test that wants to start it in a special way.
    pub(crate) fn command(program: &Path, role: &str, file: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(["child::child", "--exact", "--nocapture", "--test-threads=2"]);
        command.env(ROLE, role).env(FILE, file);
        command
    }

    pub(crate) fn run(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The next line it says; `None` when it has ended. A line cut off by death is not said.
    pub(crate) fn says(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let (Some((_, said)), true) = (line.split_once(MARK), line.ends_with('\n')) {
                return Some(said.trim_end().to_owned());
            }
        }
    }

    /// Kills it and returns everything it still managed to say.
    pub(crate) fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        std::iter::from_fn(|| self.says()).collect()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Microseconds since 1970, the same in every process.
pub(crate) fn micros() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

pub(crate) fn say(what: impl std::fmt::Display) {
    println!("{MARK}{what}");
}

/// Does nothing unless this process was started as a child.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let file = PathBuf::from(std::env::var(FILE).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        match role.as_str() {
            "publish" => publish(&file).await,
            "settle" => settle(&file).await,
            "drain" => drain(&file).await,
            "arrivals" => arrivals(&file).await,
            "listen" => broadcasting::listen(&file).await,
            "idle" => idle(&file).await,
            "open" => try_to_open(&file),
            "fill" => drop(fill(&file).await),
            "refill" => refill(&file).await,
            "starve" => stalls::starve(file.clone()).await,
            "flood" => memory::flood(&file).await,
            "spend" => spending::spend(&file).await,
            unknown => panic!("no role {unknown}"),
        }
    });
}

/// Eight publishers, for ever; each message is said once it is acknowledged.
async fn publish(file: &Path) {
    let broker = open(file);
    let publishers: Vec<_> = (0..8)
        .map(|publisher| {
            let broker = broker.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    let body = format!("{publisher}-{number}");
                    broker.publish(&[message("q", &body)]).await.unwrap();
                    say(body);
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
}

/// Settles everything with a result and a message sent on; each is said once it is acknowledged.
async fn settle(file: &Path) {
    let broker = open(file);
    loop {
        let settlements = claim(&broker, "q", 8).await.into_iter().map(|delivery| {
            let broker = broker.clone();
            tokio::spawn(async move {
                let id = text(&delivery);
                let record = ResultRecord::new(&id, "SUCCESS", RawJson::from(&1).unwrap());
                let settlement = Settlement::ack(delivery.receipt)
                    .with_result(Some(StoredResult::of(&record, None)))
                    .sending(message("next", &id));
                assert_eq!(broker.settle(vec![settlement]).await.unwrap(), [Settled::Done]);
                say(id);
            })
        });
        for settlement in settlements.collect::<Vec<_>>() {
            settlement.await.unwrap();
        }
    }
}

/// Claims and acknowledges until nothing is left; says what it got.
async fn drain(file: &Path) {
    let broker = open(file);
    loop {
        let deliveries = claim(&broker, "q", 7).await;
        if deliveries.is_empty() {
            return;
        }
        let got: BTreeSet<_> = deliveries.iter().map(text).collect();
        let acks = deliveries.into_iter().map(|delivery| Settlement::ack(delivery.receipt)).collect();
        let settled = broker.settle(acks).await.unwrap();
        assert!(settled.iter().all(|settled| *settled == Settled::Done));
        got.into_iter().for_each(say);
    }
}

/// Waits for messages; says of each when it was woken and when it had it in its hands.
async fn arrivals(file: &Path) {
    let broker = open(file);
    let queues = ["q".to_owned()];
    say("waiting");
    loop {
        Broker::wait(&broker, &queues, SOON).await.unwrap();
        let woken = micros();
        for delivery in broker.claim(&Claim { queues: &queues, max: 1, lease: LEASE }).await.unwrap() {
            say(format!("{} {woken} {}", text(&delivery), micros()));
            broker.settle(vec![Settlement::ack(delivery.receipt)]).await.unwrap();
        }
    }
}

/// Waits for everything that can be waited for.
async fn idle(file: &Path) {
    let broker = open(file);
    let queues = ["q".to_owned(), "r".to_owned()];
    let long = Duration::from_mins(2);
    let topics = [Topic::Control, Topic::Event("*".to_owned())];
    let mut ear = broker.broadcast().listen(&topics).await.unwrap();
    let mut inbox = broker.broadcast().open_inbox("nobody").await.unwrap();
    say("waiting");
    let (messages, revocations, result, heard, answered) = tokio::join!(
        Broker::wait(&broker, &queues, long),
        broker.revocations(0, long),
        ResultStore::wait(&broker, "nobody", long),
        ear.next(long),
        inbox.next(long)
    );
    messages.unwrap();
    revocations.unwrap();
    result.unwrap();
    heard.unwrap();
    answered.unwrap();
}

/// Says why the file cannot be opened.
fn try_to_open(file: &Path) {
    match SqliteBackend::open(file, SqliteSettings::default()) {
        Ok(_) => say("opened"),
        Err(error) => say(error),
    }
}

/// Publishes until the disk refuses, then says the sentence; before it, each acknowledged message.
async fn fill(file: &Path) -> SqliteBackend {
    let broker = open(file);
    let body = "x".repeat(64 << 10);
    loop {
        match broker.publish(&[message("q", &body)]).await {
            Ok(()) => say("published"),
            Err(error) => {
                assert!(error.is_transient());
                say(error);
                return broker;
            }
        }
    }
}

/// Fills the disk as [`fill`] does, then tries on until there is room; publishes a hundred more and settles everything.
async fn refill(file: &Path) {
    let broker = fill(file).await;
    let body = "x".repeat(64 << 10);
    let deadline = Instant::now() + SOON;
    for _ in 0..100 {
        while let Err(error) = broker.publish(&[message("q", &body)]).await {
            assert!(error.is_transient() && Instant::now() < deadline, "{error}");
            tokio::task::yield_now().await;
        }
    }
    let mut claimed = 0;
    loop {
        let deliveries = claim(&broker, "q", 50).await;
        if deliveries.is_empty() {
            break;
        }
        claimed += deliveries.len();
        broker
            .settle(deliveries.into_iter().map(|delivery| Settlement::ack(delivery.receipt)).collect())
            .await
            .unwrap();
    }
    say("claimed all");
    say(claimed);
}
