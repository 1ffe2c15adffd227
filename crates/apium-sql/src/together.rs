//! Writes that are asked for at the same time share a transaction on SQLite, where one writes at a time: one lock, and one
//! wait for the disk, however many there are.
//!
//! A thread of its own carries them out. Whoever has the lock keeps all others from writing, in this program and the next;
//! so it must not wait for a turn of a runtime that is busy with something else.

use std::thread;

use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::database::{Database, SqlError};
use crate::statement::Value;
use crate::step::Step;

/// The most writes that share a transaction.
const MOST: usize = 64;
/// The thread's name.
const NAME: &str = "apium-sql";

/// A statement that writes, and its values.
#[derive(Debug, Clone)]
pub struct Statement {
    sql: &'static str,
    values: Vec<Value>,
}

/// Statements that belong together, and who is told what came of them.
#[derive(Debug)]
pub(crate) struct Write {
    statements: Vec<Statement>,
    told: oneshot::Sender<Result<u64, SqlError>>,
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
        let Some(writer) = &self.writer else { return self.alone(&statements).await };
        let (told, ours) = oneshot::channel();
        let ended = || self.refused("nobody writes into it any more");
        writer.send(Write { statements, told }).map_err(|_| ended())?;
        ours.await.unwrap_or_else(|_| Err(ended()))
    }

    async fn alone(&self, statements: &[Statement]) -> Result<u64, SqlError> {
        let mut step = self.begin().await?;
        let changed = step.all(statements).await?;
        step.commit().await?;
        Ok(changed)
    }

    /// Carries out what was asked for in this transaction.
    async fn write(&self, step: Step, asked: Vec<Write>) {
        match step.each(&asked).await {
            Ok(changed) => asked.into_iter().zip(changed).for_each(|(write, changed)| write.tell(Ok(changed))),
            Err(error) if asked.len() == 1 => asked.into_iter().for_each(|write| write.tell(Err(error.clone()))),
            // One that is refused must not take the others with it.
            Err(_) => {
                for write in asked {
                    let outcome = self.alone(&write.statements).await;
                    write.tell(outcome);
                }
            }
        }
    }
}

impl Write {
    fn tell(self, outcome: Result<u64, SqlError>) {
        // Who gave up listens no more.
        let _ = self.told.send(outcome);
    }
}

impl Step {
    /// Carries out all of them; tells how many rows each changed.
    async fn each(mut self, asked: &[Write]) -> Result<Vec<u64>, SqlError> {
        let mut changed = Vec::with_capacity(asked.len());
        for write in asked {
            changed.push(self.all(&write.statements).await?);
        }
        self.commit().await?;
        Ok(changed)
    }

    async fn all(&mut self, statements: &[Statement]) -> Result<u64, SqlError> {
        let mut changed = 0;
        for Statement { sql, values } in statements {
            changed += self.execute(sql, values.clone()).await?;
        }
        Ok(changed)
    }
}

/// Starts the thread that writes into this database.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn writer(database: Database) -> std::io::Result<UnboundedSender<Write>> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let (writer, asked) = unbounded_channel();
    thread::Builder::new().name(NAME.to_owned()).spawn(move || runtime.block_on(carry_out(database, asked)))?;
    Ok(writer)
}

/// Carries out what is asked for, as much at once as waits; ends when nobody can ask any more.
async fn carry_out(database: Database, mut asked: UnboundedReceiver<Write>) {
    while let Some(first) = asked.recv().await {
        let begun = database.begin().await;
        // More may have come while others had the lock.
        let mut all = vec![first];
        while all.len() < MOST
            && let Ok(next) = asked.try_recv()
        {
            all.push(next);
        }
        match begun {
            Ok(step) => database.write(step, all).await,
            Err(error) => all.into_iter().for_each(|write| write.tell(Err(error.clone()))),
        }
    }
}
