//! The `crtsh` collector: the names and certificates that public certificate logs hold of a domain, as crt.sh finds
//! them.
//!
//! What it writes into the gathering:
//!
//! - `subdomains`: `[{name, wildcard, valid_until}]`, the target itself included: lower-case names equal to or below
//!   the target; `wildcard` when a certificate is for `*.name`; `valid_until` of the certificate that lasts longest.
//!   That a name is in a certificate does not mean that it is in the DNS.
//! - `emails`: addresses that stand in certificates, of the target's own domain.
//! - `certificates`: `[{id, issuer, not_before, not_after, serial}]`, the newest first as crt.sh gives them; a
//!   certificate and its pre-certificate are one. `certificates_total` counts those left out too.
//! - `expired_included`: false where only current certificates were asked for, all together being too large.
//!
//! Sources: `crtsh`, and `crtsh:current` where that was too large.

mod log;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Semaphore;

pub use log::{Name, name};

use crate::collectors::facts::{Facts, Origin};
use crate::connector::Fetched;
use crate::enquiry::{Enquiry, Question, Refusal, json_into};
use crate::model::Gathering;
use crate::providers::CRTSH;
use crate::target::{DomainName, Target, TargetKind};
use log::{Log, Rows};

/// The kinds of target this collector takes.
pub const ACCEPTS: [TargetKind; 1] = [TargetKind::Domain];

/// Largest answer, in bytes: 32 MiB, some 75,000 certificates. Of the domains that have more, the current ones fit.
const LARGEST: usize = 32 << 20;
/// How long crt.sh may take, most of it before the first byte.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(90);
/// Answers of this size that are in memory at once in one process. More would not fit beside each other in a small
/// machine, and crt.sh does not answer faster for being asked more at once.
static LARGE: Semaphore = Semaphore::const_new(2);

/// Asks crt.sh about a domain.
pub async fn collect(enquiry: &Enquiry<'_>, target: &Target) {
    let Target::Domain(domain) = target else { return };
    let out = enquiry.out;
    out.progress(0, 1);
    // Never closed, so always granted.
    let turn = LARGE.acquire().await;
    let read = |answer: &Fetched| read(answer, &domain.ascii);
    let asked = enquiry.try_asking(&question("crtsh", domain), read).await;
    match asked {
        Err(refusal) if refusal.reason == "too-large" => {
            out.truncated();
            let current = question("crtsh:current", domain).with("exclude", "expired").with("deduplicate", "Y");
            if let Some(log) = enquiry.ask(&current, read).await {
                tell(out, &log, domain, "crtsh:current");
            }
        }
        Ok(Some(log)) => tell(out, &log, domain, "crtsh"),
        Ok(None) | Err(_) => {}
    }
    drop(turn);
    out.progress(1, 1);
}

fn question(source: &str, domain: &DomainName) -> Question {
    Question::new(source, &CRTSH, &[])
        .with("q", format!("%.{}", domain.ascii))
        .with("output", "json")
        .at_most(LARGEST)
        .within(LONGEST)
}

fn read(answer: &Fetched, suffix: &str) -> Result<Option<Log>, Refusal> {
    if answer.status != 200 {
        let refusal = Refusal::by_status(&CRTSH, answer);
        // It says so too when its database is away.
        return Err(if answer.status == 404 { refusal.for_now() } else { refusal });
    }
    let log = json_into(answer, Rows { suffix })?;
    Ok((!log.is_empty()).then_some(log))
}

fn tell(out: &Gathering, log: &Log, domain: &DomainName, source: &'static str) {
    let facts = Facts::new(out);
    let now = Timestamp::now().to_string();
    let page = format!("https://crt.sh/?q={}", domain.ascii);
    for (name, seen) in &log.names {
        // In a certificate of the past it may be long gone.
        let lasts = seen.valid_until.as_deref().is_some_and(|until| until >= now.as_str());
        let origin = Origin { source, url: Some(page.clone()), confidence: if lasts { 0.9 } else { 0.6 } };
        facts.host(
            &origin,
            name,
            json!({ "wildcard": seen.wildcard.then_some(true), "valid_until": seen.valid_until }),
        );
    }
    let origin = Origin { source, url: Some(page), confidence: 0.9 };
    for email in &log.emails {
        facts.add(&origin, "email", email, json!({}));
    }
    for certificate in &log.certificates {
        let origin = Origin { source, url: Some(format!("https://crt.sh/?id={}", certificate.id)), confidence: 1.0 };
        let value = certificate.serial.clone().unwrap_or_else(|| certificate.id.to_string());
        facts.add(&origin, "certificate", value, json!(certificate));
    }
    let names = log
        .names
        .iter()
        .map(|(name, seen)| json!({ "name": name, "wildcard": seen.wildcard, "valid_until": seen.valid_until }));
    out.set("subdomains", names.collect());
    out.set("emails", json!(log.emails));
    out.set("certificates", json!(log.certificates));
    out.set("certificates_total", json!(log.certificates_total));
    out.set("expired_included", json!(source == "crtsh"));
    if log.cut {
        out.truncated();
    }
}
