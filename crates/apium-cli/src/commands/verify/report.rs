//! What `verify` prints: one column a run, so that runs can be read side by side.

use serde_json::json;

use super::events::{Event, What};
use super::reckon::{Need, Reckoning, Spread};
use crate::commands::remote::tame;
use crate::failure::Failure;
use crate::output;
use crate::stderr::say;

/// The most faulty tasks whose history is shown.
const SHOWN: usize = 5;

/// Prints runs, each under its name.
pub(super) fn print(runs: &[(String, Reckoning)], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let told: Vec<_> = runs.iter().map(|(name, run)| json!({"name": name, "report": run})).collect();
        return match told.as_slice() {
            [one] => output::json(&one["report"]),
            all => output::json(&all),
        };
    }
    let columns: Vec<Vec<(&str, String)>> = runs.iter().map(|(_, run)| rows(run)).collect();
    let headings: Vec<&str> = std::iter::once("").chain(runs.iter().map(|(name, _)| name.as_str())).collect();
    let count = columns.first().map_or(0, Vec::len);
    let row = |at: usize| {
        let name = columns[0][at].0.to_owned();
        std::iter::once(name).chain(columns.iter().map(|column| column[at].1.clone())).collect()
    };
    output::table(&headings, &(0..count).map(row).collect::<Vec<Vec<String>>>())
}

/// Tells of what must not be, with the history of the first such tasks.
pub(super) fn tell_faults(events: &[Event], run: &Reckoning) {
    let kinds = [
        ("lost, or still in the broker", &run.missing),
        ("repeated or broken off without a reason", &run.unexplained),
        ("without the right result", &run.results.iter().map(|(task, _)| *task).collect()),
    ];
    for (kind, tasks) in kinds.iter().filter(|(_, tasks)| !tasks.is_empty()) {
        let named: Vec<String> = tasks.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = if tasks.len() > SHOWN { ", …" } else { "" };
        say(&format!("tasks {kind}: {}{more}", named.join(", ")));
        for task in tasks.iter().take(SHOWN) {
            events.iter().filter(|event| is_of(event, *task)).for_each(|event| {
                say(&format!("    {}", tame(&serde_json::to_string(event).unwrap_or_default())));
            });
        }
    }
    if !run.terms.ledger {
        say("judged by results alone: that a task ran twice cannot be seen so");
    }
}

/// The rows of one run; the same for every run.
fn rows(run: &Reckoning) -> Vec<(&'static str, String)> {
    let count = |number: usize| number.to_string();
    let by_ledger = |number: usize| if run.terms.ledger { number.to_string() } else { "not seen".to_owned() };
    let given_up: Vec<String> = run.given_up.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    vec![
        ("sent and confirmed", count(run.confirmed)),
        ("  answer unclear, refused", format!("{}, {}", run.unclear, run.refused)),
        ("ran to an end", count(run.ended)),
        ("lost", if run.interrupted { "interrupted".to_owned() } else { count(run.lost) }),
        ("  still in the broker", count(run.held)),
        ("given up", if given_up.is_empty() { "0".to_owned() } else { given_up.join(", ") }),
        ("results missing or wrong", count(run.results.len())),
        ("attempts", by_ledger(run.attempts)),
        ("doubled", by_ledger(run.doubled)),
        ("  cut off while they ran", by_ledger(run.cut_off)),
        ("  ended, not yet settled", format!("{} (at most {})", by_ledger(run.unsettled), told(run.unsettled_for))),
        ("  unexplained", by_ledger(run.unexplained.len())),
        ("late", by_ledger(run.late)),
        ("out of order", format!("{} (at most by {})", by_ledger(run.out_of_order), told(run.overtaken))),
        ("kills", format!("{} ({} struck attempts)", run.kills, run.kills_hit)),
        ("frozen, cut off", format!("{}, {}", run.freezes, run.cuts)),
        ("workers that died by themselves", count(run.died)),
        ("begun after", spread(run.picked_up)),
        ("begun again after", spread(run.taken_up_again)),
        ("needed by who was spared", needs(&run.spared)),
        ("took", told(run.seconds)),
    ]
}

fn spread(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "-".to_owned(),
        |Spread { p50, p99, most }| format!("p50 {}, p99 {}, most {}", told(p50), told(p99), told(most)),
    )
}

fn needs(needs: &[Need]) -> String {
    let need = |need: &Need| {
        let Need { rss_kib_first, rss_kib_last, descriptors_first, descriptors_last, .. } = need;
        format!(
            "{} to {} MiB, {descriptors_first} to {descriptors_last} descriptors",
            rss_kib_first / 1024,
            rss_kib_last / 1024
        )
    };
    if needs.is_empty() { "-".to_owned() } else { needs.iter().map(need).collect::<Vec<_>>().join("; ") }
}

fn told(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.3} s") } else { format!("{seconds:.0} s") }
}

fn is_of(event: &Event, wanted: u32) -> bool {
    match &event.what {
        What::Sent { task, .. }
        | What::Begin { task, .. }
        | What::End { task, .. }
        | What::GivenUp { task, .. }
        | What::Done { task }
        | What::Result { task, .. } => *task == wanted,
        _ => false,
    }
}
