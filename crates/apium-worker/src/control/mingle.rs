//! Mingling: a worker that comes asks the others what was called off while it was away.
//!
//! Celery waits a second for the answers before it begins; here they are heeded as they come, and work has begun.

use std::time::Duration;

use apium_core::BackendError;
use apium_core::broadcast::Topic;
use apium_core::client::fresh_id;
use apium_core::protocol::control::{Command, ControlNames, HelloReply, Reply, Request};
use tokio::time::Instant;

use crate::station::Station;

/// How long answers are waited for, as in Celery.
const ANSWERS: Duration = Duration::from_secs(1);

/// Asks once. What fails is no more than a thing not known.
pub(super) async fn mingle(station: &Station) {
    match ask(station).await {
        Ok(0) => tracing::debug!("no other worker answered; all alone"),
        Ok(others) => tracing::info!(others, "other workers have told what was revoked"),
        Err(error) => tracing::debug!(%error, "the other workers could not be asked"),
    }
}

async fn ask(station: &Station) -> Result<usize, BackendError> {
    let (names, inbox) = (ControlNames::default(), fresh_id());
    let mut answers = station.broadcast().open_inbox(&inbox).await?;
    let hello = Command::Hello { from_node: station.options.name.clone(), revoked: station.revoked.ids() };
    let mut request = Request::new(&hello, &names, fresh_id()).replying_to(&names, inbox, fresh_id());
    request.clock = station.events.forward();
    station.broadcast().say(&Topic::Control, &request.encode()).await?;
    let (deadline, mut others) = (Instant::now() + ANSWERS, 0);
    while let Some(heard) = answers.next(deadline.saturating_duration_since(Instant::now())).await? {
        // One's own answer is null.
        let told = Reply::decode(&heard.bytes).ok().and_then(|reply| HelloReply::from_json(&reply.value));
        if let Some(told) = told {
            others += 1;
            station.events.heard(told.clock);
            told.revoked.into_iter().for_each(|id| station.revoked.insert(id));
        }
    }
    Ok(others)
}
