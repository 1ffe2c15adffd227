//! What commands print: tables for people, JSON for machines.

use std::io::Write as _;

use serde::Serialize;

use crate::failure::Failure;

/// Prints one value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(format!("cannot be shown as JSON: {error}")))?;
    line(&text)
}

/// Prints one line; a reader that has gone away (`| head`) ends the program quietly.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    written(writeln!(std::io::stdout().lock(), "{text}"))
}

/// Prints bytes as they are: files end their lines in their own way.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    written(out.write_all(bytes).and_then(|()| out.flush()))
}

fn written(outcome: std::io::Result<()>) -> Result<(), Failure> {
    match outcome {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::new(format!("standard output cannot be written: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// The most of a long text that stands in a table, in characters.
const SHORT: usize = 60;

/// A text cut to what fits into a table; whole in the JSON.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        Some(_) => text.chars().take(SHORT - 1).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// Prints rows under their headings, columns aligned. What strangers wrote cannot move the cursor.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let tame = |cell: &String| cell.replace(char::is_control, " ");
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(tame).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(headings.get(column).map(|heading| heading.len())).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..headings.len()).map(width).collect();
    let show = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<_> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        line(padded.join("  ").trim_end())
    };
    show(&mut headings.iter().copied())?;
    rows.iter().try_for_each(|row| show(&mut row.iter().map(String::as_str)))
}
