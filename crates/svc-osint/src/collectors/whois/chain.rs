//! WHOIS from server to server: IANA says who keeps the registry, the registry says who the registrar is.

use std::time::Instant;

use super::record::Part;
use super::settings::Server;
use super::text::{self, Verdict};
use super::wire::{self, Cut, Reply};
use super::{Told, Wanted, WhoisSettings, report};
use crate::connector::FetchError;
use crate::digest::sha256;
use crate::enquiry::Enquiry;
use crate::model::{NO_REFERRAL, REFERRAL, SourceReport, SourceStatus};

/// Most of a foreign line that is quoted, in characters.
const MAX_QUOTE: usize = 160;

/// What one server led to.
struct Step {
    part: Option<Part>,
    absent: bool,
    next: Option<Server>,
}

/// Asks the first server and those it leads to.
pub(super) async fn follow(settings: &WhoisSettings, enquiry: &Enquiry<'_>, wanted: &Wanted) -> Told {
    let mut server = settings.server.clone();
    let mut seen: Vec<Server> = Vec::new();
    let mut parts = Vec::new();
    loop {
        let step = ask(settings, enquiry, wanted, &server).await;
        seen.push(server.clone());
        if step.absent && parts.is_empty() {
            return Told::Absent { source: source(&server), url: None };
        }
        if let Some(part) = step.part {
            // Of addresses and numbers, who comes later knows the smaller network.
            let at = if matches!(wanted, Wanted::Domain(_)) { parts.len() } else { 0 };
            parts.insert(at, part);
            report::so_far(&parts, enquiry.out);
        }
        let Some(next) = step.next.filter(|next| *next != server) else { break };
        if seen.contains(&next) {
            let detail = format!("{server} remite otra vez a {next}: las remisiones dan vueltas en círculo.");
            skip(enquiry, &next, "referral-circle", detail);
            break;
        }
        if seen.len() > settings.referrals {
            let detail = format!("Hay más de {} remisiones; no se siguen más.", settings.referrals);
            skip(enquiry, &next, "too-many-referrals", detail);
            enquiry.out.truncated();
            break;
        }
        server = next;
    }
    if parts.is_empty() { Told::Nothing } else { Told::Known(parts) }
}

/// What a server is asked: the target alone, or in the form that this one wants.
pub fn question(server: &Server, wanted: &Wanted) -> String {
    match (server.host.as_str(), wanted) {
        // Else it answers with every name that begins so.
        ("whois.verisign-grs.com" | "whois.crsnic.net", Wanted::Domain(name)) => format!("domain {name}"),
        ("whois.denic.de", Wanted::Domain(name)) => format!("-T dn,ace {name}"),
        // In English.
        ("whois.jprs.jp", Wanted::Domain(name)) => format!("{name}/e"),
        ("whois.nic.ad.jp", Wanted::Ip(address)) => format!("{address}/e"),
        ("whois.nic.ad.jp", Wanted::Asn(number)) => format!("AS {number}/e"),
        ("whois.dk-hostmaster.dk" | "whois.punktum.dk", Wanted::Domain(name)) => format!("--charset=utf-8 {name}"),
        ("whois.arin.net", Wanted::Ip(address)) => format!("n + {address}"),
        ("whois.arin.net", Wanted::Asn(number)) => format!("a + {number}"),
        (_, wanted) => wanted.to_string(),
    }
}

async fn ask(settings: &WhoisSettings, enquiry: &Enquiry<'_>, wanted: &Wanted, server: &Server) -> Step {
    let began = Instant::now();
    let answer = wire::ask(enquiry.connector(), server, &question(server, wanted), &settings.limits).await;
    let mut report = row(server, began);
    let step = match answer {
        Err(error) => {
            refused(&error, &mut report);
            Step { part: None, absent: false, next: None }
        }
        Ok(reply) => {
            enquiry.out.digest(&report.source, sha256(reply.text.as_bytes()));
            if reply.cut == Some(Cut::TooLarge) {
                enquiry.out.truncated();
            }
            understood(wanted, server, &reply, &mut report)
        }
    };
    enquiry.out.source(report);
    step
}

fn refused(error: &FetchError, report: &mut SourceReport) {
    report.status = error.status();
    report.reason = Some(error.reason().to_owned());
    report.detail = Some(error.to_string());
    report.passing = error.is_passing();
    // What was refused was not sent.
    report.requests = u32::from(report.status != SourceStatus::Blocked);
}

fn understood(wanted: &Wanted, server: &Server, reply: &Reply, report: &mut SourceReport) -> Step {
    let read = text::read(wanted, &reply.text);
    let mut tell = |status, reason: &str, detail: String, passing| {
        report.status = status;
        report.reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
        report.detail = Some(detail).filter(|detail| !detail.is_empty());
        report.passing = passing;
    };
    let mut part = None;
    let mut absent = false;
    match read.verdict {
        Verdict::Found(record) => {
            let (reason, detail) = reply.cut.map_or(("", ""), cut);
            tell(SourceStatus::Ok, reason, detail.to_owned(), false);
            part = Some(Part { record, source: source(server), url: None });
        }
        Verdict::Directory => {
            let nobody = || format!("{server} no conoce ningún servidor WHOIS para {wanted}.");
            let detail = read.next.as_ref().map_or_else(nobody, |next| format!("Remite a {next}."));
            let known = read.next.is_some();
            let status = if known { SourceStatus::Ok } else { SourceStatus::Empty };
            tell(status, if known { REFERRAL } else { NO_REFERRAL }, detail, false);
        }
        Verdict::Absent => {
            absent = true;
            tell(SourceStatus::Empty, "not-registered", format!("{wanted} no está registrado."), false);
        }
        Verdict::TooMany(words) => {
            let detail = format!("{server} pide menos consultas: «{}»", quoted(&words));
            tell(SourceStatus::RateLimited, "whois-limit", detail, true);
        }
        Verdict::Denied(words) => {
            let detail = format!("{server} no admite la consulta: «{}»", quoted(&words));
            tell(SourceStatus::Blocked, "access-denied", detail, false);
        }
        Verdict::Nothing if reply.text.trim().is_empty() => {
            tell(SourceStatus::Failed, "empty-answer", "La respuesta está vacía.".to_owned(), true);
        }
        Verdict::Nothing => {
            let first = reply.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            let detail = format!("La respuesta no se entiende: «{}»", quoted(first));
            tell(SourceStatus::Failed, "invalid-response", detail, false);
        }
    }
    Step { part, absent, next: read.next }
}

fn cut(cut: Cut) -> (&'static str, &'static str) {
    match cut {
        Cut::TooLarge => ("too-large", "La respuesta es demasiado grande; se usa lo recibido."),
        Cut::TooSlow => ("timeout", "La respuesta no termina a tiempo; se usa lo recibido."),
        Cut::NotClosed => ("not-closed", "El servidor no cierra la conexión; se usa lo recibido."),
        Cut::Reset => ("reset", "La conexión se ha cortado; se usa lo recibido."),
    }
}

fn skip(enquiry: &Enquiry<'_>, server: &Server, reason: &str, detail: String) {
    enquiry.out.source(SourceReport {
        status: SourceStatus::Skipped,
        reason: Some(reason.to_owned()),
        detail: Some(detail),
        requests: 0,
        ..row(server, Instant::now())
    });
}

fn row(server: &Server, began: Instant) -> SourceReport {
    SourceReport {
        source: source(server),
        status: SourceStatus::Ok,
        reason: None,
        detail: None,
        http_status: None,
        requests: 1,
        ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        retry_after: None,
        passing: false,
    }
}

fn source(server: &Server) -> String {
    format!("whois:{server}")
}

fn quoted(text: &str) -> String {
    text.trim().chars().take(MAX_QUOTE).collect()
}
