//! The tasks, by the names Python callers know: thin, because the work is in [`crate::order`], [`crate::history`] and
//! [`crate::several`].

use apium_core::client::iso;
use apium_core::{Context, Registry, State, TaskError};
use apium_macros::task;
use jiff::Timestamp;

use crate::collectors::Collector;
use crate::contract::{CollectorResult, HEALTH_CHECK, HEALTH_CHECK_ALIAS, SCAN, SCAN_ALIAS, ScanOptions, WorkerHealth};
use crate::housekeeping::{Kept, keep_house};
use crate::order::Order;
use crate::repeats::check_token;
use crate::settings::Osint;
use crate::several::{Several, put_together};

/// Scans `target` with one collector, or with several.
///
/// Retries wait 1, 2 and 4 s, without jitter, as `2 ** retries` did. Only trouble that may pass is tried
/// again; wrong arguments fail at once as `ValueError`.
#[task(
    crate = apium_core,
    name = "app.tasks.scan_tasks.perform_osint_scan",
    queue = "osint_scans",
    max_retries = 3,
    retry_backoff = 1,
    retry_jitter = false,
    acks_late,
    track_started,
    time_limit = 300,
    soft_time_limit = 240,
    result_expires = 3600
)]
pub async fn perform_osint_scan(
    target: String,
    collector_type: String,
    options: Option<ScanOptions>,
    osint: State<Osint>,
    context: Context,
) -> Result<CollectorResult, TaskError> {
    let options = options.unwrap_or_default();
    check_token(&osint.store, &options).await?;
    if let Some(several) = Several::read(&target, &collector_type, &options)? {
        return Err(several.take_apart(&osint, &context).await);
    }
    let order = Order::read(&target, &collector_type, options)?;
    order.check(&osint.settings.allowed)?;
    Ok(order.perform(&osint, &context).await?)
}

/// Puts the parts of a scan of several types together.
#[task(
    crate = apium_core,
    name = "app.tasks.scan_tasks.gather_osint_scan",
    queue = "osint_scans",
    max_retries = 3,
    acks_late,
    time_limit = 60,
    result_expires = 3600
)]
pub async fn gather_osint_scan(
    parts: Vec<CollectorResult>,
    target: String,
    collector_type: String,
    osint: State<Osint>,
    context: Context,
) -> Result<CollectorResult, TaskError> {
    Ok(put_together(parts, target, collector_type, &osint, &context).await?)
}

/// Learns how scans ended that nobody told of, and deletes what is old.
#[task(
    crate = apium_core,
    name = "app.tasks.scan_tasks.osint_housekeeping",
    queue = "osint_scans",
    max_retries = 0,
    time_limit = 300,
    result_expires = 3600
)]
pub async fn osint_housekeeping(osint: State<Osint>, context: Context) -> Result<Kept, TaskError> {
    Ok(keep_house(&osint, context.client()).await?)
}

/// Shows that a worker takes tasks of this service and ends them.
#[task(
    crate = apium_core,
    name = "app.tasks.scan_tasks.health_check",
    queue = "osint_scans",
    max_retries = 0,
    time_limit = 30,
    result_expires = 3600
)]
pub async fn health_check(context: Context) -> WorkerHealth {
    WorkerHealth {
        status: "healthy".to_owned(),
        worker: context.worker().to_owned(),
        collectors: Collector::names().into_iter().map(str::to_owned).collect(),
        timestamp: iso(Timestamp::now()),
    }
}

/// Adds the tasks of this service under their full and their short names. The worker's states must hold an
/// [`Osint`].
pub fn register(registry: &mut Registry) {
    registry.register(perform_osint_scan);
    registry.register(health_check);
    registry.register(gather_osint_scan);
    registry.register(osint_housekeeping);
    registry.alias(SCAN, SCAN_ALIAS);
    registry.alias(HEALTH_CHECK, HEALTH_CHECK_ALIAS);
}
