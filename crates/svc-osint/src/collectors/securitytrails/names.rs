//! A domain's records of today, and its subdomains.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::records::Entry;
use super::{question, refused};
use crate::collectors::facts::{Facts, Origin, host_below, host_name};
use crate::connector::Fetched;
use crate::enquiry::{Enquiry, Object, Refusal, object};

const CURRENT: &str = "securitytrails:domain";
const SUBDOMAINS: &str = "securitytrails:subdomains";
/// Most subdomains kept.
const MOST: usize = 10_000;

/// A domain as SecurityTrails describes it.
#[derive(Deserialize)]
struct Described {
    hostname: String,
    apex_domain: Option<String>,
    alexa_rank: Option<u64>,
    current_dns: BTreeMap<String, Option<Object<Records>>>,
}

/// Its records of one type; without values there are none.
#[derive(Deserialize, Serialize)]
struct Records {
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<Object<Entry>>>,
}

#[derive(Deserialize)]
struct Below {
    subdomains: Vec<String>,
    subdomain_count: Option<u64>,
    meta: Option<Object<Meta>>,
}

#[derive(Deserialize)]
struct Meta {
    limit_reached: Option<bool>,
}

/// Asks what the DNS says of `domain` today.
pub(super) async fn current(enquiry: &Enquiry<'_>, facts: &Facts<'_>, domain: &str) {
    let question = question(CURRENT, &["v1", "domain", domain]);
    let Some(told) = enquiry.ask(&question, read).await else { return };
    let origin = Origin { source: CURRENT, url: Some(page(domain, "dns")), confidence: 0.8 };
    for (kind, records) in &told.current_dns {
        let Some(Object(records)) = records else { continue };
        let kind = kind.to_uppercase();
        for Object(entry) in records.values.iter().flatten() {
            let Some(line) = entry.line() else { continue };
            let attributes = json!({ "type": kind, "name": told.hostname, "first_seen": records.first_seen });
            facts.add(&origin, "dns_record", format!("{domain} {kind} {line}"), attributes);
            if let Some(address) = entry.address() {
                facts.add(&origin, "ip", address, json!({ "name": told.hostname }));
            }
            if let Some(host) = entry.target().and_then(host_name) {
                facts.host(&origin, &host, json!({ "role": kind }));
            }
        }
    }
    enquiry.out.set("current_dns", json!(told.current_dns));
    enquiry.out.set("apex_domain", json!(told.apex_domain));
    enquiry.out.set("alexa_rank", json!(told.alexa_rank));
}

/// Asks for the names below `domain`.
pub(super) async fn subdomains(enquiry: &Enquiry<'_>, facts: &Facts<'_>, domain: &str) {
    let question = question(SUBDOMAINS, &["v1", "domain", domain, "subdomains"]);
    let Some(told) = enquiry.ask(&question, read_subdomains).await else { return };
    let url = Some(format!("https://securitytrails.com/list/apex_domain/{domain}"));
    let origin = Origin { source: SUBDOMAINS, url, confidence: 0.8 };
    // It gives the part before the domain only.
    let whole = |label: &String| host_below(&format!("{label}.{domain}"), domain);
    let names: BTreeSet<String> = told.subdomains.iter().filter_map(whole).take(MOST).collect();
    for name in &names {
        facts.host(&origin, name, json!({}));
    }
    let limited = told.meta.is_some_and(|Object(meta)| meta.limit_reached == Some(true));
    if limited || told.subdomains.len() > MOST {
        enquiry.out.truncated();
    }
    enquiry.out.set("subdomains", json!(names));
    enquiry.out.set("subdomains_total", json!(told.subdomain_count));
}

/// Where people see the same.
pub(super) fn page(domain: &str, what: &str) -> String {
    format!("https://securitytrails.com/domain/{domain}/{what}")
}

fn read(answer: &Fetched) -> Result<Option<Described>, Refusal> {
    let says =
        |domain: &Described| domain.current_dns.values().flatten().any(|Object(records)| records.values.is_some());
    match answer.status {
        200 => object(answer).map(|domain| Some(domain).filter(says)),
        _ => refused(answer),
    }
}

fn read_subdomains(answer: &Fetched) -> Result<Option<Below>, Refusal> {
    match answer.status {
        200 => object(answer).map(|told: Below| (!told.subdomains.is_empty()).then_some(told)),
        _ => refused(answer),
    }
}
