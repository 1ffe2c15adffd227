//! What is risky in the way a store keeps things.

use apium_core::inspection::{Durability, Facts, Held};

use super::Severity::{Error, Hint, Warning};
use super::seen::Seen;
use super::{Check, Severity};

const EVICTION: &str = "https://redis.io/docs/latest/develop/reference/eviction/";
const PERSISTENCE: &str = "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/";
const RESULTS: &str = "https://docs.celeryq.dev/en/stable/userguide/configuration.html#result-expires";
const CAVEATS: &str = "https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/redis.html#caveats";

/// Above this share of its memory a store is nearly full.
const NEARLY_FULL: u64 = 90;
/// Seconds by which a lease, or a visibility timeout, must be over before nobody can be on the way to it.
const ABANDONED: f64 = 120.0;

pub(super) const CHECKS: &[Check] = &[
    check(
        "eviction",
        Error,
        |seen| evicting(seen, true),
        "set maxmemory-policy noeviction, and watch used_memory",
        EVICTION,
    ),
    check(
        "eviction_policy",
        Warning,
        |seen| evicting(seen, false),
        "set maxmemory-policy noeviction before a limit is set",
        EVICTION,
    ),
    check("memory_nearly_full", Warning, nearly_full, "raise maxmemory, or let results expire sooner", EVICTION),
    check("disk_trouble", Error, trouble, "look at the server's log and its disk: it may refuse writes", PERSISTENCE),
    check("no_persistence", Warning, not_kept, "set appendonly yes", PERSISTENCE),
    check("snapshots_only", Hint, snapshots, "set appendonly yes", PERSISTENCE),
    check(
        "orphaned_messages",
        Error,
        orphans,
        "HGETALL unacked shows them: publish their messages again, and HDEL them",
        CAVEATS,
    ),
    check("abandoned_messages", Warning, abandoned, "start a worker: it puts them back", CAVEATS),
    check("dead_letters", Warning, dead, "apium dead list tells why; apium dead replay ID puts one back", CAVEATS),
    check("results_without_expiry", Warning, for_ever, "set result_expires, and EXPIRE those that are there", RESULTS),
];

const fn check(
    name: &'static str,
    severity: Severity,
    look: fn(&Seen) -> Option<String>,
    fix: &'static str,
    see: &'static str,
) -> Check {
    Check { name, severity, look, fix, see }
}

fn evicting(seen: &Seen, limited: bool) -> Option<String> {
    let evicts = |(_, facts): &(String, &Facts)| {
        let policy = facts.store.eviction.as_deref();
        policy.is_some_and(|policy| policy != "noeviction") && facts.store.memory_limit.is_some() == limited
    };
    let (name, facts) = seen.stores().find(evicts)?;
    let policy = facts.store.eviction.as_deref().unwrap_or_default();
    Some(match facts.store.memory_limit {
        Some(limit) => format!(
            "{name} throws keys away ({policy}) once it uses {} MiB: waiting tasks, results or counts of chords",
            limit >> 20
        ),
        None => {
            format!("{name} would throw keys away ({policy}) if it had a memory limit, or reached one it does not tell")
        }
    })
}

fn nearly_full(seen: &Seen) -> Option<String> {
    seen.stores().find_map(|(name, facts)| {
        let share = (facts.store.memory_used * 100).checked_div(facts.store.memory_limit?)?;
        (share >= NEARLY_FULL).then(|| format!("{name} uses {share} % of the memory it may use"))
    })
}

fn trouble(seen: &Seen) -> Option<String> {
    let (name, facts) = seen.stores().find(|(_, facts)| facts.store.trouble.is_some())?;
    let trouble = facts.store.trouble.as_deref().unwrap_or_default();
    Some(format!("{name} could not write to its disk the last time it tried: {trouble}"))
}

fn not_kept(seen: &Seen) -> Option<String> {
    let (name, _) = seen.stores().find(|(_, facts)| facts.store.durability == Durability::None)?;
    Some(format!("{name} keeps nothing on disk: every waiting task is gone when it restarts"))
}

fn snapshots(seen: &Seen) -> Option<String> {
    let (name, _) = seen.stores().find(|(_, facts)| facts.store.durability == Durability::Snapshots)?;
    Some(format!("{name} keeps snapshots only: a crash loses the tasks since the last one"))
}

fn orphans(seen: &Seen) -> Option<String> {
    let orphans = seen.broker.orphans;
    (orphans > 0)
        .then(|| format!("{orphans} messages are held by nobody and stand in no index: no worker ever puts them back"))
}

fn abandoned(seen: &Seen) -> Option<String> {
    let patience = seen.shortest().unwrap_or(seen.visibility_timeout);
    let over = |held: &Held| match *held {
        Held::Leased { until } => until + ABANDONED < seen.broker.now,
        Held::Taken { since } => since + patience + ABANDONED < seen.broker.now,
        Held::Waiting | Held::Delayed => false,
    };
    let found = seen.broker.messages.iter().filter(|sample| over(&sample.held)).count();
    (found > 0)
        .then(|| format!("{found} messages or more are held by workers that are gone, and nobody has put them back"))
}

fn dead(seen: &Seen) -> Option<String> {
    let dead = seen.broker.dead;
    (dead > 0).then(|| format!("{dead} messages were given up and wait for somebody to look at them"))
}

fn for_ever(seen: &Seen) -> Option<String> {
    let (looked_at, kept) = seen.stores().map(|(_, facts)| facts.results).find(|(_, kept)| *kept > 0)?;
    Some(format!("{kept} of {looked_at} stored results looked at never expire: the store fills up"))
}
