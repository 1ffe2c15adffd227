//! Dead letters: a set by time and a hash by id.

use apium_core::{BackendError, DeadFilter, DeadLetter};

use crate::backend::RedisBackend;
use crate::keys;
use crate::scripts;

/// Letters read at once while looking for those that match: each holds a whole message, which may be megabytes.
const PAGE: usize = 20;

impl RedisBackend {
    /// See [`apium_core::Broker::dead_letters`].
    pub(crate) async fn letters(&self, filter: &DeadFilter) -> Result<Vec<DeadLetter>, BackendError> {
        let mut found = Vec::new();
        let at_once = filter.limit().min(PAGE);
        let mut from = 0;
        while found.len() < filter.limit() {
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
                if filter.matches(&letter) && found.len() < filter.limit() {
                    found.push(letter);
                }
            }
            from += at_once;
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
