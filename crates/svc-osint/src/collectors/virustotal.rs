//! The `virustotal` collector: what antivirus programs and block lists say of a domain, an address, a URL or a file's
//! digest, as VirusTotal has it. It asks for what is known and sends nothing to be analysed.
//!
//! What it writes into the gathering; what VirusTotal does not say is null:
//!
//! - `object_type`, `object_id`: what VirusTotal calls it.
//! - `last_analysis_stats`: how many programs say `malicious`, `suspicious`, `harmless`, `undetected`, `timeout`;
//!   `last_analysis_date` (UTC); `detections`: `[{engine, category, result}]`, those that say malicious or suspicious.
//! - `reputation` and `total_votes` of its users, `categories`, `tags`.
//! - of domains and addresses: `registrar`, `whois`, `whois_date`, `creation_date`, `asn`, `as_owner`, `network`,
//!   `country`; of URLs: `url`, `last_final_url`, `title`, `last_http_response_code`, `threat_names`; of files: `md5`,
//!   `sha1`, `sha256`, `meaningful_name`, `names`, `size`, `type_description`; and of both, `first_submission_date`,
//!   `last_submission_date`, `times_submitted`.
//!
//! Source: `virustotal`.

mod attributes;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::connector::Fetched;
use crate::enquiry::{Enquiry, KeyPlace, Object, Question, Refusal, object, said};
use crate::providers::VIRUSTOTAL;
use crate::target::{Target, TargetKind};
use attributes::Attributes;

/// The kinds of target this collector takes.
pub const ACCEPTS: [TargetKind; 4] = [TargetKind::Domain, TargetKind::Ip, TargetKind::Url, TargetKind::Hash];

const SOURCE: &str = "virustotal";
/// Largest answer, in bytes: 4 MiB. Real ones are some tens of thousands.
const LARGEST: usize = 4 << 20;
/// The shortest of its windows. It does not tell which of them is full: that of the minute, the day or the month.
const WINDOW: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
struct Envelope {
    data: Object<Described>,
}

#[derive(Deserialize)]
struct Described {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    attributes: Object<Attributes>,
}

/// An answer that is a refusal.
#[derive(Deserialize)]
struct Refused {
    error: Object<Code>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// Asks VirusTotal about a target.
pub async fn collect(enquiry: &Enquiry<'_>, target: &Target) {
    let id = target.to_string();
    let (collection, id) = match target {
        Target::Domain(_) => ("domains", id),
        Target::Ip(_) => ("ip_addresses", id),
        Target::Url(_) => ("urls", URL_SAFE_NO_PAD.encode(&id)),
        Target::Hash(_) => ("files", id),
        Target::Asn(_) | Target::Email(_) | Target::Username(_) | Target::File(_) => return,
    };
    if let Target::Ip(address) = target
        && !enquiry.may_ask_about(*address, &[SOURCE])
    {
        return;
    }
    enquiry.out.progress(0, 1);
    let path = ["api", "v3", collection, &id];
    let question = Question::new(SOURCE, &VIRUSTOTAL, &path).key(KeyPlace::Header("x-apikey")).at_most(LARGEST);
    if let Some(Described { id, kind, attributes: Object(attributes) }) = enquiry.ask(&question, read).await {
        attributes.tell(enquiry.out, &kind, &id, &target.to_string());
    }
    enquiry.out.progress(1, 1);
}

fn read(answer: &Fetched) -> Result<Option<Described>, Refusal> {
    if answer.status == 200 {
        let Object(described) = object::<Envelope>(answer)?.data;
        return Ok(Some(described));
    }
    let code = said::<Refused>(answer).map(|Refused { error: Object(error) }| error.code);
    match code.as_deref() {
        Some("NotFoundError") if answer.status == 404 => Ok(None),
        Some("WrongCredentialsError" | "AuthenticationRequiredError" | "UserNotActiveError") => {
            Err(Refusal::bad_key(&VIRUSTOTAL))
        }
        Some("ForbiddenError") => Err(Refusal::plan(&VIRUSTOTAL)),
        Some("QuotaExceededError") => {
            let detail = "Se ha agotado la cuota de VirusTotal, que no dice cuál: la del minuto, la del día (hasta las \
                          00:00 UTC) o la del mes.";
            Err(Refusal { detail: detail.to_owned(), ..Refusal::used_up(&VIRUSTOTAL, WINDOW) })
        }
        _ => Err(Refusal::by_status(&VIRUSTOTAL, answer)),
    }
}
