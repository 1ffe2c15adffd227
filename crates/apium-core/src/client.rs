//! Someone says *send*: a signature becomes a message and is published.
//!
//! The first of the six files. What travels is `apium-protocol/src/message.rs`; where it goes next is
//! [`crate::broker`].

mod revoking;
mod unique;

use std::sync::Arc;
use std::time::Duration;

use apium_protocol::canvas::{
    self, Act, Call, CanvasError, Current, Plan, PlannedMessage, PlannedResult, SavedGroup, Sender,
};
use apium_protocol::{DeliveryInfo, Embed, Headers, Properties, RawJson};
use jiff::Timestamp;
use jiff::fmt::temporal::{DateTimePrinter, Pieces};
use jiff::tz::Offset;

use crate::bodies::{Asked, Bodies, PlainBodies};
use crate::broker::{Broker, Outgoing};
use crate::clock;
use crate::error::BackendError;
pub use crate::pending::{Pending, ResultError, value_of};
use crate::results::{Lookup, ResultStore};
use crate::routing::{Destination, Route, RouteError, Routes};
use crate::signature::Signature;
use crate::state::TaskState;

/// The header by which a sender asks that the id be remembered, in seconds.
pub const REMEMBER_HEADER: &str = "apium_remember";

/// How long a revoke is remembered, so that a worker that starts later obeys it too.
const KEEP_REVOKED: Duration = crate::revocation::KEEP;

/// How long the counters of a chord are kept: Celery's `result_expires`.
pub const KEEP_CHORD: Duration = Duration::from_hours(24);

/// Options that are about the sending, not part of what is sent.
const OF_SENDING: [&str; 6] = ["serializer", "compression", "retry", "retry_policy", "exchange_type", "delivery_mode"];

/// Sends tasks and reads their results. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    broker: Arc<dyn Broker>,
    results: Arc<dyn ResultStore>,
    routes: Arc<Routes>,
    bodies: Arc<dyn Bodies>,
    origin: Arc<str>,
}

/// What was sent from inside a task.
pub(crate) struct Sent {
    pub(crate) pending: Pending,
    /// The children of the task that has sent it, as they stand in its record.
    pub(crate) children: RawJson,
}

/// Why a task was not sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// An argument or header does not fit into JSON, or the parts of a canvas do not fit together.
    #[error("{task} was not sent: {error}")]
    Unencodable {
        /// The task.
        task: String,
        /// What does not fit.
        error: CanvasError,
    },
    /// The serializer or compression is not known, or what is sent does not fit into it.
    #[error("{task} was not sent: {reason}")]
    Unpackable {
        /// The task.
        task: String,
        /// What is wrong.
        reason: String,
    },
    /// The routes lead nowhere.
    #[error(transparent)]
    NoWay(#[from] RouteError),
    /// No queue known here is bound to this exchange by this key: the message would be lost.
    #[error(
        "{task} was not sent: no queue is bound to the exchange {exchange:?} by the routing key {routing_key:?}; declare \
         it in task_queues, or correct the route"
    )]
    NoQueue {
        /// The task.
        task: String,
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// Another task holds its key, so that this one would not be unique.
    #[error(
        "{task} was not sent: {holder} holds its unique key; wait for that one, revoke it, or send with another policy"
    )]
    Held {
        /// The task.
        task: String,
        /// The id of the task that holds the key.
        holder: String,
    },
    /// It cannot be unique as it is asked to be.
    #[error("{task} was not sent: {reason}")]
    NotUnique {
        /// The task.
        task: String,
        /// What is wrong.
        reason: String,
    },
    /// The broker or the result store could not be used.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl Client {
    /// A client that sends to `broker` and reads from `results`; its bodies are plain JSON.
    pub fn new(broker: Arc<dyn Broker>, results: Arc<dyn ResultStore>, routes: Routes) -> Self {
        let origin = format!("gen{}@{}", std::process::id(), hostname()).into();
        Self { broker, results, routes: Arc::new(routes), bodies: Arc::new(PlainBodies), origin }
    }

    /// The same with bodies packed and opened by `bodies`.
    pub fn with_bodies(self, bodies: Arc<dyn Bodies>) -> Self {
        Self { bodies, ..self }
    }

    /// Sends a signature; when this returns, its messages are in their queues.
    pub async fn send(&self, signature: &Signature) -> Result<Pending, SendError> {
        self.send_within(signature, None).await.map(|sent| sent.pending)
    }

    /// Sends a signature from inside a running task: its child, unless the signature says otherwise.
    pub(crate) async fn send_within(&self, signature: &Signature, from: Option<Current>) -> Result<Sent, SendError> {
        if let Some(unique) = &signature.unique {
            return self.send_unique(signature, unique, from).await;
        }
        let plan = plan(signature, from)?;
        let children = plan.children_json().map_err(|error| unsendable(signature.task(), error.into()))?;
        // A chain without steps sends nothing, and has an id all the same.
        let pending = plan.result().map_or_else(|| self.pending(fresh_id()), |result| self.pending_on(&result));
        if let Some(keep) = signature.remember {
            self.results.remember(pending.id(), keep).await?;
        }
        let messages = self.prepare(&plan).await?;
        self.broker.publish(&messages).await?;
        Ok(Sent { pending, children })
    }

    /// Adds a signature to the chord of the task with these headers; gives what becomes its children.
    pub(crate) async fn add_to_chord(
        &self,
        headers: &Headers,
        embed: &Embed,
        signature: &Signature,
    ) -> Result<RawJson, SendError> {
        let failed = |error| unsendable(signature.task(), error);
        if let Some(error) = signature.unfit() {
            return Err(failed(error));
        }
        let plan = {
            let mut sender = Sender { ids: &mut fresh_id, reply_to: None, current: None };
            canvas::add_to_chord(headers, embed, &signature.canvas, &mut sender).map_err(failed)?
        };
        let children = plan.children_json().map_err(|error| failed(error.into()))?;
        if let Some(group) = &headers.group {
            self.results.chords().grow(group, 1, KEEP_CHORD).await?;
        }
        let messages = self.prepare(&plan).await?;
        self.broker.publish(&messages).await?;
        Ok(children)
    }

    /// The messages that send a signature, for who publishes them himself; what they must find in the store is there.
    pub async fn outgoing(&self, signature: &Signature) -> Result<Vec<Outgoing>, SendError> {
        self.prepare(&plan(signature, None)?).await
    }

    /// Announces the chords of a plan, and gives the messages that are to be published, in their order.
    pub async fn prepare(&self, plan: &Plan) -> Result<Vec<Outgoing>, SendError> {
        self.prepare_at(plan, Timestamp::now()).await
    }

    /// The same as if it were sent at this time.
    pub(crate) async fn prepare_at(&self, plan: &Plan, now: Timestamp) -> Result<Vec<Outgoing>, SendError> {
        let mut messages = Vec::new();
        for act in &plan.acts {
            match act {
                Act::SaveGroup { group, result } => {
                    self.results.chords().save_group(group, &SavedGroup::record(result), Some(KEEP_CHORD)).await?;
                }
                Act::SetChordSize { group, size } => {
                    self.results.chords().announce(group, *size as u64, KEEP_CHORD).await?;
                }
                Act::Send(planned) => {
                    messages.extend(self.messages(planned, now)?);
                }
            }
        }
        Ok(messages)
    }

    /// The way to the result of a task sent earlier or by another.
    pub fn pending(&self, id: impl Into<String>) -> Pending {
        Pending { id: id.into(), client: self.clone(), members: None, parent: RawJson::null() }
    }

    /// Calls a task off: one that waits will not run, one that runs is stopped. True when it had not ended.
    pub async fn revoke(&self, id: &str) -> Result<bool, BackendError> {
        if let Lookup::Stored(record) = self.results.lookup(id).await?
            && TaskState::from_name(&record.status).is_ready()
        {
            return Ok(false);
        }
        self.broker.revoke(id, KEEP_REVOKED).await?;
        self.tell_revoked(id).await?;
        Ok(true)
    }

    /// The broker this client sends to.
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.broker
    }

    /// The store this client reads from.
    pub fn results(&self) -> &Arc<dyn ResultStore> {
        &self.results
    }

    /// The routes this client sends by.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// How this client packs bodies, and a worker on it opens them.
    pub fn bodies(&self) -> &dyn Bodies {
        &*self.bodies
    }

    /// The way to a planned result: of one task, or of a group of them.
    fn pending_on(&self, result: &PlannedResult<'_>) -> Pending {
        let members = result.members().map(|members| members.iter().map(|member| self.pending_on(member)).collect());
        // One too deep to be written is told without what it comes after.
        let parent = result.parent().and_then(|parent| parent.to_json().ok()).unwrap_or_default();
        Pending { members, parent, ..self.pending(result.id()) }
    }

    /// One message for each queue its exchange leads to: mostly one.
    fn messages(&self, planned: &PlannedMessage, now: Timestamp) -> Result<Vec<Outgoing>, SendError> {
        let asked = Route {
            queue: planned.queue.clone(),
            exchange: planned.exchange.clone(),
            routing_key: planned.routing_key.clone(),
            priority: planned.priority.map(|priority| u8::try_from(priority.clamp(0, 255)).unwrap_or_default()),
            ..Route::default()
        };
        let to = self.routes.route(planned.route_name.as_ref().unwrap_or(&planned.task), &asked)?;
        if to.arrives.is_empty() {
            let Destination { exchange, routing_key, .. } = to;
            return Err(SendError::NoQueue { task: planned.task.clone(), exchange, routing_key });
        }
        let bytes = self.encode(planned, &to, now)?;
        let priority = to.priority.unwrap_or(0);
        let copies = std::iter::repeat_n(bytes, to.arrives.len());
        let message = |(queue, bytes)| Outgoing { queue, priority, bytes, not_before: None };
        Ok(to.arrives.into_iter().zip(copies).map(message).collect())
    }

    fn encode(&self, planned: &PlannedMessage, to: &Destination, now: Timestamp) -> Result<Vec<u8>, SendError> {
        let due = due(planned, now);
        let expires = planned.expires.as_ref().and_then(|expires| match expires.to::<f64>() {
            Ok(seconds) => Some(later(now, seconds)),
            Err(_) => moment(expires),
        });
        let headers = Headers {
            eta: due.map(iso),
            expires: expires.map(iso),
            origin: Some(self.origin.to_string()),
            ..planned.to_headers().map_err(|error| unsendable(&planned.task, error))?
        };
        let properties = Properties {
            correlation_id: Some(planned.id.clone()),
            reply_to: planned.reply_to.clone(),
            delivery_info: DeliveryInfo {
                exchange: to.exchange.clone(),
                routing_key: to.routing_key.clone(),
                ..DeliveryInfo::default()
            },
            priority: Some(to.priority.unwrap_or(0).into()),
            expiration: expires.map(|at| at.duration_since(now).as_millis().max(0).to_string()),
            delivery_tag: fresh_id(),
            other: planned.other.iter().filter(|(name, _)| !OF_SENDING.contains(&name.as_str())).cloned().collect(),
            ..Properties::default()
        };
        let asked = Asked::of(&planned.other);
        let packed = self.bodies.pack(headers, &planned.to_payload(), properties, &asked);
        let message = packed.map_err(|reason| SendError::Unpackable { task: planned.task.clone(), reason })?;
        Ok(message.encode())
    }
}

/// A moment as Python writes it: RFC 3339 with microseconds and `+00:00`.
pub fn iso(moment: Timestamp) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    PRINTER.timestamp_with_offset_to_string(&moment, Offset::UTC)
}

/// Reads a moment as Python writes it; one without an offset is UTC (Celery's default `timezone`). What lies beyond a
/// timestamp (the last day of the year 9999, Python's `datetime.max`) is the last moment there is.
pub fn parse_iso(text: &str) -> Option<Timestamp> {
    text.parse::<Timestamp>().ok().or_else(|| {
        let pieces = Pieces::parse(text).ok()?;
        let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
        let moment = pieces.date().to_datetime(pieces.time().unwrap_or_default());
        let beyond = if moment.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
        Some(offset.to_timestamp(moment).unwrap_or(beyond))
    })
}

/// A fresh id: a random UUID, as Celery's.
pub fn fresh_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// This machine's name, as it stands in node names.
pub fn hostname() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    read.or_else(|| std::env::var("HOSTNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

pub(crate) fn plan(signature: &Signature, current: Option<Current>) -> Result<Plan, SendError> {
    if let Some(error) = signature.broken.clone() {
        return Err(unsendable(signature.task(), error));
    }
    let mut sender = Sender { ids: &mut fresh_id, reply_to: None, current };
    let planned = canvas::plan(&signature.canvas, &Call::default(), &mut sender);
    planned.map_err(|error| unsendable(signature.task(), error))
}

pub(crate) fn unsendable(task: &str, error: CanvasError) -> SendError {
    SendError::Unencodable { task: task.to_owned(), error }
}

/// When it is due, if that is not at once.
fn due(planned: &PlannedMessage, now: Timestamp) -> Option<Timestamp> {
    let countdown = planned.countdown.filter(|seconds| *seconds != 0.0);
    countdown.map_or_else(|| planned.eta.as_ref().and_then(moment), |seconds| Some(later(now, seconds)))
}

/// So many seconds from now, or ago.
fn later(now: Timestamp, seconds: f64) -> Timestamp {
    let span = Duration::try_from_secs_f64(seconds.abs()).unwrap_or(Duration::MAX);
    if seconds < 0.0 { now.saturating_sub(span).unwrap_or(Timestamp::MIN) } else { clock::after(now, span) }
}

/// A time as it stands in options: a string, or kombu's tagged datetime.
fn moment(value: &RawJson) -> Option<Timestamp> {
    let tagged = || value.member("__value__").and_then(|text| text.to::<String>().ok());
    value.to::<String>().ok().or_else(tagged).as_deref().and_then(parse_iso)
}
