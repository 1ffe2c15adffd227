//! One transaction: all of its statements, or none. What reads and what writes go through it alike, so that there is one
//! way to speak to a database.

use sqlx::{Postgres, Sqlite};
use tokio::sync::OwnedMutexGuard;

use crate::database::{Database, Pool, SqlError, patiently};
use crate::statement::{Column, Row, Value};

/// A transaction; what is dropped without [`Step::commit`] never was.
pub struct Step {
    database: Database,
    inner: Inner,
    /// On SQLite, where one writes at a time: it waits here, in its turn, instead of asking again and again.
    _turn: Option<OwnedMutexGuard<()>>,
}

enum Inner {
    Postgres(sqlx::Transaction<'static, Postgres>),
    Sqlite(sqlx::Transaction<'static, Sqlite>),
}

impl Database {
    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// When the database cannot be reached, or is locked for too long.
    pub async fn begin(&self) -> Result<Step, SqlError> {
        let begun = match &self.pool {
            Pool::Postgres(pool) => pool.begin().await.map(|inner| (Inner::Postgres(inner), None)),
            Pool::Sqlite(pool) => {
                let turn = self.turn.clone().lock_owned().await;
                // At once as a writer: one that only becomes so later may find that it never can.
                let begun = patiently(|| pool.begin_with("BEGIN IMMEDIATE")).await;
                begun.map(|inner| (Inner::Sqlite(inner), Some(turn)))
            }
        };
        let (inner, turn) = begun.map_err(|error| self.failed(&error))?;
        Ok(Step { database: self.clone(), inner, _turn: turn })
    }

    /// The rows that one statement finds; it may not write.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn rows(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, SqlError> {
        let rows = match &self.pool {
            Pool::Postgres(pool) => {
                let query = values.into_iter().fold(sqlx::query(sql), |query, value| value.bind_postgres(query));
                query.fetch_all(pool).await.map(|rows| rows.into_iter().map(Row::of_postgres).collect())
            }
            Pool::Sqlite(pool) => {
                let ask = || {
                    let values = values.iter().cloned();
                    values.fold(sqlx::query(sql), |query, value| value.bind_sqlite(query)).fetch_all(pool)
                };
                patiently(ask).await.map(|rows| rows.into_iter().map(Row::of_sqlite).collect())
            }
        };
        rows.map_err(|error| self.failed(&error))
    }

    /// The first row that a statement finds.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn row(&self, sql: &'static str, values: Vec<Value>) -> Result<Option<Row>, SqlError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// What stands in a column of a row.
    ///
    /// # Errors
    /// When there is no such column, or it holds something else.
    pub fn read<T: Column>(&self, row: &Row, column: usize) -> Result<T, SqlError> {
        T::read(row, column).map_err(|error| self.failed(&error))
    }
}

impl Step {
    /// Carries out one statement; returns how many rows it changed.
    ///
    /// # Errors
    /// When the database refuses; the transaction is lost then.
    pub async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, SqlError> {
        let done = match &mut self.inner {
            Inner::Postgres(inner) => {
                let query = values.into_iter().fold(sqlx::query(sql), |query, value| value.bind_postgres(query));
                query.execute(&mut **inner).await.map(|done| done.rows_affected())
            }
            Inner::Sqlite(inner) => {
                let query = values.into_iter().fold(sqlx::query(sql), |query, value| value.bind_sqlite(query));
                query.execute(&mut **inner).await.map(|done| done.rows_affected())
            }
        };
        done.map_err(|error| self.database.failed(&error))
    }

    /// The rows that a statement finds or, with `RETURNING`, changes.
    ///
    /// # Errors
    /// When the database refuses; the transaction is lost then.
    pub async fn rows(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, SqlError> {
        let rows = match &mut self.inner {
            Inner::Postgres(inner) => {
                let query = values.into_iter().fold(sqlx::query(sql), |query, value| value.bind_postgres(query));
                query.fetch_all(&mut **inner).await.map(|rows| rows.into_iter().map(Row::of_postgres).collect())
            }
            Inner::Sqlite(inner) => {
                let query = values.into_iter().fold(sqlx::query(sql), |query, value| value.bind_sqlite(query));
                query.fetch_all(&mut **inner).await.map(|rows| rows.into_iter().map(Row::of_sqlite).collect())
            }
        };
        rows.map_err(|error| self.database.failed(&error))
    }

    /// Several statements in one text, without values.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), SqlError> {
        let done = match &mut self.inner {
            Inner::Postgres(inner) => sqlx::raw_sql(sql).execute(&mut **inner).await.map(drop),
            Inner::Sqlite(inner) => sqlx::raw_sql(sql).execute(&mut **inner).await.map(drop),
        };
        done.map_err(|error| self.database.failed(&error))
    }

    /// Makes it so.
    ///
    /// # Errors
    /// When the database refuses: then nothing was done, or the answer was lost on its way.
    pub async fn commit(self) -> Result<(), SqlError> {
        let done = match self.inner {
            Inner::Postgres(inner) => inner.commit().await,
            Inner::Sqlite(inner) => inner.commit().await,
        };
        done.map_err(|error| self.database.failed(&error))
    }
}
