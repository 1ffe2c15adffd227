//! Whether the file can be trusted, looked at once when it is opened, for as long as a start may wait.
//!
//! Always: the way from the root of every table and index to its first and its last row, and the head of the list of
//! free pages. Then the structure of every page, if the file has at most [`SMALL`] bytes and all of it can be read in
//! [`PATIENCE`]. Damage deep inside a larger file is therefore told by the first statement that meets it, not here.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Error, ErrorCode};

use crate::fault::Fault;

/// How long the look at every page may take; it is given up then, and what was seen until then was sound. Measured, it
/// is enough for some 4 MiB, read from the disk for the first time or not.
const PATIENCE: Duration = Duration::from_millis(20);

/// Bytes up to which that look is tried, and up to which it takes the time it needs: a few milliseconds.
const SMALL: i64 = 8 << 20;
const TINY: i64 = 512 << 10;

/// Pages between two looks at the time.
const PAGES: i32 = 8;

/// A column of each table and index by which its first and its last entry are found.
const TREES: [(&str, &str); 50] = [
    ("id", "messages"),
    ("queue", "messages WHERE state = 2"),
    ("queue", "messages WHERE state = 3"),
    ("lease", "messages WHERE state = 4"),
    ("queue", "messages WHERE state = 5"),
    ("id", "results"),
    ("task_id", "results"),
    ("expires", "results WHERE expires IS NOT NULL"),
    ("task_id", "remembered"),
    ("until", "remembered"),
    ("id", "dead"),
    ("name", "dead"),
    ("queue", "dead"),
    ("task", "dead"),
    ("name", "workers"),
    ("id", "revoked"),
    ("until", "revoked"),
    ("name", "chords"),
    ("expires", "chords"),
    ("id", "parts"),
    ("chord", "parts"),
    ("name", "groups"),
    ("expires", "groups WHERE expires IS NOT NULL"),
    ("id", "broadcasts"),
    ("message", "deaths"),
    ("first", "holders"),
    ("name", "uniques"),
    ("until", "uniques"),
    ("task_id", "called_off"),
    ("until", "called_off"),
    ("name", "limits"),
    ("version", "limits_version"),
    ("name", "limit_meters"),
    ("until", "limit_meters"),
    ("name", "limit_places"),
    ("name", "limit_lines"),
    ("name", "limit_lines WHERE called IS NULL"),
    ("name", "limit_lines WHERE called IS NOT NULL"),
    ("name", "limit_counts"),
    ("seq", "sqlite_sequence"),
    ("queue", "share_turns"),
    ("share", "share_reached WHERE queue = ''"),
    ("queue", "share_reached"),
    ("name", "schedules"),
    ("edition", "schedule_changes"),
    ("name", "schedule_changes"),
    ("id", "schedule_leader"),
    ("term", "schedule_counts"),
    ("id", "schedule_history"),
    ("entry", "schedule_history"),
];

/// Fails when the file is seen to be damaged.
pub(crate) fn check(db: &Connection) -> Result<(), Fault> {
    for (column, rows) in TREES {
        for end in ["min", "max"] {
            db.query_row(&format!("SELECT {end}({column}) FROM {rows}"), [], |_| Ok(()))?;
        }
    }
    check_free_pages(db)?;
    let number = |pragma: &str| db.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let bytes = number("PRAGMA page_count")? * number("PRAGMA page_size")?;
    if bytes <= SMALL {
        check_every_page(db, if bytes <= TINY { Duration::MAX } else { PATIENCE })?;
    }
    Ok(())
}

/// Takes a few of the free pages and gives them back. It asks for the lock but waits for nobody: whoever has it is
/// writing, and meets the same pages.
fn check_free_pages(db: &Connection) -> Result<(), Fault> {
    let free: i64 = db.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    if free == 0 {
        return Ok(());
    }
    let patience: i64 = db.query_row("PRAGMA busy_timeout", [], |row| row.get(0))?;
    db.busy_timeout(Duration::ZERO)?;
    let begun = db.execute_batch("BEGIN IMMEDIATE");
    db.busy_timeout(Duration::from_millis(patience.unsigned_abs()))?;
    match begun.map_err(Fault::from) {
        Err(fault) if fault.is_busy() => return Ok(()),
        begun => begun?,
    }
    let taken =
        db.execute("INSERT OR REPLACE INTO workers (name, until, card) VALUES ('', 0, ?1)", [" ".repeat(9_000)]);
    if !db.is_autocommit() {
        db.execute_batch("ROLLBACK")?;
    }
    taken?;
    Ok(())
}

fn check_every_page(db: &Connection, patience: Duration) -> Result<(), Fault> {
    let began = Instant::now();
    db.progress_handler(PAGES, Some(move || began.elapsed() > patience))?;
    let said = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    db.progress_handler(0, None::<fn() -> bool>)?;
    match said {
        Ok(said) if said == "ok" => Ok(()),
        Ok(said) => {
            let lines: Vec<_> = said.lines().filter(|line| !line.starts_with("***")).collect();
            Err(Fault::Damaged(lines.join("; ")))
        }
        Err(error) if gave_up(&error) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn gave_up(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}
