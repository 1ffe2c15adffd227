//! The policy of unique tasks: what an attempt and its outcome do to the key the message carries.
//!
//! The key is claimed by the sender (`apium-core/src/unique.rs`), and given back in the settlement of its holder.

use std::time::Duration;

use apium_core::protocol::Headers;
use apium_core::unique::{AtStart, UniqueEnd, UniqueMark, Until};
use jiff::Timestamp;

use crate::job::{Job, Reason};
use crate::outcome::Outcome;
use crate::points::point;
use crate::retry::Backoff;
use crate::station::Station;
use crate::trouble::Errand;

/// Tells the broker that an attempt begins, asked until it answers; one whose place a newer task has taken is called
/// off.
pub(crate) async fn begin(station: &Station, job: &Job) {
    let Some(mark) = UniqueMark::of(&job.headers) else { return };
    let then = match mark.until {
        Until::Start => AtStart::Release,
        Until::Done => AtStart::Hold(mark.keep()),
        Until::Period => AtStart::Note,
    };
    let mut trouble = Backoff::reconnecting();
    loop {
        point!(BeginAsked);
        let answer = station.broker().uniques().begin(&job.delivery.receipt.queue, &mark.key, job.id(), then).await;
        point!(BeginAnswered);
        match answer {
            Ok(true) => break,
            Ok(false) => return job.call_off.because(Reason::Revoked),
            Err(error) => {
                station.vitals.troubles.failed(Errand::Begin, &error);
                if !error.is_transient() {
                    return;
                }
            }
        }
        point!(BeginAgain);
        tokio::select! {
            _ = job.call_off.called_off() => return,
            () = tokio::time::sleep(trouble.next_delay()) => {}
        }
    }
    station.vitals.troubles.well(Errand::Begin);
}

/// What becomes of the key while its holder waits for a shared limit, besides the time that takes.
pub(crate) fn waits(headers: &Headers) -> Option<UniqueEnd> {
    let mark = UniqueMark::of(headers).filter(|mark| mark.until != Until::Period)?;
    Some(UniqueEnd { keep: Some(mark.keep()), key: mark.key, task_id: headers.id.clone() })
}

/// What an outcome does to the key: what ends gives it back, what comes back keeps it for as long again. A period goes
/// on as it was, unless the task did not succeed.
pub(crate) fn end(headers: &Headers, outcome: &Outcome, now: Timestamp) -> Option<UniqueEnd> {
    let mark = UniqueMark::of(headers)?;
    let in_a_period = mark.until == Until::Period;
    let waits = |span: Duration| Some(mark.keep().saturating_add(span));
    let keep = match outcome {
        Outcome::Lost => return None,
        Outcome::Success(_)
        | Outcome::Retry { .. }
        | Outcome::Deferred(_)
        | Outcome::Requeued
        | Outcome::GivenBack
        | Outcome::Died(_)
            if in_a_period =>
        {
            return None;
        }
        Outcome::Retry { delay, .. } => waits(*delay),
        Outcome::Deferred(due) => waits(Duration::try_from(due.duration_since(now)).unwrap_or_default()),
        Outcome::Requeued | Outcome::GivenBack | Outcome::Died(_) => waits(Duration::ZERO),
        Outcome::Success(_)
        | Outcome::Failure(_)
        | Outcome::Dead(..)
        | Outcome::Replaced(_)
        | Outcome::Ignored
        | Outcome::Revoked(_) => None,
    };
    Some(UniqueEnd { key: mark.key, task_id: headers.id.clone(), keep })
}
