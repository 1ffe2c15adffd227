//! The differences as a text that people read.

use std::fmt::Write as _;

use serde_json::Value;

use crate::contract::{DiffFact, FactChange, FactState, ScanDiff, Unanswered};
use crate::report::{counted, tame};

/// Facts of one list that are shown.
const SHOWN: usize = 40;
/// Silent sources that are named beside a fact.
const NAMED: usize = 2;

/// The report of what is different. What strangers wrote into it cannot move the cursor.
pub fn report(diff: &ScanDiff) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = write_report(&mut text, diff);
    text
}

fn write_report(text: &mut String, diff: &ScanDiff) -> std::fmt::Result {
    writeln!(text, "Cambios en {} ({})", tame(&diff.target), diff.collector_type)?;
    for (name, scan) in [("antes", &diff.old), ("ahora", &diff.new)] {
        let cut = if scan.truncated { " · recogida cortada por un límite" } else { "" };
        writeln!(text, "  {name}  {} · {}{cut}", tame(&scan.timestamp), tame(&scan.task_id))?;
    }
    let changes = diff.summary.added + diff.summary.removed + diff.summary.changed;
    let doubtful = diff.summary.newly_visible + diff.summary.unconfirmed + diff.summary.perhaps_changed;
    writeln!(
        text,
        "{} · {doubtful} sin poder asegurarlo · {} sin cambios",
        counted(changes, "cambio"),
        diff.summary.unchanged
    )?;
    write_facts(text, "Nuevos", '+', &diff.added)?;
    write_facts(text, "Desaparecidos", '-', &diff.removed)?;
    write_changes(text, "Cambiados", &diff.changed)?;
    write_facts(text, "Visibles ahora, quizá ya estaban: antes no respondieron sus fuentes", '+', &diff.newly_visible)?;
    write_facts(text, "Sin confirmar, quizá siguen ahí: ahora no han respondido sus fuentes", '?', &diff.unconfirmed)?;
    write_changes(text, "Quizá cambiados: una de sus fuentes solo ha respondido una vez", &diff.perhaps_changed)
}

fn write_facts(text: &mut String, heading: &str, sign: char, facts: &[DiffFact]) -> std::fmt::Result {
    write_heading(text, heading, facts.len())?;
    for fact in facts.iter().take(SHOWN) {
        let told = || format!("[{}]", tame(&fact.sources.join(", ")));
        let by = if fact.unanswered.is_empty() { told() } else { silent(&fact.unanswered) };
        writeln!(text, "  {sign} {} {}  {by}", tame(&fact.kind), tame(&fact.value))?;
    }
    write_rest(text, facts.len())
}

fn write_changes(text: &mut String, heading: &str, changes: &[FactChange]) -> std::fmt::Result {
    write_heading(text, heading, changes.len())?;
    for change in changes.iter().take(SHOWN) {
        let by = if change.unanswered.is_empty() { String::new() } else { format!("  {}", silent(&change.unanswered)) };
        writeln!(text, "  ~ {} {}{by}", tame(&change.kind), tame(&change.value))?;
        for field in &change.fields {
            let (old, new) = (shown(&change.old, field), shown(&change.new, field));
            writeln!(text, "      {}: {old} → {new}", tame(field))?;
        }
    }
    write_rest(text, changes.len())
}

fn write_heading(text: &mut String, heading: &str, count: usize) -> std::fmt::Result {
    if count == 0 { Ok(()) } else { writeln!(text, "\n{heading} ({count})") }
}

fn write_rest(text: &mut String, count: usize) -> std::fmt::Result {
    if count <= SHOWN { Ok(()) } else { writeln!(text, "  … y {} más; --json los da todos", count - SHOWN) }
}

fn silent(unanswered: &[Unanswered]) -> String {
    let named = unanswered.iter().take(NAMED).map(|it| format!("{}: {}", tame(&it.source), word(&it.status)));
    let more = unanswered.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" y {more} más") } else { String::new() };
    format!("({}{more})", named.collect::<Vec<_>>().join("; "))
}

/// The words of [`crate::report`], and those of a comparison.
fn word(status: &str) -> String {
    let own = match status {
        "not_asked" => "no consultada",
        "partial" => "ha respondido en parte",
        "truncated" => "recogida cortada",
        "empty" => "no da los datos",
        "unknown" => "no aclara nada",
        _ => "",
    };
    if !own.is_empty() {
        return own.to_owned();
    }
    let known = serde_json::from_value(Value::from(status));
    known.map_or_else(|_| tame(status), |status| crate::report::word(status).to_owned())
}

fn shown(state: &FactState, field: &str) -> String {
    if field == "confidence" {
        return format!("{:.2}", state.confidence);
    }
    match state.attributes.get(field) {
        None => "—".to_owned(),
        Some(Value::String(text)) => tame(text),
        Some(value) => tame(&value.to_string()),
    }
}
