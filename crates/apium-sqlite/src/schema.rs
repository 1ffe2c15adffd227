//! Opening the file: is it ours, is it of our time, and which tables it still lacks.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use crate::backend::SqliteSettings;
use crate::fault::Fault;
use crate::soundness;

/// Marks a SQLite file as an Apium store: "APIU".
const APPLICATION: i32 = 0x4150_4955;

/// What brings a file from each schema to the next; a new file starts at the first.
const MIGRATIONS: [&str; 7] = [
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_deaths.sql"),
    include_str!("schema_uniques.sql"),
    include_str!("schema_limits.sql"),
    include_str!("schema_shares.sql"),
    include_str!("schema_schedules.sql"),
];

/// Statements kept prepared on each connection: more than the crate has.
const STATEMENTS: usize = 128;

/// How long before a file that another process is just creating is looked at again.
const AGAIN: Duration = Duration::from_millis(2);

/// The connection that writes, on a file that is checked, made if it is new and brought up to date.
pub(crate) fn open_to_write(file: &Path, settings: &SqliteSettings) -> Result<Connection, Fault> {
    let db = connect(file, settings)?;
    if db.is_readonly("main")? {
        return Err(Fault::Broken(
            "the file is read-only for this user: give the user of this program write permission on the file and on \
             its folder"
                .to_owned(),
        ));
    }
    let patience = Instant::now() + settings.busy_timeout;
    // While another process creates the same file, SQLite answers "busy" at once, without asking the time-out.
    loop {
        match prepare(&db, settings) {
            Err(fault) if fault.is_busy() && Instant::now() < patience => std::thread::sleep(AGAIN),
            prepared => break prepared.map(|()| db),
        }
    }
}

/// A connection that only looks.
pub(crate) fn open_to_read(file: &Path, settings: &SqliteSettings) -> Result<Connection, Fault> {
    let db = connect(file, settings)?;
    db.pragma_update(None, "query_only", true)?;
    Ok(db)
}

fn connect(file: &Path, settings: &SqliteSettings) -> Result<Connection, Fault> {
    // Without SQLITE_OPEN_URI: a file whose name begins with "file:" is a file too.
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.busy_timeout(settings.busy_timeout.min(Duration::from_hours(24)))?;
    Ok(db)
}

fn prepare(db: &Connection, settings: &SqliteSettings) -> Result<(), Fault> {
    let version = in_transaction(db, "BEGIN", check)?;
    if version == 0 && !settings.create {
        return Err(Fault::NoStore);
    }
    if version == 0 {
        // Before anything is in the file: later it can no longer be chosen. Every page then knows who points to it, and
        // can be moved.
        db.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // The undo pages of savepoints stay in memory: they never outlive a transaction.
    db.pragma_update(None, "temp_store", "memory")?;
    db.pragma_update(None, "cache_size", -16_384)?;
    // The writer itself decides when: after it has answered, not while its callers wait.
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    // A log that a large transaction has blown up is cut back once it has been moved into the file.
    let limit = i64::try_from(settings.checkpoint_bytes).unwrap_or(i64::MAX);
    db.pragma_update_and_check(None, "journal_size_limit", limit, |_| Ok(()))?;
    if version < MIGRATIONS.len() {
        in_transaction(db, "BEGIN IMMEDIATE", migrate)?;
    }
    if version > 0 {
        soundness::check(db)?;
    }
    Ok(())
}

/// The schema of a file that may be used; a sentence for every other.
fn check(db: &Connection) -> Result<usize, Fault> {
    let application: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (application != 0 || version != 0 || tables != 0) {
        return Err(Fault::Broken(
            "the file is a SQLite database of another program: name another file for the Apium store".to_owned(),
        ));
    }
    match usize::try_from(version) {
        Ok(known) if known <= MIGRATIONS.len() => Ok(known),
        _ => Err(Fault::Broken(format!(
            "the file has schema {version}, and this program knows only up to {}: a newer Apium has written it; \
             upgrade this program, or name another file",
            MIGRATIONS.len()
        ))),
    }
}

/// What is read in one transaction is of one moment: another process may be creating the file meanwhile.
fn in_transaction<T>(db: &Connection, begin: &str, work: fn(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
    db.execute_batch(begin)?;
    let done = work(db);
    db.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}

/// Looks again, now that nobody else can: another process may have done it meanwhile.
fn migrate(db: &Connection) -> Result<(), Fault> {
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(check(db)?) {
        db.execute_batch(migration)?;
        db.pragma_update(None, "user_version", i64::try_from(at).unwrap_or(i64::MAX) + 1)?;
    }
    rewrite_head(db)?;
    Ok(())
}

/// Writes what tells that the file is ours, be it there or not: the smallest write there is.
pub(crate) fn rewrite_head(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "application_id", APPLICATION)
}
