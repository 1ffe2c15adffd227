//! One scan: read the order, gather while telling how far it is, stop at the soft time limit, and say
//! what it amounts to.
//!
//! The order is read twice with the same eyes: by the API, so that a wrong one is refused at once, and
//! by the worker, because anyone may send to the queue.

use std::time::{Duration, Instant};

use apium_core::Context;
use apium_core::client::iso;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::collectors::Collector;
use crate::contract::{
    CollectorResult, MAX_UPLOAD, PROCESSING, Processing, Progress, ResultMetadata, SOFT_TIME_LIMIT, ScanOptions,
};
use crate::enquiry::{Alone, Enquiry, Tools};
use crate::error::ScanError;
use crate::metrics;
use crate::model::{Gathered, Gathering, SourceReport, SourceStatus};
use crate::settings::Osint;
use crate::target::Target;

/// How often the progress of a scan is stored at the most: twice a second.
const TELL_EVERY: Duration = Duration::from_millis(500);
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
}

/// What a collector looks at.
pub enum Subject {
    /// A target named by a text.
    Text {
        /// What the text means.
        target: Target,
        /// Whether a zone transfer may be tried.
        axfr: Option<bool>,
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
        let (shown, subject) = match options.file {
            None => {
                let read = Target::parse_for(target, &collector.takes_texts()).map_err(ScanError::Target)?;
                (target.trim().to_owned(), Subject::Text { target: read, axfr: options.axfr })
            }
            Some(_) if !collector.takes_files() => {
                return Err(ScanError::takes_no_files(collector_type));
            }
            Some(file) => {
                let name = file_name(target);
                (name.clone(), Subject::File { name, bytes: content(&file.content_base64)? })
            }
        };
        Ok(Self { collector, shown, subject })
    }

    /// Carries it out. Dropping the future stops it at once.
    ///
    /// # Errors
    /// [`ScanError::Unavailable`] and [`ScanError::Failed`], when no source answered at all.
    pub async fn run(&self, osint: &Osint, context: &Context) -> Result<CollectorResult, ScanError> {
        let began = Instant::now();
        let attempt = metrics::Attempt::began(self.collector.name);
        let (steps, seen) = watch::channel(Progress::default());
        let out = Gathering::with_progress(move |done, total| {
            steps.send_replace(Progress { done, total });
        });
        let ended = CancellationToken::new();
        let settings = &osint.settings;
        let enquiry = Enquiry::new(
            Tools {
                connector: &osint.connector,
                providers: &settings.providers,
                quotas: &Alone,
                answers: &Alone,
                patience: &settings.patience,
            },
            &out,
        );
        let gather = async {
            let collect = self.collector.collect(settings, &enquiry, &self.subject);
            let cut = tokio::select! {
                () = collect => false,
                () = context.soft_time_limit() => true,
            };
            ended.cancel();
            cut
        };
        let (cut, ()) = tokio::join!(gather, self.tell(context, seen, &ended));
        let gathered = out.so_far();
        tracing::info!(
            id = context.task_id(),
            collector = self.collector.name,
            sources = gathered.sources.len(),
            findings = gathered.findings.len(),
            cut,
            "scan gathered"
        );
        attempt.gathered(&gathered.sources);
        let verdict = self.judge(gathered, cut, context.task_id(), began.elapsed());
        match &verdict {
            Ok(_) => attempt.succeeded(cut),
            Err(error) => attempt.failed(error),
        }
        verdict
    }

    /// Stores the progress while the scan runs. Never leaves a write half done: one that came through after
    /// the result would make an ended scan look as if it still ran.
    async fn tell(&self, context: &Context, mut seen: watch::Receiver<Progress>, ended: &CancellationToken) {
        loop {
            let meta = Processing {
                target: self.shown.clone(),
                collector_type: self.collector.name.to_owned(),
                progress: *seen.borrow_and_update(),
                worker: context.worker().to_owned(),
            };
            if let Err(error) = context.update_state(PROCESSING, &meta).await {
                tracing::warn!(id = context.task_id(), %error, "the progress of a scan could not be stored");
            }
            let next = async {
                tokio::time::sleep(TELL_EVERY).await;
                seen.changed().await.is_ok()
            };
            tokio::select! {
                () = ended.cancelled() => return,
                more = next => if !more { return },
            }
        }
    }

    /// Says what was gathered amounts to: a result as soon as one source answered and was understood.
    fn judge(&self, gathered: Gathered, cut: bool, id: &str, took: Duration) -> Result<CollectorResult, ScanError> {
        let Gathered { mut data, sources, findings, truncated, .. } = gathered;
        if !answered(&sources) {
            // Cut short, more might have answered in time; so it is worth another attempt.
            let passing = cut || sources.iter().any(|report| report.passing);
            return Err(if passing { ScanError::Unavailable(sources) } else { ScanError::Failed(sources) });
        }
        let findings_total = findings.len();
        data.insert("findings".to_owned(), json!(findings));
        Ok(CollectorResult {
            id: id.to_owned(),
            collector_name: self.collector.name.to_owned(),
            target: self.shown.clone(),
            success: true,
            data,
            error: cut.then(|| SOFT_TIME_LIMIT.to_owned()),
            timestamp: iso(Timestamp::now()),
            metadata: ResultMetadata {
                sources,
                findings_total,
                truncated: truncated || cut,
                duration: took.as_secs_f64(),
            },
        })
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

/// True when a source answered and was understood. A file that was fetched and then could not be read counts
/// for nothing: its failed reading takes its fetch away.
fn answered(sources: &[SourceReport]) -> bool {
    let told = |report: &&SourceReport| matches!(report.status, SourceStatus::Ok | SourceStatus::Empty);
    let unread = |report: &&SourceReport| is_reading(report) && !told(report);
    sources.iter().filter(told).count() > sources.iter().filter(unread).count()
}

/// True for the reading of a file, as opposed to the asking of someone.
fn is_reading(report: &SourceReport) -> bool {
    report.source.starts_with("parse:")
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
