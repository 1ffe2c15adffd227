//! What everyone may hear, as Celery carries it: remote control and events on channels, answers on the list of whoever
//! asked.

use std::collections::VecDeque;
use std::time::Duration;

use apium_core::BackendError;
use apium_core::broadcast::{Broadcast, Ear, Heard, Topic};
use apium_protocol::control::{Binding, ReplyTo};
use async_trait::async_trait;
use redis::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::backend::RedisBackend;
use crate::keys;
use crate::scripts;
use crate::wake::Look;

/// How long an answer lies in a list that nobody reads. (A Python client that dies leaves its list for ever.)
const ANSWER_KEPT: Duration = Duration::from_mins(1);
/// How long an inbox stays bound when its process dies, at the least: then the next one that is opened takes it away.
const INBOX_KEPT: Duration = Duration::from_mins(10);
/// Answers taken at once.
const TAKEN_AT_ONCE: usize = 32;

/// The list that answers to one asker come to; taken away when dropped.
struct Inbox {
    backend: RedisBackend,
    list: String,
    member: String,
    /// Up to when it was bound, and on which connection: the Redis behind another may be an empty one.
    bound: (Instant, u64),
    /// Outlives a caller who gives up, so that what was taken is not lost with him.
    taking: Option<JoinHandle<Result<Vec<Vec<u8>>, BackendError>>>,
    heard: VecDeque<Heard>,
}

#[async_trait]
impl Broadcast for RedisBackend {
    async fn say(&self, topic: &Topic, bytes: &[u8]) -> Result<(), BackendError> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(self.inner.ears.channels.channel(topic)).arg(bytes);
        self.inner.link.command::<Value>(&publish).await.map(drop)
    }

    async fn listen(&self, topics: &[Topic]) -> Result<Box<dyn Ear>, BackendError> {
        self.inner.ears.listen(topics).await
    }

    async fn open_inbox(&self, id: &str) -> Result<Box<dyn Ear>, BackendError> {
        let (member, list) = self.inner.ears.channels.inbox(id);
        let bound = (Instant::now(), 0);
        let backend = self.clone();
        let mut inbox = Inbox { backend, list, member, bound, taking: None, heard: VecDeque::new() };
        inbox.bind().await?;
        Ok(Box::new(inbox))
    }

    async fn answer(&self, to: &ReplyTo, bytes: &[u8]) -> Result<(), BackendError> {
        let link = &self.inner.link;
        let members: Vec<Vec<u8>> = link.command(redis::cmd("SMEMBERS").arg(Binding::key(&to.exchange))).await?;
        let bindings = members.iter().filter_map(|member| std::str::from_utf8(member).ok().and_then(Binding::parse));
        let mut pipe = redis::pipe();
        for binding in bindings.filter(|binding| binding.routing_key == to.routing_key) {
            pipe.cmd("LPUSH").arg(&binding.queue).arg(bytes).ignore();
            pipe.cmd("EXPIRE").arg(&binding.queue).arg(ANSWER_KEPT.as_secs()).ignore();
        }
        if pipe.is_empty() { Ok(()) } else { link.pipeline(pipe.atomic()).await }
    }
}

impl Inbox {
    /// Makes the list known to whoever answers, and takes away those of the dead.
    async fn bind(&mut self) -> Result<(), BackendError> {
        let inner = &self.backend.inner;
        let mut script = scripts::INBOX.key(Binding::key(&inner.ears.channels.reply_exchange()));
        script.key(keys::INBOXES).arg(self.backend.offset()).arg(INBOX_KEPT.as_secs_f64()).arg(&self.member);
        inner.link.script::<Value>(&script).await?;
        self.bound = (Instant::now(), inner.link.serial());
        Ok(())
    }

    async fn look(&self) -> Result<Look<()>, BackendError> {
        let waiting: u64 = self.backend.inner.wake.link.command(redis::cmd("LLEN").arg(&self.list)).await?;
        Ok(if waiting > 0 { Look::Found(()) } else { Look::Nothing })
    }

    fn begin_to_take(&self) -> JoinHandle<Result<Vec<Vec<u8>>, BackendError>> {
        let (backend, list) = (self.backend.clone(), self.list.clone());
        self.backend.inner.ears.runtime.spawn(async move {
            let mut pop = redis::cmd("RPOP");
            pop.arg(list).arg(TAKEN_AT_ONCE);
            backend.inner.link.command::<Option<Vec<Vec<u8>>>>(&pop).await.map(Option::unwrap_or_default)
        })
    }

    /// Waits for what is being taken.
    async fn take(&mut self) -> Result<(), BackendError> {
        let Some(taking) = &mut self.taking else { return Ok(()) };
        let taken = taking.await;
        self.taking = None;
        let ended = |_| BackendError::Unavailable("the runtime that drove the connection to Redis is gone".to_owned());
        let answers = taken.map_err(ended)??.into_iter();
        self.heard.extend(answers.map(|bytes| Heard { topic: Topic::Control, bytes }));
        Ok(())
    }
}

#[async_trait]
impl Ear for Inbox {
    async fn next(&mut self, at_most: Duration) -> Result<Option<Heard>, BackendError> {
        let began = Instant::now();
        let (bound, serial) = self.bound;
        if bound.elapsed() > INBOX_KEPT / 2 || self.backend.inner.link.serial() != serial {
            self.bind().await?;
        }
        loop {
            self.take().await?;
            if let Some(heard) = self.heard.pop_front() {
                return Ok(Some(heard));
            }
            let watched = vec![self.list.clone()];
            let left = at_most.saturating_sub(began.elapsed());
            if self.backend.inner.wake.until(watched, left, || self.look()).await?.is_none() {
                return Ok(None);
            }
            self.taking = Some(self.begin_to_take());
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let inner = self.backend.inner.clone();
        let (list, member) = (std::mem::take(&mut self.list), std::mem::take(&mut self.member));
        self.backend.inner.ears.runtime.spawn(async move {
            let mut pipe = redis::pipe();
            pipe.atomic();
            pipe.cmd("SREM").arg(Binding::key(&inner.ears.channels.reply_exchange())).arg(&member).ignore();
            pipe.cmd("ZREM").arg(keys::INBOXES).arg(&member).ignore();
            pipe.cmd("DEL").arg(&list).ignore();
            if let Err(error) = inner.link.pipeline::<()>(&pipe).await {
                tracing::debug!(%error, "an inbox could not be taken away; the next one that is opened does it");
            }
        });
    }
}
