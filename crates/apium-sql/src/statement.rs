//! What goes into a statement and what comes out, the same on both databases.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Postgres, Row as _, Sqlite};

/// A value of a statement. Each kind has its own nothing, because Postgres asks of what type it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// For `BIGINT`.
    Integer(Option<i64>),
    /// For `DOUBLE PRECISION`.
    Real(Option<f64>),
    /// For `TEXT`.
    Text(Option<String>),
    /// For `BYTEA`, a word that SQLite takes too.
    Bytes(Option<Vec<u8>>),
}

/// A row that was read. Columns are counted from 0, in the order in which the statement names them.
pub struct Row(Inner);

enum Inner {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

/// What can be read out of a column: `i64`, `f64`, `String`, `Vec<u8>`, and each as an `Option`.
pub trait Column: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// When there is no such column, or it holds something else.
    fn read(row: &Row, column: usize) -> Result<Self, sqlx::Error>;
}

macro_rules! column {
    ($($kind:ty),*) => {$(
        impl Column for $kind {
            fn read(row: &Row, column: usize) -> Result<Self, sqlx::Error> {
                match &row.0 {
                    Inner::Postgres(row) => row.try_get(column),
                    Inner::Sqlite(row) => row.try_get(column),
                }
            }
        }
    )*};
}

column!(i64, f64, String, Vec<u8>, Option<i64>, Option<f64>, Option<String>, Option<Vec<u8>>);

impl Row {
    pub(crate) fn of_postgres(row: PgRow) -> Self {
        Self(Inner::Postgres(row))
    }

    pub(crate) fn of_sqlite(row: SqliteRow) -> Self {
        Self(Inner::Sqlite(row))
    }
}

impl Value {
    pub(crate) fn bind_postgres(self, query: Query<'_, Postgres, PgArguments>) -> Query<'_, Postgres, PgArguments> {
        match self {
            Self::Integer(value) => query.bind(value),
            Self::Real(value) => query.bind(value),
            Self::Text(value) => query.bind(value),
            Self::Bytes(value) => query.bind(value),
        }
    }

    pub(crate) fn bind_sqlite(self, query: Query<'_, Sqlite, SqliteArguments>) -> Query<'_, Sqlite, SqliteArguments> {
        match self {
            Self::Integer(value) => query.bind(value),
            Self::Real(value) => query.bind(value),
            Self::Text(value) => query.bind(value),
            Self::Bytes(value) => query.bind(value),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(Some(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(value))
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(value: Option<Vec<u8>>) -> Self {
        Self::Bytes(value)
    }
}
