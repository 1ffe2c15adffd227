//! The tasks of a run as far as they have come, and what the store tells of them.

use std::collections::BTreeSet;
use std::time::Duration;

use apium::{BackendError, Client, ResultError};
use apium_core::client::value_of;
use tokio::task::JoinSet;

use super::send::id;
use crate::failure::Failure;

/// Questions to the store that are under way at once.
const AT_ONCE: usize = 100;
/// How often a store that is away is asked again, and how long after.
const PATIENCE: (u32, Duration) = (20, Duration::from_millis(500));

/// Which tasks were sent and have not ended.
pub(super) struct Tasks {
    confirmed: BTreeSet<u32>,
    open: BTreeSet<u32>,
    /// By number: whether an end was heard of.
    ended: Vec<bool>,
    count: u32,
}

/// What the store tells of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing, or not its end.
    Nothing,
    /// The result it must have.
    Right,
    /// Another.
    Wrong(String),
    /// That it failed.
    Failed(String),
}

impl Tasks {
    pub(super) fn new(tasks: u32) -> Self {
        let ended = vec![false; usize::try_from(tasks).unwrap_or_default()];
        Self { confirmed: BTreeSet::new(), open: BTreeSet::new(), ended, count: 0 }
    }

    /// A send was confirmed; the task may have ended before.
    pub(super) fn sent(&mut self, task: u32) {
        self.confirmed.insert(task);
        if !self.has_ended(task) {
            self.open.insert(task);
        }
    }

    /// An attempt has ended; true when it is the first of its task.
    pub(super) fn end(&mut self, task: u32) -> bool {
        let news = self.end_without(task);
        self.count += u32::from(news);
        news
    }

    /// The task will not end: it was given up. True when that is news.
    pub(super) fn end_without(&mut self, task: u32) -> bool {
        let place = usize::try_from(task).unwrap_or(usize::MAX);
        let Some(ended) = self.ended.get_mut(place).filter(|ended| !**ended) else { return false };
        *ended = true;
        self.open.remove(&task);
        true
    }

    /// How many were sent for sure.
    pub(super) fn confirmed(&self) -> usize {
        self.confirmed.len()
    }

    /// How many of them are still to end.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// How many have run to an end.
    pub(super) fn ended(&self) -> u32 {
        self.count
    }

    pub(super) fn oldest_open(&self, at_most: usize) -> Vec<u32> {
        self.open.iter().copied().take(at_most).collect()
    }

    /// Those that were sent for sure and are no more open.
    pub(super) fn all_ended(&self) -> Vec<u32> {
        self.confirmed.difference(&self.open).copied().collect()
    }

    /// Deletes their results.
    pub(super) async fn forget(&self, client: &Client, run: &str) -> Result<(), Failure> {
        let all: Vec<u32> = self.confirmed.iter().copied().collect();
        for part in all.chunks(AT_ONCE) {
            let mut forgets = JoinSet::new();
            for task in part {
                let pending = client.pending(id(run, *task));
                forgets.spawn(async move { pending.forget().await });
            }
            forgets.join_all().await.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(())
    }

    fn has_ended(&self, task: u32) -> bool {
        usize::try_from(task).ok().and_then(|place| self.ended.get(place)).is_some_and(|ended| *ended)
    }
}

/// Asks the store about these tasks.
pub(super) async fn tell(client: &Client, run: &str, tasks: Vec<u32>) -> Result<Vec<(u32, Told)>, Failure> {
    let mut told = Vec::with_capacity(tasks.len());
    for part in tasks.chunks(AT_ONCE) {
        let mut questions = JoinSet::new();
        for task in part.iter().copied() {
            let (client, id) = (client.clone(), id(run, task));
            questions.spawn(async move { patiently(&client, &id, task).await.map(|told| (task, told)) });
        }
        for answer in questions.join_all().await {
            told.push(answer?);
        }
    }
    Ok(told)
}

async fn patiently(client: &Client, id: &str, task: u32) -> Result<Told, BackendError> {
    let (tries, pause) = PATIENCE;
    for _ in 1..tries {
        match one(client, id, task).await {
            Err(error) if error.is_transient() => tokio::time::sleep(pause).await,
            answer => return answer,
        }
    }
    one(client, id, task).await
}

async fn one(client: &Client, id: &str, task: u32) -> Result<Told, BackendError> {
    let Some(record) = client.pending(id).stored().await? else { return Ok(Told::Nothing) };
    Ok(match value_of(&record) {
        Ok(value) if value.to::<u32>().is_ok_and(|number| number == task) => Told::Right,
        Ok(value) => Told::Wrong(format!("the result is {}", value.as_str())),
        Err(error @ (ResultError::Failed { .. } | ResultError::Revoked(_))) => Told::Failed(error.to_string()),
        Err(_) => Told::Nothing,
    })
}
