//! The table in which a caller's transaction leaves what is to be sent.
//!
//! What it is in SQL stands in `outbox/postgres.sql` and `outbox/sqlite.sql`, for whoever keeps their own migrations.

use apium_core::OutboxRow;
use apium_core::client::iso;
use jiff::Timestamp;

use crate::database::{Database, Pool, SqlError};

/// The channel on which Postgres tells of new rows.
pub(crate) const CHANNEL: &str = "apium_outbox";

const WAITING: &str =
    "SELECT id, task_id, signature, written FROM apium_outbox WHERE problem IS NULL ORDER BY id LIMIT $1";
const DELETE: &str = "DELETE FROM apium_outbox WHERE id = $1";
const REFUSE: &str = "UPDATE apium_outbox SET problem = $2 WHERE id = $1";
const FORGIVE: &str = "UPDATE apium_outbox SET problem = NULL WHERE problem IS NOT NULL";
const STATE: &str = "SELECT COUNT(*) AS rows_all, COUNT(problem) AS refused,
    MIN(CASE WHEN problem IS NULL THEN written END) AS oldest FROM apium_outbox";
const PROBLEMS: &str = "SELECT task_id, problem FROM apium_outbox WHERE problem IS NOT NULL ORDER BY id LIMIT $1";

/// Which SQL a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// The outbox of one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    pub(crate) database: Database,
}

/// A row that waits to be sent.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) id: i64,
    pub(crate) row: OutboxRow,
    pub(crate) written: Timestamp,
}

/// How an outbox stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxState {
    /// Rows that wait to be sent.
    pub waiting: u64,
    /// When the oldest of them was written, as RFC 3339.
    pub oldest: Option<String>,
    /// Rows that cannot be sent.
    pub refused: u64,
    /// The first of those: task id, and what is wrong.
    pub problems: Vec<(String, String)>,
}

impl Dialect {
    /// What makes the table, where there is none. It may be put into the caller's own migrations.
    pub fn table(self) -> &'static str {
        match self {
            Self::Postgres => include_str!("outbox/postgres.sql"),
            Self::Sqlite => include_str!("outbox/sqlite.sql"),
        }
    }
}

impl Outbox {
    /// The outbox in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes the table where there is none.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn create(&self) -> Result<(), SqlError> {
        let made = match &self.database.pool {
            Pool::Postgres(pool) => sqlx::raw_sql(Dialect::Postgres.table()).execute(pool).await.map(drop),
            Pool::Sqlite(pool) => sqlx::raw_sql(Dialect::Sqlite.table()).execute(pool).await.map(drop),
        };
        made.map_err(|error| self.database.failed(&error))
    }

    /// How it stands, with up to `most` of the rows that cannot be sent.
    ///
    /// # Errors
    /// When the database cannot be asked, or has no such table.
    pub async fn state(&self, most: u32) -> Result<OutboxState, SqlError> {
        let read = async {
            let (rows, refused, oldest): (i64, i64, Option<i64>) = match &self.database.pool {
                Pool::Postgres(pool) => sqlx::query_as(STATE).fetch_one(pool).await?,
                Pool::Sqlite(pool) => sqlx::query_as(STATE).fetch_one(pool).await?,
            };
            let problems: Vec<(String, String)> = match &self.database.pool {
                Pool::Postgres(pool) => sqlx::query_as(PROBLEMS).bind(i64::from(most)).fetch_all(pool).await?,
                Pool::Sqlite(pool) => sqlx::query_as(PROBLEMS).bind(i64::from(most)).fetch_all(pool).await?,
            };
            Ok(OutboxState {
                waiting: (rows - refused).unsigned_abs(),
                oldest: oldest.and_then(moment).map(iso),
                refused: refused.unsigned_abs(),
                problems,
            })
        };
        read.await.map_err(|error: sqlx::Error| self.database.failed(&error))
    }

    /// Lets the rows that could not be sent be tried again; returns how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forgive(&self) -> Result<u64, SqlError> {
        let forgiven = match &self.database.pool {
            Pool::Postgres(pool) => sqlx::query(FORGIVE).execute(pool).await.map(|done| done.rows_affected()),
            Pool::Sqlite(pool) => sqlx::query(FORGIVE).execute(pool).await.map(|done| done.rows_affected()),
        };
        forgiven.map_err(|error| self.database.failed(&error))
    }

    /// The first rows that wait, in the order of their ids.
    pub(crate) async fn waiting(&self, most: u32) -> Result<Vec<Waiting>, SqlError> {
        let most = i64::from(most);
        let rows = match &self.database.pool {
            Pool::Postgres(pool) => {
                let rows = sqlx::query(WAITING).bind(most).fetch_all(pool).await;
                rows.and_then(|rows| rows.iter().map(read).collect())
            }
            Pool::Sqlite(pool) => {
                let rows = sqlx::query(WAITING).bind(most).fetch_all(pool).await;
                rows.and_then(|rows| rows.iter().map(read).collect())
            }
        };
        rows.map_err(|error| self.database.failed(&error))
    }

    /// Deletes what was sent, and says of the others what is wrong with them, in one transaction.
    pub(crate) async fn conclude(&self, sent: &[i64], refused: &[(i64, String)]) -> Result<(), SqlError> {
        macro_rules! written {
            ($pool:expr) => {{
                let mut step = $pool.begin().await?;
                for id in sent {
                    sqlx::query(DELETE).bind(id).execute(&mut *step).await?;
                }
                for (id, problem) in refused {
                    sqlx::query(REFUSE).bind(id).bind(problem).execute(&mut *step).await?;
                }
                step.commit().await
            }};
        }
        let written = async {
            match &self.database.pool {
                Pool::Postgres(pool) => written!(pool),
                Pool::Sqlite(pool) => written!(pool),
            }
        };
        written.await.map_err(|error: sqlx::Error| self.database.failed(&error))
    }
}

fn read<'r, R: sqlx::Row>(row: &'r R) -> Result<Waiting, sqlx::Error>
where
    &'static str: sqlx::ColumnIndex<R>,
    i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    let row_of = OutboxRow { task_id: row.try_get("task_id")?, signature: row.try_get("signature")? };
    // A time nobody can have meant is taken for now.
    let written = moment(row.try_get("written")?).unwrap_or_else(Timestamp::now);
    Ok(Waiting { id: row.try_get("id")?, row: row_of, written })
}

fn moment(microseconds: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(microseconds).ok()
}
