//! What `cargo xtask instructions` counts: so many tasks go one path, and nothing else happens that takes much.
//!
//! It counts a run with few tasks and one with more, and the difference is what a task takes. What must be there before (the
//! messages, a queue that is full) is made by a run of its own, which is not counted:
//!
//! - `write COUNT noop|stored` prints messages, one a line; results are stored of the second kind;
//! - `fill URL FILE` puts those of a file into the queue;
//! - `read FILE` reads each as a worker does before it knows what to do with it;
//! - `send URL COUNT` makes messages and publishes them;
//! - `run URL FILE` runs a worker until the tasks of a file have run and are settled. In memory, where no other process can
//!   fill the queue, it does so itself.

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apium::bodies::WireBodies;
use apium::core::protocol::Message;
use apium::core::{Bodies as _, Outgoing};
use apium::prelude::*;
use apium_sqlite::{SqliteBackend, SqliteSettings, Synchronous};
use tokio::sync::Notify;

type Mishap = Box<dyn Error + Send + Sync>;

/// Tasks that have not run by then never will; under valgrind they need some seconds.
const PATIENCE: Duration = Duration::from_mins(5);

/// Messages to a publication, and attempts at once.
const AT_ONCE: usize = 100;
/// The same in memory, where a claim looks at everything that waits.
const IN_MEMORY: usize = 25;

/// How many tasks have run, and a word whenever [`IN_MEMORY`] more have.
static RAN: AtomicUsize = AtomicUsize::new(0);
static MORE: Notify = Notify::const_new();

/// Does nothing but count.
#[task(name = "instructions.noop")]
async fn noop(number: u64) -> Result<u64, TaskError> {
    if (RAN.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(IN_MEMORY) {
        MORE.notify_one();
    }
    Ok(number)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        ["write", count, kind] => write(count, *kind == "stored").await,
        ["fill", url, file] => fill(url, file).await,
        ["read", file] => read(file),
        ["send", url, count] => send(url, count).await,
        ["run", url, file] => run(url, file).await,
        _ => Err("say `write`, `fill`, `read`, `send` or `run`, and what each needs".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn app() -> App {
    App::new("instructions").task(noop)
}

/// A store by its URL; on SQLite one that survives a crash of the program, not of the machine: what a disk does costs time
/// and no instructions.
async fn open(url: &str) -> Result<Backend, Mishap> {
    let Some(path) = url.strip_prefix("sqlite:") else { return Ok(apium::open(url, None).await?) };
    let settings = SqliteSettings { synchronous: Synchronous::Normal, ..SqliteSettings::default() };
    let store = SqliteBackend::open(path, settings)?;
    Ok(Backend { broker: Arc::new(store.clone()), results: Arc::new(store), bodies: Arc::new(WireBodies::default()) })
}

async fn write(count: &str, stored: bool) -> Result<(), Mishap> {
    let client = app().client(&open("memory://").await?);
    for number in 0..count.parse()? {
        for message in client.outgoing(&noop::s(number).ignore_result(!stored)).await? {
            println!("{}", String::from_utf8(message.bytes)?);
        }
    }
    Ok(())
}

async fn fill(url: &str, file: &str) -> Result<(), Mishap> {
    let (backend, text) = (open(url).await?, std::fs::read_to_string(file)?);
    for part in lines(&text).chunks(AT_ONCE) {
        backend.broker.publish(&outgoing(part)).await?;
    }
    Ok(())
}

fn read(file: &str) -> Result<(), Mishap> {
    let (bodies, text) = (WireBodies::default(), std::fs::read_to_string(file)?);
    for line in text.lines() {
        let message = Message::decode(line.as_bytes())?;
        let payload = bodies.open(&message)?;
        let (args, kwargs) = (payload.args.elements()?, payload.kwargs.members()?);
        black_box((message, args, kwargs));
    }
    Ok(())
}

async fn send(url: &str, count: &str) -> Result<(), Mishap> {
    let (client, count) = (app().client(&open(url).await?), count.parse::<u64>()?);
    let mut messages = Vec::with_capacity(AT_ONCE);
    for number in 0..count {
        messages.extend(client.outgoing(&noop::s(number)).await?);
        if messages.len() == AT_ONCE {
            client.broker().publish(&messages).await?;
            messages.clear();
        }
    }
    client.broker().publish(&messages).await?;
    Ok(())
}

async fn run(url: &str, file: &str) -> Result<(), Mishap> {
    let (backend, text) = (open(url).await?, std::fs::read_to_string(file)?);
    let messages = lines(&text);
    let in_memory = apium::is_memory(url);
    let concurrency = if in_memory { IN_MEMORY } else { AT_ONCE };
    let worker = app().worker(&backend, WorkerOptions { concurrency, ..WorkerOptions::default() });
    let stop = Stop::new();
    let feeding = async {
        if in_memory {
            for (round, part) in messages.chunks(IN_MEMORY).enumerate() {
                // One part is always in the queue while another runs.
                ran((round * IN_MEMORY).saturating_sub(IN_MEMORY)).await;
                backend.broker.publish(&outgoing(part)).await?;
            }
        }
        ran(messages.len()).await;
        stop.request();
        Ok::<(), Mishap>(())
    };
    let mut working = std::pin::pin!(worker.run(stop.clone()));
    tokio::select! {
        ended = &mut working => {
            ended?;
            return Err("the worker ended before its tasks had run".into());
        }
        fed = tokio::time::timeout(PATIENCE, feeding) => fed??,
    }
    Ok(working.await?)
}

/// Waits until so many tasks have run.
async fn ran(count: usize) {
    while RAN.load(Ordering::Relaxed) < count {
        MORE.notified().await;
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

fn outgoing(lines: &[&str]) -> Vec<Outgoing> {
    let message = |line: &&str| Outgoing {
        queue: "celery".to_owned(),
        priority: 0,
        bytes: line.as_bytes().to_vec(),
        not_before: None,
    };
    lines.iter().map(message).collect()
}
