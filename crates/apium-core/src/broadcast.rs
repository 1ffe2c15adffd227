//! What processes say to all others at once: remote control and events. Nothing of it is kept: who does not listen
//! misses it, as on Celery's fanout exchanges.
//!
//! The bytes are those of `apium_protocol::control` and `apium_protocol::event`. Every broker passes the suite in
//! `conformance/broadcast.rs`.

use std::time::Duration;

use apium_protocol::control::ReplyTo;
use async_trait::async_trait;

use crate::error::BackendError;

/// What is spoken of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Commands to workers (Celery's exchange `celery.pidbox`).
    Control,
    /// Events (Celery's exchange `celeryev`) under a routing key such as `worker.heartbeat`. A listener may end the
    /// key with `*` (`worker.*`), or listen to `*`, which is everything.
    Event(String),
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What of; an event's routing key in full.
    pub topic: Topic,
    /// The message, as it was said.
    pub bytes: Vec<u8>,
}

/// The part of a broker that carries what everybody may hear.
#[async_trait]
pub trait Broadcast: Send + Sync + 'static {
    /// Says something to everyone who listens now.
    async fn say(&self, topic: &Topic, bytes: &[u8]) -> Result<(), BackendError>;

    /// Hears, from when this returns, all that is said of these topics.
    async fn listen(&self, topics: &[Topic]) -> Result<Box<dyn Ear>, BackendError>;

    /// Opens the box that answers to a request come into; the request names it by this id (`ReplyTo::routing_key`).
    /// Dropped, it is taken away.
    async fn open_inbox(&self, id: &str) -> Result<Box<dyn Ear>, BackendError>;

    /// Puts an answer into the box of whoever asked; one that is not there any more swallows it.
    async fn answer(&self, to: &ReplyTo, bytes: &[u8]) -> Result<(), BackendError>;
}

/// Hears one thing after the other.
#[async_trait]
pub trait Ear: Send {
    /// The next thing said; `None` when nothing was for `at_most`.
    ///
    /// # Errors
    /// When the connection was lost: something may have been missed. Listen anew.
    async fn next(&mut self, at_most: Duration) -> Result<Option<Heard>, BackendError>;
}
