//! How a stored record, and a fleet of workers, look to those who ask the API.

use apium_core::client::iso;
use apium_core::protocol::{ExceptionRecord, ResultRecord};
use apium_core::{BackendError, TaskState, WorkerCard};
use serde_json::{Map, Value, json};

use crate::contract::{Health, PROCESSING, Progress, QUEUE, SCAN, SCAN_ALIAS, ScanAccepted, ScanEntry, ScanStatus};
use crate::store::Scan;

/// What is said of a scan that somebody called off.
pub(crate) const CALLED_OFF: &str = "Escaneo cancelado.";

/// The answer to who asked for a scan, which may have been sent earlier under the same key.
pub fn accepted(task_id: String, state: &TaskState, target: String, collector_type: String) -> ScanAccepted {
    let message = match state {
        TaskState::Pending => "Escaneo encolado",
        TaskState::Started | TaskState::Custom(_) => "El escaneo de esta clave ya está en marcha",
        TaskState::Retry => "El escaneo de esta clave ha fallado y se va a reintentar",
        TaskState::Success => "El escaneo de esta clave ya ha terminado",
        TaskState::Failure => "El escaneo de esta clave ya ha terminado con un error",
        TaskState::Revoked => "El escaneo de esta clave se canceló",
    };
    ScanAccepted { task_id, status: state.name().to_owned(), message: message.to_owned(), target, collector_type }
}

/// A scan that waits in its queue.
pub fn waiting(task_id: &str) -> ScanStatus {
    ScanStatus {
        task_id: task_id.to_owned(),
        status: TaskState::Pending.name().to_owned(),
        result: None,
        error: None,
        progress: None,
        meta: None,
        date_done: None,
        parts: Vec::new(),
    }
}

/// A scan that has ended, as the history tells.
pub fn remembered(scan: &Scan, result: Option<Value>) -> ScanStatus {
    ScanStatus {
        status: scan.state.clone(),
        result,
        error: scan.error.clone(),
        date_done: scan.finished.map(iso),
        ..waiting(&scan.id)
    }
}

/// The same of a scan of several types, which may have been called off: then its chord fails with the first part that
/// was, or waits for parts that will never run.
pub fn called_off(scan: &Scan, status: ScanStatus) -> ScanStatus {
    if !scan.is_several() || scan.cancelled_by.is_none() {
        return status;
    }
    let at_rest = status.parts.iter().all(|part| TaskState::from_name(&part.status).is_ready());
    match TaskState::from_name(&status.status) {
        TaskState::Failure => {}
        TaskState::Pending | TaskState::Started | TaskState::Retry | TaskState::Custom(_) if at_rest => {}
        TaskState::Success
        | TaskState::Revoked
        | TaskState::Pending
        | TaskState::Started
        | TaskState::Retry
        | TaskState::Custom(_) => return status,
    }
    ScanStatus {
        status: TaskState::Revoked.name().to_owned(),
        error: Some(CALLED_OFF.to_owned()),
        progress: None,
        meta: None,
        ..status
    }
}

/// A scan in a list.
pub fn entry(scan: &Scan) -> ScanEntry {
    ScanEntry {
        task_id: scan.id.clone(),
        target: scan.target.clone(),
        target_type: scan.target_kind.clone(),
        collector_type: scan.collector.clone(),
        status: scan.state.clone(),
        error: scan.error.clone(),
        owner: scan.owner.clone(),
        created: iso(scan.created),
        finished: scan.finished.map(iso),
        cancelled_by: scan.cancelled_by.clone(),
    }
}

/// A scan as its record tells.
///
/// # Errors
/// When a result is stored that is no JSON.
pub fn stored(task_id: &str, record: &ResultRecord) -> Result<ScanStatus, BackendError> {
    let state = TaskState::from_name(&record.status);
    let mut status = ScanStatus {
        status: state.name().to_owned(),
        date_done: record.date_done.clone().filter(|_| state.is_ready()),
        ..waiting(task_id)
    };
    match state {
        TaskState::Success => status.result = Some(json_of(record)?),
        TaskState::Failure | TaskState::Retry => (status.error, status.meta) = exception(record),
        TaskState::Revoked => status.error = Some(revoked(record)),
        TaskState::Custom(name) => {
            let meta = json_of(record)?;
            if name == PROCESSING {
                status.progress =
                    meta.get("progress").and_then(|it| serde_json::from_value::<Progress>(it.clone()).ok());
            }
            status.meta = Some(meta).filter(|meta| !meta.is_null());
        }
        // What Celery stores with STARTED (process id, host name) is the operator's matter.
        TaskState::Pending | TaskState::Started => {}
    }
    Ok(status)
}

/// The workers that take scans: those that know the task and listen to its queue.
pub fn health(workers: Vec<WorkerCard>) -> Health {
    let takes = |card: &WorkerCard| {
        let knows = card.tasks.iter().any(|task| task == SCAN || task == SCAN_ALIAS);
        knows && card.queues.iter().any(|queue| queue == QUEUE)
    };
    let workers: Vec<_> = workers.into_iter().filter(takes).collect();
    let stats: Map<String, Value> = workers.iter().map(|card| (card.name.clone(), stats(card))).collect();
    Health {
        status: if workers.is_empty() { "unhealthy" } else { "healthy" },
        workers: workers.len(),
        worker_names: workers.into_iter().map(|card| card.name).collect(),
        stats,
    }
}

fn stats(card: &WorkerCard) -> Value {
    json!({
        "concurrency": card.concurrency,
        "active": card.active,
        "processed": card.processed,
        "pid": card.pid,
        "started": card.started,
        "queues": card.queues,
    })
}

fn json_of(record: &ResultRecord) -> Result<Value, BackendError> {
    let broken = |error| BackendError::Broken(format!("the result of {} cannot be read: {error}", record.task_id));
    record.result.to::<Value>().map_err(broken)
}

/// The sentence, and the exception's type with what else it carries.
fn exception(record: &ResultRecord) -> (Option<String>, Option<Value>) {
    let Some(told) = ExceptionRecord::from_result(&record.result) else {
        return (Some("El escaneo ha fallado.".to_owned()), None);
    };
    let arguments = told.exc_message.elements().unwrap_or_default();
    let first = arguments.first().and_then(|argument| argument.to::<String>().ok());
    let mut meta = json!({ "exc_type": told.exc_type, "exc_module": told.exc_module });
    if let Some(sources) = arguments.get(1).and_then(|argument| argument.to::<Value>().ok()) {
        meta["sources"] = sources;
    }
    (Some(first.unwrap_or_else(|| told.message())), Some(meta))
}

fn revoked(record: &ResultRecord) -> String {
    let why = ExceptionRecord::from_result(&record.result).map(|told| told.message()).unwrap_or_default();
    match why.as_str() {
        "expired" => "El escaneo ha caducado antes de empezar.".to_owned(),
        _ => CALLED_OFF.to_owned(),
    }
}
