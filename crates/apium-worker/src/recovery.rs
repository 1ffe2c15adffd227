//! The recovery loop: what dead workers left is put back, a bounded batch at a time.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::points::point;
use crate::station::Station;
use crate::trouble::Errand;

/// Looks six times a lease, so that a dead worker's messages wait little longer than its last lease.
pub(crate) async fn run(station: Arc<Station>, end: CancellationToken) {
    let mut every = tokio::time::interval(station.options.lease / 6);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while end.run_until_cancelled(every.tick()).await.is_some() {
        point!(RecoverAsked);
        let recovered = recover_all(&station).await;
        point!(Recovered);
        match recovered {
            Ok(messages) => {
                station.vitals.troubles.well(Errand::Recover);
                if messages == 0 {
                    continue;
                }
                station.vitals.recovered(messages);
                tracing::warn!(messages, "put back what a dead worker left");
            }
            Err(error) => station.vitals.troubles.failed(Errand::Recover, &error),
        }
    }
}

async fn recover_all(station: &Station) -> Result<usize, apium_core::BackendError> {
    let mut total = 0;
    loop {
        match station.broker().recover().await? {
            0 => return Ok(total),
            some => total += some,
        }
    }
}
