//! Deaths: whose lease on a message ran out, kept beside it until it is done with.
//!
//! A claim tells its holder by its tag: every process counts its tags on from a random first, under which its worker's
//! name is noted with each heartbeat.

use apium_core::dead::{MOST_DEATHS, UNNAMED};
use rusqlite::{OptionalExtension, params};

use crate::fault::Fault;
use crate::writer::Work;

/// Names that are kept: far more than there are workers.
const HOLDERS: i64 = 10_000;

/// Tags one process may count from its first: as many claims it never makes, and another's first is hardly so near.
const REACH: i64 = 1 << 40;

const HOLDER: &str = "SELECT name FROM holders WHERE first BETWEEN ?1 AND ?2 ORDER BY first DESC LIMIT 1";
const FORGET: &str = "DELETE FROM holders WHERE rowid IN
    (SELECT rowid FROM holders ORDER BY rowid LIMIT max(0, (SELECT count(*) FROM holders) - ?1))";
const KNOWN: &str = "SELECT workers FROM deaths WHERE message = ?1";
const NOTE: &str = "INSERT OR REPLACE INTO deaths (message, workers) VALUES (?1, ?2)";

/// Notes that what this process claims is in the hands of the worker of this name.
pub(crate) fn introduce(work: &Work<'_>, name: &str) -> Result<(), Fault> {
    let tag = work.fresh_tag();
    if holder(work, tag)?.as_deref() != Some(name) {
        work.db.prepare_cached("INSERT INTO holders (first, name) VALUES (?1, ?2)")?.execute(params![tag, name])?;
        work.db.prepare_cached(FORGET)?.execute([HOLDERS])?;
    }
    Ok(())
}

/// Notes that the lease of this claim on a message has run out.
pub(crate) fn note(work: &Work<'_>, message: i64, tag: i64) -> Result<(), Fault> {
    let holder = holder(work, tag)?;
    add(work, message, holder.unwrap_or_else(|| UNNAMED.to_owned()))
}

/// Adds who has died to the deaths of a message.
pub(crate) fn add(work: &Work<'_>, message: i64, who: String) -> Result<(), Fault> {
    let mut names = of(work, message)?;
    names.push(who);
    let more = names.len().saturating_sub(MOST_DEATHS);
    let text = serde_json::to_string(&names[more..])
        .map_err(|error| Fault::Broken(format!("the names of dead workers cannot be written: {error}")))?;
    work.db.prepare_cached(NOTE)?.execute(params![message, text])?;
    Ok(())
}

/// Whose lease on a message has run out, oldest first.
pub(crate) fn of(work: &Work<'_>, message: i64) -> Result<Vec<String>, Fault> {
    let text: Option<String> = work.db.prepare_cached(KNOWN)?.query_row([message], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

fn holder(work: &Work<'_>, tag: i64) -> Result<Option<String>, Fault> {
    let mut asked = work.db.prepare_cached(HOLDER)?;
    Ok(asked.query_row([tag.saturating_sub(REACH), tag], |row| row.get(0)).optional()?)
}
