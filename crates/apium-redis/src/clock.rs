//! The server's clock, by which leases run: looked at with every recovery, and what it leaves when it is set back.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::BackendError;
use apium_core::clock::Drift;
use jiff::{SignedDuration, Timestamp};

use crate::backend::RedisBackend;
use crate::keys::{self, Tag};
use crate::scripts;

/// Entries of `unacked_index` that are passed over in one step, and about as many that are looked at.
const AT_ONCE: usize = 1_000;

impl RedisBackend {
    /// Notes what the server's clock showed between two moments of ours; true when it was set back since the last look.
    pub(crate) fn look_at_clock(&self, from: Duration, shown: f64, to: Duration) -> bool {
        let shown =
            SignedDuration::try_from_secs_f64(shown).ok().and_then(|shown| Timestamp::from_duration(shown).ok());
        let Some(by) = shown.and_then(|shown| self.drift().look(from, shown, to)) else { return false };
        let seconds = by.as_secs_f64().round();
        tracing::warn!(redis = %self.inner.home, seconds, "the clock of this Redis was set: leases go on as if it had not been");
        by.is_negative()
    }

    /// Looks at it for the first time.
    pub(crate) async fn begin_to_watch(&self) -> Result<(), BackendError> {
        let clock = &self.inner.settings.clock;
        let from = clock.steady();
        let shown = self.inner.link.command(&redis::cmd("TIME")).await?;
        self.look_at_clock(from, self.time(shown)?, clock.steady());
        Ok(())
    }

    /// Whether it was watched for long enough to judge a lease of this length.
    pub(crate) fn may_judge(&self, lease: Duration) -> bool {
        self.drift().may_judge(lease)
    }

    /// How much more the server's clock shows, in seconds, than what was written within this span may know of.
    pub(crate) fn gained(&self, within: Duration) -> f64 {
        self.drift().gained(within).as_secs_f64()
    }

    /// Lets claims of ours whose lease reaches further ahead than its holder asks for begin now: what lives is renewed in
    /// time, and what does not comes back. All that is held is passed over for it, a bounded part in each step; messages
    /// that wait for their time stay as they are.
    pub(crate) async fn lower_far_leases(&self) -> Result<(), BackendError> {
        if !self.drift().has_far_leases() {
            return Ok(());
        }
        let mut cursor = "0".to_owned();
        loop {
            let mut scan = redis::cmd("ZSCAN");
            scan.arg(keys::INDEX).arg(cursor).arg("MATCH").arg(format!("{}*", keys::CLAIMED)).arg("COUNT").arg(AT_ONCE);
            let (next, held): (String, Vec<String>) = self.inner.link.command(&scan).await?;
            let tags: Vec<&String> = held.iter().step_by(2).collect();
            for tags in tags.chunks(AT_ONCE) {
                self.lower(tags).await?;
            }
            if next == "0" {
                break;
            }
            cursor = next;
        }
        self.drift().without_far_leases();
        Ok(())
    }

    async fn lower(&self, tags: &[&String]) -> Result<(), BackendError> {
        let mut script = scripts::LOWER.key(keys::INDEX);
        script.arg(self.offset());
        for tag in tags {
            if let Some(lease) = Tag::read(tag).and_then(|tag| tag.lease) {
                script.arg(tag).arg(lease.as_secs_f64());
            }
        }
        self.inner.link.script(&script).await
    }

    fn drift(&self) -> MutexGuard<'_, Drift> {
        self.inner.drift.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
