//! The two stores as these tests open them: with a clock that can be stepped, and looked into from beside.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use apium::core::{Broker, ResultStore};
use apium_redis::{RedisBackend, RedisSettings};
use apium_sqlite::{SqliteBackend, SqliteSettings, Synchronous};

use crate::clock::Stepped;

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Which {
    Redis,
    Sqlite,
}

/// Where one world's messages are, or its results.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    Redis(String),
    Sqlite(PathBuf),
}

impl Store {
    /// Opens it, on the runtime that drives it.
    pub(crate) async fn open(&self, clock: &Stepped, busy: Duration) -> (Arc<dyn Broker>, Arc<dyn ResultStore>) {
        match self {
            Self::Redis(url) => {
                let settings = RedisSettings {
                    clock_offset: clock.0.clone(),
                    clock: Arc::new(clock.clone()),
                    ..RedisSettings::default()
                };
                let backend = Arc::new(RedisBackend::connect(url, settings).await.unwrap());
                (backend.clone(), backend)
            }
            Self::Sqlite(file) => {
                let settings = SqliteSettings {
                    clock: Arc::new(clock.clone()),
                    // A process dies here, never the machine.
                    synchronous: Synchronous::Normal,
                    busy_timeout: busy,
                    readers: 1,
                    ..SqliteSettings::default()
                };
                let backend = Arc::new(SqliteBackend::open(file, settings).unwrap());
                (backend.clone(), backend)
            }
        }
    }

    /// So much time passes for what a Redis keeps for a time.
    pub(crate) fn age(&self, by: Duration) {
        let Some(mut look) = self.redis() else { return };
        let by = i64::try_from(by.as_millis()).unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut look).unwrap();
        for key in keys {
            let left: i64 = redis::cmd("PTTL").arg(&key).query(&mut look).unwrap();
            if left >= 0 {
                redis::cmd("PEXPIRE").arg(&key).arg(left - by).exec(&mut look).unwrap();
            }
        }
    }

    /// As one word for another process.
    pub(crate) fn word(&self) -> String {
        match self {
            Self::Redis(url) => url.clone(),
            Self::Sqlite(file) => file.display().to_string(),
        }
    }

    pub(crate) fn of_word(word: &str) -> Self {
        if word.starts_with("redis:") { Self::Redis(word.to_owned()) } else { Self::Sqlite(word.into()) }
    }

    /// A plain connection, if this is a Redis.
    pub(crate) fn redis(&self) -> Option<redis::Connection> {
        match self {
            Self::Redis(url) => Some(redis::Client::open(url.as_str()).unwrap().get_connection().unwrap()),
            Self::Sqlite(_) => None,
        }
    }
}
