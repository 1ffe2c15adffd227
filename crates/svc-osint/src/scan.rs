//! One scan by one collector: gather while telling how far it is, stop at the soft time limit, and say what it amounts to.

use std::time::{Duration, Instant};

use apium_core::Context;
use apium_core::client::iso;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::contract::{CollectorResult, PROCESSING, Processing, Progress, ResultMetadata, SOFT_TIME_LIMIT};
use crate::enquiry::{Enquiry, Tools};
use crate::error::ScanError;
use crate::findings::merged;
use crate::metrics;
use crate::model::{Gathered, Gathering, NO_REFERRAL, REFERRAL, SourceReport, SourceStatus};
use crate::order::Order;
use crate::quotas::SharedQuotas;
use crate::settings::Osint;

/// How often the progress of a scan is stored at the most: twice a second.
const TELL_EVERY: Duration = Duration::from_millis(500);

impl Order {
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
        let (quotas, answers) = (SharedQuotas::new(context.client(), osint), osint.store.answers(context.task_id()));
        let tools = Tools {
            connector: &osint.connector,
            providers: &settings.providers,
            quotas: &quotas,
            answers: &answers,
            patience: &settings.patience,
        };
        let enquiry = Enquiry::new(tools, &out);
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
        let gathered = out.taken();
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
        let Gathered { mut data, sources, findings, truncated, digests, .. } = gathered;
        if !answered(&sources) {
            // Cut short, more might have answered in time; so it is worth another attempt.
            let passing = cut || sources.iter().any(|report| report.passing);
            return Err(if passing { ScanError::Unavailable(sources) } else { ScanError::Failed(sources) });
        }
        let findings = merged(findings, &digests);
        let findings_total = findings.len();
        data.insert("findings".to_owned(), findings.into_iter().map(|finding| json!(finding)).collect());
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
                ..ResultMetadata::default()
            },
        })
    }
}

/// True when a source answered and was understood. A file that was fetched and then could not be read counts
/// for nothing: its failed reading takes its fetch away. Nor does one that only said whom else to ask.
fn answered(sources: &[SourceReport]) -> bool {
    let told = |report: &&SourceReport| {
        matches!(report.status, SourceStatus::Ok | SourceStatus::Empty) && !points_elsewhere(report)
    };
    let unread = |report: &&SourceReport| is_reading(report) && !told(report);
    sources.iter().filter(told).count() > sources.iter().filter(unread).count()
}

/// True for those who know nothing of the target themselves.
fn points_elsewhere(report: &SourceReport) -> bool {
    matches!(report.reason.as_deref(), Some(REFERRAL | NO_REFERRAL))
}

/// True for the reading of a file, as opposed to the asking of someone.
fn is_reading(report: &SourceReport) -> bool {
    report.source.starts_with("parse:")
}
