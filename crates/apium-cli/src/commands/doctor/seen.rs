//! What was seen in one look, and the questions the checks put to it.

use std::collections::{BTreeMap, BTreeSet};

use apium_core::inspection::{Facts, Held, Sample};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Celery's own `visibility_timeout` on Redis, in seconds.
const VISIBILITY: f64 = 3600.0;

/// One look.
pub(super) struct Seen {
    /// The broker.
    pub(super) broker: Facts,
    /// The result store, where it is another.
    pub(super) results: Option<Facts>,
    /// Where queues are sharded, each store by its shard's name, the home first; `broker` has what is in all of them.
    pub(super) shards: Vec<(String, Facts)>,
    /// What waits where its queue does not live any more.
    pub(super) misplaced: Vec<Misplaced>,
    /// Who answers to remote control.
    pub(super) peers: Vec<Peer>,
    /// How often each name answered to one ping, those of beats among them.
    pub(super) answers: BTreeMap<String, usize>,
    /// After how long we put back what a Python worker holds, in seconds.
    pub(super) visibility_timeout: f64,
}

/// Messages in a shard, of a queue that lives in another.
pub(super) struct Misplaced {
    pub(super) queue: String,
    pub(super) messages: u64,
    pub(super) shard: String,
    pub(super) lives: String,
}

/// One worker.
#[derive(Default)]
pub(super) struct Peer {
    pub(super) node: String,
    /// An Apium worker, rather than a Python one.
    pub(super) ours: bool,
    /// Its settings, those left at their default too.
    pub(super) conf: Value,
    /// Exchange and name of each queue it consumes.
    pub(super) queues: Vec<(String, String)>,
    pub(super) running: Vec<Running>,
    /// Tasks it has taken that wait for room.
    pub(super) reserved: usize,
    /// The version of Celery; empty where it does not tell.
    pub(super) version: String,
    /// By how many seconds its clock is ahead of the broker's; `None` when no heartbeat was heard.
    pub(super) ahead: Option<f64>,
}

/// A task that runs.
pub(super) struct Running {
    pub(super) name: String,
    pub(super) seconds: f64,
    /// Its message is gone already.
    pub(super) acknowledged: bool,
}

impl Seen {
    /// The Python workers.
    pub(super) fn python(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| !peer.ours)
    }

    /// The names of the Python workers of which something holds; none: `None`.
    pub(super) fn python_where(&self, holds: impl Fn(&Peer) -> bool) -> Option<String> {
        let found: Vec<&str> = self.python().filter(|peer| holds(peer)).map(|peer| peer.node.as_str()).collect();
        (!found.is_empty()).then(|| names(&found))
    }

    /// The broker, its further shards, and, where it is another, the result store; each by what it is called.
    pub(super) fn stores(&self) -> impl Iterator<Item = (String, &Facts)> {
        let kind = |facts: &Facts| facts.store.kind.to_owned();
        let one = std::iter::once(&self.broker).chain(&self.results).map(move |facts| (kind(facts), facts));
        let further = self.shards.iter().skip(1);
        one.chain(further.map(move |(name, facts)| (format!("{} of the shard {name}", kind(facts)), facts)))
    }

    /// Every queue that somebody consumes.
    pub(super) fn consumed(&self) -> BTreeSet<&str> {
        let told = self.peers.iter().flat_map(|peer| peer.queues.iter().map(|(_, queue)| queue.as_str()));
        told.chain(self.broker.workers.iter().flat_map(|card| card.queues.iter().map(String::as_str))).collect()
    }

    /// The shortest visibility timeout of a Python worker, whose sweep takes what any other holds.
    pub(super) fn shortest(&self) -> Option<f64> {
        self.python().map(Peer::visibility_timeout).reduce(f64::min)
    }

    /// Messages that tell something in a header.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&Sample, Value)> {
        self.broker.messages.iter().filter_map(|sample| {
            let message: Value = serde_json::from_slice(sample.envelope.as_deref()?).ok()?;
            Some((sample, message.get("headers")?.clone()))
        })
    }

    /// The longest that a Python worker holds, or would hold, a message before its time, in seconds, and its task.
    pub(super) fn longest_eta(&self) -> Option<(f64, String)> {
        let theirs: BTreeSet<&str> =
            self.python().flat_map(|peer| peer.queues.iter().map(|(_, queue)| queue.as_str())).collect();
        let waits = self.headers().filter_map(|(sample, headers)| {
            let eta: Timestamp = headers.get("eta")?.as_str()?.parse().ok()?;
            let since = match sample.held {
                Held::Taken { since } => since,
                Held::Waiting if theirs.contains(sample.queue.as_str()) => self.broker.now,
                _ => return None,
            };
            let task = headers.get("task").and_then(Value::as_str).unwrap_or_default();
            Some((eta.as_duration().as_secs_f64() - since, task.to_owned()))
        });
        waits.max_by(|(one, _), (other, _)| one.total_cmp(other))
    }

    /// For machines.
    pub(super) fn summary(&self) -> Value {
        let store = |facts: &Facts| json!({"kind": facts.store.kind, "version": facts.store.version});
        let (looked_at, _) = self.results.as_ref().unwrap_or(&self.broker).results;
        json!({
            "broker": store(&self.broker),
            "results": self.results.as_ref().map(store),
            "shards": self.shards.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "workers": self.peers.iter().map(|peer| &peer.node).collect::<Vec<_>>(),
            "queues": self.broker.queues.len(),
            "messages": self.broker.messages.len(),
            "stored_results": looked_at,
            "whole": self.broker.whole,
        })
    }

    /// For people.
    pub(super) fn told(&self) -> String {
        let facts = &self.broker;
        format!(
            "{} {}, {} workers, {} queues{}, {} messages",
            facts.store.kind,
            facts.store.version,
            self.peers.len(),
            facts.queues.len(),
            if facts.whole { "" } else { " (there are more keys than a look may cost)" },
            facts.messages.len(),
        )
    }
}

impl Peer {
    /// A setting; null where it has none.
    pub(super) fn setting(&self, name: &str) -> &Value {
        self.conf.get(name).unwrap_or(&Value::Null)
    }

    /// Whether a setting is true.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.setting(name).as_bool() == Some(true)
    }

    /// An option of its transport.
    pub(super) fn transport(&self, name: &str) -> &Value {
        self.setting("broker_transport_options").get(name).unwrap_or(&Value::Null)
    }

    /// In seconds.
    pub(super) fn visibility_timeout(&self) -> f64 {
        self.transport("visibility_timeout").as_f64().unwrap_or(VISIBILITY)
    }

    /// `5.7` of `5.7.0`, as two numbers.
    pub(super) fn series(&self) -> Option<(u32, u32)> {
        let mut numbers = self.version.split('.').map(|number| number.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    }
}

/// `a`, `a and b`, `a, b and 3 more`; what comes twice is told once.
pub(super) fn names(all: &[&str]) -> String {
    let distinct: Vec<&str> = all.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    match distinct.as_slice() {
        [one, two, rest @ ..] if !rest.is_empty() => format!("{one}, {two} and {} more", rest.len()),
        few => few.join(" and "),
    }
}
