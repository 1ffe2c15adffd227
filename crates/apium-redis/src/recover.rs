//! Putting back what nobody works on any more: our own deliveries when their lease ends, a Python worker's when
//! the visibility timeout has passed, and messages whose time has come in queues that no Apium worker claims from.

use std::collections::BTreeMap;
use std::time::Duration;

use apium_core::BackendError;
use apium_core::client::parse_iso;
use apium_core::dead::MOST_DEATHS;
use apium_protocol::{Message, RawJson};

use crate::backend::RedisBackend;
use crate::keys::{self, SEPARATOR, STEPS, Tag};
use crate::scripts;

/// Lost messages put back in one call, and messages that came due promoted in one run of the script.
const AT_ONCE: usize = 100;
/// Runs of that script for one queue in one call: what is promoted is not counted, so nobody calls again for it.
const RUNS: usize = 50;
/// How many deliveries of others are looked through for ours.
const DEPTH: usize = 20_000;

/// What a claim lasts that does not tell.
const LEASE: Duration = Duration::from_secs(30);

/// What a Python worker is called here: its name is not in Redis.
const PYTHON: &str = "a Python worker";

/// Something in `unacked` that is overdue.
struct Overdue {
    tag: String,
    /// As Redis wrote it: compared as text when it is put back.
    score: String,
    value: Vec<u8>,
}

impl Overdue {
    fn score(&self) -> f64 {
        self.score.parse().unwrap_or(0.0)
    }
}

/// Whose death it tells of that a message is overdue.
enum Death {
    /// Nobody's: its time has come.
    Nobody,
    /// That of the worker whose name stands under this key.
    Ours(String),
    /// That of a Python worker, as far as can be told (see [`RedisBackend::theirs`]).
    Theirs,
}

/// What is to be done with it.
enum Remedy {
    /// Back into these lists.
    Restore { queues: Vec<(String, u8)>, message: Vec<u8>, remember: bool, death: Death },
    /// It cannot be read or put into its queue; it stays where it is.
    Postpone,
}

impl RedisBackend {
    /// See [`apium_core::Broker::recover`]. Tells as well whether the server's clock was set back since the last time.
    pub(crate) async fn restore_overdue(&self) -> Result<(usize, bool), BackendError> {
        let clock = &self.inner.settings.clock;
        let from = clock.steady();
        let (now, overdue) = self.overdue().await?;
        let set_back = self.look_at_clock(from, now, clock.steady());
        let visibility_timeout = self.inner.settings.visibility_timeout;
        let visible = now - visibility_timeout.as_secs_f64();
        let mut due: BTreeMap<String, Vec<Overdue>> = BTreeMap::new();
        let mut remedies = Vec::new();
        // Latest claim first: each goes to the front, so the earliest ends up ahead.
        for lost in overdue {
            match Tag::read(&lost.tag) {
                // So long overdue that its delayed set must have been lost: put back like any other.
                Some(tag) if tag.delayed && lost.score() > visible => {
                    due.entry(tag.queue.to_owned()).or_default().push(lost);
                }
                Some(tag) if !tag.delayed && !self.is_over(&lost, tag.lease.unwrap_or(LEASE), now) => {}
                Some(tag) => remedies.push((ours(&lost.value, &tag), lost)),
                None if lost.score() > visible - self.gained(visibility_timeout) => {}
                None => remedies.push((self.theirs(&lost).await?, lost)),
            }
        }
        for (queue, waiting) in due {
            match self.promote(&queue).await {
                Err(error) if !error.is_transient() => {
                    tracing::warn!(queue, %error, "messages that came due cannot be promoted");
                    remedies.extend(waiting.into_iter().map(|lost| (Remedy::Postpone, lost)));
                }
                promoted => promoted?,
            }
        }
        let restored = if remedies.is_empty() { 0 } else { self.restore(&remedies).await? };
        Ok((restored, set_back))
    }

    /// Whether a lease of this length has run out, though the clock may have been set forward.
    fn is_over(&self, held: &Overdue, lease: Duration, now: f64) -> bool {
        self.may_judge(lease) && held.score() <= now - self.gained(lease)
    }

    async fn overdue(&self) -> Result<(f64, Vec<Overdue>), BackendError> {
        let mut script = scripts::OVERDUE.key(keys::INDEX);
        script.key(keys::UNACKED).arg(self.offset()).arg(self.inner.settings.visibility_timeout.as_secs_f64());
        script.arg(AT_ONCE).arg(DEPTH);
        let answer: Vec<Vec<u8>> = self.inner.link.script(&script).await?;
        let mut fields = answer.into_iter();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
        let now = fields.next().and_then(text).and_then(|now| now.parse().ok());
        let mut overdue = Vec::new();
        while let (Some(tag), Some(score), Some(value)) = (fields.next(), fields.next(), fields.next()) {
            let (Some(tag), Some(score)) = (text(tag), text(score)) else { continue };
            overdue.push(Overdue { tag, score, value });
        }
        Ok((now.ok_or_else(|| self.nonsense("TIME"))?, overdue))
    }

    /// Moves what came due in one queue to its lists.
    async fn promote(&self, queue: &str) -> Result<(), BackendError> {
        let mut script = scripts::PROMOTE.key(keys::UNACKED);
        script.key(keys::INDEX).key(keys::delayed(queue));
        for step in STEPS {
            script.key(keys::list(queue, step));
        }
        script.arg(self.offset()).arg(keys::ending(queue)).arg(AT_ONCE);
        for _ in 0..RUNS {
            let promoted: usize = self.inner.link.script(&script).await?;
            if promoted < AT_ONCE {
                break;
            }
        }
        Ok(())
    }

    async fn restore(&self, remedies: &[(Remedy, Overdue)]) -> Result<usize, BackendError> {
        let mut script = scripts::RESTORE.key(keys::INDEX);
        script.key(keys::UNACKED).key(keys::REDELIVERED).key(keys::DEATHS).key(keys::DEATHS_AT).arg(self.offset());
        script.arg(self.inner.settings.visibility_timeout.as_secs_f64()).arg(MOST_DEATHS).arg(remedies.len());
        for (remedy, lost) in remedies {
            script.arg(&lost.tag).arg(&lost.score);
            match remedy {
                Remedy::Restore { queues, message, remember, death } => {
                    script.arg("restore").arg(u8::from(*remember)).arg(message);
                    match death {
                        Death::Nobody => script.arg(""),
                        Death::Ours(holder) => script.arg("=").key(holder),
                        Death::Theirs => script.arg(PYTHON),
                    };
                    script.arg(queues.len());
                    for (queue, step) in queues {
                        script.arg(keys::ending(queue)).key(keys::list(queue, *step));
                    }
                }
                Remedy::Postpone => {
                    script.arg("postpone");
                }
            }
        }
        let answer: Vec<i64> = self.inner.link.script(&script).await?;
        for ((_, lost), _) in remedies.iter().zip(&answer).filter(|(_, answer)| **answer < 0) {
            tracing::warn!(
                redis = %self.inner.home,
                tag = lost.tag,
                "an overdue delivery in `unacked` cannot be put back: it is unreadable, its exchange has no queue, \
                 or a key of another type has its queue's name; it stays there and is looked at again later"
            );
        }
        Ok(answer.iter().filter(|answer| **answer > 0).count())
    }

    /// What a Python worker left: put back as kombu would, with its mark, into the queues its exchange leads to.
    ///
    /// Nothing in Redis tells a Python worker that died from one that holds a message for longer than the visibility
    /// timeout, be it that it runs or that it waits behind others. All of them count as a death; what waits for its
    /// ETA, which a Python worker does with the message in its hands, does not.
    async fn theirs(&self, lost: &Overdue) -> Result<Remedy, BackendError> {
        if lost.value.is_empty() {
            return Ok(nothing());
        }
        let Some((message, exchange, routing_key)) = unwrapped(&lost.value) else { return Ok(Remedy::Postpone) };
        let queues = match exchange.as_str() {
            "" => vec![routing_key],
            exchange => match self.queues_of(exchange, &routing_key).await {
                // Its table is no table: one such entry must not keep all others from being put back.
                Err(error) if !error.is_transient() => {
                    tracing::warn!(exchange, %error, "the queues of an exchange cannot be read");
                    return Ok(Remedy::Postpone);
                }
                queues => queues?,
            },
        };
        if queues.is_empty() {
            return Ok(Remedy::Postpone);
        }
        let priority = message.member("properties").and_then(|properties| properties.member("priority"));
        let priority = priority.and_then(|priority| priority.to::<u64>().ok()).unwrap_or(0);
        let queues = queues.into_iter().map(|queue| (queue, keys::step_of(priority))).collect();
        let bytes = message.as_str().as_bytes();
        let death = if may_have_begun(bytes, &lost.score) { Death::Theirs } else { Death::Nobody };
        let message = Message::redelivered(bytes).unwrap_or_else(|| bytes.to_vec());
        Ok(Remedy::Restore { queues, message, remember: false, death })
    }

    /// The queues bound to an exchange under a routing key. Redis does not say of which type an exchange is:
    /// bindings equal to the key count (direct); failing that, those whose pattern it fits (topic).
    async fn queues_of(&self, exchange: &str, routing_key: &str) -> Result<Vec<String>, BackendError> {
        let mut members = redis::cmd("SMEMBERS");
        let members: Vec<String> = self.inner.link.command(members.arg(keys::binding(exchange))).await?;
        let bindings: Vec<(&str, &str)> = members
            .iter()
            .filter_map(|member| {
                let mut parts = member.split(SEPARATOR);
                Some((parts.next()?, parts.nth(1)?))
            })
            .collect();
        let queues = |fits: &dyn Fn(&str) -> bool| -> Vec<String> {
            bindings.iter().filter(|(key, _)| fits(key)).map(|(_, queue)| (*queue).to_owned()).collect()
        };
        let direct = queues(&|key| key == routing_key);
        Ok(if direct.is_empty() { queues(&|key| fits_topic(key, routing_key)) } else { direct })
    }
}

/// What one of us left: the bytes as they came, that it came back is remembered beside.
fn ours(value: &[u8], tag: &Tag<'_>) -> Remedy {
    let ending = keys::ending(tag.queue);
    let message = value.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(ending.as_bytes()));
    match message {
        Some(message) => Remedy::Restore {
            queues: vec![(tag.queue.to_owned(), tag.step)],
            message: message.to_vec(),
            remember: !tag.delayed,
            death: if tag.delayed { Death::Nobody } else { Death::Ours(keys::holder(tag.instance)) },
        },
        None if value.is_empty() => nothing(),
        None => Remedy::Postpone,
    }
}

/// A score without a message: nothing to put back, and nothing to keep.
fn nothing() -> Remedy {
    Remedy::Restore { queues: Vec::new(), message: Vec::new(), remember: false, death: Death::Nobody }
}

/// False for a message whose ETA was still to come when a Python worker took it: it may have waited all the time.
fn may_have_begun(message: &[u8], taken: &str) -> bool {
    let eta = Message::decode(message).ok().and_then(|message| parse_iso(message.headers.eta.as_deref()?));
    let taken: f64 = taken.parse().unwrap_or(0.0);
    eta.is_none_or(|eta| eta.as_duration().as_secs_f64() <= taken)
}

/// `[message, exchange, routing key]`, the message as the text it is.
fn unwrapped(value: &[u8]) -> Option<(RawJson, String, String)> {
    let parts = RawJson::parse(std::str::from_utf8(value).ok()?).ok()?.elements().ok()?;
    let [message, exchange, routing_key] = parts.as_slice() else { return None };
    let text = |part: &RawJson| part.to::<Option<String>>().ok().map(Option::unwrap_or_default);
    Some((message.clone(), text(exchange)?, text(routing_key)?))
}

/// Whether a binding key such as `media.*` or `#.log` fits a routing key, word by word, as kombu's pattern does:
/// `*` is one word, `#` any run of characters.
fn fits_topic(binding: &str, routing_key: &str) -> bool {
    fn words(binding: &[&str], key: &[&str]) -> bool {
        match binding.split_first() {
            None => key.is_empty(),
            Some((&"#", rest)) => (0..=key.len()).any(|taken| words(rest, &key[taken..])),
            Some((word, rest)) => {
                key.split_first().is_some_and(|(first, others)| (*word == "*" || word == first) && words(rest, others))
            }
        }
    }
    words(&binding.split('.').collect::<Vec<_>>(), &routing_key.split('.').collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::fits_topic;

    #[test]
    fn topics_fit_word_by_word() {
        for (binding, key, fits) in [
            ("media.*", "media.video", true),
            ("media.*", "media.video.hd", false),
            ("media.#", "media.video.hd", true),
            ("#", "anything.at.all", true),
            ("*.log", "web.log", true),
            ("media.video", "media.audio", false),
        ] {
            assert_eq!(fits_topic(binding, key), fits, "{binding} and {key}");
        }
    }
}
