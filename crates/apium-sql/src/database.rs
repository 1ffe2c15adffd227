//! A URL becomes a database: SQLite or Postgres, with a small pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedSender;

use crate::outbox::Dialect;
use crate::together::{Write, writer};

/// Connections at the most: a relay uses one, and one to listen.
const CONNECTIONS: u32 = 4;

/// The name of a database that is in no file and is gone with its program.
const MEMORY: &str = ":memory:";

/// How long a statement waits for another's lock, and a caller for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is tried again meanwhile, on a file of ours. SQLite itself would sleep longer and longer, up to a tenth of a
/// second, while others take the lock again and again.
const AGAIN: Duration = Duration::from_millis(1);

/// A database that can be reached.
#[derive(Debug, Clone)]
pub struct Database {
    pub(crate) pool: Pool,
    /// Whose turn it is to write, on SQLite.
    pub(crate) turn: Arc<Mutex<()>>,
    /// Who writes what many ask for, on SQLite.
    pub(crate) writer: Option<UnboundedSender<Write>>,
    home: String,
}

#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// What went wrong with a database, in a sentence without its password.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{home}: {reason}")]
pub struct SqlError {
    home: String,
    reason: String,
}

/// Whether a URL can be opened, as far as can be told without contacting anyone.
///
/// # Errors
/// One sentence with what is wrong. It shows nothing of the URL that could be a password.
pub fn check_url(url: &str) -> Result<(), String> {
    options(url).map(drop)
}

impl Database {
    /// Opens `postgres://USER:PASSWORD@HOST/NAME`, or the SQLite file of `sqlite:PATH`, which must be there.
    ///
    /// # Errors
    /// One sentence that names the place, without its password, and what is wrong.
    pub async fn open(url: &str) -> Result<Self, SqlError> {
        Self::open_as(url, None).await
    }

    /// The same, for a database that is ours: an SQLite file that is not there is made, and its folder with it. That of
    /// `sqlite::memory:` is in no file, and gone with the program.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_own(url: &str) -> Result<Self, SqlError> {
        Self::open_as(url, Some(SqliteSynchronous::Full)).await
    }

    /// The same, for what can be found out again: a power cut may take the last that was written to an SQLite file through
    /// it, though it leaves the file whole. Nobody else has to wait for the disk then.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_own_unflushed(url: &str) -> Result<Self, SqlError> {
        Self::open_as(url, Some(SqliteSynchronous::Normal)).await
    }

    async fn open_as(url: &str, own: Option<SqliteSynchronous>) -> Result<Self, SqlError> {
        let opened = options(url).map_err(|reason| SqlError { home: "the database".to_owned(), reason })?;
        let (home, pool) = match opened {
            Options::Postgres(options) => {
                let home = format!(
                    "{}:{}/{}",
                    options.get_host(),
                    options.get_port(),
                    options.get_database().unwrap_or_default()
                );
                let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
                (home, pool.connect_with(*options).await.map(Pool::Postgres))
            }
            Options::Sqlite(options) => {
                let home = options.get_filename().display().to_string();
                let mut pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
                if home == MEMORY {
                    // It lives as long as its one connection does.
                    pool = pool.max_connections(1).idle_timeout(None).max_lifetime(None);
                }
                let mut options = options.busy_timeout(if own.is_some() { AGAIN } else { PATIENCE });
                if let Some(flushing) = own.filter(|_| home != MEMORY) {
                    if let Some(folder) = options.get_filename().parent() {
                        // What is wrong with it, the opening of the file tells better.
                        let _ = std::fs::create_dir_all(folder);
                    }
                    // Readers do not wait for a writer, nor it for them.
                    options =
                        options.create_if_missing(true).journal_mode(SqliteJournalMode::Wal).synchronous(flushing);
                }
                (home, patiently(|| pool.clone().connect_with(options.clone())).await.map(Pool::Sqlite))
            }
        };
        let pool = pool.map_err(|error| SqlError { home: home.clone(), reason: error.to_string() })?;
        let database = Self { pool, turn: Arc::default(), writer: None, home };
        if database.dialect() == Dialect::Postgres {
            return Ok(database);
        }
        let writer =
            writer(database.clone()).map_err(|error| database.refused(&format!("no thread for it: {error}")))?;
        Ok(Self { writer: Some(writer), ..database })
    }

    /// Where it is, without secrets.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// Which SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        match self.pool {
            Pool::Postgres(_) => Dialect::Postgres,
            Pool::Sqlite(_) => Dialect::Sqlite,
        }
    }

    pub(crate) fn failed(&self, error: &sqlx::Error) -> SqlError {
        self.refused(&error.to_string())
    }

    pub(crate) fn refused(&self, reason: &str) -> SqlError {
        SqlError { home: self.home.clone(), reason: reason.to_owned() }
    }
}

/// Asks until no other program has the SQLite file locked, or for as long as we have patience.
pub(crate) async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let began = Instant::now();
    loop {
        match ask().await {
            Err(error) if is_locked(&error) && began.elapsed() < PATIENCE => {}
            answer => return answer,
        }
    }
}

/// Whether SQLite says that somebody else has the lock: `SQLITE_BUSY`, in the lowest byte of all its kinds.
fn is_locked(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    error.code().and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
}

enum Options {
    Postgres(Box<PgConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

fn options(url: &str) -> Result<Options, String> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        // What is wrong with it may quote it, password and all.
        let read = url.parse::<PgConnectOptions>();
        return read.map(|options| Options::Postgres(Box::new(options))).map_err(|_| {
            "it cannot be read as postgres://USER:PASSWORD@HOST:PORT/NAME; signs such as @ or / in a password are \
             written as %40 and %2F"
                .to_owned()
        });
    }
    match url.strip_prefix("sqlite:") {
        Some(path) if path.trim_start_matches('/').is_empty() => {
            Err("sqlite: names no file; write sqlite:PATH".to_owned())
        }
        Some(path) => {
            // sqlite:///absolute and sqlite:relative, as SQLAlchemy and Django's URLs have it.
            let path = path.strip_prefix("//").unwrap_or(path);
            Ok(Options::Sqlite(Box::new(SqliteConnectOptions::new().filename(path))))
        }
        None => Err("it must be postgres://… or sqlite:PATH".to_owned()),
    }
}
