//! What is risky in the settings of workers, most of it Celery's defaults.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Check;
use super::Severity::{Error, Hint, Warning};
use super::seen::{Peer, Running, Seen, names};

const SETTINGS: &str = "https://docs.celeryq.dev/en/stable/userguide/configuration.html";
const VISIBILITY: &str =
    "https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/redis.html#visibility-timeout";
const PREFETCH: &str = "https://docs.celeryq.dev/en/stable/userguide/optimizing.html#prefetch-limits";
const ACKS: &str = "https://docs.celeryq.dev/en/stable/userguide/tasks.html#Task.acks_late";
const SECURITY: &str = "https://docs.celeryq.dev/en/stable/userguide/security.html";
const RESULTS: &str = "https://docs.celeryq.dev/en/stable/userguide/tasks.html#keeping-results";
const WORKERS: &str = "https://docs.celeryq.dev/en/stable/userguide/workers.html";
const TIMEZONE: &str = "https://docs.celeryq.dev/en/stable/userguide/configuration.html#time-and-date-settings";

/// A task that runs longer, in seconds, keeps what was taken along with it waiting too long.
const LONG: f64 = 10.0;
/// Clocks further apart, in seconds, run delayed tasks too early or too late.
const APART: f64 = 5.0;
/// The release that counts the parts of a chord in a set of its own.
const COUNTED_ANEW: (u32, u32) = (5, 7);

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "visibility_below_eta",
        severity: Error,
        look: |seen| {
            let (timeout, (longest, task)) = (seen.shortest()?, seen.longest_eta()?);
            (longest > timeout).then(|| {
                format!("{task} waits {longest:.0} s for its time, and after {timeout:.0} s it is handed out again: it runs twice")
            })
        },
        fix: "broker_transport_options = {\"visibility_timeout\": more than the longest countdown}, on every worker",
        see: VISIBILITY,
    },
    Check {
        name: "visibility_below_running",
        severity: Error,
        look: |seen| {
            let (timeout, task) = (seen.shortest()?, longest(seen, |task| !task.acknowledged)?);
            (task.seconds > timeout).then(|| {
                format!(
                    "{} has run for {:.0} s, and after {timeout:.0} s it is handed out again: it runs twice",
                    task.name, task.seconds
                )
            })
        },
        fix: "broker_transport_options = {\"visibility_timeout\": more than the longest task}, on every worker",
        see: VISIBILITY,
    },
    Check {
        name: "visibility_differs",
        severity: Warning,
        look: |seen| {
            differing(seen, |peer| json!(peer.visibility_timeout()))
                .map(|values| format!("visibility timeouts of {values} s: the shortest counts for the messages of all"))
        },
        fix: "give every worker the same visibility_timeout",
        see: VISIBILITY,
    },
    Check {
        name: "priority_lists_differ",
        severity: Error,
        look: |seen| {
            let option = |peer: &Peer, name, default: Value| {
                Some(peer.transport(name)).filter(|value| !value.is_null()).cloned().unwrap_or(default)
            };
            let layout = |peer: &Peer| {
                json!([option(peer, "priority_steps", json!([0, 3, 6, 9])), option(peer, "sep", json!("\u{6}\u{16}"))])
            };
            let mut layouts: BTreeSet<String> = seen.python().map(|peer| layout(peer).to_string()).collect();
            if seen.peers.iter().any(|peer| peer.ours) {
                layouts.insert(json!([[0, 3, 6, 9], "\u{6}\u{16}"]).to_string());
            }
            (layouts.len() > 1).then(|| {
                "workers name the lists of priorities differently, so that they do not see one another's messages"
                    .to_owned()
            })
        },
        fix: "give every worker and client the same priority_steps and sep in broker_transport_options",
        see: SETTINGS,
    },
    Check {
        name: "early_ack",
        severity: Warning,
        look: |seen| {
            let early = seen.python_where(|peer| peer.setting("task_acks_late") == &json!(false))?;
            Some(format!("{early} acknowledges before it runs: a crash loses what runs"))
        },
        fix: "task_acks_late = True, with tasks that may run twice",
        see: ACKS,
    },
    Check {
        name: "lost_child_acknowledged",
        severity: Warning,
        look: |seen| {
            let lossy = |peer: &Peer| peer.is_on("task_acks_late") && !peer.is_on("task_reject_on_worker_lost");
            let lossy = seen.python_where(lossy)?;
            Some(format!("{lossy} acknowledges late, but not when a child of its pool is killed: that task is lost"))
        },
        fix: "task_reject_on_worker_lost = True",
        see: ACKS,
    },
    Check {
        name: "prefetch_hoards",
        severity: Warning,
        look: |seen| {
            let hoards = |peer: &Peer| {
                peer.reserved > 0
                    && !peer.is_on("worker_disable_prefetch")
                    && peer.running.iter().any(|task| task.seconds > LONG)
            };
            let hoarding = seen.python_where(hoards)?;
            Some(format!("{hoarding} runs long tasks and holds others back that an idle worker could run"))
        },
        fix: "worker_prefetch_multiplier = 1 with task_acks_late = True",
        see: PREFETCH,
    },
    Check {
        name: "prefetch_unlimited",
        severity: Warning,
        look: |seen| {
            let all = seen.python_where(|peer| peer.setting("worker_prefetch_multiplier") == &json!(0))?;
            Some(format!("{all} takes every message there is: no other worker gets any, and its memory fills up"))
        },
        fix: "worker_prefetch_multiplier = 1",
        see: PREFETCH,
    },
    Check {
        name: "pickle_accepted",
        severity: Error,
        look: |seen| {
            let pickles = |value: &Value| ["pickle", "application/x-python-serialize"].iter().any(|name| value == name);
            let accepts = |peer: &Peer| {
                ["accept_content", "result_accept_content"]
                    .iter()
                    .any(|name| peer.setting(name).as_array().is_some_and(|all| all.iter().any(pickles)))
            };
            let open = seen.python_where(accepts)?;
            Some(format!("{open} accepts pickle: whoever can write into the broker runs code there"))
        },
        fix: "accept_content = [\"json\"]",
        see: SECURITY,
    },
    Check {
        name: "no_result_backend",
        severity: Warning,
        look: |seen| {
            let none = |peer: &Peer| {
                !peer.conf.is_null()
                    && peer.setting("result_backend").as_str().is_none_or(|url| url.starts_with("disabled"))
            };
            let none = seen.python_where(none)?;
            Some(format!("{none} has no result backend: nobody learns how a task ended, and chords cannot run"))
        },
        fix: "result_backend = the broker's URL, or task_ignore_result = True to say that it is meant",
        see: RESULTS,
    },
    Check {
        name: "results_kept_for_ever",
        severity: Warning,
        look: |seen| {
            let ever = |peer: &Peer| {
                !peer.conf.is_null()
                    && matches!(peer.setting("result_expires"), value if value.is_null() || value == &json!(0) || value == &json!("0:00:00"))
            };
            let kept = seen.python_where(ever)?;
            Some(format!("{kept} stores results that never expire: the store fills up"))
        },
        fix: "result_expires = 86400",
        see: RESULTS,
    },
    Check {
        name: "no_retry_on_startup",
        severity: Hint,
        look: |seen| {
            let unset = |peer: &Peer| !peer.conf.is_null() && !peer.is_on("broker_connection_retry_on_startup");
            let unset = seen.python_where(unset)?;
            Some(format!("{unset} may end at once when the broker is away as it starts"))
        },
        fix: "broker_connection_retry_on_startup = True",
        see: SETTINGS,
    },
    Check {
        name: "no_heartbeat",
        severity: Hint,
        look: |seen| {
            let silent: Vec<&str> =
                seen.peers.iter().filter(|peer| peer.ahead.is_none()).map(|peer| peer.node.as_str()).collect();
            (!silent.is_empty()).then(|| {
                format!("{} answers, but sent no heartbeat for five seconds: monitors take it for dead", names(&silent))
            })
        },
        fix: "start it without --without-heartbeat",
        see: WORKERS,
    },
    Check {
        name: "duplicate_nodes",
        severity: Warning,
        look: |seen| {
            let twice =
                seen.answers.iter().filter(|(node, count)| **count > 1 && !node.starts_with(super::gather::BEAT));
            let twice: Vec<&str> = twice.map(|(node, _)| node.as_str()).collect();
            (!twice.is_empty()).then(|| {
                format!("several workers are called {}: they cannot be told apart, nor commanded alone", names(&twice))
            })
        },
        fix: "give each a name of its own: -n NAME@%h",
        see: WORKERS,
    },
    Check {
        name: "versions_mixed",
        severity: Warning,
        look: |seen| {
            let series = || seen.python().filter_map(|peer| Some((peer.series()?, peer.version.as_str())));
            let versions: Vec<&str> = series().map(|(_, version)| version).collect();
            let (old, new) =
                (series().any(|(series, _)| series < COUNTED_ANEW), series().any(|(series, _)| series >= COUNTED_ANEW));
            (old && new).then(|| {
                format!(
                    "Celery {} run side by side and count the parts of a chord differently: its body may run twice",
                    names(&versions)
                )
            })
        },
        fix: "bring every worker to one release",
        see: "https://docs.celeryq.dev/en/stable/history/index.html",
    },
    Check {
        name: "clocks_apart",
        severity: Warning,
        look: |seen| {
            let peer = seen.peers.iter().find(|peer| peer.ahead.is_some_and(|by| by.abs() > APART))?;
            let by = peer.ahead.unwrap_or_default();
            let how = if by > 0.0 { "ahead of" } else { "behind" };
            Some(format!(
                "the clock of {} is {:.0} s {how} the broker's: delayed tasks run at the wrong time",
                peer.node,
                by.abs()
            ))
        },
        fix: "run an NTP client on every host",
        see: WORKERS,
    },
    Check {
        name: "timezones_mixed",
        severity: Warning,
        look: |seen| {
            let clock = |peer: &Peer| json!([peer.setting("timezone"), peer.setting("enable_utc")]);
            differing(seen, clock).map(|values| {
                format!(
                    "workers differ in timezone and enable_utc ({values}): times without a zone mean different moments"
                )
            })
        },
        fix: "enable_utc = True and one timezone everywhere",
        see: TIMEZONE,
    },
];

/// The longest running task of a Python worker of which something holds.
fn longest(seen: &Seen, holds: impl Fn(&Running) -> bool) -> Option<&Running> {
    let tasks = seen.python().flat_map(|peer| &peer.running).filter(|task| holds(task));
    tasks.max_by(|one, other| one.seconds.total_cmp(&other.seconds))
}

/// The values Python workers give for what should be one; `None` when it is one.
fn differing(seen: &Seen, value: impl Fn(&Peer) -> Value) -> Option<String> {
    let values: BTreeSet<String> =
        seen.python().filter(|peer| !peer.conf.is_null()).map(|peer| value(peer).to_string()).collect();
    (values.len() > 1).then(|| names(&values.iter().map(String::as_str).collect::<Vec<_>>()))
}
