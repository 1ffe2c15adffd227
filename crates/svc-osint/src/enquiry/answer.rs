//! How an answer is read, and what the common refusals mean.

use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::retry_after;
use crate::connector::{FetchError, Fetched};
use crate::model::SourceStatus;
use crate::providers::Provider;

/// Why a source gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// How the report calls it.
    pub status: SourceStatus,
    /// The word for programs.
    pub reason: String,
    /// The sentence for people.
    pub detail: String,
    /// Whether another scan, later, may do better.
    pub passing: bool,
    /// Whether this one is to ask once more.
    pub again: bool,
    /// How long to wait before that, where it was told.
    pub wait: Option<Duration>,
    /// Whether the provider need not be asked anything else in this scan.
    pub closes: bool,
}

impl Refusal {
    /// A refusal for good.
    pub fn new(status: SourceStatus, reason: impl Into<String>, detail: impl Into<String>) -> Self {
        let (reason, detail) = (reason.into(), detail.into());
        Self { status, reason, detail, passing: false, again: false, wait: None, closes: false }
    }

    /// One that may pass, and is worth another try at once.
    pub fn for_now(mut self) -> Self {
        (self.passing, self.again) = (true, true);
        self
    }

    /// One after which the provider need not be asked anything else in this scan.
    pub fn for_all(mut self) -> Self {
        self.closes = true;
        self
    }

    /// The key is not accepted.
    pub fn bad_key(provider: &Provider) -> Self {
        let detail = format!("{} rechaza la clave: no es válida o ha sido revocada.", provider.title);
        Self::new(SourceStatus::Failed, "key-rejected", detail).for_all()
    }

    /// The key is good, but not for this.
    pub fn plan(provider: &Provider) -> Self {
        let detail = format!("El plan contratado con {} no incluye esta consulta.", provider.title);
        Self::new(SourceStatus::Blocked, "plan", detail)
    }

    /// Too much was asked; `wait` is what the provider says, if it says anything.
    pub fn too_many(provider: &Provider, wait: Option<Duration>) -> Self {
        let detail = match wait {
            Some(wait) => format!("{} pide esperar {} s antes de otra consulta.", provider.title, wait.as_secs()),
            None => format!("{} pide menos consultas.", provider.title),
        };
        Self { wait, ..Self::new(SourceStatus::RateLimited, "http-429", detail).for_now() }
    }

    /// The usual meaning of a status that is no success: 401 a bad key, 403 the plan, 429 too much, 5xx a fault that
    /// may pass. Who wants no key and answers 401 or 403 wants nothing to do with us.
    pub fn by_status(provider: &Provider, answer: &Fetched) -> Self {
        match answer.status {
            401 if provider.key_env.is_some() => Self::bad_key(provider),
            403 if provider.key_env.is_some() => Self::plan(provider),
            status @ (401 | 403) => {
                let detail = format!("{} no admite la consulta (código {status}).", provider.title);
                Self::new(SourceStatus::Blocked, format!("http-{status}"), detail)
            }
            429 => Self::too_many(provider, wait(answer)),
            status => {
                let detail = format!("{} ha respondido con el código {status}.", provider.title);
                let refusal = Self::new(SourceStatus::Failed, format!("http-{status}"), detail);
                let refusal = Self { wait: wait(answer), ..refusal };
                if status >= 500 || status == 408 { refusal.for_now() } else { refusal }
            }
        }
    }

    /// The answer came, and is not what it should be.
    pub fn unreadable(reason: &str, detail: impl Into<String>) -> Self {
        Self::new(SourceStatus::Failed, reason, detail)
    }

    pub(super) fn missing_key(provider: &Provider) -> Self {
        let name = provider.key_env.unwrap_or_default();
        let detail = format!("Falta la clave de {}: el administrador la pone en {name}.", provider.title);
        Self::new(SourceStatus::MissingKey, "missing-key", detail)
    }

    pub(super) fn spent(provider: &Provider, until: Timestamp) -> Self {
        let moment = until.strftime("%Y-%m-%d %H:%M:%S");
        let detail = format!("{} no admite más consultas hasta {moment} UTC.", provider.title);
        let left = until.duration_since(Timestamp::now());
        let wait = Some(Duration::try_from(left).unwrap_or_default());
        let refusal = Self::new(SourceStatus::RateLimited, "quota-spent", detail);
        Self { wait, passing: true, ..refusal }
    }

    pub(super) fn full(provider: &Provider, wait: Duration) -> Self {
        let detail = format!("La cuota de {} está ocupada durante {} s.", provider.title, wait.as_secs().max(1));
        let refusal = Self::new(SourceStatus::RateLimited, "window-full", detail);
        Self { wait: Some(wait), passing: true, ..refusal }
    }

    pub(super) fn skipped_after(refusal: &Self) -> Self {
        Self::new(SourceStatus::Skipped, refusal.reason.clone(), refusal.detail.clone())
    }

    /// Nothing was fetched.
    pub(super) fn unfetched(error: &FetchError) -> Self {
        let refusal = Self::new(error.status(), error.reason(), error.to_string());
        match error {
            FetchError::Connect { .. } | FetchError::Http { .. } | FetchError::Dns { .. } => refusal.for_now(),
            // Another scan may find it better; this one has waited long enough.
            FetchError::Timeout { .. } => Self { passing: true, ..refusal },
            FetchError::Address { .. }
            | FetchError::Forbidden { .. }
            | FetchError::Scheme(_)
            | FetchError::Port(_)
            | FetchError::Redirects { .. }
            | FetchError::TooLarge { .. }
            | FetchError::Tls { .. } => refusal,
        }
    }
}

/// The body as JSON of this shape.
///
/// # Errors
/// Words for a page in place of JSON, for one cut short, and for another shape.
pub fn json<T: DeserializeOwned>(answer: &Fetched) -> Result<T, Refusal> {
    let body = answer.body.trim_ascii();
    serde_json::from_slice(body).map_err(|error| {
        let unreadable = |reason, detail| Refusal::unreadable(reason, detail);
        if body.is_empty() {
            return unreadable("empty-answer", "La respuesta está vacía.").for_now();
        }
        if body.starts_with(b"<") {
            return unreadable("html-instead-of-json", "Ha llegado una página en lugar de datos.").for_now();
        }
        if error.is_eof() {
            return unreadable("truncated-json", "La respuesta está cortada.").for_now();
        }
        unreadable("invalid-response", "La respuesta no tiene la forma esperada.")
    })
}

/// The body as text, whatever its bytes.
pub fn text(answer: &Fetched) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn wait(answer: &Fetched) -> Option<Duration> {
    retry_after(answer.headers.get("retry-after")?, Timestamp::now())
}
