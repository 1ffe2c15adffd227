//! Scans that are asked for at the same time are remembered in one transaction: one turn to write, and one wait for the disk,
//! however many there are.

use std::sync::{Mutex, PoisonError};

use apium_sql::SqlError;
use tokio::sync::oneshot::{Sender, channel};

use super::Store;
use super::access::{Deed, NOTE};
use super::scans::{EXPECT, NewScan};

/// The most that are remembered in one transaction.
const MOST: usize = 64;

/// Those that wait.
#[derive(Default)]
pub(super) struct Announcing {
    waiting: Mutex<Vec<Waiting>>,
    /// Held by whoever writes for all that wait.
    turn: tokio::sync::Mutex<()>,
}

struct Waiting {
    scan: NewScan,
    deed: Deed,
    told: Sender<Result<(), SqlError>>,
}

impl Store {
    /// Notes that this will be scanned, and who asks for it, in one step.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn announce(&self, scan: &NewScan, deed: &Deed) -> Result<(), SqlError> {
        let (told, ours) = channel();
        self.waiting(|waiting| waiting.push(Waiting { scan: scan.clone(), deed: deed.clone(), told }));
        let turn = self.announcing.turn.lock().await;
        let all = self.waiting(|waiting| waiting.drain(..waiting.len().min(MOST)).collect::<Vec<_>>());
        self.announce_all(all).await;
        drop(turn);
        match ours.await {
            Ok(outcome) => outcome,
            // Whoever wrote for it was dropped in the middle.
            Err(_) => self.announce_together(&[(scan, deed)]).await,
        }
    }

    /// Tells each of them what came of it; nothing that is wrong with one of them alone gets here.
    async fn announce_all(&self, all: Vec<Waiting>) {
        let each: Vec<_> = all.iter().map(|waiting| (&waiting.scan, &waiting.deed)).collect();
        let outcome = if each.is_empty() { Ok(()) } else { self.announce_together(&each).await };
        for Waiting { told, .. } in all {
            // Nobody listens any more where the client has gone.
            let _ = told.send(outcome.clone());
        }
    }

    async fn announce_together(&self, all: &[(&NewScan, &Deed)]) -> Result<(), SqlError> {
        let mut step = self.open().await?.begin().await?;
        for (scan, deed) in all {
            step.execute(EXPECT, scan.values()).await?;
            step.execute(NOTE, deed.values()).await?;
        }
        step.commit().await
    }

    fn waiting<T>(&self, change: impl FnOnce(&mut Vec<Waiting>) -> T) -> T {
        change(&mut self.announcing.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
