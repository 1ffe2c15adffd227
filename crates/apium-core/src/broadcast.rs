//! What processes say to all others at once: remote control and events. Nothing of it is kept: who does not listen
//! misses it, as on Celery's fanout exchanges.
//!
//! The bytes are those of `apium_protocol::control` and `apium_protocol::event`. Every broker passes the suite in
//! `conformance/broadcast.rs`.

mod asking;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use apium_protocol::control::ReplyTo;
use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::error::BackendError;

pub use asking::{Answered, Question};

/// Messages that are kept for an owner who does not ask for them, and their bytes; the rest is missed, and told so.
const KEPT: usize = 10_000;
const KEPT_BYTES: usize = 64 << 20;

const BEHIND: &str = "more was said than could be kept until it was asked for; something was missed";

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
    /// What of; an event's routing key in full. An answer is of [`Topic::Control`].
    pub topic: Topic,
    /// The message, as it was said.
    pub bytes: Vec<u8>,
}

/// The part of a broker that carries what everybody may hear.
#[async_trait]
pub trait Broadcast: Send + Sync + 'static {
    /// Says something to everyone who listens now. What one says after the other is heard in that order.
    async fn say(&self, topic: &Topic, bytes: &[u8]) -> Result<(), BackendError>;

    /// Hears, from when this returns, all that is said of these topics; what several of them cover is heard once.
    async fn listen(&self, topics: &[Topic]) -> Result<Box<dyn Ear>, BackendError>;

    /// Opens the box that answers to a request come into; the request names it by this id (`ReplyTo::routing_key`),
    /// which nobody else may use. Dropped, it is taken away.
    async fn open_inbox(&self, id: &str) -> Result<Box<dyn Ear>, BackendError>;

    /// Puts an answer into the box of whoever asked; one that is not there any more swallows it.
    async fn answer(&self, to: &ReplyTo, bytes: &[u8]) -> Result<(), BackendError>;
}

/// Hears one thing after the other.
#[async_trait]
pub trait Ear: Send {
    /// The next thing said; `None` when nothing was for `at_most` (zero: does not wait). Given up while it waits, it
    /// has taken nothing.
    ///
    /// # Errors
    /// When the connection was lost, or the owner asked so rarely that not all could be kept: something may have been
    /// missed. Listen anew.
    async fn next(&mut self, at_most: Duration) -> Result<Option<Heard>, BackendError>;
}

/// An [`Ear`] that is told by a [`Voice`] in the same process.
pub struct Hearing {
    heard: mpsc::Receiver<Heard>,
    shared: Arc<Shared>,
}

/// Where a broker puts what an ear is to hear. The ear keeps it, within bounds, until its owner asks.
pub struct Voice {
    heard: mpsc::Sender<Heard>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    kept_bytes: AtomicUsize,
    ended: OnceLock<BackendError>,
}

impl Topic {
    /// Whether a listener to this hears what is said of `said`.
    pub fn covers(&self, said: &Self) -> bool {
        match (self, said) {
            (Self::Control, Self::Control) => true,
            (Self::Event(wanted), Self::Event(key)) => {
                wanted.strip_suffix('*').map_or(wanted == key, |beginning| key.starts_with(beginning))
            }
            _ => false,
        }
    }
}

impl Voice {
    /// An ear and its voice.
    pub fn new() -> (Self, Hearing) {
        let (heard, hearing) = mpsc::channel(KEPT);
        let shared = Arc::<Shared>::default();
        (Self { heard, shared: shared.clone() }, Hearing { heard: hearing, shared })
    }

    /// Tells the ear something; false when nobody listens any more or the ear has fallen behind, which its owner is
    /// told: then this voice is of no more use.
    pub fn tell(&self, heard: Heard) -> bool {
        let bytes = heard.bytes.len();
        let before = self.shared.kept_bytes.fetch_add(bytes, Ordering::Relaxed);
        // One alone is heard however large it is.
        let kept = (before == 0 || before + bytes <= KEPT_BYTES) && self.heard.try_send(heard).is_ok();
        if !kept {
            self.shared.ended.get_or_init(|| BackendError::Unavailable(BEHIND.to_owned()));
        }
        kept
    }

    /// Ends the ear: its owner is told why, after all that was heard before.
    pub fn end(self, why: BackendError) {
        self.shared.ended.get_or_init(|| why);
    }

    /// Whether the ear is gone.
    pub fn is_unheard(&self) -> bool {
        self.heard.is_closed()
    }
}

#[async_trait]
impl Ear for Hearing {
    async fn next(&mut self, at_most: Duration) -> Result<Option<Heard>, BackendError> {
        match tokio::time::timeout(at_most, self.heard.recv()).await {
            Ok(Some(heard)) => {
                self.shared.kept_bytes.fetch_sub(heard.bytes.len(), Ordering::Relaxed);
                Ok(Some(heard))
            }
            Ok(None) => {
                let closed = || BackendError::Unavailable("the broker listened to was closed".to_owned());
                Err(self.shared.ended.get().cloned().unwrap_or_else(closed))
            }
            Err(_) => Ok(None),
        }
    }
}
