//! What was measured, for readers: a table on the terminal, one object of JSON, the page `docs/BENCHMARKS.md`.

use std::fmt::Write as _;

use super::figures::{Figures, Row, Spread, Standing};
use super::workloads::Workload;

/// What has to be known beside the figures.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// Facts about the machine and the run, each a name and a value.
    pub facts: Vec<(&'static str, String)>,
    /// For each peer: its name, its title, its versions, its settings in words.
    pub peers: Vec<[String; 4]>,
    /// How to repeat the run.
    pub command: String,
}

/// The tables for a terminal.
#[must_use]
pub fn text(figures: &Figures) -> String {
    let mut page = String::new();
    for (workload, rows) in figures.workloads() {
        let _ = writeln!(page, "\n{workload}: {}", spoken(workload, &figures.standing(workload)));
        let table = table(workload, rows, &|row| row.peer.clone());
        let columns = table.first().map_or(0, Vec::len);
        let width =
            |column: usize| table.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).filter_map(width).collect();
        for line in &table {
            for (cell, width) in line.iter().zip(&widths) {
                let _ = write!(page, "{cell:<width$}  ");
            }
            page.truncate(page.trim_end_matches(' ').len());
            page.push('\n');
        }
        for (row, failure) in rows.iter().flat_map(|row| row.failures.iter().map(move |failure| (row, failure))) {
            let _ = writeln!(page, "! {}: {failure}", row.peer);
        }
    }
    page
}

/// The same for programs.
#[must_use]
pub fn json(figures: &Figures, circumstances: &Circumstances) -> String {
    let facts = circumstances.facts.iter().map(|(name, value)| (name.replace(' ', "_"), quoted(value)));
    let workloads = figures.workloads().map(|(workload, rows)| {
        let standing = figures.standing(workload);
        let peers = rows.iter().map(|row| {
            let spreads = row.measures().filter_map(|name| Some((name.to_owned(), spread_json(row.spread(name)?))));
            let failures = row.failures.iter().map(|failure| quoted(failure)).collect::<Vec<_>>().join(", ");
            let told =
                [("rounds".to_owned(), row.rounds.len().to_string()), ("failures".to_owned(), format!("[{failures}]"))];
            (row.peer.clone(), object(told.into_iter().chain(spreads)))
        });
        let about = [
            ("measure", quoted(workload.measure())),
            ("more_is_better", workload.more_is_better().to_string()),
            ("ratio_to_celery", number(standing.ratio_to_celery)),
            ("ratio_to_best_celery", number(standing.ratio_to_best_celery)),
            ("ratio_to_limit", number(standing.ratio_to_limit)),
            ("best_peer", standing.best_peer.as_deref().map_or_else(|| "null".to_owned(), quoted)),
            ("ratio_to_best_peer", number(standing.ratio_to_best_peer)),
            ("peers", object(peers)),
        ];
        (workload.name().to_owned(), object(about.map(|(name, value)| (name.to_owned(), value))))
    });
    let whole = [("circumstances".to_owned(), object(facts)), ("workloads".to_owned(), object(workloads))];
    object(whole) + "\n"
}

/// The page of the manual.
#[must_use]
pub fn page(figures: &Figures, circumstances: &Circumstances) -> String {
    let mut page = String::from(
        "# Benchmarks\n\nMade by `cargo xtask bench --write`; a hand-made change is lost with the next run.\n\n\
         Each task's first act is one appended line with its number and the time, read from outside: no peer is asked for its \
         own opinion, and lost and doubled runs show. Every run has a Redis of its own, without persistence, on the same \
         machine as worker and producer. Rounds are interleaved (each peer once, then each again); a figure is the median, \
         with the least and the most behind it. Compare what stands in one table, and read ratios: the same run varies from \
         hour to hour. `others %` is the share of all cores that went to anything but the bench.\n\n\
         A ratio above 1 means that Apium is the better one, whichever way the measure goes.\n\n## The run\n\n",
    );
    for (name, value) in &circumstances.facts {
        let _ = writeln!(page, "- {name}: {value}");
    }
    let _ = writeln!(page, "- repeated with: `{}`\n\n## The peers\n", circumstances.command);
    page.push_str("| peer | what it is | versions | settings and promise |\n| --- | --- | --- | --- |\n");
    for peer in &circumstances.peers {
        let _ = writeln!(page, "| {} |", peer.join(" | "));
    }
    for (workload, rows) in figures.workloads() {
        let standing = spoken(workload, &figures.standing(workload));
        let _ = writeln!(page, "\n## {workload}\n\n{}\n\n{standing}\n", workload.about());
        for (place, line) in table(workload, rows, &|row| row.peer.clone()).iter().enumerate() {
            let _ = writeln!(page, "| {} |", line.join(" | "));
            if place == 0 {
                let _ = writeln!(page, "| --- |{}", " ---: |".repeat(line.len() - 1));
            }
        }
        let failures: Vec<String> =
            rows.iter().flat_map(|row| row.failures.iter().map(move |why| format!("- {}: {why}", row.peer))).collect();
        if !failures.is_empty() {
            let _ = writeln!(page, "\nRuns that gave nothing:\n\n{}", failures.join("\n"));
        }
    }
    page
}

fn spoken(workload: Workload, standing: &Standing) -> String {
    let against = |what: &str, ratio: Option<f64>| ratio.map(|ratio| format!("{} × {what}", figure(ratio)));
    let best = standing.best_peer.as_deref().unwrap_or_default();
    let parts = [
        against("Celery", standing.ratio_to_celery),
        against("the best of Celery's settings", standing.ratio_to_best_celery),
        against("the limit", standing.ratio_to_limit),
        against(&format!("the best peer ({best})"), standing.ratio_to_best_peer),
    ];
    let told: Vec<String> = parts.into_iter().flatten().collect();
    let told = if told.is_empty() { "no comparison".to_owned() } else { told.join(", ") };
    format!("Apium by {}: {told}.", workload.measure())
}

/// A header and a line a peer; the measure that decides is told with its spread.
fn table(workload: Workload, rows: &[Row], name: &dyn Fn(&Row) -> String) -> Vec<Vec<String>> {
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
        std::iter::once(name(row)).chain(measures.iter().map(cell)).collect()
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

fn spread_json(spread: Spread) -> String {
    let parts = [("median", spread.median), ("min", spread.min), ("max", spread.max)];
    object(parts.map(|(name, value)| (name.to_owned(), number(Some(value)))))
}

fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| "null".to_owned(), |value| format!("{value:.4}"))
}

fn object(parts: impl IntoIterator<Item = (String, String)>) -> String {
    let parts: Vec<String> = parts.into_iter().map(|(name, value)| format!("{}: {value}", quoted(&name))).collect();
    format!("{{{}}}", parts.join(", "))
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
