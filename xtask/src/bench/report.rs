//! What was measured, for readers: tables on the terminal, and the page `docs/BENCHMARKS.md`.

use std::fmt::Write as _;

use super::figures::{Figures, Row, Spread, Standing};
use super::marks::Mark;
use super::workloads::Workload;

/// How the page begins.
const FOREWORD: &str = "\
# Benchmarks

Made by `cargo xtask bench --write`; a hand-made change is lost with the next run.

Each task's first act is one appended line with its number and the time, read from outside: no peer is asked for its own
opinion, and lost and doubled runs show. The limit, which runs no tasks, appends the same lines. Every run has a Redis of
its own, without persistence, on the same machine as worker and producer. Rounds are interleaved (each peer once, then each
again); a figure is the median, with the least and the most behind it. Compare what stands in one table, and read ratios:
the same run varies from hour to hour. A ratio above 1 means that Apium is the better one, whichever way the measure goes.

`reads/task` is how often Redis read from a connection, about the round trips. `peak MiB` is the sum of each worker process's
own peak, and `worker µs/task` the time of all of them on the cores from the first task on. `others %` is the share of all
cores that went to anything but the bench. `places %` is how many tasks ran at any time, on average, of those that may run
at once: from the first line to the last acknowledgement, each as long as its own two lines say. `tasks` is how many there
were: more for a fast peer, so that a drain lasts.
";
/// From what share of the cores on others have spoilt a run, in per cent.
const QUIET: f64 = 10.0;
/// What is said above the marks.
const MARKS: &str = "What was promised, beside what this run found. No run fails by them.";
/// And below the run's own facts.
const REPEATED: &str = "\
To repeat it: Linux, `redis-server`, Python 3 with venv, Rust, a way to crates.io and PyPI for the first run. `cargo xtask bench`
builds what is missing into `target/bench` (or where `APIUM_BENCH_CACHE` says) and measures all of it; `--quick` ends
within ten minutes, `--peer` and `--workload` choose, `--json` is for programs. Who is measured, and how, is data:
`bench/peers.toml`.";

/// What has to be known beside the figures.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// Facts about the machine and the run, each a name and a value.
    pub facts: Vec<(&'static str, String)>,
    /// Who was measured.
    pub peers: Vec<Told>,
    /// How to repeat the run.
    pub command: String,
}

/// What is told of a peer.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Its name on the command line.
    pub name: String,
    /// Its name for readers.
    pub title: String,
    /// What it is made of.
    pub versions: String,
    /// Its settings as the list has them.
    pub settings: String,
    /// What they mean, and what it promises.
    pub about: String,
}

/// The tables for a terminal.
#[must_use]
pub fn text(figures: &Figures, marks: &[Mark]) -> String {
    let mut page = String::new();
    for (workload, rows) in figures.workloads() {
        let _ = writeln!(page, "\n{workload}: {}", spoken(workload, &figures.standing(workload)));
        page.push_str(&aligned(&table(workload, rows)));
        for (row, failure) in rows.iter().flat_map(|row| row.failures.iter().map(move |failure| (row, failure))) {
            let _ = writeln!(page, "! {}: {failure}", row.peer);
        }
    }
    let _ = write!(page, "\nThe marks\n{}", aligned(&compared(marks)));
    page.extend(warning(figures).map(|warning| format!("\n{warning}\n")));
    page
}

/// What a reader has to be told where the machine had other work.
fn warning(figures: &Figures) -> Option<String> {
    let worst = figures.disturbed().filter(|worst| *worst > QUIET)?;
    Some(format!(
        "This machine was busy with other work: it had up to {} % of the cores during a run. Do not quote these figures; \
         repeat the run on a quiet machine.",
        figure(worst)
    ))
}

/// A table in columns of one width each.
fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| table.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).filter_map(width).collect();
    let mut page = String::new();
    for line in table {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(page, "{cell:<width$}  ");
        }
        page.truncate(page.trim_end_matches(' ').len());
        page.push('\n');
    }
    page
}

/// A table as Markdown has it; all but the first columns are figures.
fn ruled(table: &[Vec<String>], words: usize) -> String {
    let mut page = String::new();
    for (place, line) in table.iter().enumerate() {
        let _ = writeln!(page, "| {} |", line.join(" | "));
        if place == 0 {
            let figures = " ---: |".repeat(line.len().saturating_sub(words));
            let _ = writeln!(page, "|{}{figures}", " --- |".repeat(words.min(line.len())));
        }
    }
    page
}

/// The page of the manual.
#[must_use]
pub fn page(figures: &Figures, marks: &[Mark], circumstances: &Circumstances) -> String {
    let mut page = String::from(FOREWORD);
    page.extend(warning(figures).map(|warning| format!("\n**{warning}**\n")));
    let _ = writeln!(page, "\n## The marks\n\n{MARKS}\n\n{}", ruled(&compared(marks), 3));
    let _ = writeln!(page, "## The run\n");
    for (name, value) in &circumstances.facts {
        let _ = writeln!(page, "- {name}: {value}");
    }
    let _ = writeln!(page, "- command: `{}`\n\n{REPEATED}\n\n## The peers\n", circumstances.command);
    let header = ["peer", "what it is", "versions", "settings", "in words"].map(ToOwned::to_owned).to_vec();
    let told = circumstances.peers.iter().map(|peer| {
        vec![peer.name.clone(), peer.title.clone(), peer.versions.clone(), peer.settings.clone(), peer.about.clone()]
    });
    page.push_str(&ruled(&std::iter::once(header).chain(told).collect::<Vec<_>>(), usize::MAX));
    for (workload, rows) in figures.workloads() {
        let standing = spoken(workload, &figures.standing(workload));
        let _ = writeln!(page, "\n## {workload}\n\n{}\n\n{standing}\n", workload.about());
        page.push_str(&ruled(&table(workload, rows), 1));
        let failures: Vec<String> =
            rows.iter().flat_map(|row| row.failures.iter().map(move |why| format!("- {}: {why}", row.peer))).collect();
        if !failures.is_empty() {
            let _ = writeln!(page, "\nRuns that gave nothing:\n\n{}", failures.join("\n"));
        }
    }
    page
}

/// What is asked beside what was found.
fn compared(marks: &[Mark]) -> Vec<Vec<String>> {
    let header = ["workload", "peer", "asked", "found", "met"].map(ToOwned::to_owned).to_vec();
    let line = |mark: &Mark| {
        let asked = mark.looks.iter().map(|look| {
            let (sign, bound) = (look.asked.sign(), figure(look.asked.bound()));
            format!("{} {sign} {bound}", look.what)
        });
        let found = mark.looks.iter().map(|look| look.found.map_or_else(|| "–".to_owned(), figure));
        let met = match mark.met() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "–",
        };
        let or = |parts: Vec<String>| parts.join(", or ");
        vec![
            mark.workload.name().to_owned(),
            mark.peer.to_owned(),
            or(asked.collect()),
            or(found.collect()),
            met.to_owned(),
        ]
    };
    std::iter::once(header).chain(marks.iter().map(line)).collect()
}

fn spoken(workload: Workload, standing: &Standing) -> String {
    let against = |what: &str, ratio: Option<f64>| ratio.map(|ratio| format!("{} × {what}", figure(ratio)));
    let best = standing.best_peer.as_deref().unwrap_or_default();
    let parts = [
        against("Celery", standing.ratio_to_celery),
        against("the best Celery in this table", standing.ratio_to_best_celery),
        against("the limit", standing.ratio_to_limit),
        against(&format!("the best peer in it ({best})"), standing.ratio_to_best_peer),
    ];
    let told: Vec<String> = parts.into_iter().flatten().collect();
    let told = if told.is_empty() { "no comparison".to_owned() } else { told.join(", ") };
    format!("Apium by {}: {told}.", workload.measure())
}

/// A header and a line a peer; the measure that decides is told with its spread.
fn table(workload: Workload, rows: &[Row]) -> Vec<Vec<String>> {
    let mut measures: Vec<&str> = vec![workload.measure()];
    for measure in rows.iter().flat_map(Row::measures) {
        if !measures.contains(&measure) {
            measures.push(measure);
        }
    }
    let header = std::iter::once("peer").chain(measures.iter().copied()).map(ToOwned::to_owned).collect();
    let line = |row: &Row| {
        let cell = |measure: &&str| match row.spread(measure) {
            None => "–".to_owned(),
            Some(Spread { median, min, max }) if *measure == workload.measure() => {
                format!("{} ({}..{})", figure(median), figure(min), figure(max))
            }
            Some(spread) => figure(spread.median),
        };
        std::iter::once(row.peer.clone()).chain(measures.iter().map(cell)).collect()
    };
    std::iter::once(header).chain(rows.iter().map(line)).collect()
}

/// Three figures that count, and none behind the point of what is large.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}
