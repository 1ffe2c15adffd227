//! What a domain's records were: one request a type, and therefore only when it is asked for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::names::page;
use super::records::Entry;
use super::{question, refused};
use crate::collectors::facts::{Facts, Origin};
use crate::connector::Fetched;
use crate::enquiry::{Enquiry, Object, Refusal, object};
use crate::model::SourceStatus;

/// The types of record it keeps a history of.
const TYPES: [&str; 6] = ["a", "aaaa", "mx", "ns", "soa", "txt"];
/// Steps of asking for all of them.
pub(super) const STEPS: u32 = 6;
/// Most periods kept of one type.
const PERIODS: usize = 1_000;

/// The history of one type.
#[derive(Deserialize)]
struct History {
    records: Vec<Object<Period>>,
    /// Pages of it, of which the first is asked for: each costs a request.
    pages: Option<u64>,
}

/// What the records were for a while.
#[derive(Deserialize, Serialize)]
struct Period {
    first_seen: Option<String>,
    last_seen: Option<String>,
    organizations: Option<Vec<String>>,
    values: Vec<Object<Entry>>,
}

/// Asks for the history of `domain`, telling after each type how many are done.
pub(super) async fn ask(enquiry: &Enquiry<'_>, facts: &Facts<'_>, domain: &str, step: impl Fn(u32) + Send) {
    let mut all = Map::new();
    for (done, kind) in (1..).zip(TYPES) {
        let source = source(kind);
        let question = question(&source, &["v1", "history", domain, "dns", kind]);
        if let Some(mut history) = enquiry.ask(&question, read).await {
            if history.pages.is_some_and(|pages| pages > 1) || history.records.len() > PERIODS {
                history.records.truncate(PERIODS);
                enquiry.out.truncated();
            }
            let origin =
                Origin { source: &source, url: Some(page(domain, &format!("history/{kind}"))), confidence: 0.6 };
            for Object(period) in &history.records {
                tell(period, facts, &origin, domain, kind);
            }
            all.insert(kind.to_owned(), json!(history.records));
            enquiry.out.set("history", Value::Object(all.clone()));
        }
        step(done);
    }
}

/// Reports that it was not asked for, and how to.
pub(super) fn leave_out(enquiry: &Enquiry<'_>) {
    let detail = "El historial no se ha pedido: gasta seis consultas de la cuota mensual. Se pide con la opción \
                  «history» puesta a true.";
    let refusal = Refusal::new(SourceStatus::Skipped, "not-asked", detail);
    for kind in TYPES {
        enquiry.leave_out(source(kind), &refusal);
    }
}

fn source(kind: &str) -> String {
    format!("securitytrails:history:{kind}")
}

fn tell(period: &Period, facts: &Facts<'_>, origin: &Origin<'_>, domain: &str, kind: &str) {
    let upper = kind.to_uppercase();
    for Object(entry) in &period.values {
        let Some(line) = entry.line() else { continue };
        let seen = json!({
            "type": upper,
            "name": domain,
            "first_seen": period.first_seen,
            "last_seen": period.last_seen,
            "organizations": period.organizations,
            "historical": true,
        });
        facts.add(origin, "dns_record", format!("{domain} {upper} {line}"), seen.clone());
        if let Some(address) = entry.address() {
            facts.add(origin, "ip", address, seen);
        }
    }
}

fn read(answer: &Fetched) -> Result<Option<History>, Refusal> {
    match answer.status {
        200 => object(answer).map(|history: History| (!history.records.is_empty()).then_some(history)),
        _ => refused(answer),
    }
}
