//! IANA's lists as this process has read them: each for a day, and for longer when IANA cannot be reached.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::Mutex;

use super::bootstrap::{List, Services};
use crate::enquiry::{Enquiry, Question, Refusal, json};
use crate::model::{SourceReport, SourceStatus};
use crate::providers::IANA_RDAP;

/// How the report calls it.
pub(super) const SOURCE: &str = "rdap:bootstrap";
/// A list that could not be had is not asked for again so soon.
const PAUSE: Duration = Duration::from_secs(30);
/// Largest list taken, in bytes; the largest today has 100 kB.
const LARGEST: usize = 4 << 20;

/// The lists, read when they are first needed.
#[derive(Debug, Default)]
pub struct Directory {
    dns: Mutex<Kept>,
    ipv4: Mutex<Kept>,
    ipv6: Mutex<Kept>,
    asn: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    copy: Option<Taken>,
    failed: Option<(Refusal, Timestamp)>,
}

#[derive(Debug, Clone)]
struct Taken {
    services: Arc<Services>,
    read: Timestamp,
}

/// A list, if there is any, and the row of the report, to which the caller adds what the list says.
pub(super) struct Looked {
    pub(super) services: Option<Arc<Services>>,
    pub(super) report: SourceReport,
}

impl Directory {
    /// The list, not older than `fresh` where IANA answers. Who comes while it is being read waits for it.
    pub(super) async fn look(&self, list: List, fresh: Duration, enquiry: &Enquiry<'_>) -> Looked {
        let mut kept = self.kept(list).lock().await;
        let now = Timestamp::now();
        if let Some(copy) = kept.copy.as_ref().filter(|copy| age(copy.read, now) < fresh) {
            return Looked { services: Some(Arc::clone(&copy.services)), report: unasked() };
        }
        let recent = kept.failed.clone().filter(|(_, at)| age(*at, now) < PAUSE);
        let (outcome, mut report) = match recent {
            Some((refusal, _)) => (Err(refusal.clone()), remembered(&refusal)),
            None => ask(list, enquiry).await,
        };
        match outcome {
            Ok(Some(services)) => {
                let services = Arc::new(services);
                *kept = Kept { copy: Some(Taken { services: Arc::clone(&services), read: now }), failed: None };
                Looked { services: Some(services), report }
            }
            Ok(None) => Looked { services: None, report },
            Err(refusal) => {
                // A failure remembered is not a new one.
                kept.failed.take_if(|(_, at)| age(*at, now) >= PAUSE);
                kept.failed.get_or_insert((refusal, now));
                if let Some(copy) = &kept.copy {
                    report.detail = Some(stale(report.detail.as_deref(), copy.read));
                }
                Looked { services: kept.copy.as_ref().map(|copy| Arc::clone(&copy.services)), report }
            }
        }
    }

    fn kept(&self, list: List) -> &Mutex<Kept> {
        match list {
            List::Dns => &self.dns,
            List::Ipv4 => &self.ipv4,
            List::Ipv6 => &self.ipv6,
            List::Asn => &self.asn,
        }
    }
}

async fn ask(list: List, enquiry: &Enquiry<'_>) -> (Result<Option<Services>, Refusal>, SourceReport) {
    let question = Question::new(SOURCE, &IANA_RDAP, &[list.file()]).at_most(LARGEST);
    enquiry
        .inquire(&question, |answer| {
            if !(200..300).contains(&answer.status) {
                return Err(Refusal::by_status(&IANA_RDAP, answer));
            }
            let services = Services::read(list, &json::<Value>(answer)?);
            let wrong = || Refusal::unreadable("invalid-response", "La lista de IANA no tiene la forma esperada.");
            services.map(Some).ok_or_else(wrong)
        })
        .await
}

fn unasked() -> SourceReport {
    SourceReport {
        source: SOURCE.to_owned(),
        status: SourceStatus::Ok,
        reason: None,
        detail: None,
        http_status: None,
        requests: 0,
        ms: 0,
        retry_after: None,
        passing: false,
    }
}

fn remembered(refusal: &Refusal) -> SourceReport {
    SourceReport {
        status: refusal.status,
        reason: Some(refusal.reason.clone()),
        detail: Some(refusal.detail.clone()),
        passing: refusal.passing,
        ..unasked()
    }
}

fn stale(detail: Option<&str>, read: Timestamp) -> String {
    let moment = read.strftime("%Y-%m-%d %H:%M");
    format!("{} Se usa la lista leída el {moment} UTC.", detail.unwrap_or_default()).trim().to_owned()
}

fn age(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
