//! An uploaded file on its way from a form into a message, and how many such files this process holds at once.
//!
//! A file is never held as it came: each piece goes at once into the JSON text the message will carry. What one
//! upload takes is bounded by the form's limit, what all of them take by the [`Room`].

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use apium_core::Signature;
use apium_core::protocol::RawJson;
use apium_web::{ApiError, StatusCode};
use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::write::EncoderStringWriter;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::collectors::Collector;
use crate::contract::MAX_UPLOAD;
use crate::error::{self, ScanError};
use crate::metrics;
use crate::order::file_name;
use crate::store::NewScan;
use crate::target::TargetKind;
use crate::tasks::perform_osint_scan;

/// What the form around a file may add to its size, in bytes.
pub(crate) const FORM_OVERHEAD: usize = 64 << 10;
/// How long an upload waits for room before its client is told to come back.
const PATIENCE: Duration = Duration::from_secs(25);

/// How long a form may take to arrive once it has its room: a few slow clients must not shut the others out. The largest
/// file comes in that time at 700 kbit/s.
pub(crate) const ARRIVAL: Duration = Duration::from_mins(2);
/// When that client may come back, in seconds.
const COME_BACK: HeaderValue = HeaderValue::from_static("10");
/// The collector that takes files, when the form names none.
const COLLECTOR: &str = "metadata";
/// Longest name of a collector looked at, in bytes.
const MAX_TYPE: usize = 64;

/// The third argument of a scan, a [`ScanOptions`](crate::contract::ScanOptions) with a file, around its content:
/// to build one as a value and have it written would hold the file three times over.
const BEFORE: &str = r#"{"file": {"content_base64": ""#;
const AFTER: &str = r#""}}"#;

/// Room for the files that are being taken in, counted in MiB. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Room {
    mib: u32,
    free: Arc<Semaphore>,
    /// To send a file takes several times its size, to wait for that only once: those that are sent at a time are no more
    /// than the largest there may be, in MiB. Small ones do not wait for each other.
    counter: Arc<Semaphore>,
}

/// A part of the [`Room`], given back when dropped.
pub(crate) struct Place {
    _held: OwnedSemaphorePermit,
    counter: Arc<Semaphore>,
}

/// A form that was read.
pub(crate) struct Upload {
    /// The file's name, fit to be shown.
    pub(crate) name: String,
    /// The collector it is for.
    pub(crate) collector_type: String,
    /// The SHA-256 of its content, in hexadecimal.
    pub(crate) digest: String,
    /// Its size, in bytes.
    pub(crate) size: usize,
    options: String,
    place: Place,
}

/// Held while a file is sent: the turn at the counter, and the file's place in the [`Room`].
pub(crate) struct Sending {
    _turn: Option<OwnedSemaphorePermit>,
    _place: Place,
}

/// A file's content while it comes in.
struct Content {
    text: EncoderStringWriter<'static, GeneralPurpose, String>,
    hash: Sha256,
    size: usize,
}

impl Room {
    /// Room for this many MiB of uploads.
    pub(crate) fn new(mib: u32) -> Self {
        let mib = mib.max(1);
        Self {
            mib,
            free: Arc::new(Semaphore::new(mib as usize)),
            counter: Arc::new(Semaphore::new(mebibytes(MAX_UPLOAD))),
        }
    }

    /// Waits for a place for the upload these headers announce; one that does not say its size counts as the
    /// largest. The server lets no body be longer than announced.
    ///
    /// # Errors
    /// 503 `uploads_busy` when there is none in time.
    pub(crate) async fn enter(&self, headers: &HeaderMap) -> Result<Place, ApiError> {
        let largest = MAX_UPLOAD + FORM_OVERHEAD;
        let size = announced(headers).unwrap_or(largest).min(largest);
        let weight = u32::try_from(mebibytes(size)).unwrap_or(u32::MAX).clamp(1, self.mib);
        let waiting = self.free.clone().acquire_many_owned(weight);
        let Ok(Ok(held)) = tokio::time::timeout(PATIENCE, waiting).await else {
            metrics::upload_busy();
            return Err(busy());
        };
        Ok(Place { _held: held, counter: self.counter.clone() })
    }
}

impl Upload {
    /// Reads a form to its end: one `file`, perhaps a `type`, nothing else.
    ///
    /// # Errors
    /// What is wrong with the form or the file, for the client.
    pub(crate) async fn read(mut form: Multipart, headers: &HeaderMap, place: Place) -> Result<Self, ApiError> {
        let expected = announced(headers).unwrap_or(MAX_UPLOAD).min(MAX_UPLOAD);
        let (mut file, mut kind) = (None, None);
        while let Some(field) = form.next_field().await.map_err(|error| broken_form(&error))? {
            match field.name() {
                Some("file") if file.is_none() => {
                    let name = file_name(field.file_name().unwrap_or_default());
                    file = Some((name, content(field, expected).await?));
                }
                Some("type") if kind.is_none() => kind = Some(collector(field).await?),
                Some(twice @ ("file" | "type")) => {
                    return Err(invalid_form(format!("El campo «{twice}» viene dos veces; envíe uno solo.")));
                }
                other => return Err(unknown_part(other.unwrap_or_default())),
            }
        }
        let missing = || ScanError::File("Falta el campo «file» con el fichero.".to_owned());
        let (name, content) = file.ok_or_else(missing)?;
        if content.size == 0 {
            return Err(ScanError::File("El fichero está vacío.".to_owned()).into());
        }
        let digest = content.hash.finalize().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let (size, options) = (content.size, content.text.into_inner() + AFTER);
        Ok(Self { name, collector_type: kind.unwrap_or(COLLECTOR).to_owned(), digest, size, options, place })
    }

    /// How the history knows it.
    pub(crate) fn announced(&self, id: &str, owner: &str) -> NewScan {
        NewScan {
            id: id.to_owned(),
            parent_id: None,
            owner: owner.to_owned(),
            target: self.name.clone(),
            target_key: self.name.clone(),
            target_kind: TargetKind::File.as_str(),
            collector: self.collector_type.clone(),
            options: "{}".to_owned(),
            created: Timestamp::now(),
        }
    }

    /// Waits until enough of the files before it have been sent; gives the call that scans it, and what is held meanwhile.
    ///
    /// # Errors
    /// 500 `unsent` when the arguments are no JSON.
    pub(crate) async fn pack(self) -> Result<(Signature, Sending), ApiError> {
        let weight = u32::try_from(mebibytes(self.size)).unwrap_or(u32::MAX);
        let turn = self.place.counter.clone().acquire_many_owned(weight).await.ok();
        let options = RawJson::parse(&self.options).map_err(|error| error::unencodable(&error))?;
        drop(self.options);
        let arguments = vec![RawJson::string(&self.name), RawJson::string(&self.collector_type), options];
        let signature = Signature::new(perform_osint_scan::task_name()).raw_arguments(arguments, Vec::new());
        Ok((signature, Sending { _turn: turn, _place: self.place }))
    }
}

async fn content(mut field: Field<'_>, expected: usize) -> Result<Content, ApiError> {
    // Reserved at once, so that it never grows by copying; what is not written to takes no memory.
    let room = BEFORE.len() + AFTER.len() + expected.div_ceil(3) * 4;
    let mut text = String::with_capacity(room);
    text.push_str(BEFORE);
    let text = EncoderStringWriter::from_consumer(text, &STANDARD);
    let mut content = Content { text, hash: Sha256::new(), size: 0 };
    while let Some(piece) = field.chunk().await.map_err(|error| broken_form(&error))? {
        content.size += piece.len();
        if content.size > MAX_UPLOAD {
            return Err(error::file_too_large(MAX_UPLOAD));
        }
        content.hash.update(&piece);
        content.text.write_all(&piece).map_err(|_| error::file_too_large(MAX_UPLOAD))?;
    }
    Ok(content)
}

async fn collector(mut field: Field<'_>) -> Result<&'static str, ApiError> {
    let mut name = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(|error| broken_form(&error))? {
        let room = MAX_TYPE.saturating_sub(name.len()).min(piece.len());
        name.extend_from_slice(&piece[..room]);
    }
    let name = String::from_utf8_lossy(&name).into_owned();
    match Collector::named(&name) {
        Some(collector) if collector.takes_files() => Ok(collector.name),
        Some(collector) => Err(ScanError::takes_no_files(collector.name).into()),
        None => Err(ScanError::UnknownCollector(name).into()),
    }
}

/// So many bytes in MiB, a part of one as a whole.
fn mebibytes(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20)
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// 408: the form did not arrive in [`ARRIVAL`].
pub(crate) fn too_slow() -> ApiError {
    let sentence =
        "El fichero ha tardado más de dos minutos en llegar; vuelva a intentarlo con una conexión más rápida.";
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "upload_too_slow", sentence)
}

fn busy() -> ApiError {
    let sentence = "Se están recibiendo demasiados ficheros a la vez. Vuelva a intentarlo dentro de unos segundos.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "uploads_busy", sentence).header(header::RETRY_AFTER, COME_BACK)
}

fn unknown_part(name: &str) -> ApiError {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    invalid_form(format!("El formulario trae un campo que no se conoce, «{shown}». Se admiten «file» y «type»."))
}

fn invalid_form(sentence: String) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_form", sentence)
}

fn broken_form(error: &MultipartError) -> ApiError {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return error::file_too_large(MAX_UPLOAD);
    }
    ApiError::new(StatusCode::BAD_REQUEST, "malformed_form", "El formulario está roto o incompleto.")
}
