//! How an answer is read, and what the common refusals mean.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::de::{DeserializeOwned, DeserializeSeed};

use super::object::Object;
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

    /// Seconds until it is worth asking again, where that is known.
    pub fn retry_after(&self) -> Option<u64> {
        self.wait.map(whole_seconds)
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

    /// What the plan allows is used up, and comes back after `wait`; asking again at once would not help.
    pub fn used_up(provider: &Provider, wait: Duration) -> Self {
        let detail = format!("Se ha agotado la cuota de {}; se puede volver a preguntar ", provider.title);
        let detail = detail + &until(Timestamp::now() + wait);
        let refusal = Self::new(SourceStatus::RateLimited, "quota-exceeded", detail);
        Self { wait: Some(wait), passing: true, ..refusal }
    }

    /// The usual meaning of a status that is no success: 401 a bad key, 403 the plan, 429 too much, 5xx a fault that
    /// may pass. Who wants no key and answers 401 or 403 wants nothing to do with us.
    pub fn by_status(provider: &Provider, answer: &Fetched) -> Self {
        let keyed = provider.key_env.is_some();
        match answer.status {
            401 if keyed => Self::bad_key(provider),
            403 if keyed => Self::plan(provider),
            status @ (401 | 403) => {
                let detail = format!("{} no admite la consulta (código {status}).", provider.title);
                Self::new(SourceStatus::Blocked, format!("http-{status}"), detail)
            }
            429 => Self::too_many(provider, asked_to_wait(answer)),
            301 | 302 | 303 | 307 | 308 if keyed => Self::redirected(provider),
            status => {
                let detail = format!("{} ha respondido con el código {status}.", provider.title);
                let refusal = Self::new(SourceStatus::Failed, format!("http-{status}"), detail);
                let refusal = Self { wait: asked_to_wait(answer), ..refusal };
                if status >= 500 || status == 408 { refusal.for_now() } else { refusal }
            }
        }
    }

    /// The answer came, and is not what it should be.
    pub fn unreadable(reason: &str, detail: impl Into<String>) -> Self {
        Self::new(SourceStatus::Failed, reason, detail)
    }

    /// The answer is not of the shape that the provider documents.
    pub fn misshapen() -> Self {
        Self::unreadable("invalid-response", "La respuesta no tiene la forma esperada.")
    }

    /// The answer came, and there is nothing in it.
    pub fn empty() -> Self {
        Self::unreadable("empty-answer", "La respuesta está vacía.").for_now()
    }

    /// The provider sends us where its key may not go.
    pub(super) fn redirected(provider: &Provider) -> Self {
        let detail =
            format!("{} redirige a otro servidor; no se le sigue, para no llevar allí la clave.", provider.title);
        Self::unreadable("redirected", detail)
    }

    /// The provider sends us to somebody who knows nothing, which does not say that it knows nothing itself.
    pub(super) fn moved(provider: &Provider) -> Self {
        let detail = format!("{} lleva a otro dominio, que nada sabe del objetivo.", provider.title);
        Self::unreadable("moved", detail)
    }

    pub(super) fn missing_key(provider: &Provider) -> Self {
        let name = provider.key_env.unwrap_or_default();
        let detail = format!("Falta la clave de {}: el administrador la pone en {name}.", provider.title);
        Self::new(SourceStatus::MissingKey, "missing-key", detail)
    }

    pub(super) fn spent(provider: &Provider, moment: Timestamp) -> Self {
        let detail =
            format!("{} no admite más consultas; se puede volver a preguntar {}", provider.title, until(moment));
        let left = moment.duration_since(Timestamp::now());
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
        let passing = error.is_passing();
        // After a silence another scan may find it better; this one has waited long enough.
        let again = passing && !matches!(error, FetchError::Timeout { .. });
        Self { passing, again, ..Self::new(error.status(), error.reason(), error.to_string()) }
    }
}

/// The body as JSON of this shape.
///
/// # Errors
/// Words for a page in place of JSON, for one cut short, and for another shape.
pub fn json<T: DeserializeOwned>(answer: &Fetched) -> Result<T, Refusal> {
    json_into(answer, std::marker::PhantomData)
}

/// The body as a JSON object of this shape. A list is refused, which [`json`] would take for the fields of a struct in
/// their order, and an empty list for an object with nothing in it.
///
/// # Errors
/// As [`json`].
pub fn object<T: DeserializeOwned>(answer: &Fetched) -> Result<T, Refusal> {
    json::<Object<T>>(answer).map(|Object(object)| object)
}

/// The body as JSON, read into `seed` piece by piece, so that a large one needs no room of its own.
///
/// # Errors
/// As [`json`].
pub fn json_into<'a, S: DeserializeSeed<'a>>(answer: &'a Fetched, seed: S) -> Result<S::Value, Refusal> {
    let body = filled(answer)?;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| {
        if error.is_eof() {
            return Refusal::unreadable("truncated-json", "La respuesta está cortada.").for_now();
        }
        Refusal::misshapen()
    })
}

/// What a provider says of a refusal, where that is an object of this shape.
pub fn said<T: DeserializeOwned>(answer: &Fetched) -> Option<T> {
    serde_json::from_slice::<Object<T>>(&answer.body).ok().map(|Object(said)| said)
}

/// The body as text, whatever its bytes.
pub fn text(answer: &Fetched) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// Whether a page came, where none was asked for.
pub fn is_page(answer: &Fetched) -> bool {
    answer.body.trim_ascii_start().starts_with(b"<")
}

/// The body as text that has something to say.
///
/// # Errors
/// Words for nothing, for a page in place of it, and for what is no text.
pub fn plain(answer: &Fetched) -> Result<&str, Refusal> {
    str::from_utf8(filled(answer)?).map_err(|_| Refusal::misshapen())
}

/// How long it is to the first of the next month, when quotas by the month begin anew.
pub fn to_next_month(now: Timestamp) -> Duration {
    let begins = |today: Date| today.last_of_month().tomorrow().ok()?.to_zoned(TimeZone::UTC).ok();
    let next = begins(now.to_zoned(TimeZone::UTC).date()).map_or(now, |next| next.timestamp());
    Duration::try_from(next.duration_since(now)).unwrap_or_default()
}

/// The body, where it is something and no page.
///
/// # Errors
/// Words for nothing and for a page.
pub fn filled(answer: &Fetched) -> Result<&[u8], Refusal> {
    let body = answer.body.trim_ascii();
    if body.is_empty() {
        return Err(Refusal::empty());
    }
    if is_page(answer) {
        let detail = "Ha llegado una página en lugar de datos.";
        return Err(Refusal::unreadable("html-instead-of-json", detail).for_now());
    }
    Ok(body)
}

/// The end of a sentence that says until when.
fn until(moment: Timestamp) -> String {
    format!("a partir de las {} UTC.", moment.strftime("%Y-%m-%d %H:%M:%S"))
}

/// How long an answer asks to be left alone, where it does.
pub fn asked_to_wait(answer: &Fetched) -> Option<Duration> {
    retry_after(answer.headers.get("retry-after")?, Timestamp::now())
}

/// A wait as reports tell it, in seconds and never none.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().max(1)
}
