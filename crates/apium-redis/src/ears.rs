//! Those who listen: one connection for all of them, opened with the first ear and closed with the last.
//!
//! The patterns are those that a Celery peer subscribes to. A connection that broke is not mended behind the ears:
//! what was said meanwhile is lost, so each ear ends with an error and its owner listens anew.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use apium_core::BackendError;
use apium_core::broadcast::{Ear, Heard, Hearing, Topic, Voice};
use apium_protocol::control::ControlNames;
use apium_protocol::event::EventNames;
use async_trait::async_trait;
use redis::Value;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::address::Address;
use crate::connection::{Link, Pushes};

/// How often Redis is asked whether it is still there: a half-open connection says nothing, as one on which nobody
/// speaks.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// The pause after an attempt to listen that failed.
const PAUSE: Duration = Duration::from_millis(200);

/// Where one begins to listen.
pub(crate) struct Ears {
    address: Address,
    /// Where every connection of the backend is driven.
    pub(crate) runtime: Handle,
    pub(crate) channels: Channels,
    opened: tokio::sync::Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    /// Held by its ears alone, so that it ends with the last.
    session: Weak<Session>,
    failed: Option<Instant>,
}

/// Which channels and patterns Celery's exchanges are in this database.
#[derive(Clone)]
pub(crate) struct Channels {
    database: u32,
    control: ControlNames,
    events: EventNames,
}

/// One connection and its ears, from the first to the last or until the connection is lost.
struct Session {
    link: Link,
    listeners: Arc<Listeners>,
    subscribed: tokio::sync::Mutex<HashSet<String>>,
    runtime: Handle,
}

/// Whom the connection tells.
pub(crate) struct Listeners {
    channels: Channels,
    home: String,
    last: AtomicU64,
    /// `None` once the connection was lost.
    present: Mutex<Option<Vec<Listener>>>,
}

struct Listener {
    number: u64,
    /// Each topic with its pattern.
    wanted: Vec<(Topic, String)>,
    voice: Voice,
}

/// An ear; dropped, it is forgotten, and the connection told so.
struct Listening {
    hearing: Hearing,
    number: u64,
    session: Arc<Session>,
}

impl Ears {
    /// Nobody listens yet, and nothing is connected. To be called on the runtime that is to drive the connection.
    pub(crate) fn new(address: &Address) -> Self {
        let channels = Channels::new(address.database());
        Self { address: address.clone(), runtime: Handle::current(), channels, opened: tokio::sync::Mutex::default() }
    }

    /// Hears of these topics from now on.
    pub(crate) async fn listen(&self, topics: &[Topic]) -> Result<Box<dyn Ear>, BackendError> {
        let listening = self.session().await.listen(topics).await;
        self.opened.lock().await.failed = listening.as_ref().err().map(|_| Instant::now());
        Ok(Box::new(listening?))
    }

    async fn session(&self) -> Arc<Session> {
        let mut opened = self.opened.lock().await;
        if let Some(session) = opened.session.upgrade().filter(|session| !session.listeners.lost_connection()) {
            return session;
        }
        if let Some(failed) = opened.failed.take() {
            tokio::time::sleep_until(failed + PAUSE).await;
        }
        let session = Arc::new(Session::new(&self.address, &self.channels, &self.runtime));
        self.runtime.spawn(keep_asking(Arc::downgrade(&session)));
        opened.session = Arc::downgrade(&session);
        session
    }
}

impl Session {
    fn new(address: &Address, channels: &Channels, runtime: &Handle) -> Self {
        let _on = runtime.enter();
        let listeners = Arc::new(Listeners {
            channels: channels.clone(),
            home: address.home.clone(),
            last: AtomicU64::new(0),
            present: Mutex::new(Some(Vec::new())),
        });
        let link = Link::new(address, Pushes::Said(listeners.clone()));
        Self { link, listeners, subscribed: tokio::sync::Mutex::default(), runtime: runtime.clone() }
    }

    async fn listen(self: Arc<Self>, topics: &[Topic]) -> Result<Listening, BackendError> {
        let pattern = |topic: &Topic| self.listeners.channels.pattern(topic);
        let wanted: Vec<(Topic, String)> = topics.iter().map(|topic| (topic.clone(), pattern(topic))).collect();
        // Held until the ear is known, or its patterns could be left meanwhile.
        let mut subscribed = self.subscribed.lock().await;
        self.subscribe(&mut subscribed, &wanted).await?;
        let (number, hearing) = self.listeners.add(wanted)?;
        drop(subscribed);
        Ok(Listening { hearing, number, session: self })
    }

    /// Returns when Redis has answered, also where nothing is to be subscribed to: by then all that was said before
    /// has come, on its way to other ears, and the new one does not hear it.
    async fn subscribe(
        &self,
        subscribed: &mut HashSet<String>,
        wanted: &[(Topic, String)],
    ) -> Result<(), BackendError> {
        let patterns: HashSet<&String> = wanted.iter().map(|(_, pattern)| pattern).collect();
        let fresh: Vec<String> = patterns.into_iter().filter(|one| !subscribed.contains(*one)).cloned().collect();
        if fresh.is_empty() {
            return self.link.command::<Value>(&redis::cmd("PING")).await.map(drop);
        }
        self.link.subscribe(&fresh).await?;
        subscribed.extend(fresh);
        Ok(())
    }

    /// Leaves the patterns that nobody wants any more.
    async fn unsubscribe(&self) {
        let mut subscribed = self.subscribed.lock().await;
        let wanted = self.listeners.patterns();
        let idle: Vec<String> = subscribed.iter().filter(|pattern| !wanted.contains(*pattern)).cloned().collect();
        if idle.is_empty() || self.listeners.lost_connection() {
            return;
        }
        match self.link.unsubscribe(&idle).await {
            Ok(()) => subscribed.retain(|pattern| wanted.contains(pattern)),
            Err(error) => tracing::debug!(%error, "what nobody listens to any more could not be left"),
        }
    }
}

/// Asks now and then, as long as somebody listens; an answer that does not come ends the connection.
async fn keep_asking(session: Weak<Session>) {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        let Some(session) = session.upgrade().filter(|session| !session.listeners.lost_connection()) else { return };
        if let Err(error) = session.link.command::<Value>(&redis::cmd("PING")).await {
            tracing::debug!(%error, "no answer on the connection that listens");
        }
    }
}

impl Listeners {
    /// Redis says that something was said.
    pub(crate) fn heard(&self, push: &[Value]) {
        let [Value::BulkString(pattern), Value::BulkString(channel), Value::BulkString(bytes)] = push else { return };
        let Some(topic) = std::str::from_utf8(channel).ok().and_then(|channel| self.channels.topic(channel)) else {
            return;
        };
        let Some(listeners) = &mut *self.present() else { return };
        listeners.retain(|listener| {
            // Redis tells it once for each pattern; an ear hears it by the first of its own.
            let first = listener.wanted.iter().find(|(wanted, _)| wanted.covers(&topic));
            if first.is_none_or(|(_, by)| by.as_bytes() != pattern.as_slice()) {
                return true;
            }
            listener.voice.tell(Heard { topic: topic.clone(), bytes: bytes.clone() })
        });
    }

    /// The connection is gone.
    pub(crate) fn lost(&self) {
        for listener in self.present().take().into_iter().flatten() {
            listener.voice.end(self.loss());
        }
    }

    fn add(&self, wanted: Vec<(Topic, String)>) -> Result<(u64, Hearing), BackendError> {
        let (voice, hearing) = Voice::new();
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let Some(listeners) = &mut *self.present() else { return Err(self.loss()) };
        listeners.push(Listener { number, wanted, voice });
        Ok((number, hearing))
    }

    /// Forgets an ear; true when others are left.
    fn remove(&self, number: u64) -> bool {
        let Some(listeners) = &mut *self.present() else { return false };
        listeners.retain(|listener| listener.number != number);
        !listeners.is_empty()
    }

    fn patterns(&self) -> HashSet<String> {
        let present = self.present();
        let wanted = present.iter().flatten().flat_map(|listener| &listener.wanted);
        wanted.map(|(_, pattern)| pattern.clone()).collect()
    }

    fn lost_connection(&self) -> bool {
        self.present().is_none()
    }

    fn loss(&self) -> BackendError {
        let home = &self.home;
        BackendError::Unavailable(format!(
            "the connection to Redis at {home} was lost while listening; something may have been missed"
        ))
    }

    fn present(&self) -> MutexGuard<'_, Option<Vec<Listener>>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channels {
    fn new(database: u32) -> Self {
        Self { database, control: ControlNames::default(), events: EventNames::default() }
    }

    /// Where it is said.
    pub(crate) fn channel(&self, topic: &Topic) -> String {
        match topic {
            Topic::Control => self.control.channel(self.database),
            Topic::Event(key) => self.events.channel(self.database, key),
        }
    }

    /// The exchange of remote control, and what a worker of this name binds there.
    pub(crate) fn mailbox(&self, node: &str) -> (String, String) {
        (self.control.exchange(), self.control.node_binding(node).to_string())
    }

    /// What a client binds before it asks, and the list its answers come to.
    pub(crate) fn inbox(&self, id: &str) -> (String, String) {
        (self.control.reply_binding(id).to_string(), self.control.reply_queue(id))
    }

    /// The exchange that answers go by.
    pub(crate) fn reply_exchange(&self) -> String {
        self.control.reply_exchange()
    }

    fn pattern(&self, topic: &Topic) -> String {
        match topic {
            Topic::Event(key) if key.ends_with('*') => {
                format!("{}*", literal(&self.events.channel(self.database, key.trim_end_matches('*'))))
            }
            topic => literal(&self.channel(topic)),
        }
    }

    fn topic(&self, channel: &str) -> Option<Topic> {
        if channel == self.control.channel(self.database) {
            return Some(Topic::Control);
        }
        self.events.routing_key(self.database, channel).map(|key| Topic::Event(key.to_owned()))
    }
}

/// A name as a pattern that fits nothing else.
fn literal(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    for sign in name.chars() {
        if "*?[]\\^".contains(sign) {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern
}

#[async_trait]
impl Ear for Listening {
    async fn next(&mut self, at_most: Duration) -> Result<Option<Heard>, BackendError> {
        self.hearing.next(at_most).await
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if self.session.listeners.remove(self.number) {
            let session = self.session.clone();
            self.session.runtime.spawn(async move { session.unsubscribe().await });
        }
    }
}
