//! The election: of any number of schedulers one leads, whatever is killed, stands still or jumps its clock.
//!
//! Nobody trusts a clock that others see. The leader counts its renewals up in the store; whoever has seen the same count
//! for a whole lease, by the steady clock of its own machine, takes over, and the store lets it only while the count is
//! still the same. A leader that stood still for longer finds another term in the store, under which its decisions count
//! nothing.

use std::time::Duration;

use apium_core::BackendError;
use apium_core::schedules::{Leader, Schedules};
use tokio::time::Instant;

/// How often a leader renews, and how long it is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// A leader renews this often, and the others look as often.
    pub renew: Duration,
    /// One that has not renewed for so long is replaced.
    pub lease: Duration,
}

impl Default for Pace {
    /// Two seconds, and six: a leader that is gone is replaced within nine.
    fn default() -> Self {
        Self { renew: Duration::from_secs(2), lease: Duration::from_secs(6) }
    }
}

/// One that would lead.
pub(crate) struct Candidate<'a> {
    schedules: &'a dyn Schedules,
    name: &'a str,
    lease: Duration,
    /// Who was seen leading, and since when just so.
    seen: Option<(Leader, Instant)>,
}

impl<'a> Candidate<'a> {
    /// Under a name that no other has ever had.
    pub(crate) fn new(schedules: &'a dyn Schedules, name: &'a str, lease: Duration) -> Self {
        Self { schedules, name, lease, seen: None }
    }

    /// Looks once who leads, and takes over where it may: its term then.
    pub(crate) async fn stand(&mut self) -> Result<Option<u64>, BackendError> {
        let leads = self.schedules.leader().await?;
        let seen = match (leads, &self.seen) {
            (None, _) => None,
            (Some(leader), Some((known, since))) if leader == *known => {
                if since.elapsed() < self.lease {
                    return Ok(None);
                }
                Some(leader)
            }
            (Some(leader), _) => {
                self.seen = Some((leader, Instant::now()));
                return Ok(None);
            }
        };
        let leader = self.schedules.lead(self.name, seen.as_ref()).await?;
        if leader.name == self.name {
            return Ok(Some(leader.term));
        }
        self.seen = Some((leader, Instant::now()));
        Ok(None)
    }

    /// Who leads, as it was seen last.
    pub(crate) fn follows(&self) -> Option<&str> {
        self.seen.as_ref().map(|(leader, _)| leader.name.as_str())
    }
}

/// Renews a term until it is over: another leads, or the store has not answered for a whole lease.
pub(crate) async fn keep(schedules: &dyn Schedules, term: u64, pace: Pace) {
    let mut heard = Instant::now();
    loop {
        tokio::time::sleep(pace.renew).await;
        match schedules.renew_lead(term).await {
            Ok(true) => heard = Instant::now(),
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "the lead of the schedulers cannot be renewed; trying again");
                if heard.elapsed() > pace.lease {
                    return;
                }
            }
        }
    }
}
