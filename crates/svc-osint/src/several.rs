//! A scan of several types: read, taken apart into a scan for each, and put together again.
//!
//! It holds no place of a worker while its parts run: the task is replaced by a chord of them, whose last step ends under
//! its id. Two of the same would otherwise wait for places that they themselves hold.

use apium_core::client::{REMEMBER_HEADER, iso};
use apium_core::signature::chord;
use apium_core::{Context, Signature, TaskError};
use apium_sql::SqlError;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::collectors::{COLLECTORS, Collector};
use crate::contract::{
    ALL, CollectorResult, GATHER, PROCESSING, PartReport, Processing, Progress, QUEUE, REMEMBER, ResultMetadata,
    ScanOptions,
};
use crate::digest::id_of;
use crate::error::ScanError;
use crate::findings::merged;
use crate::history::{ended, told};
use crate::model::{Finding, SourceReport, SourceStatus};
use crate::order::Order;
use crate::settings::Osint;
use crate::store::NewScan;
use crate::target::{Target, TargetKind};
use crate::tasks::perform_osint_scan;

/// An order for several types.
#[derive(Debug)]
pub struct Several {
    /// The types, in the order of the table.
    pub orders: Vec<Order>,
    /// As it was asked for: the types with commas between, or `all`.
    pub collector: String,
    options: ScanOptions,
}

impl Several {
    /// Reads the arguments of a scan of several types; `None` when they are those of one type.
    ///
    /// # Errors
    /// As [`Order::read`], also when just one of the types does not take the target; of `all`, when none does.
    pub fn read(target: &str, collector_type: &str, options: &ScanOptions) -> Result<Option<Self>, ScanError> {
        let names: Vec<_> = collector_type.split(',').map(str::trim).collect();
        let everything = names.contains(&ALL);
        if !everything && names.len() < 2 {
            return Ok(None);
        }
        if options.file.is_some() {
            return Err(ScanError::takes_no_files(collector_type));
        }
        let read = |name: &str| Order::read(target, name, options.clone());
        let (orders, collector) = if everything {
            let kind = Target::parse_for(target, &texts()).map_err(ScanError::Target)?.kind();
            // `AS3333` is a user name as well, and of all there is, both are wanted.
            let system = Target::parse_for(target, &[TargetKind::Asn]).is_ok();
            let fits = |kinds: &[TargetKind]| kinds.contains(&kind) || (system && kinds.contains(&TargetKind::Asn));
            let fitting = COLLECTORS.iter().filter(|collector| fits(collector.accepts));
            (fitting.map(|collector| read(collector.name)).collect::<Result<Vec<_>, _>>()?, ALL.to_owned())
        } else {
            if let Some(unknown) = names.iter().find(|name| Collector::named(name).is_none()) {
                return Err(ScanError::UnknownCollector((*unknown).to_owned()));
            }
            let wanted: Vec<_> =
                COLLECTORS.iter().map(|known| known.name).filter(|name| names.contains(name)).collect();
            (wanted.iter().map(|name| read(name)).collect::<Result<Vec<_>, _>>()?, wanted.join(","))
        };
        Ok(Some(Self { orders, collector, options: options.clone() }))
    }

    /// How the history knows it.
    pub fn announced(&self, id: &str, owner: &str, now: Timestamp) -> Option<NewScan> {
        let first = self.orders.first()?.announced(id, owner, now);
        Some(NewScan { collector: self.collector.clone(), ..first })
    }

    /// Becomes the chord of its parts.
    ///
    /// # Errors
    /// The replacement, which is how a task tells the engine of it; or why there is none.
    pub async fn take_apart(self, osint: &Osint, context: &Context) -> TaskError {
        let (id, now) = (context.task_id(), Timestamp::now());
        let owner = self.options.on_behalf_of.as_deref().unwrap_or_default();
        let Some(whole) = self.announced(id, owner, now) else {
            return TaskError::new("ValueError", "Ningún tipo de escaneo admite este objetivo.").fatal();
        };
        let parts: Vec<_> = self.orders.iter().map(|order| (order, part_id(id, order.collector.name))).collect();
        told(note(osint, &whole, &parts, now).await);
        let total = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let meta = Processing {
            target: whole.target.clone(),
            collector_type: self.collector.clone(),
            progress: Progress { done: 0, total },
            worker: context.worker().to_owned(),
        };
        if let Err(error) = context.update_state(PROCESSING, &meta).await {
            tracing::warn!(id, %error, "the progress of a scan could not be stored");
        }
        let options = ScanOptions { parent: Some(id.to_owned()), ..self.options.clone() };
        let header = parts.iter().map(|(order, part)| {
            perform_osint_scan::s(whole.target.clone(), order.collector.name.to_owned(), Some(options.clone()))
                .queue(QUEUE)
                .task_id(part.as_str())
                .header(REMEMBER_HEADER, REMEMBER.as_secs())
        });
        let body = Signature::new(GATHER).arg(&whole.target).arg(&self.collector).queue(QUEUE);
        TaskError::replace(chord(header, body))
    }
}

/// Puts the parts together.
///
/// # Errors
/// [`ScanError::Failed`] when none of them had an answer.
pub(crate) async fn put_together(
    parts: Vec<CollectorResult>,
    target: String,
    collector: String,
    osint: &Osint,
    context: &Context,
) -> Result<CollectorResult, ScanError> {
    let id = context.task_id();
    let whole = whole_of(parts, target, collector, id);
    if !whole.success {
        let error = ScanError::Failed(whole.metadata.sources.clone());
        told(ended(osint, id, "FAILURE", Some(&error.to_string()), Some(&whole)).await);
        return Err(error);
    }
    told(ended(osint, id, "SUCCESS", None, Some(&whole)).await);
    Ok(whole)
}

/// One result of several: what each type has found under its name, the findings together and each once.
pub(crate) fn whole_of(parts: Vec<CollectorResult>, target: String, collector: String, id: &str) -> CollectorResult {
    let success = parts.iter().any(|part| part.success);
    let cut = parts.iter().find(|part| part.success && part.error.is_some()).and_then(|part| part.error.clone());
    let mut metadata = ResultMetadata::default();
    let (mut data, mut findings) = (Map::new(), Vec::new());
    for mut part in parts {
        metadata.parts.push(report(&part));
        let found = part.data.remove("findings").unwrap_or_default();
        findings.extend(serde_json::from_value::<Vec<Finding>>(found).unwrap_or_default());
        metadata.truncated |= part.metadata.truncated;
        // They ran side by side, but where places were few one after the other: the longest is what can be told.
        metadata.duration = metadata.duration.max(part.metadata.duration);
        metadata.sources.append(&mut part.metadata.sources);
        data.insert(part.collector_name, Value::Object(part.data));
    }
    let findings = merged(findings, &std::collections::HashMap::new());
    metadata.findings_total = findings.len();
    data.insert("findings".to_owned(), json!(findings));
    CollectorResult {
        id: id.to_owned(),
        collector_name: collector,
        target,
        success,
        data,
        error: cut,
        timestamp: iso(Timestamp::now()),
        metadata,
    }
}

/// The id that the part of this type always has.
pub(crate) fn part_id(id: &str, collector: &str) -> String {
    id_of(&["apium osint part", id, collector])
}

fn texts() -> Vec<TargetKind> {
    TargetKind::ALL.into_iter().filter(|kind| *kind != TargetKind::File).collect()
}

async fn note(osint: &Osint, whole: &NewScan, parts: &[(&Order, String)], now: Timestamp) -> Result<(), SqlError> {
    osint.store.began(whole, now).await?;
    let owner = osint.store.scan(&whole.id).await?.map(|scan| scan.owner).unwrap_or_default();
    let part = |(order, id): &(&Order, String)| NewScan {
        parent_id: Some(whole.id.clone()),
        ..order.announced(id, &owner, now)
    };
    osint.store.expect(&parts.iter().map(part).collect::<Vec<_>>()).await
}

fn report(part: &CollectorResult) -> PartReport {
    let sources = &part.metadata.sources;
    let best = sources.iter().min_by_key(|report| rank(report.status));
    PartReport {
        collector_type: part.collector_name.clone(),
        task_id: part.id.clone(),
        status: best.map_or(SourceStatus::Failed, status),
        reason: best.and_then(|report| report.reason.clone()),
        error: part.error.clone(),
        findings: part.metadata.findings_total,
        truncated: Some(part.metadata.truncated),
        requests: sources.iter().map(|report| report.requests).sum(),
        duration: part.metadata.duration,
    }
}

/// A type whose key is missing was skipped; its source says which key.
fn status(report: &SourceReport) -> SourceStatus {
    match report.status {
        SourceStatus::MissingKey => SourceStatus::Skipped,
        status => status,
    }
}

/// The best first.
fn rank(status: SourceStatus) -> u8 {
    match status {
        SourceStatus::Ok => 0,
        SourceStatus::Empty => 1,
        SourceStatus::RateLimited => 2,
        SourceStatus::Timeout => 3,
        SourceStatus::Failed => 4,
        SourceStatus::Blocked => 5,
        SourceStatus::MissingKey => 6,
        SourceStatus::Skipped => 7,
    }
}
