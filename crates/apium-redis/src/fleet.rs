//! The fleet port: who is alive, and what was called off.

use std::sync::atomic::Ordering;
use std::time::Duration;

use apium_core::fleet::Revocations;
use apium_core::{BackendError, Fleet, WorkerCard};
use async_trait::async_trait;
use redis::Value;

use crate::backend::RedisBackend;
use crate::keys;
use crate::scripts;
use crate::wake::Look;

/// Beats after which it is said again whose claims are whose: about once in an hour.
const SAID_AGAIN: u64 = 1_800;

#[async_trait]
impl Fleet for RedisBackend {
    async fn beat(&self, card: &WorkerCard, ttl: Duration) -> Result<(), BackendError> {
        let text = serde_json::to_vec(card)
            .map_err(|error| BackendError::Broken(format!("a worker's card cannot be written: {error}")))?;
        let mut script = scripts::BEAT.key(keys::WORKERS);
        script
            .key(keys::CARDS)
            .key(keys::holder(&self.inner.instance))
            .arg(self.offset())
            .arg(ttl.as_secs_f64())
            .arg(card.instance())
            .arg(text);
        let again = self.inner.beats.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAID_AGAIN);
        script.arg(&card.name).arg(u8::from(again));
        self.inner.link.script::<()>(&script).await?;
        self.bind_mailbox(&card.name).await
    }

    async fn leave(&self, card: &WorkerCard) -> Result<(), BackendError> {
        let instance = card.instance();
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("ZREM").arg(keys::WORKERS).arg(&instance).ignore();
        pipe.cmd("HDEL").arg(keys::CARDS).arg(&instance).ignore();
        pipe.cmd("DEL").arg(keys::holder(&self.inner.instance)).ignore();
        let (exchange, member) = self.inner.ears.channels.mailbox(&card.name);
        pipe.cmd("SREM").arg(keys::binding(&exchange)).arg(member).ignore();
        self.inner.link.pipeline(&pipe).await
    }

    async fn workers(&self) -> Result<Vec<WorkerCard>, BackendError> {
        let mut script = scripts::WORKERS.key(keys::WORKERS);
        script.key(keys::CARDS).arg(self.offset());
        let texts: Vec<Vec<u8>> = self.inner.link.script(&script).await?;
        let read = |text: &Vec<u8>| {
            serde_json::from_slice(text)
                .map_err(|error| BackendError::Broken(format!("a worker's card cannot be read: {error}")))
        };
        let mut cards: Vec<WorkerCard> = texts.iter().map(read).collect::<Result<_, _>>()?;
        cards.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(cards)
    }

    async fn revoke(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        let mut script = scripts::REVOKE.key(keys::REVOKED);
        script.key(keys::REVOKED_UNTIL).arg(self.offset()).arg(keep.as_secs_f64()).arg(task_id);
        self.inner.link.script(&script).await
    }

    async fn revocations(&self, cursor: u64, at_most: Duration) -> Result<Revocations, BackendError> {
        let watched = vec![keys::REVOKED.to_owned()];
        let news = self.inner.wake.until(watched, at_most, || self.revoked_since(cursor)).await?;
        Ok(news.unwrap_or(Revocations { cursor, ..Revocations::default() }))
    }
}

impl RedisBackend {
    async fn revoked_since(&self, cursor: u64) -> Result<Look<Revocations>, BackendError> {
        let link = &self.inner.wake.link;
        let mut range = redis::cmd("ZRANGEBYSCORE");
        range.arg(keys::REVOKED).arg(format!("({cursor}")).arg("+inf").arg("WITHSCORES");
        let found: Vec<(String, f64)> = link.command(&range).await?;
        let Some((_, last)) = found.last() else { return Ok(Look::Nothing) };
        let ids: Vec<&String> = found.iter().map(|(id, _)| id).collect();
        let mut pipe = redis::pipe();
        pipe.cmd("TIME").cmd("ZMSCORE").arg(keys::REVOKED_UNTIL).arg(&ids);
        let (time, until): (Value, Vec<Option<f64>>) = link.pipeline(&pipe).await?;
        let now = self.time(time)?;
        let remembered = |until: &Option<f64>| until.is_some_and(|until| until > now);
        let texts = ids.into_iter().zip(&until).filter(|(_, until)| remembered(until)).map(|(id, _)| id.clone());
        // A cursor is microseconds since 1970, which a double holds exactly until the year 2255.
        let revocations = Revocations::read(texts, whole_number(*last));
        Ok(if revocations.is_empty() { Look::Nothing } else { Look::Found(revocations) })
    }
}

fn whole_number(score: f64) -> u64 {
    format!("{score:.0}").parse().unwrap_or(0)
}
