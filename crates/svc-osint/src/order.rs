//! What is asked for: which target, by which collector, how.
//!
//! It is read twice with the same eyes: by the API, so that a wrong order is refused at once, and by the worker, because
//! anyone may send to the queue.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::allowed::Allowed;
use crate::collectors::Collector;
use crate::contract::{MAX_UPLOAD, ScanOptions};
use crate::error::ScanError;
use crate::store::NewScan;
use crate::target::{Target, TargetKind};

/// Longest file name kept, in characters.
const MAX_NAME: usize = 128;

/// What is to be scanned, by which collector.
#[derive(Debug)]
pub struct Order {
    /// The collector.
    pub collector: &'static Collector,
    /// The target as it is shown: trimmed, otherwise as it was written.
    pub shown: String,
    /// The target, understood.
    pub subject: Subject,
    /// Whether everything is asked anew.
    pub force: bool,
    /// The token for which a schedule has it done; empty: nobody's.
    pub owner: String,
    /// The scan of several types that this one is a part of.
    pub parent: Option<String>,
}

/// What a collector looks at.
pub enum Subject {
    /// A target named by a text.
    Text {
        /// What the text means.
        target: Target,
        /// Whether a zone transfer may be tried.
        axfr: Option<bool>,
        /// Whether the past is asked about where that costs extra.
        history: Option<bool>,
    },
    /// A file that came along.
    File {
        /// Its name; shown, never used as a path.
        name: String,
        /// Its content.
        bytes: Vec<u8>,
    },
}

impl Order {
    /// Reads the arguments of a scan.
    ///
    /// # Errors
    /// [`ScanError::UnknownCollector`], [`ScanError::Target`], [`ScanError::File`].
    pub fn read(target: &str, collector_type: &str, options: ScanOptions) -> Result<Self, ScanError> {
        let collector =
            Collector::named(collector_type).ok_or_else(|| ScanError::UnknownCollector(collector_type.to_owned()))?;
        let ScanOptions { axfr, history, file, force, on_behalf_of, parent } = options;
        let (shown, subject) = match file {
            None => {
                let read = Target::parse_for(target, &collector.takes_texts()).map_err(ScanError::Target)?;
                (target.trim().to_owned(), Subject::Text { target: read, axfr, history })
            }
            Some(_) if !collector.takes_files() => {
                return Err(ScanError::takes_no_files(collector_type));
            }
            Some(file) => {
                let name = file_name(target);
                (name.clone(), Subject::File { name, bytes: content(&file.content_base64)? })
            }
        };
        Ok(Self { collector, shown, subject, force, owner: on_behalf_of.unwrap_or_default(), parent })
    }

    /// How the history knows it.
    pub fn announced(&self, id: &str, owner: &str, now: Timestamp) -> NewScan {
        let (target_key, target_kind, options) = match &self.subject {
            Subject::Text { target, axfr, history } => {
                let chosen = [("axfr", axfr), ("history", history)];
                let chosen = chosen.into_iter().filter_map(|(name, choice)| Some((name.to_owned(), json!((*choice)?))));
                (target.to_string(), target.kind().as_str(), Value::Object(chosen.collect()))
            }
            Subject::File { name, .. } => (name.clone(), TargetKind::File.as_str(), json!({})),
        };
        NewScan {
            id: id.to_owned(),
            parent_id: self.parent.clone(),
            owner: owner.to_owned(),
            target: self.shown.clone(),
            target_key,
            target_kind,
            collector: self.collector.name.to_owned(),
            options: options.to_string(),
            created: now,
        }
    }

    /// Whether the operator lets it be scanned; a file that came along is nobody's target.
    ///
    /// # Errors
    /// [`ScanError::NotAllowed`].
    pub fn check(&self, allowed: &Allowed) -> Result<(), ScanError> {
        match &self.subject {
            Subject::Text { target, .. } if !allowed.admits(target) => Err(ScanError::NotAllowed(self.shown.clone())),
            Subject::Text { .. } | Subject::File { .. } => Ok(()),
        }
    }

    /// Whether an earlier answer to the same question will do: never for a file, whose name says nothing of its content.
    pub fn may_be_known(&self) -> bool {
        !self.force && matches!(self.subject, Subject::Text { .. })
    }
}

/// A name fit to be shown: the last part of a path, without characters that hide or break anything.
pub fn file_name(text: &str) -> String {
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |c: &char| !c.is_control() && !crate::target::invisible(*c);
    let name: String = last.chars().filter(plain).take(MAX_NAME).collect();
    match name.trim().trim_matches('.') {
        "" => "fichero".to_owned(),
        _ => name.trim().to_owned(),
    }
}

fn content(base64: &str) -> Result<Vec<u8>, ScanError> {
    let refused = |sentence: &str| Err(ScanError::File(sentence.to_owned()));
    if base64.len() > MAX_UPLOAD.div_ceil(3) * 4 {
        return refused("El fichero supera el máximo de 10 MiB.");
    }
    match STANDARD.decode(base64) {
        Ok(bytes) if bytes.is_empty() => refused("El fichero está vacío."),
        Ok(bytes) => Ok(bytes),
        Err(_) => refused("El contenido del fichero no está en base64."),
    }
}

/// Shows a file's size only: the content is somebody's.
impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text { target, .. } => write!(f, "Text({target})"),
            Self::File { name, bytes } => write!(f, "File({name}, {} bytes)", bytes.len()),
        }
    }
}
