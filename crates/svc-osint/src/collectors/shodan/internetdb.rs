//! What InternetDB knows of an address: less than Shodan, for everybody.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::collectors::facts::{Facts, Origin, host_name};
use crate::connector::Fetched;
use crate::enquiry::{Enquiry, Question, Refusal, object, said};
use crate::providers::INTERNETDB;

const SOURCE: &str = "internetdb";
/// Largest answer, in bytes: 1 MiB. Real ones are some hundreds.
const LARGEST: usize = 1 << 20;

/// An address as InternetDB describes it. All of it is always there.
#[derive(Deserialize, Serialize)]
struct Brief {
    #[serde(skip_serializing)]
    ip: String,
    ports: Vec<u16>,
    hostnames: Vec<String>,
    cpes: Vec<String>,
    tags: Vec<String>,
    vulns: Vec<String>,
}

/// What an error says.
#[derive(Deserialize)]
struct Said {
    detail: String,
}

/// Asks about `address`; `alone` when Shodan itself has told nothing, so that this is the summary.
pub(super) async fn ask(enquiry: &Enquiry<'_>, facts: &Facts<'_>, address: IpAddr, alone: bool) {
    let question = Question::new(SOURCE, &INTERNETDB, &[&address.to_string()]).at_most(LARGEST);
    let Some(brief) = enquiry.ask(&question, read).await else { return };
    let url = format!("https://internetdb.shodan.io/{}", brief.ip);
    let origin = |confidence| Origin { source: SOURCE, url: Some(url.clone()), confidence };
    for port in &brief.ports {
        // It does not tell over which transport.
        facts.add(&origin(0.8), "port", port.to_string(), json!({ "ip": brief.ip, "port": port }));
    }
    for name in brief.hostnames.iter().filter_map(|name| host_name(name)) {
        facts.host(&origin(0.8), &name, json!({ "ip": brief.ip }));
    }
    for cpe in &brief.cpes {
        facts.add(&origin(0.8), "software", cpe, json!({ "ip": brief.ip }));
    }
    for weakness in &brief.vulns {
        facts.add(&origin(0.5), "vulnerability", weakness, json!({ "ip": brief.ip }));
    }
    let out = enquiry.out;
    out.set("internetdb", json!(brief));
    if alone {
        out.set("ports", json!(brief.ports));
        out.set("hostnames", json!(brief.hostnames));
        out.set("tags", json!(brief.tags));
        out.set("vulns", json!(brief.vulns));
        out.set("summary_from", json!(SOURCE));
    }
}

fn read(answer: &Fetched) -> Result<Option<Brief>, Refusal> {
    let unknown = || said::<Said>(answer).is_some_and(|said| said.detail.starts_with("No information available"));
    match answer.status {
        200 => object(answer).map(Some),
        404 if unknown() => Ok(None),
        _ => Err(Refusal::by_status(&INTERNETDB, answer)),
    }
}
