//! The `haveibeenpwned` collector: the breaches an e-mail address or a site is known from, the pastes with an address,
//! and how often a password was seen.
//!
//! What it writes into the gathering:
//!
//! - of an e-mail address: `pwned` (absent where nobody could tell), `breaches` as Have I Been Pwned describes them
//!   (`Name`, `Title`, `Domain`, `BreachDate`, `AddedDate`, `PwnCount`, `DataClasses`, `IsVerified`, `IsSensitive` …),
//!   and `pastes` (`Source`, `Id`, `Title`, `Date`, `EmailCount`). What was leaked is named, never shown.
//! - of a domain: `domain`, its registrable one, which is what breaches are listed by, and `breaches`.
//! - of a SHA-1 digest: `password_seen`, how often a password with it stands in breaches. Five of its forty digits are
//!   sent, and of the others that begin so nothing is kept.
//!
//! Sources: `haveibeenpwned:account`, `haveibeenpwned:pastes`, `haveibeenpwned:domain`, `haveibeenpwned:password`.

mod breaches;
mod password;

use serde_json::json;

use crate::collectors::facts::Facts;
use crate::connector::Fetched;
use crate::enquiry::{Enquiry, KeyPlace, Question, Refusal, json};
use crate::model::SourceStatus;
use crate::providers::{HIBP, HIBP_BREACHES, Provider};
use crate::target::{DomainName, Target, TargetKind};
use breaches::{Breach, Paste, Rows};

/// The kinds of target this collector takes.
pub const ACCEPTS: [TargetKind; 3] = [TargetKind::Email, TargetKind::Domain, TargetKind::Hash];

/// Largest answer, in bytes: 4 MiB. All breaches there are take one.
const LARGEST: usize = 4 << 20;
const ACCOUNT: &str = "haveibeenpwned:account";
const PASTES: &str = "haveibeenpwned:pastes";
const DOMAIN: &str = "haveibeenpwned:domain";

/// Asks Have I Been Pwned about an e-mail address, a domain, or the digest of a password.
pub async fn collect(enquiry: &Enquiry<'_>, target: &Target) {
    match target {
        Target::Email(_) => account(enquiry, &target.to_string()).await,
        Target::Domain(domain) => site(enquiry, domain).await,
        Target::Hash(digest) => password::ask(enquiry, digest).await,
        Target::Ip(_) | Target::Asn(_) | Target::Url(_) | Target::Username(_) | Target::File(_) => {}
    }
}

async fn account(enquiry: &Enquiry<'_>, address: &str) {
    let out = enquiry.out;
    out.progress(0, 2);
    let keyed = |source, path: &[&str]| {
        Question::new(source, &HIBP, path).key(KeyPlace::Header("hibp-api-key")).at_most(LARGEST)
    };
    let question = keyed(ACCOUNT, &["api", "v3", "breachedaccount", address]).with("truncateResponse", "false");
    let facts = Facts::new(out);
    if let Ok(breaches) = enquiry.try_asking(&question, |answer| read::<Breach>(&HIBP, answer)).await {
        let breaches = breaches.unwrap_or_default();
        breaches::tell(out, &facts, ACCOUNT, &breaches);
        out.set("pwned", json!(!breaches.is_empty()));
    }
    out.progress(1, 2);
    let question = keyed(PASTES, &["api", "v3", "pasteaccount", address]);
    if let Ok(pastes) = enquiry.try_asking(&question, |answer| read::<Paste>(&HIBP, answer)).await {
        breaches::tell_pastes(out, &facts, PASTES, &pastes.unwrap_or_default());
    }
    out.progress(2, 2);
}

async fn site(enquiry: &Enquiry<'_>, domain: &DomainName) {
    let out = enquiry.out;
    let asked = domain.organisation();
    out.progress(0, 1);
    let question =
        Question::new(DOMAIN, &HIBP_BREACHES, &["api", "v3", "breaches"]).with("domain", asked).at_most(LARGEST);
    let read = |answer: &Fetched| {
        let all = read::<Breach>(&HIBP_BREACHES, answer)?.unwrap_or_default();
        // A server that overlooks the question gives the breaches of everybody.
        let own: Rows<Breach> = all.into_iter().filter(|breach| breach.0.is_of(asked)).collect();
        Ok((!own.is_empty()).then_some(own))
    };
    if let Ok(breaches) = enquiry.try_asking(&question, read).await {
        breaches::tell(out, &Facts::new(out), DOMAIN, &breaches.unwrap_or_default());
        out.set("domain", json!(asked));
    }
    out.progress(1, 1);
}

/// A list of breaches or pastes; `None` where there are none, which of an address is said with 404 and no page.
fn read<T: serde::de::DeserializeOwned>(provider: &Provider, answer: &Fetched) -> Result<Option<Rows<T>>, Refusal> {
    let bare = !answer.body.trim_ascii().starts_with(b"<");
    match answer.status {
        200 => json::<Rows<T>>(answer).map(|rows| (!rows.is_empty()).then_some(rows)),
        404 if bare && provider.key_env.is_some() => Ok(None),
        // Its 403 means that we did not say who we are.
        403 => {
            let detail = "Have I Been Pwned no acepta cómo se identifica este servicio (OSINT_USER_AGENT).";
            Err(Refusal::new(SourceStatus::Blocked, "user-agent", detail))
        }
        _ => Err(Refusal::by_status(provider, answer)),
    }
}
