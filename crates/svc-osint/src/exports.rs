//! Exports and differences without HTTP: which scans may be exported and compared, and what is said where they may not.
//!
//! Only a scan with a result is. One that failed or was called off has found nothing out; a file without findings would
//! say that there is nothing to find.

use apium_core::TaskState;
use apium_web::{ApiError, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::contract::{CollectorResult, ScanDiff, ScanStatus};
use crate::diff::diff;
use crate::error;
use crate::export::{self, Format, Unreadable};
use crate::scans::{Caller, Scans};
use crate::store::{Question, Scan, Store};
use crate::target::{Target, TargetKind};
use crate::view;

/// A scan that has ended with a result.
#[derive(Debug)]
pub struct Told {
    result: Value,
    read: CollectorResult,
    question: Question,
    finished: Option<Timestamp>,
}

/// A file on its way to somebody.
#[derive(Debug)]
pub struct Export {
    /// What it may be called.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Scans {
    /// The result of a scan in this format; who took it is noted.
    ///
    /// # Errors
    /// As [`Scans::find`]; 409 when the scan has not ended, or has no result.
    pub async fn export(&self, id: &str, format: Format, caller: &Caller) -> Result<Export, ApiError> {
        let told = self.told(id, caller).await?;
        let taken = format!("{} {}", format.as_str(), told.read.target);
        let export = aside(move || told.export(format)).await?;
        self.note("export", id, Some(&taken), caller).await?;
        Ok(export)
    }

    /// What a scan says otherwise than `with`, or else than the newest one before it that asked the same.
    ///
    /// # Errors
    /// As [`Scans::export`], of either; 404 when there is none before it, 422 when the two have not asked the same.
    pub async fn compare(&self, id: &str, with: Option<&str>, caller: &Caller) -> Result<ScanDiff, ApiError> {
        let new = self.told(id, caller).await?;
        let old = match with {
            Some(other) => self.told(other, caller).await?,
            None => new.before(self.store(), &caller.name).await?,
        };
        aside(move || new.compared(&old)).await
    }

    async fn told(&self, id: &str, caller: &Caller) -> Result<Told, ApiError> {
        let status = self.find(id, caller).await?;
        let scan = self.store().scan(id).await.map_err(|error| error::history(&error))?;
        Told::of(status, scan)
    }
}

impl Told {
    /// A scan as the history alone knows it.
    ///
    /// # Errors
    /// 404 when it does not, 409 when the scan has not ended or has no result, 503 when the history does not answer.
    pub async fn remembered(store: &Store, id: &str) -> Result<Self, ApiError> {
        let id = Uuid::try_parse(id.trim()).map_err(|_| error::unknown_scan())?.hyphenated().to_string();
        let scan = store.scan(&id).await.map_err(|error| error::history(&error))?.ok_or_else(error::unknown_scan)?;
        if scan.finished.is_none() {
            return Err(unfinished(&id, &scan.state));
        }
        let result = store.result(&id).await.map_err(|error| error::history(&error))?;
        let result = result.filter(|_| scan.state == TaskState::Success.name());
        Self::of(view::remembered(&scan, result), Some(scan))
    }

    /// The newest scan before this one that asked the same, and was asked for by `owner` or by nobody; by anybody where
    /// `owner` is empty. One that gives the very same answers again, for being young enough, is none.
    ///
    /// # Errors
    /// 404 when there is none, 503 when the history does not answer.
    pub async fn before(&self, store: &Store, owner: &str) -> Result<Self, ApiError> {
        let origin = self.read.metadata.cached_from.as_deref().unwrap_or(&self.read.id);
        let moment = (self.finished.unwrap_or(Timestamp::MAX), self.read.id.as_str());
        let found = store.previous(&self.question, owner, moment, origin).await;
        let scan = found.map_err(|error| error::history(&error))?.ok_or_else(nothing_to_compare)?;
        let result = store.result(&scan.id).await.map_err(|error| error::history(&error))?;
        Self::of(view::remembered(&scan, result), Some(scan))
    }

    /// Its result in this format.
    ///
    /// # Errors
    /// 500 when it is none of this service's.
    pub fn export(&self, format: Format) -> Result<Export, ApiError> {
        let bytes = export::export(&self.result, format).map_err(|error| unreadable(&self.read.id, &error))?;
        Ok(Export { name: format.file_name(&self.read.target, &self.read.id), bytes })
    }

    /// What it says otherwise than `old`.
    ///
    /// # Errors
    /// 422 when the two have not asked the same, or are one; 500 when one of the results is none of this service's.
    pub fn compared(&self, old: &Self) -> Result<ScanDiff, ApiError> {
        if self.read.id == old.read.id {
            return Err(incomparable("es el mismo escaneo"));
        }
        if self.question.target_key != old.question.target_key {
            return Err(incomparable("son de objetivos distintos"));
        }
        if self.question.collector != old.question.collector {
            return Err(incomparable("son de tipos distintos"));
        }
        diff(&old.read, &self.read).map_err(|error| unreadable(&self.read.id, &error))
    }

    fn of(status: ScanStatus, scan: Option<Scan>) -> Result<Self, ApiError> {
        let ScanStatus { task_id, status, result, error, .. } = status;
        if !TaskState::from_name(&status).is_ready() {
            return Err(unfinished(&task_id, &status));
        }
        let Some(result) = result else { return Err(no_result(&task_id, &status, error.as_deref())) };
        let read = export::read(&result).map_err(|error| unreadable(&task_id, &error))?;
        // A part of several that found nobody to answer ends well, so that the others are not lost with it.
        if !read.success {
            return Err(no_result(&task_id, TaskState::Failure.name(), read.error.as_deref()));
        }
        let finished = scan.as_ref().and_then(|scan| scan.finished);
        let question = scan.map_or_else(|| asked(&read), Question::from);
        Ok(Self { result, read, question, finished })
    }
}

/// What was asked in a scan that the history does not know.
fn asked(result: &CollectorResult) -> Question {
    let kinds: Vec<_> = TargetKind::ALL.into_iter().filter(|kind| *kind != TargetKind::File).collect();
    let target = Target::parse_for(&result.target, &kinds);
    Question {
        target_key: target.map_or_else(|_| result.target.clone(), |target| target.to_string()),
        collector: result.collector_name.clone(),
        options: "{}".to_owned(),
    }
}

/// Tens of thousands of facts take a while; others are answered meanwhile.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, ApiError> + Send + 'static) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(error::stopping()),
        },
    }
}

/// 409: a scan that has not ended has nothing to give yet.
fn unfinished(id: &str, state: &str) -> ApiError {
    let sentence = format!("El escaneo {id} todavía no ha terminado ({state}).");
    ApiError::new(StatusCode::CONFLICT, "unfinished_scan", sentence).with("task_id", id).with("status", state)
}

/// 409: a scan that failed or was called off has nothing to give.
fn no_result(id: &str, state: &str, why: Option<&str>) -> ApiError {
    let why = why.map(|why| format!(" {why}")).unwrap_or_default();
    let sentence = format!("El escaneo {id} terminó sin resultado ({state}).{why}");
    ApiError::new(StatusCode::CONFLICT, "no_result", sentence).with("task_id", id).with("status", state)
}

/// 404: there is no earlier scan.
fn nothing_to_compare() -> ApiError {
    let sentence = "No hay ningún escaneo anterior del mismo objetivo, tipo y opciones con el que comparar.";
    ApiError::new(StatusCode::NOT_FOUND, "nothing_to_compare", sentence)
}

/// 422: two scans that say nothing of each other.
fn incomparable(why: &str) -> ApiError {
    let sentence = format!("Los dos escaneos no se pueden comparar: {why}.");
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "incomparable_scans", sentence)
}

/// 500: a result of another program's. What is wrong with it goes to the log.
fn unreadable(id: &str, error: &Unreadable) -> ApiError {
    tracing::error!(id, %error, "a result is none of this service's");
    let sentence =
        "El resultado de este escaneo no es de los que escribe este servicio y no se puede exportar ni comparar.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable_result", sentence)
}
