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
    let mut letters = Vec::new();
    walk(db, filter, filter.limit(), |letter| letters.push(letter))?;
    Ok(letters)
}

/// The names of those that match, newest first.
pub(crate) fn ids(db: &Connection, filter: &DeadFilter) -> Result<Vec<String>, Fault> {
    let mut ids = Vec::new();
    walk(db, filter, filter.most_ids(), |letter| ids.push(letter.id))?;
    Ok(ids)
}

/// Queue and task are found by their index; what else is asked for is looked for letter by letter.
fn walk(db: &Connection, filter: &DeadFilter, limit: usize, mut take: impl FnMut(DeadLetter)) -> Result<(), Fault> {
    // One text for each question, so that each is answered from its own index.
    let (wanted, values): (_, Vec<&String>) = match (&filter.queue, &filter.task) {
        (None, None) => ("", vec![]),
        (Some(queue), None) => ("WHERE queue = ?1", vec![queue]),
        (None, Some(task)) => ("WHERE task = ?1", vec![task]),
        (Some(queue), Some(task)) => ("WHERE queue = ?1 AND task = ?2", vec![queue, task]),
    };
    let mut asked = db.prepare_cached(&format!("SELECT letter FROM dead {wanted} ORDER BY id DESC"))?;
    for (at, value) in values.into_iter().enumerate() {
        asked.raw_bind_parameter(at + 1, value)?;
    }
    let mut rows = asked.raw_query();
    let mut found = 0;
    while found < limit
        && let Some(row) = rows.next()?
    {
        let letter = read(&row.get::<_, String>(0)?)?;
        if filter.matches(&letter) {
            found += 1;
            take(letter);
        }
    }
    Ok(())
}

/// Forgets those of these names; returns how many there were.
pub(crate) fn forget(work: &Work<'_>, names: &[String]) -> Result<u64, Fault> {
    let mut delete = work.db.prepare_cached("DELETE FROM dead WHERE name = ?1")?;
    names.iter().try_fold(0, |dropped, name| Ok(dropped + delete.execute([name])? as u64))
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
