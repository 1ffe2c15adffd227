//! The `shodan` collector: ports, services and weaknesses of an address, and the names of a domain, as Shodan has seen
//! them. InternetDB, its brief and keyless brother, is a source of its own.
//!
//! What it writes into the gathering of an address:
//!
//! - `ports`, `hostnames`, `tags`, `vulns`, and `summary_from`: the source these were taken from, Shodan's own where
//!   it answered, else InternetDB.
//! - `domains`, `org`, `isp`, `asn`, `os`, `location`, `last_update`, `services` (`[{port, transport, product, version,
//!   cpe, timestamp, vulns}]`): of Shodan only.
//! - `internetdb`: all that InternetDB says: `ports`, `hostnames`, `cpes`, `tags`, `vulns`.
//!
//! Of a domain: `dns` (`[{name, type, value, last_seen}]`), `subdomains`, `tags`.
//!
//! A weakness is inferred from a version; only where Shodan says `verified` has it been tried.
//!
//! Sources: `shodan:host`, `internetdb`, `shodan:domain`.

mod banner;
mod domain;
mod host;
mod internetdb;

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Deserialize;

use crate::collectors::facts::Facts;
use crate::connector::Fetched;
use crate::enquiry::{Enquiry, KeyPlace, Question, Refusal, said, to_next_month};
use crate::providers::SHODAN;
use crate::target::{Target, TargetKind};

/// The kinds of target this collector takes.
pub const ACCEPTS: [TargetKind; 2] = [TargetKind::Ip, TargetKind::Domain];

/// What an error says.
#[derive(Deserialize)]
struct Said {
    error: String,
}

/// Asks Shodan about an address or a domain, and InternetDB about an address.
pub async fn collect(enquiry: &Enquiry<'_>, target: &Target) {
    match target {
        Target::Ip(address) => address_of(enquiry, *address).await,
        Target::Domain(domain) => {
            enquiry.out.progress(0, 1);
            domain::ask(enquiry, &domain.ascii).await;
            enquiry.out.progress(1, 1);
        }
        Target::Asn(_)
        | Target::Url(_)
        | Target::Email(_)
        | Target::Username(_)
        | Target::Hash(_)
        | Target::File(_) => {}
    }
}

async fn address_of(enquiry: &Enquiry<'_>, address: IpAddr) {
    if !enquiry.may_ask_about(address, &["shodan:host", "internetdb"]) {
        return;
    }
    let facts = Facts::new(enquiry.out);
    enquiry.out.progress(0, 2);
    let told = host::ask(enquiry, &facts, address).await;
    enquiry.out.progress(1, 2);
    internetdb::ask(enquiry, &facts, address, !told).await;
    enquiry.out.progress(2, 2);
}

fn question(source: &str, path: &[&str]) -> Question {
    Question::new(source, &SHODAN, path).key(KeyPlace::Parameter("key"))
}

/// What an answer other than 200 means: `None` where Shodan knows nothing.
fn refused<T>(answer: &Fetched) -> Result<Option<T>, Refusal> {
    let said = said::<Said>(answer).map(|said| said.error.to_lowercase()).unwrap_or_default();
    if said.contains("credits") {
        return Err(Refusal::used_up(&SHODAN, to_next_month(Timestamp::now())));
    }
    match answer.status {
        404 if said.contains("no information available") => Ok(None),
        // It answers so to a good key too, where more was asked than its plan allows.
        401 if said.contains("upgrade") || said.contains("membership") => Err(Refusal::plan(&SHODAN)),
        _ => Err(Refusal::by_status(&SHODAN, answer)),
    }
}
