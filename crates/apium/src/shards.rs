//! Queues sharded over several servers: what is configured of a shard, and the one broker made of all.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use apium_core::sharded::{HOME, Shard, Sharded};
use apium_core::{BackendError, Broker};

use crate::backend::{check_url, holds_login, is_memory, redact};

/// A further store, and the queues that live there instead of in the broker. Each queue lives wholly in one store;
/// nothing is moved between them when this is changed.
#[derive(Clone, PartialEq, Eq)]
pub struct ShardSettings {
    /// What errors, the log and the names of crossings call it; the same in every program. Not `home`.
    pub name: String,
    /// Its URL, as that of a broker.
    pub url: String,
    /// The names of its queues, or patterns with a `*` as in routes. A name counts before a pattern, and of patterns the
    /// first.
    pub queues: Vec<String>,
}

/// Whether shards can be used, as far as can be told without contacting anyone.
///
/// # Errors
/// One sentence with what is wrong. It shows nothing that could be a password.
pub fn check_shards(shards: &[ShardSettings]) -> Result<(), BackendError> {
    let broken = |sentence: String| Err(BackendError::Broken(sentence));
    let (mut names, mut owned) = (HashSet::new(), HashSet::new());
    for ShardSettings { name, url, queues } in shards {
        if name.is_empty() || !name.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_".contains(sign)) {
            let shown = redact(name);
            return broken(format!("a shard's name is of letters, digits, - and _, which {shown:?} is not"));
        }
        if name == HOME || !names.insert(name) {
            return broken(format!("two shards are named {name}; `{HOME}` is the broker itself"));
        }
        if let Err(error) = check_url(url) {
            return broken(format!("the url of the shard {name} cannot be used: {error}"));
        }
        if queues.is_empty() {
            return broken(format!("the shard {name} owns no queue; name its queues, or leave it out"));
        }
        for queue in queues {
            if queue.trim().is_empty() || queue.contains(char::is_control) || holds_login(queue) {
                return broken(format!("a queue of the shard {name} has no plain name"));
            }
            if !owned.insert(queue) {
                return broken(format!("the queue {queue} is given to the shards twice; a queue lives in one"));
            }
        }
    }
    Ok(())
}

/// The one broker over the home and these shards, which are open.
pub(crate) fn over(
    home: Arc<dyn Broker>,
    shards: Vec<(ShardSettings, Arc<dyn Broker>)>,
) -> Result<Arc<dyn Broker>, BackendError> {
    let shards = shards.into_iter().map(|(set, broker)| (Shard::new(set.name, broker), set.queues));
    Ok(Arc::new(Sharded::new(home, shards.collect())?))
}

impl ShardSettings {
    /// Whether its store lives and dies with the process that opens it.
    pub fn is_memory(&self) -> bool {
        is_memory(&self.url)
    }
}

/// Without its password.
impl fmt::Debug for ShardSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, url, queues } = self;
        f.debug_struct("ShardSettings")
            .field("name", &redact(name))
            .field("url", &redact(url))
            .field("queues", queues)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{ShardSettings, check_shards};

    fn shard(name: &str, url: &str, queues: &[&str]) -> ShardSettings {
        let queues = queues.iter().map(ToString::to_string).collect();
        ShardSettings { name: name.to_owned(), url: url.to_owned(), queues }
    }

    #[test]
    fn what_cannot_be_meant_is_one_sentence_without_a_password() {
        const URL: &str = "redis://:s3cret@h/0";
        for (shards, told) in [
            (vec![shard("home", URL, &["a"])], "two shards are named home"),
            (vec![shard("x", URL, &["a"]), shard("x", URL, &["b"])], "two shards are named x"),
            (vec![shard("x", URL, &["a"]), shard("y", URL, &["a"])], "the queue a is given to the shards twice"),
            (vec![shard("x", "rdis://:s3cret@h", &["a"])], "rdis:// is not known"),
            (vec![shard("x", URL, &[])], "owns no queue"),
            (vec![shard("x", URL, &[" "])], "no plain name"),
            (vec![shard("redis://:s3cret@h", URL, &["a"])], "letters, digits"),
        ] {
            let sentence = check_shards(&shards).map_err(|error| error.to_string()).err().unwrap_or_default();
            assert!(sentence.contains(told) && !sentence.contains("s3cret"), "{sentence}");
            assert!(!format!("{shards:?}").contains("s3cret"));
        }
        assert!(check_shards(&[shard("two", URL, &["a", "b.*"]), shard("three", "sqlite:x.db", &["c"])]).is_ok());
    }
}
