//! The tasks, by the names Python callers know: thin, because the work is in [`crate::scan`].

use apium_core::client::iso;
use apium_core::{Context, Registry, State, TaskError};
use apium_macros::task;
use jiff::Timestamp;

use crate::collectors::Collector;
use crate::contract::{CollectorResult, HEALTH_CHECK, HEALTH_CHECK_ALIAS, SCAN, SCAN_ALIAS, ScanOptions, WorkerHealth};
use crate::scan::Order;
use crate::settings::Osint;

/// Scans `target` with one collector.
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
    let order = Order::read(&target, &collector_type, options.unwrap_or_default())?;
    Ok(order.run(&osint, &context).await?)
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
    registry.alias(SCAN, SCAN_ALIAS);
    registry.alias(HEALTH_CHECK, HEALTH_CHECK_ALIAS);
}
