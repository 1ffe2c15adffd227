//! Dead letters: kept whole, found by name, queue or task, newest first.

use apium_core::{DeadFilter, DeadLetter};
use rusqlite::{Connection, OptionalExtension, params};

use crate::fault::Fault;
use crate::writer::Work;

const KEEP: &str = "INSERT OR REPLACE INTO dead (name, queue, task, letter) VALUES (?1, ?2, ?3, ?4)";

/// Keeps a dead letter.
pub(crate) fn keep(work: &Work<'_>, letter: &DeadLetter) -> Result<(), Fault> {
    let text = serde_json::to_string(letter)
        .map_err(|error| Fault::Broken(format!("the dead letter {} cannot be written: {error}", letter.id)))?;
    work.db.prepare_cached(KEEP)?.execute(params![letter.id, letter.queue, letter.task, text])?;
    Ok(())
}

/// Those that match, newest first.
pub(crate) fn list(db: &Connection, filter: &DeadFilter) -> Result<Vec<DeadLetter>, Fault> {
    let limit = i64::try_from(filter.limit()).unwrap_or(i64::MAX);
    // One text for each question, so that each is answered from its own index.
    let (wanted, values): (_, Vec<&String>) = match (&filter.queue, &filter.task) {
        (None, None) => ("", vec![]),
        (Some(queue), None) => ("WHERE queue = ?2", vec![queue]),
        (None, Some(task)) => ("WHERE task = ?2", vec![task]),
        (Some(queue), Some(task)) => ("WHERE queue = ?2 AND task = ?3", vec![queue, task]),
    };
    let mut asked = db.prepare_cached(&format!("SELECT letter FROM dead {wanted} ORDER BY id DESC LIMIT ?1"))?;
    asked.raw_bind_parameter(1, limit)?;
    for (at, value) in values.into_iter().enumerate() {
        asked.raw_bind_parameter(at + 2, value)?;
    }
    let mut rows = asked.raw_query();
    let mut letters = Vec::new();
    while let Some(row) = rows.next()? {
        letters.push(read(&row.get::<_, String>(0)?)?);
    }
    Ok(letters)
}

/// The one of this name.
pub(crate) fn find(db: &Connection, name: &str) -> Result<Option<DeadLetter>, Fault> {
    let mut asked = db.prepare_cached("SELECT letter FROM dead WHERE name = ?1")?;
    let text: Option<String> = asked.query_row([name], |row| row.get(0)).optional()?;
    text.map(|text| read(&text)).transpose()
}

fn read(text: &str) -> Result<DeadLetter, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::Broken(format!("a dead letter cannot be read: {error}")))
}
