//! The worker and the sender of `cargo xtask scale`, which looks at them from outside while the rest of Redis fills up.
//!
//! - `work URL NAME CONCURRENCY QUEUE …` runs what comes, as `apium worker` would, until it is ended;
//! - `send URL COUNT` sends tasks that do nothing, without results;
//! - `send URL COUNT later` the same, to be run in a day, as they lie in the store once a worker has seen that;
//! - `send URL COUNT limited KEYS` tasks under a limit of their own for each of so many keys, which none of them ever meets.

use std::error::Error;
use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;

use apium::core::Outgoing;
use apium::core::limits::Limit;
use apium::prelude::*;
use jiff::{SignedDuration, Timestamp};

type Mishap = Box<dyn Error + Send + Sync>;

/// Messages to a publication.
const AT_ONCE: usize = 500;

/// Does nothing.
#[task(name = "scale.noop")]
async fn noop(number: u64) -> Result<u64, TaskError> {
    Ok(number)
}

/// Does nothing, a limited number of times for each key.
#[task(name = "scale.limited", limit(by = key))]
async fn limited(number: u64, key: u64) -> Result<u64, TaskError> {
    Ok(number.wrapping_add(key))
}

/// One thread for all that is not a task, as in the executable.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        ["work", url, name, concurrency, queues @ ..] => work(url, name, concurrency, queues).await,
        ["send", url, count] => send(url, count, None, &|number| noop::s(number)).await,
        ["send", url, count, "later"] => {
            let day = Timestamp::now() + SignedDuration::from_hours(24);
            send(url, count, Some(day), &|number| noop::s(number).eta(day)).await
        }
        ["send", url, count, "limited", keys] => send_limited(url, count, keys).await,
        _ => Err("say `work` or `send`, and what it needs".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scale: {error}");
            ExitCode::FAILURE
        }
    }
}

fn app() -> App {
    App::new("scale").task(noop).task(limited)
}

async fn work(url: &str, name: &str, concurrency: &str, queues: &[&str]) -> Result<(), Mishap> {
    let queues = queues.iter().map(ToString::to_string).collect();
    let concurrency = concurrency.parse()?;
    let options = WorkerOptions { name: name.to_owned(), concurrency, queues, ..WorkerOptions::default() };
    let cores = available_parallelism().map_or(1, NonZero::get);
    let worker = app().worker(&apium::open(url, None).await?, options).with_own_threads(cores)?;
    Ok(worker.run(Stop::new()).await?)
}

async fn send(
    url: &str,
    count: &str,
    not_before: Option<Timestamp>,
    signature: &(dyn Fn(u64) -> Signature + Sync),
) -> Result<(), Mishap> {
    let client = app().client(&apium::open(url, None).await?);
    let mut messages = Vec::with_capacity(AT_ONCE);
    for number in 0..count.parse()? {
        let sent = client.outgoing(&signature(number).ignore_result(true)).await?;
        messages.extend(sent.into_iter().map(|message| Outgoing { not_before, ..message }));
        if messages.len() == AT_ONCE {
            client.broker().publish(&messages).await?;
            messages.clear();
        }
    }
    Ok(client.broker().publish(&messages).await?)
}

async fn send_limited(url: &str, count: &str, keys: &str) -> Result<(), Mishap> {
    let keys: u64 = keys.parse()?;
    let limit = Limit::written(Some("1000/s"), Some(100), None);
    let backend = apium::open(url, None).await?;
    backend.broker.limits().set_limit("key=*", &limit).await?;
    send(url, count, None, &|number| limited::s(number, number % keys)).await
}
