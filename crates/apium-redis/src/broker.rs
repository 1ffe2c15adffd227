//! The broker port: publishing, claiming and renewing stand here; settling, recovering, dead letters and depths
//! in the files of their names.

use std::mem;
use std::time::Duration;

use apium_core::broadcast::Broadcast;
use apium_core::broker::QueueDepth;
use apium_core::inspection::Inspection;
use apium_core::limits::Limits;
use apium_core::schedules::Schedules;
use apium_core::shares::Shares;
use apium_core::unique::Uniques;
use apium_core::{
    BackendError, Broker, Claim, DeadFilter, DeadLetter, Delivery, Outgoing, Receipt, Settled, Settlement,
};
use async_trait::async_trait;
use redis::{Cmd, ScriptInvocation, Value};

use crate::backend::RedisBackend;
use crate::keys;
use crate::scripts;
use crate::wake::Look;

/// Tags in one call of the renewing script: Lua cannot hand over arbitrarily many arguments.
const RENEW_AT_ONCE: usize = 1_000;
/// What a restored message of a Python worker carries, as kombu writes it.
const REDELIVERED_MARK: &str = "\"redelivered\": true";

#[async_trait]
impl Broker for RedisBackend {
    fn home(&self) -> &str {
        &self.inner.home
    }

    fn broadcast(&self) -> &dyn Broadcast {
        self
    }

    fn inspection(&self) -> Option<&dyn Inspection> {
        Some(self)
    }

    fn uniques(&self) -> &dyn Uniques {
        self
    }

    fn limits(&self) -> &dyn Limits {
        self
    }

    fn shares(&self) -> &dyn Shares {
        self
    }

    fn schedules(&self) -> &dyn Schedules {
        self
    }

    async fn publish(&self, messages: &[Outgoing]) -> Result<(), BackendError> {
        if messages.is_empty() {
            return Ok(());
        }
        self.bind(messages.iter().map(|message| message.queue.as_str())).await?;
        if messages.iter().any(|message| message.not_before.is_some()) {
            return self.push_delayed(messages).await;
        }
        match &mut pushes(messages)[..] {
            // One command is one step by itself.
            [push] => self.inner.link.command::<i64>(push).await.map(drop),
            pushes => {
                let mut pipe = redis::pipe();
                pipe.atomic();
                for push in pushes {
                    pipe.add_command(mem::take(push)).ignore();
                }
                self.inner.link.pipeline(&pipe).await
            }
        }
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        if claim.max == 0 || claim.queues.is_empty() {
            return Ok(Vec::new());
        }
        match self.bind(claim.queues.iter().map(String::as_str)).await {
            // A Redis that is full takes no names of queues, but hands out what is in them, and so becomes less full.
            Err(error) if error.is_transient() => tracing::debug!(%error, "peers were not told of the queues"),
            told => told?,
        }
        self.give_back_unanswered().await?;
        self.pop(claim).await
    }

    async fn wait(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
        // A key of another type is there all the time and never a message: the next claim looks at it again.
        let misfits = &self.inner.misfits;
        let lists = misfits.without(keys::lists(queues));
        let delayed = misfits.without(queues.iter().map(|queue| keys::delayed(queue)).collect());
        let watched = lists.iter().chain(&delayed).cloned().collect();
        let (lists, delayed) = (&lists, &delayed);
        self.inner.wake.until_change(watched, at_most, || self.look(lists, delayed)).await
    }

    async fn renew(&self, receipts: &[Receipt], lease: Duration) -> Result<Vec<Receipt>, BackendError> {
        let mut lost = Vec::new();
        for part in receipts.chunks(RENEW_AT_ONCE) {
            let mut script = scripts::RENEW.key(keys::INDEX);
            script.arg(self.offset()).arg(lease.as_secs_f64());
            for receipt in part {
                script.arg(&*receipt.tag);
            }
            let held: Vec<bool> = self.inner.link.script(&script).await?;
            lost.extend(part.iter().zip(held).filter(|(_, held)| !held).map(|(receipt, _)| receipt.clone()));
        }
        Ok(lost)
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, BackendError> {
        self.settle_all(&settlements).await
    }

    async fn recover(&self) -> Result<usize, BackendError> {
        let (restored, set_back) = self.restore_overdue().await?;
        self.lower_far_leases().await?;
        self.tend_limits(set_back).await?;
        Ok(restored)
    }

    async fn depths(&self, queues: &[String]) -> Result<Vec<QueueDepth>, BackendError> {
        self.count(queues).await
    }

    async fn purge(&self, queue: &str) -> Result<u64, BackendError> {
        self.throw_away(queue).await
    }

    async fn dead_letters(&self, filter: &DeadFilter) -> Result<Vec<DeadLetter>, BackendError> {
        self.letters(filter).await
    }

    async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, BackendError> {
        self.letter(id).await
    }

    async fn dead_ids(&self, filter: &DeadFilter) -> Result<Vec<String>, BackendError> {
        self.letter_ids(filter).await
    }

    async fn replay(&self, id: &str, instead: Option<Vec<u8>>) -> Result<bool, BackendError> {
        self.send_again(id, instead).await
    }

    async fn drop_dead(&self, ids: &[String]) -> Result<u64, BackendError> {
        self.drop_letters(ids).await
    }
}

impl RedisBackend {
    /// Publishes messages of which some wait for their time: kept in `unacked` until then, so that a Python peer
    /// would restore them if every Apium worker vanished.
    async fn push_delayed(&self, messages: &[Outgoing]) -> Result<(), BackendError> {
        let mut script = scripts::PUBLISH.key(keys::UNACKED);
        script.key(keys::INDEX).arg(self.offset());
        self.add_outgoing(&mut script, messages);
        self.inner.link.script::<i64>(&script).await.map(|_| ())
    }

    /// Writes messages as `put.lua` reads them.
    pub(crate) fn add_outgoing(&self, script: &mut ScriptInvocation<'_>, messages: &[Outgoing]) {
        for message in messages {
            let step = keys::step_of(message.priority.into());
            match message.not_before {
                None => {
                    script.key(keys::list(&message.queue, step)).arg("now").arg(&message.bytes);
                }
                Some(due) => {
                    script.key(keys::delayed(&message.queue)).arg(self.remaining(due)).arg(whole(message));
                    script.arg(self.delayed_tag(&message.queue, step));
                }
            }
        }
    }

    /// One look at the queues through the tracked connection: whatever is read here is pushed when it changes.
    async fn look(&self, lists: &[String], delayed: &[String]) -> Result<Look<()>, BackendError> {
        let link = &self.inner.wake.link;
        if lists.is_empty() {
            return Ok(Look::Nothing);
        }
        let mut pipe = redis::pipe();
        pipe.cmd("EXISTS").arg(lists).cmd("EXISTS").arg(delayed);
        let (waiting, later): (u64, u64) = link.pipeline(&pipe).await?;
        if waiting > 0 {
            return Ok(Look::Found(()));
        }
        if later == 0 {
            return Ok(Look::Nothing);
        }
        let mut pipe = redis::pipe();
        pipe.cmd("TIME");
        for set in delayed {
            pipe.cmd("ZRANGE").arg(set).arg(0).arg(0).arg("WITHSCORES");
        }
        let answer: Vec<Value> = link.pipeline(&pipe).await?;
        let mut answer = answer.into_iter();
        let now = self.time(answer.next().unwrap_or_default())?;
        let due = answer.filter_map(first_score).fold(f64::INFINITY, f64::min);
        if due <= now {
            return Ok(Look::Found(()));
        }
        // A little later than due, because Redis's clock decides and ours may run faster.
        let span = Duration::try_from_secs_f64(due - now).unwrap_or(Duration::MAX);
        Ok(Look::After(span.saturating_add(Duration::from_millis(1))))
    }

    /// What `TIME` answered, as seconds since 1970 on the clock the scripts go by.
    pub(crate) fn time(&self, answer: Value) -> Result<f64, BackendError> {
        let (whole, micros): (f64, f64) = redis::from_redis_value(answer).map_err(|_| self.nonsense("TIME"))?;
        let offset: f64 = self.offset().parse().unwrap_or(0.0);
        Ok(whole + micros / 1e6 + offset)
    }

    /// An answer no Redis gives.
    pub(crate) fn nonsense(&self, asked: &str) -> BackendError {
        BackendError::Broken(format!("Redis at {} answered nonsense to {asked}", self.inner.home))
    }
}

/// One LPUSH a list, so that a thousand messages to one queue are one command.
fn pushes(messages: &[Outgoing]) -> Vec<Cmd> {
    let mut lists: Vec<(String, Cmd)> = Vec::new();
    for message in messages {
        let name = keys::list(&message.queue, keys::step_of(message.priority.into()));
        if let Some((_, push)) = lists.iter_mut().find(|(list, _)| *list == name) {
            push.arg(&message.bytes);
            continue;
        }
        let mut push = redis::cmd("LPUSH");
        push.arg(&name).arg(&message.bytes);
        lists.push((name, push));
    }
    lists.into_iter().map(|(_, push)| push).collect()
}

/// A message as it lies in `unacked`, spliced as text: its bytes are never written anew.
fn whole(message: &Outgoing) -> Vec<u8> {
    let ending = keys::ending(&message.queue);
    let mut whole = Vec::with_capacity(message.bytes.len() + ending.len() + 1);
    whole.push(b'[');
    whole.extend_from_slice(&message.bytes);
    whole.extend_from_slice(ending.as_bytes());
    whole
}

/// Names, one a line.
pub(crate) fn lines(text: Value) -> Vec<String> {
    match text {
        Value::BulkString(text) => String::from_utf8_lossy(&text).lines().map(ToOwned::to_owned).collect(),
        _ => Vec::new(),
    }
}

pub(crate) fn is_marked(message: &[u8]) -> bool {
    memchr::memmem::find(message, REDELIVERED_MARK.as_bytes()).is_some()
}

/// The score of the only member of a ZRANGE answer; RESP3 pairs members with scores.
fn first_score(answer: Value) -> Option<f64> {
    let pairs: Vec<(String, f64)> = redis::from_redis_value(answer).ok()?;
    pairs.first().map(|(_, score)| *score)
}
