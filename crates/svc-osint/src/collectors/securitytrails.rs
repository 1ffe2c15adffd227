//! The `securitytrails` collector: the records, names and history of a domain, and the neighbours of an address.
//!
//! What it writes into the gathering:
//!
//! - of a domain: `current_dns`: `{a, aaaa, mx, ns, soa, txt}`, each `{first_seen, values}`; `apex_domain`,
//!   `alexa_rank`; `subdomains`, whole names, and `subdomains_total`, how many SecurityTrails knows; `history`:
//!   `{type: [{first_seen, last_seen, organizations, values}]}`, of what was asked for.
//! - of an address: `neighbours`: `[{ip, hostnames, ports, sites, current, active_egress}]`.
//!
//! A free key has 50 requests a month, and the history of a domain takes six; it is asked for only when the scan's
//! option `history` says so.
//!
//! Sources: `securitytrails:domain`, `securitytrails:subdomains`, `securitytrails:history:TYPE`,
//! `securitytrails:neighbours`.

mod history;
mod names;
mod neighbours;
mod records;

use jiff::Timestamp;
use serde::Deserialize;

use crate::collectors::facts::Facts;
use crate::connector::Fetched;
use crate::enquiry::{Enquiry, KeyPlace, Question, Refusal, said, to_next_month};
use crate::providers::SECURITYTRAILS;
use crate::target::{Target, TargetKind};

/// The kinds of target this collector takes.
pub const ACCEPTS: [TargetKind; 2] = [TargetKind::Domain, TargetKind::Ip];

/// Largest answer, in bytes: 4 MiB.
const LARGEST: usize = 4 << 20;

/// What an error says.
#[derive(Deserialize)]
struct Said {
    message: String,
}

/// Asks SecurityTrails about a domain or an address; about a domain's history only if `with_history`.
pub async fn collect(enquiry: &Enquiry<'_>, target: &Target, with_history: bool) {
    let out = enquiry.out;
    let facts = Facts::new(out);
    match target {
        Target::Domain(domain) => {
            let total = if with_history { 2 + history::STEPS } else { 2 };
            out.progress(0, total);
            names::current(enquiry, &facts, &domain.ascii).await;
            out.progress(1, total);
            names::subdomains(enquiry, &facts, &domain.ascii).await;
            out.progress(2, total);
            if with_history {
                history::ask(enquiry, &facts, &domain.ascii, |done| out.progress(2 + done, total)).await;
            } else {
                history::leave_out(enquiry);
            }
        }
        Target::Ip(address) => {
            out.progress(0, 1);
            neighbours::ask(enquiry, &facts, *address).await;
            out.progress(1, 1);
        }
        Target::Asn(_)
        | Target::Url(_)
        | Target::Email(_)
        | Target::Username(_)
        | Target::Hash(_)
        | Target::File(_) => {}
    }
}

fn question(source: &str, path: &[&str]) -> Question {
    Question::new(source, &SECURITYTRAILS, path).key(KeyPlace::Header("apikey")).at_most(LARGEST)
}

/// What an answer other than 200 means: `None` where SecurityTrails knows nothing.
fn refused<T>(answer: &Fetched) -> Result<Option<T>, Refusal> {
    let said = said::<Said>(answer).map(|said| said.message.to_lowercase());
    let says = |words: &str| said.as_deref().is_some_and(|said| said.contains(words));
    match answer.status {
        404 if said.is_some() => Ok(None),
        // The same number for too much in a second, after which it is worth asking again.
        429 if says("usage limit") || says("quota") || says("monthly") => {
            Err(Refusal::used_up(&SECURITYTRAILS, to_next_month(Timestamp::now())))
        }
        // It refuses a wrong key with either of the two.
        403 if says("authentication") || says("api key") || says("credentials") => {
            Err(Refusal::bad_key(&SECURITYTRAILS))
        }
        _ => Err(Refusal::by_status(&SECURITYTRAILS, answer)),
    }
}
