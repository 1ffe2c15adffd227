//! The `identity` collector: what the public knows of the person behind an e-mail address or a user name.
//!
//! What it writes into the gathering, key by key:
//!
//! - `target_type`: `email` or `username`.
//! - `gravatar`: `avatar` (`true`, `false`; `null`: nobody said), `profile`, `display_name`, `username`, `profile_url`,
//!   `location`, `accounts`: `[{site, url, username, verified}]`, those the person has put there.
//! - `github`: for an address, `[{login, url}]`: the accounts that show it.
//! - `openpgp`: for an address, `key` (`null`: nobody said) and the `user_ids` of it.
//! - `mail`: for an address, its `domain`, its `servers` (`null`: nobody said), `null_mx` (it takes no mail) and
//!   `disposable`.
//! - `social_accounts`: rows as of the [`crate::collectors::social`] collector, of a few networks, for the user name or for
//!   what stands before the `@`; then with `confidence`.
//! - `found_signals`: words for what was found.
//! - `summary`: the same as a sentence in Spanish.
//!
//! A name before an `@` is not an identity: accounts of that name are told with a confidence of 0.3 at the most.

mod disposable;
mod gravatar;
mod mailbox;
mod openpgp;
mod person;

use futures_util::future::join_all;
use serde_json::{Value, json};

pub use disposable::{DISPOSABLE_DOMAINS, Disposable};
pub use openpgp::user_ids;

use person::Person;

use crate::collectors::dns::DnsSettings;
use crate::collectors::social::{self, Found, Network};
use crate::collectors::username::Verdict;
use crate::enquiry::{Enquiry, Question, Refusal, json as read_json};
use crate::model::{Finding, SourceReport, SourceStatus};
use crate::providers::GITHUB_SEARCH;
use crate::target::{EmailAddress, Target, TargetKind};

/// The kinds of target this collector takes.
pub const ACCEPTS: [TargetKind; 2] = [TargetKind::Email, TargetKind::Username];

/// Networks asked for a name; all have an answer for programs.
const NETWORKS: [&str; 4] = ["github", "reddit", "pinterest", "steam"];
/// How much an account is to be believed that only shares the name before the `@`.
const NAMESAKE: f32 = 0.3;
/// Accounts with an address that are told.
const MOST_ACCOUNTS: usize = 20;

/// Gathers what is known of `target`, an address or a user name; other targets are skipped. It never fails as a whole:
/// each source reports its own end. Dropping the future stops it at once, and what was found by then stands.
pub async fn collect(dns: &DnsSettings, disposable: &Disposable, enquiry: &Enquiry<'_>, target: &Target) {
    match target {
        Target::Email(address) => of_address(dns, disposable, enquiry, address).await,
        Target::Username(name) => of_name(enquiry, name).await,
        Target::Asn(_) | Target::Domain(_) | Target::Ip(_) | Target::Url(_) | Target::Hash(_) | Target::File(_) => {
            let reason = format!("target-is-{}", target.kind().as_str());
            skip(enquiry, "identity", &reason, "El objetivo no es un correo ni un nombre de usuario.");
        }
    }
}

async fn of_address(dns: &DnsSettings, disposable: &Disposable, enquiry: &Enquiry<'_>, address: &EmailAddress) {
    let mail = format!("{}@{}", address.local, address.domain.ascii);
    let mut person = Person::new(enquiry.out, TargetKind::Email);
    let steps = 5;
    enquiry.out.progress(0, steps);
    person.mailbox(&mailbox::look_up(dns, disposable, enquiry.out, &address.domain.ascii).await);
    enquiry.out.progress(1, steps);
    person.gravatar(&gravatar::of_address(enquiry, &mail).await);
    enquiry.out.progress(2, steps);
    person.github(github(enquiry, &mail).await);
    enquiry.out.progress(3, steps);
    person.openpgp(&openpgp::look_up(enquiry, &mail).await);
    enquiry.out.progress(4, steps);
    // What follows a plus is the owner's own mark for the mail that comes there.
    let part = address.local.split('+').next().unwrap_or_default();
    match Target::parse_for(part, &[TargetKind::Username]) {
        Ok(Target::Username(name)) => {
            for found in elsewhere(enquiry, &name).await {
                person.account(&found, &name, found.confidence().min(NAMESAKE));
            }
        }
        _ => skip(enquiry, "social", "not-a-username", "Lo que va antes de la @ no puede ser un nombre de usuario."),
    }
    enquiry.out.progress(steps, steps);
}

async fn of_name(enquiry: &Enquiry<'_>, name: &str) {
    let mut person = Person::new(enquiry.out, TargetKind::Username);
    enquiry.out.progress(0, 2);
    person.gravatar(&gravatar::of_name(enquiry, name).await);
    enquiry.out.progress(1, 2);
    for found in elsewhere(enquiry, name).await {
        person.account(&found, name, found.confidence());
    }
    enquiry.out.progress(2, 2);
}

/// What a few networks say of a name.
async fn elsewhere(enquiry: &Enquiry<'_>, name: &str) -> Vec<Found> {
    let networks = NETWORKS.into_iter().filter_map(Network::named);
    join_all(networks.map(|network| social::look_up(enquiry, network, name))).await
}

/// The accounts that show this address to everybody.
async fn github(enquiry: &Enquiry<'_>, mail: &str) -> Option<Vec<Value>> {
    let question = Question::new("github:email", &GITHUB_SEARCH, &["search", "users"])
        .with("q", format!("\"{mail}\" in:email"))
        .header("accept", "application/vnd.github+json");
    let asked = enquiry
        .ask_fully(&question, |answer| {
            if let Some(refusal) = social::limited(&GITHUB_SEARCH, answer) {
                return Err(refusal);
            }
            if answer.status != 200 {
                return Err(Refusal::by_status(&GITHUB_SEARCH, answer));
            }
            let found: Value = read_json(answer)?;
            let wrong = || Refusal::unreadable("invalid-response", "La respuesta no es la de una búsqueda.");
            let items = found.get("items").and_then(Value::as_array).ok_or_else(wrong)?;
            let account = |item: &Value| {
                let login = item.get("login")?.as_str()?;
                Some(json!({ "login": login, "url": format!("https://github.com/{login}") }))
            };
            let accounts: Vec<_> = items.iter().filter_map(account).take(MOST_ACCOUNTS).collect();
            let incomplete = found.get("incomplete_results").and_then(Value::as_bool) == Some(true);
            match accounts.is_empty() {
                false => Ok(Some(accounts)),
                true if !items.is_empty() => Err(wrong()),
                // A search broken off has not looked everywhere, and finds nothing all the same.
                true if incomplete => Err(broken_off()),
                true => Ok(None),
            }
        })
        .await;
    asked.outcome.ok().map(Option::unwrap_or_default)
}

fn broken_off() -> Refusal {
    Refusal::unreadable("incomplete-answer", "GitHub no ha terminado la búsqueda.").for_now()
}

fn skip(enquiry: &Enquiry<'_>, source: &str, reason: &str, detail: &str) {
    enquiry.out.source(SourceReport {
        source: source.to_owned(),
        status: SourceStatus::Skipped,
        reason: Some(reason.to_owned()),
        detail: Some(detail.to_owned()),
        http_status: None,
        requests: 0,
        ms: 0,
        retry_after: None,
        passing: false,
    });
}
