//! Sends what it is told to, in the crate's own ways, and says when that is done.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bullmq::options::RedisConnectionOptions;
use bullmq::types::RemoveOnFinish;
use bullmq::{BulkJob, JobOptions, Queue, QueueEvent, QueueEvents, QueueEventsOptions, QueueOptions};
use tokio::time::{Instant, sleep_until, timeout};

use crate::QUEUE;
use crate::ledger::Ledger;
use crate::roles::{self, Mishap, Order};

/// Jobs to a call.
const AT_ONCE: u64 = 1_000;
/// Without an event for so long, what is missing is looked up: the stream of events is cut at ten thousand.
const SILENCE: Duration = Duration::from_secs(1);

/// The client.
pub(crate) struct Producer {
    queue: Queue,
    events: QueueEvents,
    next: u64,
    /// The ids of jobs whose results are to be fetched.
    sent: HashSet<String>,
}

impl roles::Producer for Producer {
    async fn open() -> Result<Self, Mishap> {
        let mut connection = RedisConnectionOptions::default();
        connection.url = std::env::var("BENCH_URL")?;
        let options = QueueOptions { connection: connection.clone(), ..QueueOptions::default() };
        let queue = Queue::with_options(QUEUE, options).await?;
        // Listens only where results are waited for.
        let autorun = std::env::var("BENCH_WORKLOAD").is_ok_and(|workload| workload == "results");
        let listening = QueueEventsOptions { connection, autorun, ..QueueEventsOptions::default() };
        let events = QueueEvents::with_options(QUEUE, listening).await?;
        Ok(Self { queue, events, next: 0, sent: HashSet::new() })
    }

    async fn obey(&mut self, order: &Order<'_>) -> Result<u64, Mishap> {
        match order.verb() {
            "single" => self.single(order.number(1)?).await,
            "send" => self.bulk("noop", order.number(1)?, &forgotten()).await,
            "stored" => self.bulk("noop", order.number(1)?, &JobOptions::default()).await,
            "results" => self.bulk("noop", order.number(1)?, &JobOptions::default()).await,
            "fetch" => self.fetch().await,
            "pause" => self.bulk("pause", order.number(1)?, &forgotten()).await,
            "paced" => self.paced(order.number(1)?, Duration::from_micros(order.number(2)?)).await,
            "delayed" => {
                let due = UNIX_EPOCH + Duration::from_nanos(order.number(2)?);
                self.delayed(order.number(1)?, due).await
            }
            _ => order.unknown(),
        }
    }
}

impl Producer {
    fn index(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    async fn single(&mut self, count: u64) -> Result<u64, Mishap> {
        for _ in 0..count {
            let index = self.index();
            self.queue.add("noop", index).options(forgotten()).await?;
        }
        Ok(count)
    }

    async fn bulk(&mut self, name: &str, count: u64, options: &JobOptions) -> Result<u64, Mishap> {
        let mut left = count;
        while left > 0 {
            let part = left.min(AT_ONCE);
            let jobs = (0..part).map(|_| BulkJob::with_options(name, self.index(), options.clone())).collect();
            let added = self.queue.add_bulk(jobs).await?;
            if options.remove_on_complete.is_none() {
                self.sent.extend(added.iter().map(|job| job.id().to_owned()));
            }
            left -= part;
        }
        Ok(count)
    }

    /// Each job is told how long it has to wait, so that all are due at one instant.
    async fn delayed(&mut self, count: u64, due: SystemTime) -> Result<u64, Mishap> {
        let mut left = count;
        while left > 0 {
            let part = left.min(AT_ONCE);
            let wait = due.duration_since(SystemTime::now()).unwrap_or_default();
            let options = JobOptions { delay: u64::try_from(wait.as_millis()).ok(), ..forgotten() };
            self.bulk("noop", part, &options).await?;
            left -= part;
        }
        Ok(count)
    }

    /// Takes every result from the events, which bear them.
    async fn fetch(&mut self) -> Result<u64, Mishap> {
        let mut got = 0;
        while !self.sent.is_empty() {
            match timeout(SILENCE, self.events.next_event()).await {
                Ok(Some(entry)) => {
                    if let QueueEvent::Completed { job_id, return_value, .. } = entry.event {
                        got += u64::from(self.sent.remove(&job_id) && return_value.parse::<u64>().is_ok());
                    }
                }
                Ok(None) => return Err("the events have ended".into()),
                Err(_) => got += self.look_up().await?,
            }
        }
        Ok(got)
    }

    async fn look_up(&mut self) -> Result<u64, Mishap> {
        let mut got = 0;
        for id in self.sent.clone() {
            let job = self.queue.get_job(&id).await?;
            if job.is_some_and(|job| job.returnvalue().parse::<u64>().is_ok()) {
                got += u64::from(self.sent.remove(&id));
            }
        }
        Ok(got)
    }

    /// One job each so often, with the time noted before it is sent.
    async fn paced(&mut self, count: u64, every: Duration) -> Result<u64, Mishap> {
        let sent = Ledger::open("BENCH_SENT")?;
        let mut at = Instant::now();
        for _ in 0..count {
            at += every;
            sleep_until(at).await;
            let index = self.index();
            sent.note(index)?;
            self.queue.add("noop", index).options(forgotten()).await?;
        }
        Ok(count)
    }
}

/// A job whose result nobody wants leaves nothing behind.
fn forgotten() -> JobOptions {
    JobOptions { remove_on_complete: Some(RemoveOnFinish::Bool(true)), ..JobOptions::default() }
}
