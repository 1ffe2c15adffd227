//! Writes that are asked for at the same time share a transaction on SQLite, where one writes at a time: one turn, and one
//! wait for the disk, however many there are.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot::{Sender, channel};

use crate::database::{Database, Pool, SqlError};
use crate::statement::Value;
use crate::step::Turn;

/// The most writes that share a transaction.
const MOST: usize = 64;

/// A statement that writes, and its values.
#[derive(Debug, Clone)]
pub struct Statement {
    sql: &'static str,
    values: Vec<Value>,
}

/// Writes that wait for a turn.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Vec<Write>>);

#[derive(Debug)]
struct Write {
    statements: Vec<Statement>,
    told: Sender<Result<u64, SqlError>>,
}

impl Statement {
    /// This text, with a value for each of `$1`, `$2` and so on.
    pub fn new(sql: &'static str, values: Vec<Value>) -> Self {
        Self { sql, values }
    }
}

impl Database {
    /// Carries out one statement, as [`Database::together`] does; returns how many rows it changed.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn execute(&self, sql: &'static str, values: Vec<Value>) -> Result<u64, SqlError> {
        self.together(vec![Statement::new(sql, values)]).await
    }

    /// Carries out all of these statements or, where one is refused, none; returns how many rows they changed. On SQLite
    /// they are carried out also when the caller no longer waits for it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn together(&self, statements: Vec<Statement>) -> Result<u64, SqlError> {
        if let Pool::Postgres(_) = self.pool {
            return self.alone(None, statements).await;
        }
        let (told, ours) = channel();
        self.waiting.change(|waiting| waiting.push(Write { statements, told }));
        // By a task of its own: a caller that gives up must not take with it what it writes for others.
        tokio::spawn(self.clone().write_waiting());
        ours.await.unwrap_or_else(|_| Err(self.refused("the program was ending")))
    }

    async fn alone(&self, turn: Option<Turn>, statements: Vec<Statement>) -> Result<u64, SqlError> {
        let mut step = self.begin_in(turn).await?;
        let mut changed = 0;
        for Statement { sql, values } in statements {
            changed += step.execute(sql, values).await?;
        }
        step.commit().await?;
        Ok(changed)
    }

    /// Writes what waits when the turn comes, which may be nothing.
    async fn write_waiting(self) {
        let mut turn = Some(self.turn().await);
        let all: Vec<_> = self.waiting.change(|waiting| waiting.drain(..waiting.len().min(MOST)).collect());
        let shared = if all.len() > 1 { self.shared(turn.take(), &all).await.ok() } else { None };
        for (place, Write { statements, told }) in all.into_iter().enumerate() {
            let outcome = match shared.as_ref().and_then(|changed| changed.get(place)) {
                Some(changed) => Ok(*changed),
                // Alone from the start, or because one among them was refused, which must not take the others with it.
                None => self.alone(turn.take(), statements).await,
            };
            // Who gave up listens no more.
            let _ = told.send(outcome);
        }
    }

    /// Carries out all of them in one transaction; returns how many rows each changed.
    async fn shared(&self, turn: Option<Turn>, all: &[Write]) -> Result<Vec<u64>, SqlError> {
        let mut step = self.begin_in(turn).await?;
        let mut each = Vec::with_capacity(all.len());
        for write in all {
            let mut changed = 0;
            for Statement { sql, values } in &write.statements {
                changed += step.execute(sql, values.clone()).await?;
            }
            each.push(changed);
        }
        step.commit().await?;
        Ok(each)
    }
}

impl Waiting {
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Write>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
