//! What the service remembers: scans and how they ended, answers already paid for, spent quotas, tokens, who did what.
//!
//! In SQLite or Postgres, from one text of SQL. The engine's result store tells how a scan stands while it is young; what
//! stands here is the history, and outlives it.

mod access;
mod answers;
mod scans;

use std::io::{Read, Write};

use apium_sql::{Database, Row, SqlError, Statement, Value};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use tokio::sync::OnceCell;

pub use access::{Deed, Token};
pub use answers::Kept;
pub use scans::{Filter, Finished, NewScan, Question, Scan};

const STEPS: [&str; 1] = [include_str!("schema_1.sql")];
/// The largest result that is unpacked, in bytes: more than a scan can give.
const LARGEST: u64 = 256 << 20;

/// The database of this service. It is opened, and its tables made, when it is first needed, and again if that failed.
pub struct Store {
    url: String,
    flushed: bool,
    opened: OnceCell<Database>,
}

impl Store {
    /// The store at this URL: `sqlite:PATH`, which is made where it is not there, or `postgres://…`.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), flushed: true, opened: OnceCell::new() }
    }

    /// The same as workers use it. What they write, the engine's results and the providers can tell again; so nobody waits
    /// until it is on the disk, least of all those who ask for scans in the meantime.
    #[must_use]
    pub fn of_worker(self) -> Self {
        Self { flushed: false, ..self }
    }

    /// Opens it, and makes or mends its tables.
    ///
    /// # Errors
    /// When the database cannot be reached or used.
    pub async fn open(&self) -> Result<&Database, SqlError> {
        let open = async || {
            let opened = if self.flushed {
                Database::open_own(&self.url).await
            } else {
                Database::open_own_unflushed(&self.url).await
            };
            let database = opened?;
            database.migrate("osint", &STEPS).await?;
            Ok(database)
        };
        self.opened.get_or_try_init(open).await
    }

    async fn rows(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, SqlError> {
        self.open().await?.rows(sql, values).await
    }

    async fn execute(&self, sql: &'static str, values: Vec<Value>) -> Result<u64, SqlError> {
        self.open().await?.execute(sql, values).await
    }

    async fn together(&self, statements: Vec<Statement>) -> Result<(), SqlError> {
        self.open().await?.together(statements).await.map(drop)
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory does not fail; if it did, what is kept would be cut, and told so when it is read.
    let _ = packed.write_all(bytes);
    packed.finish().unwrap_or_default()
}

fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut unpacked = Vec::new();
    GzDecoder::new(bytes).take(LARGEST).read_to_end(&mut unpacked).ok()?;
    Some(unpacked)
}

fn micros(moment: Timestamp) -> i64 {
    moment.as_microsecond()
}

fn moment(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or_default()
}
