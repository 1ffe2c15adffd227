//! RDAP: the server that IANA names, and where a thin registry names one, the registrar's.

use serde_json::Value;
use url::Url;

use super::bootstrap::List;
use super::record::{Part, Record};
use super::{Told, Wanted, WhoisSettings, object, report};
use crate::connector::Fetched;
use crate::enquiry::{Enquiry, Question, Refusal, is_page, json};
use crate::model::{NO_REFERRAL, REFERRAL, SourceStatus};
use crate::providers::RDAP;

const REGISTRY: &str = "rdap:registry";
const REGISTRAR: &str = "rdap:registrar";
/// Largest answer taken, in bytes.
const LARGEST: usize = 2 << 20;

/// What one server says.
enum Reading {
    Object(Box<Object>),
    /// There is no such object.
    Absent,
}

struct Object {
    record: Record,
    /// Where the registrar tells more.
    related: Option<Url>,
    notice: Option<String>,
}

/// Asks whoever answers for the target.
pub(super) async fn look_up(settings: &WhoisSettings, enquiry: &Enquiry<'_>, wanted: &Wanted) -> Told {
    let Some(server) = server(settings, enquiry, wanted).await else { return Told::Nothing };
    let Some(url) = address(server, wanted) else { return Told::Nothing };
    enquiry.out.progress(1, 3);
    let shown = url.to_string();
    match ask(enquiry, REGISTRY, url, wanted).await {
        None => Told::Nothing,
        Some(Reading::Absent) => Told::Absent { source: REGISTRY.to_owned(), url: Some(shown) },
        Some(Reading::Object(object)) => {
            let Object { record, related, .. } = *object;
            let mut parts = vec![Part { record, source: REGISTRY.to_owned(), url: Some(shown) }];
            enquiry.out.progress(2, 3);
            if let Some(url) = related {
                report::so_far(&parts, enquiry.out);
                let shown = url.to_string();
                if let Some(Reading::Object(object)) = ask(enquiry, REGISTRAR, url, wanted).await {
                    parts.push(Part { record: object.record, source: REGISTRAR.to_owned(), url: Some(shown) });
                }
            }
            Told::Known(parts)
        }
    }
}

/// The registry's server, as IANA's list says.
async fn server(settings: &WhoisSettings, enquiry: &Enquiry<'_>, wanted: &Wanted) -> Option<Url> {
    let looked = settings.directory.look(List::of(wanted), settings.lists_last, enquiry).await;
    let mut report = looked.report;
    let server = looked.services.as_ref().and_then(|services| services.server(wanted)).cloned();
    if report.status == SourceStatus::Ok {
        let (reason, detail) = match &server {
            Some(server) => (REFERRAL, format!("Remite a {server}.")),
            None => (NO_REFERRAL, format!("IANA no conoce ningún servidor RDAP para {wanted}.")),
        };
        report.status = if server.is_some() { SourceStatus::Ok } else { SourceStatus::Empty };
        (report.reason, report.detail) = (Some(reason.to_owned()), Some(detail));
    }
    enquiry.out.source(report);
    server
}

fn address(mut server: Url, wanted: &Wanted) -> Option<Url> {
    let (kind, name) = match wanted {
        Wanted::Domain(name) => ("domain", name.clone()),
        Wanted::Ip(address) => ("ip", address.to_string()),
        Wanted::Asn(number) => ("autnum", number.to_string()),
    };
    server.path_segments_mut().ok()?.pop_if_empty().extend([kind, &name]);
    Some(server)
}

async fn ask(enquiry: &Enquiry<'_>, source: &str, url: Url, wanted: &Wanted) -> Option<Reading> {
    let question = Question::elsewhere(source, &RDAP, url).header("accept", "application/rdap+json").at_most(LARGEST);
    let (outcome, mut report) = enquiry.inquire(&question, |answer| read(wanted, answer).map(Some)).await;
    match &outcome {
        Ok(Some(Reading::Absent)) => {
            report.status = SourceStatus::Empty;
            report.reason = Some("not-registered".to_owned());
            report.detail = Some(format!("{wanted} no está registrado."));
        }
        Ok(Some(Reading::Object(object))) => {
            report.detail = object.notice.as_ref().map(|notice| format!("Aviso del servidor: «{notice}»"));
        }
        _ => {}
    }
    enquiry.out.source(report);
    outcome.ok().flatten()
}

fn read(wanted: &Wanted, answer: &Fetched) -> Result<Reading, Refusal> {
    // A page says that the address is wrong, not that there is no such object.
    if answer.status == 404 && !is_page(answer) {
        return Ok(Reading::Absent);
    }
    if !(200..300).contains(&answer.status) {
        return Err(Refusal::by_status(&RDAP, answer));
    }
    let object: Value = json(answer)?;
    match object["errorCode"].as_u64() {
        Some(404) => return Ok(Reading::Absent),
        Some(429) => return Err(Refusal::too_many(&RDAP, None)),
        _ => {}
    }
    if !object::is_wanted(wanted, &object) {
        return Err(Refusal::unreadable("invalid-response", "La respuesta no trata de lo que se ha preguntado."));
    }
    let related = match wanted {
        Wanted::Domain(name) => object::related(name, &object, &answer.url),
        Wanted::Ip(_) | Wanted::Asn(_) => None,
    };
    let record = object::read(wanted, &object);
    Ok(Reading::Object(Box::new(Object { record, related, notice: object::notice(&object) })))
}
