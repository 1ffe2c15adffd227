//! What was measured, for programs: one object of JSON.

use std::fmt::Write as _;

use super::figures::{Figures, Row, Spread};
use super::marks::{Asked, Look, Mark};
use super::report::{Circumstances, Told};
use super::workloads::Workload;

/// The whole of it. Measures are named in plain letters, such as `acked_per_s` for `acked/s`.
#[must_use]
pub fn json(figures: &Figures, marks: &[Mark], circumstances: &Circumstances) -> String {
    let facts = circumstances.facts.iter().map(|(name, value)| (name.replace(' ', "_"), quoted(value)));
    let settings = circumstances.peers.iter().map(|peer| (peer.name.clone(), told(peer)));
    let workloads =
        figures.workloads().map(|(workload, rows)| (workload.name().to_owned(), one(figures, workload, rows)));
    let whole = [
        ("command", quoted(&circumstances.command)),
        ("circumstances", object(facts)),
        ("others_percent_worst", number(figures.disturbed())),
        ("peers", object(settings)),
        ("workloads", object(workloads)),
        ("marks", list(marks.iter().map(mark))),
    ];
    object(named(whole)) + "\n"
}

fn told(peer: &Told) -> String {
    let parts = [
        ("title", quoted(&peer.title)),
        ("versions", quoted(&peer.versions)),
        ("settings", quoted(&peer.settings)),
        ("about", quoted(&peer.about)),
    ];
    object(named(parts))
}

fn one(figures: &Figures, workload: Workload, rows: &[Row]) -> String {
    let standing = figures.standing(workload);
    let peers = rows.iter().map(|row| {
        let spreads = row.measures().filter_map(|name| Some((key(name), spread(row.spread(name)?))));
        let counts =
            [("rounds", row.rounds.len().to_string()), ("failures", list(row.failures.iter().map(|why| quoted(why))))];
        (row.peer.clone(), object(named(counts).chain(spreads)))
    });
    let about = [
        ("measure", quoted(&key(workload.measure()))),
        ("more_is_better", workload.more_is_better().to_string()),
        ("ratio_to_celery", number(standing.ratio_to_celery)),
        ("ratio_to_best_celery", number(standing.ratio_to_best_celery)),
        ("ratio_to_limit", number(standing.ratio_to_limit)),
        ("best_peer", standing.best_peer.as_deref().map_or_else(|| "null".to_owned(), quoted)),
        ("ratio_to_best_peer", number(standing.ratio_to_best_peer)),
        ("peers", object(peers)),
    ];
    object(named(about))
}

fn mark(mark: &Mark) -> String {
    let look = |look: &Look| {
        let asked = match look.asked {
            Asked::Least(_) => "at_least",
            Asked::Most(_) => "at_most",
        };
        let parts =
            [("what", quoted(&look.what)), (asked, number(Some(look.asked.bound()))), ("found", number(look.found))];
        object(named(parts))
    };
    let parts = [
        ("workload", quoted(mark.workload.name())),
        ("peer", quoted(mark.peer)),
        ("one_of", list(mark.looks.iter().map(look))),
        ("met", mark.met().map_or_else(|| "null".to_owned(), |met| met.to_string())),
    ];
    object(named(parts))
}

/// A measure's name in plain letters.
fn key(measure: &str) -> String {
    measure.replace('µ', "u").replace('/', "_per_").replace('%', "percent").replace(' ', "_").to_lowercase()
}

fn spread(spread: Spread) -> String {
    let parts = [("median", spread.median), ("min", spread.min), ("max", spread.max)];
    object(named(parts.map(|(name, value)| (name, number(Some(value))))))
}

fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| "null".to_owned(), |value| format!("{value:.4}"))
}

fn named<const N: usize>(parts: [(&str, String); N]) -> impl Iterator<Item = (String, String)> {
    parts.map(|(name, value)| (name.to_owned(), value)).into_iter()
}

fn object(parts: impl IntoIterator<Item = (String, String)>) -> String {
    let parts: Vec<String> = parts.into_iter().map(|(name, value)| format!("{}: {value}", quoted(&name))).collect();
    format!("{{{}}}", parts.join(", "))
}

fn list(parts: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", parts.into_iter().collect::<Vec<_>>().join(", "))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted + "\""
}
