//! Dead letters: a set by time and a hash by id.

use apium_core::{BackendError, DeadFilter, DeadLetter};

use crate::backend::RedisBackend;
use crate::keys;
use crate::scripts;

/// Letters read at once while looking for those that match.
const PAGE: isize = 200;

impl RedisBackend {
    /// See [`apium_core::Broker::dead_letters`].
    pub(crate) async fn letters(&self, filter: &DeadFilter) -> Result<Vec<DeadLetter>, BackendError> {
        let mut found = Vec::new();
        let mut from = 0;
        while found.len() < filter.limit() {
            let mut page = redis::cmd("ZREVRANGE");
            let ids: Vec<String> = self.inner.link.command(page.arg(keys::DEAD).arg(from).arg(from + PAGE - 1)).await?;
            if ids.is_empty() {
                break;
            }
            let texts: Vec<Option<Vec<u8>>> =
                self.inner.link.command(redis::cmd("HMGET").arg(keys::LETTERS).arg(&ids)).await?;
            for text in texts.into_iter().flatten() {
                let letter = read(&text)?;
                if filter.matches(&letter) && found.len() < filter.limit() {
                    found.push(letter);
                }
            }
            from += PAGE;
        }
        Ok(found)
    }

    /// See [`apium_core::Broker::dead_letter`].
    pub(crate) async fn letter(&self, id: &str) -> Result<Option<DeadLetter>, BackendError> {
        let text: Option<Vec<u8>> = self.inner.link.command(redis::cmd("HGET").arg(keys::LETTERS).arg(id)).await?;
        text.map(|text| read(&text)).transpose()
    }

    /// See [`apium_core::Broker::replay`].
    pub(crate) async fn send_again(&self, id: &str) -> Result<bool, BackendError> {
        let Some(letter) = self.letter(id).await? else { return Ok(false) };
        self.bind(std::iter::once(letter.queue.as_str())).await?;
        let mut script = scripts::REPLAY.key(keys::DEAD);
        script.key(keys::LETTERS).key(keys::list(&letter.queue, keys::step_of(letter.priority.into())));
        script.arg(id).arg(&letter.message);
        Ok(self.inner.link.script::<i64>(&script).await? == 1)
    }
}

fn read(text: &[u8]) -> Result<DeadLetter, BackendError> {
    serde_json::from_slice(text)
        .map_err(|error| BackendError::Broken(format!("a stored dead letter cannot be read: {error}")))
}
