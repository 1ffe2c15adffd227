//! What is remembered around a scan: that it began, what is already known, how it ended.
//!
//! The history is beside the scan, not in its way: where the database does not answer, the scan goes on, and what it came
//! to is learnt later from the engine's results ([`crate::housekeeping`]).

use apium_core::Context;
use apium_sql::SqlError;
use jiff::Timestamp;
use serde_json::Value;

use crate::contract::{CollectorResult, ResultMetadata};
use crate::error::ScanError;
use crate::housekeeping::see_to_schedule;
use crate::model::{SourceReport, SourceStatus};
use crate::order::Order;
use crate::settings::Osint;
use crate::store::{Finished, NewScan};
use crate::view::CALLED_OFF;

/// Times a scan is tried again when its sources may yet answer.
pub const MAX_RETRIES: u32 = 3;

impl Order {
    /// Carries a scan out unless its result is known, and remembers how it ended.
    ///
    /// # Errors
    /// As [`Order::run`]; a part of a scan of several types gives a result instead, once it will not be tried again.
    pub async fn perform(&self, osint: &Osint, context: &Context) -> Result<CollectorResult, ScanError> {
        see_to_schedule(osint, context.client()).await;
        let id = context.task_id();
        let announced = self.announced(id, &self.owner, Timestamp::now());
        if self.was_called_off(osint).await {
            told(ended(osint, id, "REVOKED", Some(CALLED_OFF), None).await);
            return Ok(self.fruitless(id, CALLED_OFF.to_owned(), Vec::new()));
        }
        if let Some(known) = told(self.known(osint, &announced).await).flatten() {
            return Ok(known);
        }
        told(osint.store.began(&announced, Timestamp::now()).await);
        let verdict = self.run(osint, context).await;
        let error = match verdict {
            Ok(result) => {
                told(ended(osint, id, "SUCCESS", None, Some(&result)).await);
                return Ok(result);
            }
            Err(error) if error.may_pass() && context.retries() < MAX_RETRIES => return Err(error),
            Err(error) => error,
        };
        let sentence = error.to_string();
        if self.parent.is_none() {
            told(ended(osint, id, "FAILURE", Some(&sentence), None).await);
            return Err(error);
        }
        let result = self.fruitless(id, sentence, error.into_sources());
        told(ended(osint, id, "FAILURE", result.error.as_deref(), Some(&result)).await);
        Ok(result)
    }

    /// Whether the scan that this one is a part of was called off, in the moment in which it was taken apart: then nobody
    /// could tell the parts.
    async fn was_called_off(&self, osint: &Osint) -> bool {
        let Some(parent) = &self.parent else { return false };
        told(osint.store.scan(parent).await).flatten().is_some_and(|scan| scan.cancelled_by.is_some())
    }

    /// The result of this very scan, if an attempt before came to an end and was not heard of; or of an earlier one that
    /// asked the same, if it is young and whole.
    async fn known(&self, osint: &Osint, announced: &NewScan) -> Result<Option<CollectorResult>, SqlError> {
        let own = osint.store.scan(&announced.id).await?;
        if own.is_some_and(|scan| scan.state == "SUCCESS") {
            let result = osint.store.result(&announced.id).await?;
            return Ok(result.and_then(|result| serde_json::from_value(result).ok()));
        }
        if !self.may_be_known() || osint.settings.cache.is_zero() {
            return Ok(None);
        }
        let now = Timestamp::now();
        let Some((from, finished, result)) = osint.store.cached(announced, now - osint.settings.cache).await? else {
            return Ok(None);
        };
        let Some(mut result) = whole(result) else { return Ok(None) };
        let age = now.duration_since(finished).as_secs();
        result.id.clone_from(&announced.id);
        result.target.clone_from(&announced.target);
        result.metadata.cache_age_s = Some(u64::try_from(age).unwrap_or_default());
        result.metadata.cached_from = Some(from);
        osint.store.began(announced, now).await?;
        ended(osint, &announced.id, "SUCCESS", None, Some(&result)).await?;
        Ok(Some(result))
    }

    /// The result of a part where nobody answered.
    fn fruitless(&self, id: &str, sentence: String, sources: Vec<SourceReport>) -> CollectorResult {
        CollectorResult {
            id: id.to_owned(),
            collector_name: self.collector.name.to_owned(),
            target: self.shown.clone(),
            success: false,
            data: serde_json::Map::new(),
            error: Some(sentence),
            timestamp: apium_core::client::iso(Timestamp::now()),
            metadata: ResultMetadata { sources, ..ResultMetadata::default() },
        }
    }
}

/// Notes how a scan ended.
pub(crate) async fn ended(
    osint: &Osint,
    id: &str,
    state: &str,
    error: Option<&str>,
    result: Option<&CollectorResult>,
) -> Result<(), SqlError> {
    let cached_from = result.and_then(|result| result.metadata.cached_from.as_deref());
    let json = result.and_then(|result| serde_json::to_value(result).ok());
    let at = Timestamp::now();
    osint.store.ended(id, &Finished { state, error, result: json.as_ref(), cached_from, at }).await
}

/// What came of asking the history; what went wrong is for the log.
pub(crate) fn told<T>(asked: Result<T, SqlError>) -> Option<T> {
    asked.inspect_err(|error| tracing::error!(%error, "the history of scans cannot be read or written")).ok()
}

/// A result that may stand for another: not cut short, and with nobody left out who may answer the next time.
fn whole(result: Value) -> Option<CollectorResult> {
    let result: CollectorResult = serde_json::from_value(result).ok()?;
    let final_word = |report: &SourceReport| match report.status {
        SourceStatus::Ok | SourceStatus::Empty | SourceStatus::Skipped | SourceStatus::Blocked => true,
        SourceStatus::Failed | SourceStatus::RateLimited | SourceStatus::MissingKey | SourceStatus::Timeout => false,
    };
    (result.error.is_none() && result.metadata.sources.iter().all(final_word)).then_some(result)
}
