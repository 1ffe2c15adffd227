//! Claims whose answer was lost with the connection: Redis may have carried them out, and then messages are ours that
//! nobody here knows of.
//!
//! Left alone they would come back when their leases run out, each counted as a death; a connection that breaks again and
//! again would make poison of good messages. So the next claim first gives them back. (One that was still on its way to
//! Redis by then goes by its lease all the same.)

use std::sync::{Mutex, MutexGuard, PoisonError};

use apium_core::BackendError;

use crate::backend::RedisBackend;
use crate::keys::{self, STEPS};
use crate::scripts;

/// Claims kept in mind; an outage may cut off more, but hardly any of them was carried out.
const KEPT: usize = 32;

/// Tags looked for on behalf of one claim: what was claimed more widely is left to its lease.
const TAGS: u64 = 20_000;

/// What such claims may have taken.
#[derive(Default)]
pub(crate) struct UnansweredClaims(Mutex<Vec<Unanswered>>);

struct Unanswered {
    /// How its tags begin.
    prefix: String,
    /// The number of its first tag.
    first: u64,
    max: u64,
    queues: Vec<String>,
}

impl UnansweredClaims {
    /// Keeps in mind that nobody knows what this claim took.
    pub(crate) fn note(&self, prefix: &str, first: u64, max: u64, queues: &[String]) {
        let lists = u64::try_from(queues.len() * STEPS.len()).unwrap_or(u64::MAX);
        let mut claims = self.open();
        if claims.len() < KEPT && max.saturating_mul(lists) <= TAGS {
            claims.push(Unanswered { prefix: prefix.to_owned(), first, max, queues: queues.to_vec() });
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<Unanswered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RedisBackend {
    /// Gives back what claims took whose answer was lost.
    pub(crate) async fn give_back_unanswered(&self) -> Result<(), BackendError> {
        let claims = std::mem::take(&mut *self.inner.unanswered.open());
        let mut given = 0;
        let mut left = claims.into_iter();
        while let Some(claim) = left.next() {
            match self.give_back(&claim).await {
                Ok(messages) => given += messages,
                // Still no answer: all of it is to be looked for later.
                Err(error) if error.is_transient() => {
                    self.inner.unanswered.open().extend(std::iter::once(claim).chain(left));
                    return Err(error);
                }
                Err(error) => tracing::warn!(%error, "what a claim without an answer took is left to its lease"),
            }
        }
        if given > 0 {
            tracing::warn!(messages = given, "gave back what was claimed without the answer being heard");
        }
        Ok(())
    }

    async fn give_back(&self, claim: &Unanswered) -> Result<u64, BackendError> {
        let mut script = scripts::GIVE_BACK.key(keys::UNACKED);
        script.key(keys::INDEX).arg(&claim.prefix).arg(claim.first).arg(claim.max);
        for step in STEPS {
            for queue in &claim.queues {
                script.key(keys::list(queue, step));
                script.arg(format!(":{step}:{queue}")).arg(keys::ending(queue));
            }
        }
        self.inner.link.script(&script).await
    }
}
