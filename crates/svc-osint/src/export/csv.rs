//! The findings as a table for spreadsheets: RFC 4180, with lines that end in CRLF and a header.

use ::csv::{Terminator, WriterBuilder};

use super::{Unreadable, unreadable};
use crate::model::Finding;

/// The header. A column is never taken away or moved; new ones come at the end.
const COLUMNS: [&str; 8] = ["type", "value", "confidence", "source", "source_url", "sources", "sha256s", "attributes"];
/// What stands between the members of a cell that has several.
const BETWEEN: &str = "; ";
/// What a spreadsheet takes for the beginning of a formula, or skips on its way to one.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The table of these facts.
pub(super) fn table(findings: &[Finding]) -> Result<Vec<u8>, Unreadable> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(unreadable)?;
    for finding in findings {
        writer.write_record(cells(finding)?.map(guarded)).map_err(unreadable)?;
    }
    writer.into_inner().map_err(unreadable)
}

fn cells(finding: &Finding) -> Result<[String; 8], Unreadable> {
    let evidence = || finding.evidence.iter();
    Ok([
        finding.kind.clone(),
        finding.value.clone(),
        finding.confidence.to_string(),
        finding.source.clone(),
        finding.source_url.clone().unwrap_or_default(),
        together(evidence().map(|it| it.source.as_str())),
        together(evidence().filter_map(|it| it.sha256.as_deref())),
        if finding.attributes.is_empty() {
            String::new()
        } else {
            serde_json::to_string(&finding.attributes).map_err(unreadable)?
        },
    ])
}

/// Each once, in the order they were told.
fn together<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut all: Vec<&str> = Vec::new();
    for text in texts {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all.join(BETWEEN)
}

/// What strangers have written into a fact must not be computed by whoever opens the table: such a cell gets an
/// apostrophe, which spreadsheets read as "this is text".
fn guarded(cell: String) -> String {
    if cell.starts_with(FORMULA) { format!("'{cell}") } else { cell }
}
