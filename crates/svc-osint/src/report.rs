//! A result as a text that people read: what was found, kind by kind, and what could not be asked and why.

use std::fmt::Write as _;

use serde_json::Value;

use crate::contract::CollectorResult;
use crate::model::{Finding, SourceReport, SourceStatus};

/// Facts of one kind that are shown.
const SHOWN: usize = 40;
/// Characters of a fact that are shown.
const WIDTH: usize = 160;

/// The report of a result. What strangers wrote into it cannot move the cursor.
pub fn report(result: &CollectorResult) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = write_report(&mut text, result);
    text
}

fn write_report(text: &mut String, result: &CollectorResult) -> std::fmt::Result {
    let metadata = &result.metadata;
    writeln!(text, "Escaneo de {} ({})", tame(&result.target), result.collector_name)?;
    writeln!(
        text,
        "{} · {:.1} s · {} · {}",
        result.timestamp,
        metadata.duration,
        counted(metadata.findings_total, "hallazgo"),
        tame(&result.id)
    )?;
    if let Some(age) = metadata.cache_age_s {
        writeln!(text, "Resultado de hace {age} s; con --force se pregunta todo de nuevo.")?;
    }
    if let Some(error) = &result.error {
        writeln!(text, "Incompleto: {}", tame(error))?;
    }
    if metadata.truncated {
        writeln!(text, "Hay más de lo que se muestra: algún límite ha cortado la recogida.")?;
    }
    for part in &metadata.parts {
        let why = part.error.as_deref().or(part.reason.as_deref()).map(|why| format!(": {}", tame(why)));
        writeln!(text, "  {:<16} {}{}", part.collector_type, word(part.status), why.unwrap_or_default())?;
    }
    let findings = result.data.get("findings").cloned().unwrap_or(Value::Null);
    let findings: Vec<Finding> = serde_json::from_value(findings).unwrap_or_default();
    write_findings(text, &findings)?;
    write_sources(text, &metadata.sources)
}

fn write_findings(text: &mut String, findings: &[Finding]) -> std::fmt::Result {
    let mut kinds: Vec<&str> = Vec::new();
    for finding in findings {
        if !kinds.contains(&finding.kind.as_str()) {
            kinds.push(&finding.kind);
        }
    }
    for kind in kinds {
        let of_kind: Vec<_> = findings.iter().filter(|finding| finding.kind == kind).collect();
        writeln!(text, "\n{kind} ({})", of_kind.len())?;
        for finding in of_kind.iter().take(SHOWN) {
            let doubt = if finding.confidence < 0.5 {
                format!("  (confianza {:.1})", finding.confidence)
            } else {
                String::new()
            };
            writeln!(text, "  {}  [{}]{doubt}", tame(&finding.value), tame(&finding.source))?;
        }
        if of_kind.len() > SHOWN {
            writeln!(text, "  … y {} más; --json los da todos", of_kind.len() - SHOWN)?;
        }
    }
    Ok(())
}

fn write_sources(text: &mut String, sources: &[SourceReport]) -> std::fmt::Result {
    let answered = |report: &&SourceReport| matches!(report.status, SourceStatus::Ok | SourceStatus::Empty);
    let requests: u32 = sources.iter().map(|report| report.requests).sum();
    let told = sources.iter().filter(answered).count();
    writeln!(
        text,
        "\nFuentes: {} de {} han respondido ({})",
        told,
        sources.len(),
        counted(requests as usize, "consulta")
    )?;
    for report in sources.iter().filter(|report| !answered(report)) {
        let why = report.detail.as_deref().or(report.reason.as_deref()).unwrap_or_default();
        writeln!(text, "  {:<28} {:<22} {}", tame(&report.source), word(report.status), tame(why))?;
    }
    Ok(())
}

/// So many of these, in words.
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// How a source answered, for people.
pub(crate) fn word(status: SourceStatus) -> &'static str {
    match status {
        SourceStatus::Ok => "con datos",
        SourceStatus::Empty => "sin datos",
        SourceStatus::Failed => "ha fallado",
        SourceStatus::RateLimited => "pide esperar",
        SourceStatus::MissingKey => "falta la clave",
        SourceStatus::Skipped => "no consultada",
        SourceStatus::Timeout => "sin respuesta a tiempo",
        SourceStatus::Blocked => "no permitida",
    }
}

/// A text of a stranger's, short and on one line.
pub(crate) fn tame(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WIDTH).collect();
    if text.chars().nth(WIDTH).is_some() { format!("{plain}…") } else { plain }
}
