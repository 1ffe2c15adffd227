//! The consumer's looks into its queues, so that whoever asks a worker what it has is answered after a look of its own:
//! what was sent before the question is part of the answer.

use std::time::Duration;

use tokio::sync::{Notify, watch};

/// How long an answer waits for a look at most: a broker that is slow must not make a worker seem dead.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is known of the looks.
#[derive(Default)]
pub(crate) struct Looks {
    asked: Notify,
    count: watch::Sender<Count>,
}

#[derive(Default)]
struct Count {
    begun: u64,
    ended: u64,
    /// Deliveries that were found and are not judged yet.
    unjudged: usize,
}

/// A delivery that was found; dropped when it is judged.
pub(crate) struct Unjudged<'a>(&'a Looks);

impl Looks {
    /// A look begins.
    pub(crate) fn begin(&self) {
        self.count.send_modify(|count| count.begun += 1);
    }

    /// It has ended, and found so many deliveries; each is to be told as [`Looks::found`].
    pub(crate) fn end(&self, found: usize) {
        self.count.send_modify(|count| {
            count.ended = count.begun;
            count.unjudged += found;
        });
    }

    /// One of the deliveries found.
    pub(crate) fn found(&self) -> Unjudged<'_> {
        Unjudged(self)
    }

    /// Resolves when somebody waits for a look.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Waits until a look that begins from now on has ended and what it found is judged, but not for ever.
    pub(crate) async fn another(&self) {
        let mut counts = self.count.subscribe();
        let begun = counts.borrow().begun;
        self.asked.notify_one();
        let looked = counts.wait_for(|count| count.ended > begun && count.unjudged == 0);
        // Without it the answer tells what was known before.
        drop(tokio::time::timeout(PATIENCE, looked).await);
    }
}

impl Drop for Unjudged<'_> {
    fn drop(&mut self) {
        self.0.count.send_modify(|count| count.unjudged = count.unjudged.saturating_sub(1));
    }
}
