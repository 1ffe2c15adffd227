//! What one shard holds for another: put there in the step that causes it, and carried over.
//!
//! The crossing to a shard is a queue like any other, so nothing in it is lost, whoever dies: it is claimed with a lease,
//! published over there under a key of its own ([`crate::unique`]), acknowledged here, and the key left to run out. Who dies
//! in between leaves it to the next, which finds the key and publishes nothing; so does who stood still for long. To a shard
//! that is down nothing is carried until it answers.
//!
//! What is carried is the message byte for byte, in an envelope that Celery's peers could read: a Python worker that puts
//! back what was left behind must not stumble over it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use apium_protocol::Message;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Shard, Sharded};
use crate::broker::{Claim, Delivery, Disposition, Outgoing, Settled, Settlement};
use crate::client::fresh_id;
use crate::dead::{DeadLetter, DeadReason};
use crate::error::BackendError;
use crate::unique::{KEEP, UniqueClaim, UniqueEnd};

/// How the queues begin in which something waits to be carried to the shard named after it.
pub const CROSSING: &str = "apium.to.";

/// Messages carried at once.
const AT_ONCE: usize = 100;

/// How long what is being carried is ours, should we die, or as long as the lease of a worker that asks for less. Who
/// carries for longer does no harm: another finds the key.
pub(super) const LEASE: Duration = Duration::from_secs(6);

/// How long the key of what has arrived is kept: who claimed it before and stood still meanwhile still finds it.
const AFTERWARDS: Duration = Duration::from_mins(10);

/// How long whoever has caused something to cross waits for its arrival. It is safe long before.
const PATIENCE: Duration = Duration::from_secs(1);

/// What waits in a crossing, as a Celery message without a task.
#[derive(Serialize, Deserialize)]
struct Envelope {
    /// The message, in base64.
    body: String,
    #[serde(rename = "content-type")]
    content_type: String,
    #[serde(rename = "content-encoding")]
    content_encoding: String,
    headers: Headers,
    properties: Properties,
}

#[derive(Serialize, Deserialize)]
struct Headers {
    /// Its key.
    id: String,
    task: String,
    apium_to: Address,
}

/// What beside the bytes is to arrive.
#[derive(Serialize, Deserialize)]
struct Address {
    queue: String,
    priority: u8,
    not_before: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Properties {
    delivery_tag: String,
    delivery_mode: u8,
    delivery_info: DeliveryInfo,
    body_encoding: String,
    priority: u8,
}

#[derive(Serialize, Deserialize)]
struct DeliveryInfo {
    exchange: String,
    routing_key: String,
}

/// One on its way.
struct Passage {
    key: String,
    to: usize,
    message: Outgoing,
}

impl Sharded {
    /// Whether any of these goes to another shard than this; those that do are put into the crossings to theirs.
    pub(super) fn divert(&self, from: usize, messages: &mut [Outgoing]) -> Result<bool, BackendError> {
        let mut diverted = false;
        for message in messages {
            let to = self.place(&message.queue);
            if to != from {
                *message = wrapped(message, self.shards[to].name())?;
                diverted = true;
            }
        }
        Ok(diverted)
    }

    /// Carries what has just been put into the crossings of a shard. Whatever comes of it, it is kept.
    pub(super) async fn carry_now(&self, from: usize) {
        if tokio::time::timeout(PATIENCE, self.carry_from(from)).await.is_err() {
            tracing::debug!(shard = self.shards[from].name(), "what crosses is still on its way");
        }
    }

    /// Carries all that waits in any crossing, for as long as one of them has something.
    pub(super) async fn carry(&self) {
        join_all((0..self.shards.len()).map(|from| self.carry_from(from))).await;
    }

    async fn carry_from(&self, from: usize) {
        let shard = &self.shards[from];
        if shard.is_away() {
            return;
        }
        loop {
            match self.carry_some(from).await {
                Ok(carried) if carried == AT_ONCE => {}
                Ok(_) => return,
                Err(error) => {
                    return tracing::debug!(shard = shard.name(), %error, "what crosses waits to be carried");
                }
            }
        }
    }

    /// Carries a batch over; returns how many were taken up.
    async fn carry_some(&self, from: usize) -> Result<usize, BackendError> {
        let there = |(at, shard): &(usize, &Shard)| *at != from && !shard.is_away();
        let ways = self.shards.iter().enumerate().filter(there).map(|(_, shard)| crossing(shard.name()));
        let queues: Vec<_> = ways.collect();
        if queues.is_empty() {
            return Ok(0);
        }
        let broker = &self.shards[from].broker;
        let found = broker.claim(&Claim { queues: &queues, max: AT_ONCE, lease: self.lease() }).await?;
        let taken = found.len();
        if taken == 0 {
            return Ok(0);
        }
        let passages: Vec<_> = found.iter().map(|delivery| self.passage(delivery)).collect();
        let arrived = join_all(passages.iter().map(|passage| self.hand_over(from, passage.as_ref()))).await;
        let settled =
            broker.settle(found.iter().zip(&arrived).map(|(found, arrived)| conclude(found, arrived)).collect());
        let settled = settled.await?;
        let done = passages.iter().zip(&arrived).zip(&settled);
        let done = done.filter(|((_, arrived), settled)| arrived.is_ok() && **settled == Settled::Done);
        self.let_go(done.filter_map(|((passage, _), _)| passage.as_ref().ok())).await;
        // What was put back is not to be taken up at once again.
        let later = arrived.into_iter().find_map(|arrived| arrived.err().filter(BackendError::is_transient));
        later.map_or(Ok(taken), Err)
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_millis.load(Ordering::Relaxed))
    }

    /// What workers ask for.
    pub(super) fn heed(&self, lease: Duration) {
        let millis = u64::try_from(lease.min(LEASE).as_millis()).unwrap_or(u64::MAX);
        self.lease_millis.store(millis, Ordering::Relaxed);
    }

    fn passage(&self, delivery: &Delivery) -> Result<Passage, BackendError> {
        let (key, message) = unwrapped(&delivery.bytes).map_err(BackendError::Broken)?;
        Ok(Passage { to: self.place(&message.queue), key, message })
    }

    /// Publishes it where it goes, once however often this is tried. A queue that was given to this shard meanwhile gets
    /// it likewise.
    async fn hand_over(&self, from: usize, passage: Result<&Passage, &BackendError>) -> Result<(), BackendError> {
        let Passage { key, to, message } = passage.map_err(Clone::clone)?;
        let there = &self.shards[*to];
        if *to != from && there.is_away() {
            return Err(BackendError::Unavailable("it was given to a shard that does not answer".to_owned()));
        }
        let (task_id, keep) = (key.clone(), KEEP);
        let claim = UniqueClaim { key: key.clone(), task_id, keep, replace: false, over: None };
        let asked = there.broker.uniques().publish_unique(std::slice::from_ref(message), &claim);
        there.ask(asked).await.map(drop)
    }

    /// Shortens how long the keys are kept of what has arrived and is acknowledged. Those of which that cannot be done are
    /// free after a day.
    async fn let_go<'a>(&self, arrived: impl Iterator<Item = &'a Passage>) {
        let mut ends: Vec<Vec<Settlement>> = self.shards.iter().map(|_| Vec::new()).collect();
        for Passage { key, to, message } in arrived {
            let end = UniqueEnd { key: key.clone(), task_id: key.clone(), keep: Some(AFTERWARDS) };
            let queue = Some(message.queue.as_str().into());
            ends[*to].push(Settlement { unique: Some(end), queue, ..Settlement::without_delivery(Disposition::Ack) });
        }
        for (shard, ends) in self.shards.iter().zip(ends).filter(|(_, ends)| !ends.is_empty()) {
            if let Err(error) = shard.broker.settle(ends).await {
                tracing::debug!(shard = shard.name(), %error, "the keys of what was carried go by their time");
            }
        }
    }
}

fn crossing(name: &str) -> String {
    format!("{CROSSING}{name}")
}

/// The same message on its way to another shard.
fn wrapped(message: &Outgoing, to: &str) -> Result<Outgoing, BackendError> {
    // The same each time: a settlement that is told again is known by what it sends.
    let tag = Message::decode(&message.bytes).ok().map(|message| message.properties.delivery_tag);
    let key = tag.filter(|tag| !tag.is_empty()).unwrap_or_else(fresh_id);
    let (queue, priority) = (crossing(to), message.priority);
    let envelope = Envelope {
        body: STANDARD.encode(&message.bytes),
        content_type: "application/data".to_owned(),
        content_encoding: "binary".to_owned(),
        headers: Headers {
            task: queue.clone(),
            apium_to: Address { queue: message.queue.clone(), priority, not_before: message.not_before },
            id: format!("{CROSSING}{}.{key}", message.queue),
        },
        properties: Properties {
            delivery_tag: key,
            delivery_mode: 2,
            delivery_info: DeliveryInfo { exchange: String::new(), routing_key: queue.clone() },
            body_encoding: "base64".to_owned(),
            priority,
        },
    };
    let unwritable = |error| BackendError::Broken(format!("a message to another shard cannot be written: {error}"));
    let bytes = serde_json::to_vec(&envelope).map_err(unwritable)?;
    Ok(Outgoing { queue, priority, bytes, not_before: None })
}

/// The key it crosses under, and the message as it was sent.
fn unwrapped(bytes: &[u8]) -> Result<(String, Outgoing), String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("what crosses to another shard cannot be read: {error}");
    let Envelope { body, headers, .. } = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
    let bytes = STANDARD.decode(body).map_err(|error| unreadable(&error))?;
    let Address { queue, priority, not_before } = headers.apium_to;
    Ok((headers.id, Outgoing { queue, priority, bytes, not_before }))
}

/// What becomes of it here. What cannot be read, or the other shard will not have, is kept: a replay sends it on its way
/// again.
fn conclude(found: &Delivery, arrived: &Result<(), BackendError>) -> Settlement {
    let receipt = found.receipt.clone();
    let Err(error) = arrived else { return Settlement::ack(receipt) };
    if error.is_transient() {
        return Settlement::of(receipt, Disposition::Requeue);
    }
    tracing::error!(queue = %receipt.queue, %error, "a message for another shard is kept as a dead letter");
    let letter = DeadLetter {
        id: fresh_id(),
        queue: receipt.queue.to_string(),
        priority: found.priority,
        reason: DeadReason::Rejected,
        error: error.to_string(),
        task: None,
        task_id: None,
        attempts: 1,
        worker: "(between shards)".to_owned(),
        died_with: found.deaths.clone(),
        at: Timestamp::now().to_string(),
        message: found.bytes.to_vec(),
    };
    Settlement::of(receipt, Disposition::DeadLetter(Box::new(letter)))
}
