//! What is risky in queues and in the messages that wait there.

use std::collections::BTreeMap;

use apium_core::inspection::Held;
use apium_core::sharded::CROSSING;
use serde_json::Value;

use super::Check;
use super::Severity::{Error, Warning};
use super::gather::BEAT;
use super::seen::{Misplaced, Seen, names};

const ROUTING: &str = "https://docs.celeryq.dev/en/stable/userguide/routing.html";
const BEATS: &str = "https://docs.celeryq.dev/en/stable/userguide/periodic-tasks.html#starting-the-scheduler";
const WORKERS: &str = "https://docs.celeryq.dev/en/stable/userguide/workers.html";
const SHARDS: &str = "docs/SHARDS.md";
const DATA: &str = "https://docs.celeryq.dev/en/stable/userguide/tasks.html#data-locality";

/// Larger messages hold up the store and everyone who shares it.
const LARGE: u64 = 1 << 20;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "no_worker",
        severity: Warning,
        look: |seen| {
            let alone = seen.peers.is_empty() && seen.broker.workers.is_empty();
            alone.then(|| "no worker answers, so that nobody works and none could be looked at".to_owned())
        },
        fix: "start a worker; one that is busy in a solo pool answers to a longer --timeout",
        see: WORKERS,
    },
    Check {
        name: "backlog_without_consumer",
        severity: Error,
        look: backlog,
        fix: "start a worker with -Q QUEUE, or correct the route that leads there",
        see: ROUTING,
    },
    Check {
        name: "stranded_crossings",
        severity: Error,
        look: stranded,
        fix: "name that shard in the settings again, with its server, until its apium.to.NAME is empty",
        see: SHARDS,
    },
    Check {
        name: "unconsumed_binding",
        severity: Warning,
        look: unconsumed,
        fix: "start a worker with -Q QUEUE, or SREM the binding from _kombu.binding.EXCHANGE",
        see: ROUTING,
    },
    Check {
        name: "missing_binding",
        severity: Warning,
        look: unbound,
        fix: "restart that worker: it declares its queues again",
        see: ROUTING,
    },
    Check {
        name: "large_messages",
        severity: Warning,
        look: large,
        fix: "store the content elsewhere and send where it is",
        see: DATA,
    },
    Check {
        name: "misplaced_messages",
        severity: Error,
        look: misplaced,
        fix: "give the queue back to that shard until it is empty, then move it",
        see: SHARDS,
    },
    Check { name: "two_beats", severity: Error, look: beats, fix: "stop all but one celery beat", see: BEATS },
];

fn backlog(seen: &Seen) -> Option<String> {
    let consumed = seen.consumed();
    // What crosses is carried, not consumed.
    let alone = |queue: &str| !consumed.contains(queue) && !queue.starts_with(CROSSING);
    let found: Vec<_> = seen.broker.queues.iter().filter(|(queue, ready)| *ready > 0 && alone(queue)).collect();
    let messages: u64 = found.iter().map(|(_, ready)| ready).sum();
    let queues: Vec<&str> = found.iter().map(|(queue, _)| queue.as_str()).collect();
    (messages > 0)
        .then(|| format!("{messages} messages wait in {}, which no worker that answers consumes", names(&queues)))
}

fn stranded(seen: &Seen) -> Option<String> {
    let known = |name: &str| seen.shards.iter().any(|(shard, _)| shard == name);
    let lost = |queue: &str| queue.strip_prefix(CROSSING).is_some_and(|name| !known(name));
    let found: Vec<_> = seen.broker.queues.iter().filter(|(queue, ready)| *ready > 0 && lost(queue)).collect();
    let messages: u64 = found.iter().map(|(_, ready)| ready).sum();
    let queues: Vec<&str> = found.iter().map(|(queue, _)| queue.as_str()).collect();
    (messages > 0).then(|| {
        format!(
            "{messages} messages wait in {}, to be carried to a shard that the settings do not name",
            names(&queues)
        )
    })
}

/// A queue of its own exchange is only reached by its name, and then its backlog tells.
fn unconsumed(seen: &Seen) -> Option<String> {
    let consumed = seen.consumed();
    let unread = |(exchange, queue): &&(String, String)| exchange != queue && !consumed.contains(queue.as_str());
    let found: Vec<String> = seen
        .broker
        .bindings
        .iter()
        .filter(unread)
        .map(|(exchange, queue)| format!("{queue} (of the exchange {exchange})"))
        .collect();
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    (!found.is_empty()).then(|| format!("what is published is also put into {}, which nobody consumes", names(&found)))
}

fn unbound(seen: &Seen) -> Option<String> {
    let bound = |pair: &&(String, String)| !pair.0.is_empty() && !seen.broker.bindings.contains(pair);
    let queues = seen.python().flat_map(|peer| &peer.queues).filter(bound).map(|(_, queue)| queue.as_str());
    let found: Vec<&str> = queues.collect();
    (seen.broker.whole && !found.is_empty()).then(|| {
        format!("{} is consumed but bound to no exchange: what is sent through its exchange is lost", names(&found))
    })
}

fn misplaced(seen: &Seen) -> Option<String> {
    let told = |Misplaced { queue, messages, shard, lives }: &Misplaced| {
        format!("{messages} messages of {queue} wait in the shard {shard}, but it lives in {lives}")
    };
    let found: Vec<_> = seen.misplaced.iter().map(told).collect();
    (!found.is_empty()).then(|| format!("{}: nobody looks for them there", found.join("; ")))
}

fn large(seen: &Seen) -> Option<String> {
    let largest = seen.broker.messages.iter().max_by_key(|sample| sample.bytes)?;
    (largest.bytes >= LARGE).then(|| {
        format!(
            "a message of {} MiB was found, in {:?}: each copy of it blocks the broker",
            largest.bytes >> 20,
            largest.queue
        )
    })
}

/// Beats that answer to remote control are counted. Else beats are told by what they send: the messages of two that run
/// side by side alternate, those of one that was restarted do not.
fn beats(seen: &Seen) -> Option<String> {
    let answering: Vec<_> = seen.answers.iter().filter(|(node, _)| node.starts_with(BEAT)).collect();
    let count: usize = answering.iter().map(|(_, count)| **count).sum();
    if count > 1 {
        let nodes: Vec<&str> = answering.iter().map(|(node, _)| node.as_str()).collect();
        return Some(format!("{count} beats answer ({}): every schedule is sent {count} times", names(&nodes)));
    }
    let mut senders = BTreeMap::<&str, Vec<String>>::new();
    for (sample, headers) in seen.headers().filter(|(sample, _)| sample.held == Held::Waiting) {
        let by_beat = headers.get("celery_beat_task").and_then(Value::as_bool) == Some(true);
        if let Some(origin) = headers.get("origin").and_then(Value::as_str).filter(|_| by_beat) {
            senders.entry(&sample.queue).or_default().push(origin.to_owned());
        }
    }
    let alternate = |origins: &Vec<String>| {
        let mut turns = origins.clone();
        turns.dedup();
        let mut distinct = turns.clone();
        distinct.sort();
        distinct.dedup();
        (turns.len() > distinct.len()).then_some(distinct)
    };
    let found = senders.values().find_map(alternate)?;
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    Some(format!("scheduled tasks come by turns from {}: every schedule is sent more than once", names(&found)))
}
