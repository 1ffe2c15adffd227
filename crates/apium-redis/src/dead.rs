//! Dead letters: a set by time and a hash by id.

use std::collections::HashSet;

use apium_core::{BackendError, DeadFilter, DeadLetter};

use crate::backend::RedisBackend;
use crate::keys;
use crate::scripts;

/// Letters read at once while looking for those that match: each holds a whole message, which may be megabytes.
const PAGE: usize = 20;
/// Letters dropped in one command.
const DROPPED: usize = 1_000;

impl RedisBackend {
    /// See [`apium_core::Broker::dead_letters`].
    pub(crate) async fn letters(&self, filter: &DeadFilter) -> Result<Vec<DeadLetter>, BackendError> {
        let mut found = Vec::new();
        self.find(filter, filter.limit(), |letter| found.push(letter)).await?;
        Ok(found)
    }

    /// See [`apium_core::Broker::dead_ids`].
    pub(crate) async fn letter_ids(&self, filter: &DeadFilter) -> Result<Vec<String>, BackendError> {
        let mut found = Vec::new();
        self.find(filter, filter.most_ids(), |letter| found.push(letter.id)).await?;
        Ok(found)
    }

    /// Hands over what matches, newest first, up to a limit and each once: what is given up meanwhile moves the others
    /// on by a place.
    async fn find(
        &self,
        filter: &DeadFilter,
        limit: usize,
        mut take: impl FnMut(DeadLetter),
    ) -> Result<(), BackendError> {
        let (at_once, mut from) = (limit.min(PAGE), 0);
        let mut seen = HashSet::new();
        let mut found = 0;
        while found < limit {
            let mut page = redis::cmd("ZREVRANGE");
            page.arg(keys::DEAD).arg(from).arg(from + at_once - 1);
            let ids: Vec<String> = self.inner.link.command(&page).await?;
            if ids.is_empty() {
                break;
            }
            let texts: Vec<Option<Vec<u8>>> =
                self.inner.link.command(redis::cmd("HMGET").arg(keys::LETTERS).arg(&ids)).await?;
            for (id, text) in ids.iter().zip(texts) {
                let letter = match text.as_deref().map(read) {
                    Some(Ok(letter)) => letter,
                    Some(Err(error)) => {
                        // One that another version or hand wrote must not hide all others.
                        tracing::warn!(redis = %self.inner.home, id, %error, "a dead letter is left out of the list");
                        continue;
                    }
                    None => continue,
                };
                if found < limit && filter.matches(&letter) && seen.insert(id.clone()) {
                    found += 1;
                    take(letter);
                }
            }
            from += at_once;
        }
        Ok(())
    }

    /// See [`apium_core::Broker::dead_letter`].
    pub(crate) async fn letter(&self, id: &str) -> Result<Option<DeadLetter>, BackendError> {
        let text: Option<Vec<u8>> = self.inner.link.command(redis::cmd("HGET").arg(keys::LETTERS).arg(id)).await?;
        text.map(|text| read(&text)).transpose()
    }

    /// See [`apium_core::Broker::replay`].
    pub(crate) async fn send_again(&self, id: &str, instead: Option<Vec<u8>>) -> Result<bool, BackendError> {
        let Some(letter) = self.letter(id).await? else { return Ok(false) };
        self.bind(std::iter::once(letter.queue.as_str())).await?;
        let mut script = scripts::REPLAY.key(keys::DEAD);
        script.key(keys::LETTERS).key(keys::list(&letter.queue, keys::step_of(letter.priority.into())));
        script.arg(id).arg(instead.unwrap_or(letter.message));
        Ok(self.inner.link.script::<i64>(&script).await? == 1)
    }

    /// See [`apium_core::Broker::drop_dead`].
    pub(crate) async fn drop_letters(&self, ids: &[String]) -> Result<u64, BackendError> {
        let mut dropped = 0;
        for ids in ids.chunks(DROPPED) {
            let mut pipe = redis::pipe();
            pipe.atomic();
            pipe.cmd("HDEL").arg(keys::LETTERS).arg(ids).cmd("ZREM").arg(keys::DEAD).arg(ids).ignore();
            let (gone,): (u64,) = self.inner.link.pipeline(&pipe).await?;
            dropped += gone;
        }
        Ok(dropped)
    }
}

fn read(text: &[u8]) -> Result<DeadLetter, BackendError> {
    serde_json::from_slice(text)
        .map_err(|error| BackendError::Broken(format!("a stored dead letter cannot be read: {error}")))
}
