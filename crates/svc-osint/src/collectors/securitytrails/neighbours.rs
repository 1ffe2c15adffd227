//! Who lives beside an address: all that SecurityTrails tells of one.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{question, refused};
use crate::collectors::facts::{Facts, Origin, host_name};
use crate::connector::Fetched;
use crate::enquiry::{Enquiry, Object, Refusal, object};
use crate::model::SourceStatus;

const SOURCE: &str = "securitytrails:neighbours";

#[derive(Deserialize)]
struct Neighbours {
    blocks: Vec<Object<Block>>,
}

/// One address or block of addresses.
#[derive(Deserialize, Serialize)]
struct Block {
    ip: String,
    hostnames: Option<Vec<String>>,
    ports: Option<Vec<u16>>,
    sites: Option<u64>,
    /// Whether it is the one that was asked about.
    current: Option<bool>,
    active_egress: Option<bool>,
}

/// Asks about an address.
pub(super) async fn ask(enquiry: &Enquiry<'_>, facts: &Facts<'_>, address: IpAddr) {
    if !enquiry.may_ask_about(address, &[SOURCE]) {
        return;
    }
    if address.is_ipv6() {
        let detail = "SecurityTrails solo informa de direcciones IPv4.";
        enquiry.leave_out(SOURCE, &Refusal::new(SourceStatus::Skipped, "ipv4-only", detail));
        return;
    }
    let question = question(SOURCE, &["v1", "ips", "nearby", &address.to_string()]);
    let Some(told) = enquiry.ask(&question, read).await else { return };
    let url = Some(format!("https://securitytrails.com/list/ip/{address}"));
    for Object(block) in &told.blocks {
        // A name beside the address need not have to do with it.
        let confidence = if block.current == Some(true) { 0.8 } else { 0.3 };
        let origin = Origin { source: SOURCE, url: url.clone(), confidence };
        for name in block.hostnames.iter().flatten().filter_map(|name| host_name(name)) {
            facts.host(&origin, &name, json!({ "ip": block.ip, "neighbour": block.current != Some(true) }));
        }
    }
    enquiry.out.set("neighbours", json!(told.blocks));
}

fn read(answer: &Fetched) -> Result<Option<Neighbours>, Refusal> {
    match answer.status {
        200 => object(answer).map(|told: Neighbours| (!told.blocks.is_empty()).then_some(told)),
        _ => refused(answer),
    }
}
