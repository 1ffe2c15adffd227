//! What Shodan knows of an address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Value, json};

use super::banner::{Banner, Weakness};
use super::{question, refused};
use crate::collectors::facts::{Facts, Origin, host_name};
use crate::connector::Fetched;
use crate::enquiry::{Enquiry, Object, Refusal, object};
use crate::model::Gathering;

const SOURCE: &str = "shodan:host";
/// Most services kept of one address.
const SERVICES: usize = 1_000;

/// An address as Shodan describes it. What it always says is demanded, so that nothing else passes for it.
#[derive(Deserialize)]
struct Host {
    ip_str: String,
    ports: Vec<u16>,
    data: Vec<Object<Banner>>,
    hostnames: Option<Vec<String>>,
    domains: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    vulns: Option<Vec<String>>,
    org: Option<String>,
    isp: Option<String>,
    asn: Option<String>,
    os: Option<String>,
    last_update: Option<String>,
    country_code: Option<String>,
    country_name: Option<String>,
    region_code: Option<String>,
    city: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// Asks about `address`; true when something was told.
pub(super) async fn ask(enquiry: &Enquiry<'_>, facts: &Facts<'_>, address: IpAddr) -> bool {
    let address = address.to_string();
    let question = question(SOURCE, &["shodan", "host", &address]);
    let Some(host) = enquiry.ask(&question, read).await else { return false };
    let url = format!("https://www.shodan.io/host/{}", host.ip_str);
    let origin = |confidence| Origin { source: SOURCE, url: Some(url.clone()), confidence };
    describe(&host, facts, &origin(0.9));
    for Object(banner) in host.data.iter().take(SERVICES) {
        banner.tell(&address, facts, &origin(0.9));
    }
    for (name, weakness) in weaknesses(&host) {
        let confidence = if weakness.verified == Some(true) { 0.9 } else { 0.5 };
        facts.add(&origin(confidence), "vulnerability", name, json!(weakness));
    }
    if host.data.len() > SERVICES {
        enquiry.out.truncated();
    }
    publish(&host, enquiry.out);
    true
}

fn read(answer: &Fetched) -> Result<Option<Host>, Refusal> {
    match answer.status {
        200 => object(answer).map(Some),
        _ => refused(answer),
    }
}

fn describe(host: &Host, facts: &Facts<'_>, origin: &Origin<'_>) {
    for name in host.hostnames.iter().chain(&host.domains).flatten().filter_map(|name| host_name(name)) {
        facts.host(origin, &name, json!({ "ip": host.ip_str }));
    }
    if let Some(asn) = &host.asn {
        facts.add(origin, "asn", asn, json!({ "org": host.org, "isp": host.isp }));
    }
    if let Some(country) = host.country_name.as_ref().or(host.country_code.as_ref()) {
        facts.add(origin, "geo", country, location(host));
    }
    if let Some(os) = &host.os {
        facts.add(origin, "software", os, json!({ "role": "os" }));
    }
}

/// All of them, with what is known of each.
fn weaknesses(host: &Host) -> BTreeMap<String, Weakness> {
    let mut all: BTreeMap<String, Weakness> = BTreeMap::new();
    for (name, weakness) in host.data.iter().flat_map(|Object(banner)| banner.weaknesses()) {
        let entry = all.entry(name.clone()).or_insert_with(|| weakness.clone());
        // Of several services one may have been tried and another not.
        entry.verified = entry.verified.max(weakness.verified);
    }
    for name in host.vulns.iter().flatten() {
        all.entry(name.clone()).or_default();
    }
    all
}

fn publish(host: &Host, out: &Gathering) {
    let ports: BTreeSet<u16> = host.ports.iter().copied().chain(host.data.iter().map(|Object(it)| it.port)).collect();
    out.set("ports", json!(ports));
    out.set("hostnames", json!(host.hostnames));
    out.set("domains", json!(host.domains));
    out.set("org", json!(host.org));
    out.set("isp", json!(host.isp));
    out.set("asn", json!(host.asn));
    out.set("os", json!(host.os));
    out.set("tags", json!(host.tags));
    out.set("vulns", json!(weaknesses(host).into_keys().collect::<Vec<_>>()));
    out.set("services", host.data.iter().take(SERVICES).map(|Object(banner)| banner.row()).collect());
    out.set("last_update", json!(host.last_update));
    out.set("location", location(host));
    out.set("summary_from", json!(SOURCE));
}

fn location(host: &Host) -> Value {
    json!({
        "country_code": host.country_code,
        "country_name": host.country_name,
        "region_code": host.region_code,
        "city": host.city,
        "latitude": host.latitude,
        "longitude": host.longitude,
    })
}
