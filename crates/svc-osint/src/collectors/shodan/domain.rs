//! What Shodan knows of a domain's names.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::json;

use super::{question, refused};
use crate::collectors::facts::{Facts, Origin, host_below};
use crate::connector::Fetched;
use crate::enquiry::{Enquiry, Object, Refusal, object};

const SOURCE: &str = "shodan:domain";

/// The names of a domain.
#[derive(Deserialize)]
struct Names {
    data: Vec<Object<Entry>>,
    subdomains: Vec<String>,
    tags: Option<Vec<String>>,
    /// Whether there are further pages, each of which costs one more request.
    more: Option<bool>,
}

/// One record.
#[derive(Deserialize)]
struct Entry {
    subdomain: String,
    #[serde(rename = "type")]
    kind: String,
    value: String,
    last_seen: Option<String>,
}

/// Asks about `domain`, in lower-case ASCII.
pub(super) async fn ask(enquiry: &Enquiry<'_>, domain: &str) {
    let question = question(SOURCE, &["dns", "domain", domain]);
    let Some(names) = enquiry.ask(&question, read).await else { return };
    let facts = Facts::new(enquiry.out);
    let url = Some(format!("https://www.shodan.io/domain/{domain}"));
    let origin = Origin { source: SOURCE, url, confidence: 0.8 };
    let mut records = Vec::new();
    for Object(Entry { subdomain, kind, value, last_seen }) in &names.data {
        let Some(name) = whole(subdomain, domain) else { continue };
        let row = json!({ "name": name, "type": kind, "value": value, "last_seen": last_seen });
        facts.host(&origin, &name, json!({ "last_seen": last_seen }));
        facts.add(&origin, "dns_record", format!("{name} {kind} {value}"), row.clone());
        if matches!(kind.as_str(), "A" | "AAAA") && value.parse::<IpAddr>().is_ok() {
            facts.add(&origin, "ip", value, json!({ "name": name, "last_seen": last_seen }));
        }
        records.push(row);
    }
    let subdomains: BTreeSet<_> = names.subdomains.iter().filter_map(|label| whole(label, domain)).collect();
    for name in &subdomains {
        facts.host(&origin, name, json!({}));
    }
    enquiry.out.set("dns", json!(records));
    enquiry.out.set("subdomains", json!(subdomains));
    enquiry.out.set("tags", json!(names.tags));
    if names.more == Some(true) {
        enquiry.out.truncated();
    }
}

fn read(answer: &Fetched) -> Result<Option<Names>, Refusal> {
    match answer.status {
        200 => object(answer).map(|names: Names| {
            let nothing = names.data.is_empty() && names.subdomains.is_empty();
            (!nothing).then_some(names)
        }),
        _ => refused(answer),
    }
}

/// Shodan gives the part before the domain; nothing for the domain itself.
fn whole(label: &str, domain: &str) -> Option<String> {
    let label = label.trim().trim_start_matches("*.");
    if label.is_empty() || label == "*" {
        Some(domain.to_owned())
    } else {
        host_below(&format!("{label}.{domain}"), domain)
    }
}
