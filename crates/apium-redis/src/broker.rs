//! The broker port: publishing, claiming and renewing stand here; settling, recovering, dead letters and depths
//! in the files of their names.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
use crate::keys::{self, STEPS};
use crate::scripts;
use crate::wake::Look;

/// The keys of `claim.lua` before those of the queues.
const BEFORE_QUEUES: usize = 4;
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

    async fn pop(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        let max = u64::try_from(claim.max).unwrap_or(u64::MAX).min(100_000);
        let first = self.inner.numbers.fetch_add(max, Ordering::Relaxed);
        let prefix = self.claim_prefix(claim.lease);
        let delayed = claim.queues.iter().map(|queue| keys::delayed(queue));
        let looked_at: Vec<String> = delayed.chain(keys::lists(claim.queues)).collect();
        let places: Vec<Place> =
            STEPS.iter().flat_map(|step| claim.queues.iter().map(|queue| Place::new(queue, *step))).collect();
        let mut call = scripts::call(&scripts::CLAIM, BEFORE_QUEUES + looked_at.len());
        call.arg(keys::UNACKED).arg(keys::INDEX).arg(keys::REDELIVERED).arg(keys::DEATHS).arg(&looked_at);
        call.arg(self.offset()).arg(claim.queues.len()).arg(max).arg(claim.lease.as_secs_f64());
        call.arg(&prefix).arg(first);
        for queue in claim.queues {
            call.arg(keys::ending(queue));
        }
        for place in &places {
            call.arg(&place.tag_ending);
        }
        let answer = self.inner.link.call::<Vec<Value>>(&scripts::CLAIM, &call).await;
        if answer.as_ref().is_err_and(BackendError::is_transient) {
            self.inner.unanswered.note(&prefix, first, max, claim.queues);
        }
        let taken = taken(answer?, &places, &prefix, first).ok_or_else(|| self.nonsense("claim"))?;
        let key = |place: usize| looked_at.get(place.checked_sub(BEFORE_QUEUES + 1)?).map(String::as_str);
        let misfits = taken.misfits.into_iter().map(|(place, error)| Some((key(place)?, error)));
        let misfits: Vec<_> = misfits.collect::<Option<_>>().ok_or_else(|| self.nonsense("claim"))?;
        self.inner.misfits.note(&self.inner.home, &looked_at, &misfits);
        match misfits.first() {
            Some((key, error)) if claim.queues.len() == 1 && taken.deliveries.is_empty() => {
                Err(self.misfit(key, error))
            }
            _ => Ok(taken.deliveries),
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

    /// Only one queue was asked for, and it is none.
    pub(crate) fn misfit(&self, key: &str, error: &str) -> BackendError {
        let home = &self.inner.home;
        BackendError::Broken(format!("the key `{key}` at {home} cannot be served as a queue: {error}"))
    }

    /// An answer no Redis gives.
    pub(crate) fn nonsense(&self, asked: &str) -> BackendError {
        BackendError::Broken(format!("Redis at {} answered nonsense to {asked}", self.inner.home))
    }
}

/// One list that is looked at.
struct Place {
    step: u8,
    queue: Arc<str>,
    tag_ending: String,
}

impl Place {
    fn new(queue: &str, step: u8) -> Self {
        Self { step, queue: queue.into(), tag_ending: format!(":{step}:{queue}") }
    }
}

/// What a claim has brought.
struct Taken {
    deliveries: Vec<Delivery>,
    /// Keys of another type than they should be, by their place among the script's keys, and what Redis says of them.
    misfits: Vec<(usize, String)>,
}

/// Reads what `claim.lua` answers; `None` where that is nonsense.
fn taken(answer: Vec<Value>, places: &[Place], prefix: &str, first: u64) -> Option<Taken> {
    let mut answer = answer.into_iter();
    let (Value::Array(faults), Value::Array(marks)) = (answer.next()?, answer.next()?) else { return None };
    let misfits = faults.chunks_exact(2).map(|fault| match fault {
        [Value::Int(place), Value::BulkString(text)] => {
            Some((usize::try_from(*place).ok()?, String::from_utf8_lossy(text).into_owned()))
        }
        _ => None,
    });
    let misfits = misfits.collect::<Option<_>>()?;
    let mut deliveries = Vec::new();
    while let (Some(place), Some(messages)) = (answer.next(), answer.next()) {
        let (Value::Int(place), Value::Array(messages)) = (place, messages) else { return None };
        let Place { step, queue, tag_ending } = places.get(usize::try_from(place).ok()?.checked_sub(1)?)?;
        deliveries.reserve(messages.len());
        for message in messages {
            let Value::BulkString(bytes) = message else { return None };
            let number = first + u64::try_from(deliveries.len()).ok()?;
            let receipt = Receipt { queue: queue.clone(), tag: format!("{prefix}{number}{tag_ending}").into() };
            let redelivered = is_marked(&bytes);
            deliveries.push(Delivery {
                receipt,
                bytes: bytes.into(),
                priority: *step,
                redelivered,
                deaths: Vec::new(),
            });
        }
    }
    for mark in marks.chunks_exact(3) {
        let [Value::Int(place), Value::Int(before), died] = mark else { return None };
        let delivery = deliveries.get_mut(usize::try_from(*place).ok()?)?;
        delivery.redelivered |= *before == 1;
        delivery.deaths = lines(died.clone());
    }
    Some(Taken { deliveries, misfits })
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
