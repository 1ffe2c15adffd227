//! The `whois` collector: who has a domain, an address or an autonomous system, since when and until when, and whom to
//! write to about it. By RDAP where there is a server for it, else by WHOIS; never by guessing.
//!
//! What it writes into the gathering, key by key:
//!
//! - `asked`: the name, address or number the registries were asked for: of `www.example.co.uk` the registered
//!   `example.co.uk`.
//! - `registered`: `false` when the registry knows no such object; then nothing else is there.
//! - `domain`, `unicode_name`, `handle`; `registrar` with `name`, `iana_id`, `url`, `expires` (what the registrar was
//!   paid for, which may differ from the registry's date).
//! - `created`, `updated`, `expires`, `transferred`: ISO 8601 in UTC, the day alone where no time is told, `null` where
//!   the text cannot be read; `dates_as_written` holds the texts by the same names.
//! - `status`, `nameservers`: lists. `dnssec`: `signed`, `ds`.
//! - `network`: `start`, `end`, `cidrs`, `name`, `type`, `parent`. `asn`: `first`, `last`, `name`. `organisation`,
//!   `country`: of the holder.
//! - `abuse`: `email`, `phone`. `contacts`: `[{roles, handle, name, organisation, email, phone, country, source}]`,
//!   without what is kept back; `redacted`: whether something is (RFC 9537, "REDACTED FOR PRIVACY" and the like).
//! - `sources_of`: by field (`registrar.name`), the source it was taken from. The registry's word counts before the
//!   registrar's, and the last server's before the others' for addresses and numbers; what another source says
//!   otherwise stands in `differences`: `[{field, value, source}]`.
//!
//! Sources: `rdap:bootstrap` (whom to ask; counts for nothing by itself), `rdap:registry`, `rdap:registrar`, and
//! `whois:HOST` for each server asked on port 43.

mod bootstrap;
mod chain;
mod dates;
mod directory;
mod domains;
mod jcard;
mod layout;
mod network;
mod numbers;
mod object;
mod people;
mod phrases;
mod rdap;
mod record;
mod report;
mod settings;
mod text;
mod wire;

use std::fmt;
use std::net::IpAddr;

pub use bootstrap::{List, Services};
pub use chain::question;
pub use dates::utc;
pub use directory::Directory;
pub use settings::{Server, WhoisLimits, WhoisSettings};
pub use text::fields;
pub use wire::{Cut, Reply, ask, decode};

use crate::connector::is_forbidden;
use crate::enquiry::Enquiry;
use crate::model::{SourceReport, SourceStatus};
use crate::target::{DomainName, Target, TargetKind};
use record::Part;

/// The kinds of target this collector takes.
pub const ACCEPTS: [TargetKind; 3] = [TargetKind::Domain, TargetKind::Ip, TargetKind::Asn];

/// What a registry is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A domain somebody can have, in lower-case ASCII.
    Domain(String),
    /// An address.
    Ip(IpAddr),
    /// An autonomous system.
    Asn(u32),
}

/// What came of asking.
enum Told {
    /// These, the one that counts most first; not empty.
    Known(Vec<Part>),
    /// There is no such object, says this source.
    Absent { source: String, url: Option<String> },
    /// Nobody could say.
    Nothing,
}

impl Wanted {
    /// What to ask for in order to learn of the target; `None` for kinds that no registry keeps.
    pub fn of(target: &Target) -> Option<Self> {
        match target {
            Target::Domain(name) => Some(Self::Domain(registered(name))),
            Target::Ip(address) => Some(Self::Ip(*address)),
            Target::Asn(number) => Some(Self::Asn(*number)),
            Target::Url(_) | Target::Email(_) | Target::Username(_) | Target::Hash(_) | Target::File(_) => None,
        }
    }
}

impl fmt::Display for Wanted {
    /// As WHOIS servers are asked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(name) => f.write_str(name),
            Self::Ip(address) => write!(f, "{address}"),
            Self::Asn(number) => write!(f, "AS{number}"),
        }
    }
}

/// Gathers what the registries tell of `target`. It never fails as a whole: each source reports its own end. Dropping
/// the future stops it at once.
pub async fn collect(settings: &WhoisSettings, enquiry: &Enquiry<'_>, target: &Target) {
    let out = enquiry.out;
    let Some(wanted) = Wanted::of(target) else {
        return out.source(skipped(&format!("target-is-{}", target.kind().as_str()), None));
    };
    out.set("asked", wanted.to_string().into());
    out.progress(0, 3);
    if let Wanted::Ip(address) = &wanted
        && let Some(why) = is_forbidden(*address)
    {
        return out.source(skipped("not-public", Some(format!("{address} {why}: ningún registro dice de quién es."))));
    }
    let mut told = rdap::look_up(settings, enquiry, &wanted).await;
    if matches!(told, Told::Nothing) {
        told = chain::follow(settings, enquiry, &wanted).await;
    }
    match told {
        Told::Known(parts) => report::registered(&wanted, &parts, out),
        Told::Absent { source, url } => report::unregistered(&wanted, &source, url.as_deref(), out),
        Told::Nothing => {}
    }
    out.progress(3, 3);
}

fn skipped(reason: &str, detail: Option<String>) -> SourceReport {
    SourceReport {
        source: "rdap:registry".to_owned(),
        status: SourceStatus::Skipped,
        reason: Some(reason.to_owned()),
        detail,
        http_status: None,
        requests: 0,
        ms: 0,
        retry_after: None,
        passing: false,
    }
}

/// The name that stands in a registry: one label below the suffix under which IANA's delegates register. Suffixes of
/// private owners (`github.io`) are themselves registered names.
fn registered(name: &DomainName) -> String {
    let ascii = name.ascii.as_str();
    let mut suffix = ascii;
    while let Some(found) = psl::suffix(suffix.as_bytes()) {
        let own = str::from_utf8(found.as_bytes()).unwrap_or(suffix);
        if found.typ() != Some(psl::Type::Private) {
            suffix = own;
            break;
        }
        let Some((_, above)) = own.split_once('.') else { break };
        suffix = above;
    }
    let Some(rest) = ascii.strip_suffix(suffix).and_then(|rest| rest.strip_suffix('.')) else {
        return ascii.to_owned();
    };
    let label = rest.rsplit('.').next().unwrap_or(rest);
    format!("{label}.{suffix}")
}
