//! What one shard holds for another: put there in the step that causes it, and carried over (`sharded/carrying.rs`).
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

use super::Sharded;
use crate::broker::{Claim, Delivery, Disposition, Outgoing, Settled, Settlement};
use crate::client::fresh_id;
use crate::dead::{DeadLetter, DeadReason};
use crate::error::BackendError;
use crate::unique::{KEEP, UniqueClaim, UniqueEnd};

/// How the queues begin in which something waits to be carried to the shard named after it.
pub const CROSSING: &str = "apium.to.";

/// Messages carried at once.
pub(super) const AT_ONCE: usize = 100;

/// How long what is being carried is ours, should we die, or as long as the lease of a worker that asks for less. Who
/// carries for longer does no harm: another finds the key.
pub(super) const LEASE: Duration = Duration::from_secs(6);

/// How long the key of what has arrived is kept: who claimed it before and stood still meanwhile still finds it.
const AFTERWARDS: Duration = Duration::from_mins(10);

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

/// What became of one.
enum Arrival {
    There,
    /// The other shard did not take it now: that is no fault of the message.
    Waits(BackendError),
    Unreadable(String),
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

    /// Carries a batch over; returns how many were taken up.
    pub(super) async fn carry_some(&self, from: usize) -> Result<usize, BackendError> {
        // Also to this shard itself: the servers may have been named otherwise before.
        let open = self.shards.iter().filter(|shard| shard.takes_in());
        let queues: Vec<_> = open.map(|shard| crossing(shard.name())).collect();
        if queues.is_empty() {
            return Ok(0);
        }
        let here = &self.shards[from];
        let claim = Claim { queues: &queues, max: AT_ONCE, lease: self.lease() };
        let found = here.ask(here.broker.claim(&claim)).await?;
        let taken = found.len();
        if taken == 0 {
            return Ok(0);
        }
        let passages: Vec<_> = found.iter().map(|delivery| self.passage(delivery)).collect();
        let arrived = join_all(passages.iter().map(|passage| self.bring(from, passage.as_ref()))).await;
        self.note_arrivals(&passages, &arrived);
        let ends = found.iter().zip(&arrived).map(|(found, arrived)| conclude(found, arrived)).collect();
        let settled = here.ask(here.broker.settle(ends)).await?;
        let done = passages.iter().zip(&arrived).zip(&settled);
        let done =
            done.filter(|((_, arrived), settled)| matches!(arrived, Arrival::There) && **settled == Settled::Done);
        self.let_go(done.filter_map(|((passage, _), _)| passage.as_ref().ok())).await;
        // What was put back is not to be taken up at once again.
        let waits = |arrived| if let Arrival::Waits(error) = arrived { Some(error) } else { None };
        arrived.into_iter().find_map(waits).map_or(Ok(taken), Err)
    }

    /// Of each shard that was asked, whether it takes what is brought. One message may be refused for its own sake, or
    /// for that of its queue; a shard that takes none of them is left alone for some time.
    fn note_arrivals(&self, passages: &[Result<Passage, String>], arrived: &[Arrival]) {
        for (at, shard) in self.shards.iter().enumerate() {
            let brought =
                passages.iter().zip(arrived).filter(|(passage, _)| matches!(passage, Ok(one) if one.to == at));
            let mut refusal = None;
            let mut took = false;
            for (_, arrived) in brought {
                match arrived {
                    Arrival::There => took = true,
                    Arrival::Waits(error) => refusal = Some(error),
                    Arrival::Unreadable(_) => {}
                }
            }
            match refusal {
                _ if took => shard.note_taken(),
                Some(error) => shard.note_refusal(error),
                None => {}
            }
        }
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_millis.load(Ordering::Relaxed))
    }

    /// What workers ask for.
    pub(super) fn heed(&self, lease: Duration) {
        let millis = u64::try_from(lease.min(LEASE).as_millis()).unwrap_or(u64::MAX);
        self.lease_millis.store(millis, Ordering::Relaxed);
    }

    fn passage(&self, delivery: &Delivery) -> Result<Passage, String> {
        let (key, message) = unwrapped(&delivery.bytes)?;
        Ok(Passage { to: self.place(&message.queue), key, message })
    }

    /// Publishes it where it goes, once however often this is tried. A queue that was given to this shard meanwhile gets
    /// it likewise.
    async fn bring(&self, from: usize, passage: Result<&Passage, &String>) -> Arrival {
        let Passage { key, to, message } = match passage {
            Ok(passage) => passage,
            Err(why) => return Arrival::Unreadable(why.clone()),
        };
        let there = &self.shards[*to];
        if *to != from && !there.takes_in() {
            return Arrival::Waits(BackendError::Unavailable("it was given to a shard that takes nothing".to_owned()));
        }
        let (task_id, keep) = (key.clone(), KEEP);
        let claim = UniqueClaim { key: key.clone(), task_id, keep, replace: false, over: None };
        let asked = there.broker.uniques().publish_unique(std::slice::from_ref(message), &claim);
        there.ask_within(self.lease() / 2, asked).await.map_or_else(Arrival::Waits, |_| Arrival::There)
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

/// What becomes of it here. What the other shard did not take waits, at the end of its line if that was for its own sake;
/// what cannot be read is kept.
fn conclude(found: &Delivery, arrived: &Arrival) -> Settlement {
    let receipt = found.receipt.clone();
    let error = match arrived {
        Arrival::There => return Settlement::ack(receipt),
        Arrival::Waits(error) if error.is_transient() => return Settlement::of(receipt, Disposition::Requeue),
        Arrival::Waits(_) => return Settlement::of(receipt, Disposition::RequeueLast),
        Arrival::Unreadable(why) => why,
    };
    let (task, task_id) = within(&found.bytes).unzip();
    tracing::error!(queue = %receipt.queue, task, task_id, error, "a message for another shard is kept as a dead letter");
    let letter = DeadLetter {
        id: fresh_id(),
        queue: receipt.queue.to_string(),
        priority: found.priority,
        reason: DeadReason::Undecodable,
        error: error.clone(),
        task,
        task_id,
        attempts: 1,
        worker: "(between shards)".to_owned(),
        died_with: found.deaths.clone(),
        at: Timestamp::now().to_string(),
        message: found.bytes.to_vec(),
    };
    Settlement::of(receipt, Disposition::DeadLetter(Box::new(letter)))
}

/// The task and the id of what is in an envelope that cannot be read otherwise.
fn within(envelope: &[u8]) -> Option<(String, String)> {
    let envelope: serde_json::Value = serde_json::from_slice(envelope).ok()?;
    let message = Message::decode(&STANDARD.decode(envelope.get("body")?.as_str()?).ok()?).ok()?;
    Some((message.headers.task.clone(), message.headers.id.clone()))
}
