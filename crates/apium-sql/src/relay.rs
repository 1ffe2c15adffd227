//! The relay: the loop that sends what stands in an outbox, and deletes it.
//!
//! Rows are read without a lock, sent, and then deleted. Whoever dies in between sends them again, and the broker, which
//! knows them for a while ([`apium_core::outbox::KNOWN`]), takes them once; so any number of relays may run.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use apium_core::outbox::OutboxRow;
use apium_core::sharded::while_carrying;
use apium_core::{Client, SendError};
use sqlx::postgres::PgListener;

use crate::database::{Pool, SqlError};
use crate::outbox::{CHANNEL, Outbox, Waiting};

/// Rows that are sent before they are deleted, in one transaction.
const AT_ONCE: u32 = 200;

/// How long it waits after something went wrong.
const REST: Duration = Duration::from_secs(1);

/// Sends what stands in an outbox.
pub struct Relay {
    outbox: Outbox,
    client: Client,
    poll: Duration,
}

/// What a look into the outbox came to.
enum Look {
    /// There may be more.
    More,
    /// Nothing is left.
    Empty,
    /// The broker cannot be reached: the rows wait.
    Trouble(SendError),
}

impl Relay {
    /// A relay from this outbox to where the client sends, which looks again at least this often. On Postgres it is
    /// also told at each commit.
    pub fn new(outbox: Outbox, client: Client, poll: Duration) -> Self {
        Self { outbox, client, poll }
    }

    /// Sends until asked to stop, with the crossing loop beside it. What goes wrong is logged, and tried again.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        while_carrying(&**self.client.broker(), self.relay(stop)).await;
    }

    async fn relay(&self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut news = None;
        let mut troubled = false;
        loop {
            if news.is_none() {
                news = self.listen().await;
            }
            let (pause, idle) = match self.look().await {
                Ok(Look::More) => (Duration::ZERO, false),
                Ok(Look::Empty) => {
                    if std::mem::take(&mut troubled) {
                        tracing::info!(outbox = self.home(), "the outbox is sent again");
                    }
                    (self.poll, true)
                }
                Ok(Look::Trouble(error)) => (self.rest(&mut troubled, &error), false),
                Err(error) => (self.rest(&mut troubled, &error), false),
            };
            let told = async {
                match news.as_mut() {
                    Some(listener) => listener.recv().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = &mut stop => return,
                // A listener whose connection is lost is made anew.
                heard = told, if idle => if !heard { news = None },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Sends what waits, up to a bound.
    async fn look(&self) -> Result<Look, SqlError> {
        let waiting = self.outbox.waiting(AT_ONCE).await?;
        let (mut sent, mut refused, mut trouble) = (Vec::new(), Vec::new(), None);
        for Waiting { id, row, written } in &waiting {
            match self.client.send_from_outbox(row, *written).await {
                Ok(()) => sent.push(*id),
                Err(SendError::Backend(error)) if error.is_transient() => {
                    trouble = Some(SendError::Backend(error));
                    break;
                }
                Err(error) => {
                    let OutboxRow { task_id, .. } = row;
                    tracing::error!(outbox = self.home(), task_id, %error, "a row of the outbox cannot be sent; it stays there");
                    refused.push((*id, error.to_string()));
                }
            }
        }
        if !sent.is_empty() || !refused.is_empty() {
            self.outbox.conclude(&sent, &refused).await?;
            tracing::debug!(outbox = self.home(), sent = sent.len(), refused = refused.len(), "outbox relayed");
        }
        Ok(match trouble {
            Some(error) => Look::Trouble(error),
            None if waiting.is_empty() => Look::Empty,
            None => Look::More,
        })
    }

    /// Hears of commits, where the database tells of them.
    async fn listen(&self) -> Option<PgListener> {
        let Pool::Postgres(pool) = &self.outbox.database.pool else { return None };
        let mut listener = PgListener::connect_with(pool).await.ok()?;
        listener.listen(CHANNEL).await.ok()?;
        Some(listener)
    }

    fn rest(&self, troubled: &mut bool, error: &dyn std::fmt::Display) -> Duration {
        if std::mem::replace(troubled, true) {
            tracing::debug!(outbox = self.home(), %error, "the outbox still waits");
        } else {
            tracing::warn!(outbox = self.home(), %error, "the outbox cannot be sent; its rows wait, and it is tried again every second");
        }
        REST.max(self.poll)
    }

    fn home(&self) -> &str {
        self.outbox.database.home()
    }
}
