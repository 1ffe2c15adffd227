//! Room given back to the disk: after a flood of large messages the file would keep its greatest size for ever.
//!
//! SQLite keeps what was deleted as free pages and fills them again. Once there are far more than are soon needed, the
//! writer moves the last pages forward and cuts the end off, in small steps and only while nobody waits for it. A file
//! made before this was so (without `auto_vacuum`) keeps its size; `VACUUM` in a shell makes it a new one.

use std::cell::Cell;
use std::path::Path;

use rusqlite::{Connection, Result};

/// Free pages that stay, for what comes next: 4 MiB.
const KEPT: i64 = 1_024;

/// Pages of one step: the longest that a caller who comes during it has to wait for it, some milliseconds.
const STEP: i64 = 256;

/// What is still to be given back.
pub(crate) struct Vacuum {
    possible: bool,
    /// Somebody asked, and there may be more to give back.
    asked: Cell<bool>,
    /// Pages were cut off, but only in the log: the file itself is shortened when the log is moved into it.
    owed: Cell<bool>,
}

impl Vacuum {
    /// Looks at what the file allows.
    pub(crate) fn of(db: &Connection) -> Result<Self> {
        let mode: i64 = db.query_row("PRAGMA auto_vacuum", [], |row| row.get(0))?;
        Ok(Self { possible: mode != 0, asked: Cell::new(false), owed: Cell::new(false) })
    }

    /// To be done as soon as nobody waits.
    pub(crate) fn ask(&self) {
        self.asked.set(self.possible);
    }

    /// Whether there may be something to do.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.get()
    }

    /// Does one step, outside any transaction. What fails is tried again when it is next asked for.
    pub(crate) fn step(&self, db: &Connection, file: &Path) {
        let stepped = self.cut_off_some(db).and_then(|more| if more { Ok(true) } else { self.settle_debt(db) });
        if let Err(error) = &stepped {
            tracing::debug!(file = %file.display(), %error, "no room could be given back to the disk now");
        }
        self.asked.set(stepped.unwrap_or(false));
    }

    /// True when there is more to cut off.
    fn cut_off_some(&self, db: &Connection) -> Result<bool> {
        let free: i64 = db.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))?;
        let step = (free - KEPT).min(STEP);
        if step <= 0 {
            return Ok(false);
        }
        self.owed.set(true);
        let mut cutting = db.prepare(&format!("PRAGMA incremental_vacuum({step})"))?;
        // It does its work row by row.
        let mut cut = cutting.query([])?;
        while cut.next()?.is_some() {}
        Ok(true)
    }

    /// Moves the log into the file; a reader who still needs what is in it keeps that for the next time.
    fn settle_debt(&self, db: &Connection) -> Result<bool> {
        if self.owed.get() {
            let all = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?);
            self.owed.set(!db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], all)?);
        }
        Ok(false)
    }
}
