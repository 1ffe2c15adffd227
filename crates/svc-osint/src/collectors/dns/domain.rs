//! The scan of a domain: is it there at all, its own records, and then everything around it.

use std::net::IpAddr;

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use hickory_proto::rr::{Name, RecordType};
use serde_json::Value;

use super::asker::{Asker, Found};
use super::ledger::{Group, Ledger};
use super::names::{below, name_of, text_of};
use super::probes::address_in;
use super::verdict::Verdict;
use super::{axfr, dkim, dnssec, mail, probes, spf};
use crate::model::{Gathering, SourceStatus};
use crate::target::DomainName;

/// The types asked for at the name itself. The first two decide whether to go on.
const TYPES: [RecordType; 10] = [
    RecordType::SOA,
    RecordType::NS,
    RecordType::A,
    RecordType::AAAA,
    RecordType::MX,
    RecordType::TXT,
    RecordType::CNAME,
    RecordType::CAA,
    RecordType::DS,
    RecordType::DNSKEY,
];
/// What is asked around it, as its sources are named.
const AROUND: [&str; 10] = ["SRV", "SPF", "DMARC", "DKIM", "MTA-STS", "TLS-RPT", "wildcard", "DNSSEC", "PTR", "AXFR"];
/// Services that announce themselves by SRV.
const SERVICES: [&str; 24] = [
    "_sip._tcp",
    "_sip._udp",
    "_sips._tcp",
    "_sipfederationtls._tcp",
    "_xmpp-client._tcp",
    "_xmpp-server._tcp",
    "_autodiscover._tcp",
    "_imap._tcp",
    "_imaps._tcp",
    "_pop3s._tcp",
    "_submission._tcp",
    "_submissions._tcp",
    "_caldav._tcp",
    "_caldavs._tcp",
    "_carddav._tcp",
    "_carddavs._tcp",
    "_ldap._tcp",
    "_kerberos._udp",
    "_kerberos._tcp",
    "_kpasswd._udp",
    "_matrix._tcp",
    "_matrix-fed._tcp",
    "_stun._udp",
    "_turn._udp",
];

/// Scans `domain` and writes everything into `out`.
pub(super) async fn scan(asker: &Asker<'_>, domain: &DomainName, out: &Gathering) {
    let groups = u32::try_from(TYPES.len() + AROUND.len()).unwrap_or(u32::MAX);
    let ledger = Ledger::new(out, domain.organisation(), groups);
    let Some(name) = name_of(&domain.ascii) else {
        return ledger.close_as(&Group::new("SOA"), SourceStatus::Failed, Some("no-dns-name".to_owned()));
    };
    out.set("exists", Value::Null);
    let (first_group, soa) = one_type(asker, &name, RecordType::SOA).await;
    if soa.verdict == Verdict::NxDomain {
        return absent(&ledger, &first_group, out);
    }
    write_type(&ledger, &first_group, RecordType::SOA, &soa);
    let (second_group, ns) = one_type(asker, &name, RecordType::NS).await;
    write_type(&ledger, &second_group, RecordType::NS, &ns);
    if soa.verdict.silent() && ns.verdict.silent() {
        return silence(&ledger, ns.verdict);
    }
    let others = others(asker, &ledger, &name).await;
    let spoke = [&soa, &ns].into_iter().chain(&others).any(|found| found.verdict.conclusive());
    if !spoke {
        // A broken zone stays broken for its hundred other names.
        return only_signatures(asker, &ledger, domain, &name, soa.verdict).await;
    }
    out.set("exists", Value::Bool(true));
    let zone = zone_of(&soa, &name, domain);
    out.set("zone", text_of(&zone).into());
    around(asker, &ledger, domain, &name, &zone, &addresses_in(&others)).await;
}

/// NXDOMAIN is the whole answer: every type has it, and it is reported once.
fn absent(ledger: &Ledger<'_>, group: &Group, out: &Gathering) {
    for kind in TYPES {
        ledger.status(&kind.to_string(), Verdict::NxDomain);
    }
    out.set("exists", Value::Bool(false));
    ledger.close(group, Verdict::NxDomain);
    out.progress(1, 1);
}

/// No resolver answers: every source says so, without waiting for it again each time.
fn silence(ledger: &Ledger<'_>, verdict: Verdict) {
    for kind in &TYPES[2..] {
        ledger.status(&kind.to_string(), verdict);
        ledger.close(&Group::new(kind.to_string()), verdict);
    }
    for part in AROUND {
        ledger.close(&Group::new(part), verdict);
    }
}

/// A zone that answers nothing may be one that fails validation: that much is still looked into.
async fn only_signatures(asker: &Asker<'_>, ledger: &Ledger<'_>, domain: &DomainName, name: &Name, verdict: Verdict) {
    for part in AROUND.into_iter().filter(|part| *part != "DNSSEC") {
        ledger.close_as(&Group::new(part), SourceStatus::Skipped, Some(format!("zone {verdict}")));
    }
    let zone = name_of(domain.organisation()).unwrap_or_else(|| name.clone());
    dnssec::examine(asker, ledger, &zone).await;
}

async fn one_type(asker: &Asker<'_>, name: &Name, kind: RecordType) -> (Group, Found) {
    let group = Group::new(kind.to_string());
    let mut found = asker.look_up(&group, name, kind).await;
    // These belong to a zone's cut, never to the far end of an alias.
    let of_the_cut = matches!(kind, RecordType::SOA | RecordType::NS | RecordType::DS | RecordType::DNSKEY);
    if of_the_cut && !found.aliases.is_empty() && found.verdict == Verdict::Ok {
        found.verdict = Verdict::Empty;
        found.records.clear();
    }
    (group, found)
}

fn write_type(ledger: &Ledger<'_>, group: &Group, kind: RecordType, found: &Found) {
    let label = kind.to_string();
    if kind == RecordType::A && !found.aliases.is_empty() {
        ledger.records("CNAME", &found.aliases);
    }
    ledger.records(&label, &found.records);
    ledger.status(&label, found.verdict);
    ledger.close(group, found.verdict);
}

/// Asks for the remaining types at once.
async fn others(asker: &Asker<'_>, ledger: &Ledger<'_>, name: &Name) -> Vec<Found> {
    let tries = TYPES[2..].iter().map(|kind| async move {
        let (group, mut found) = one_type(asker, name, *kind).await;
        if *kind == RecordType::CNAME && found.verdict == Verdict::Ok {
            // The rows come with the addresses, whose answer holds the whole chain.
            let chain = asker.look_up(&group, name, RecordType::A).await;
            if !chain.aliases.is_empty() {
                found.records.clear();
            }
        }
        write_type(ledger, &group, *kind, &found);
        found
    });
    join_all(tries).await
}

async fn around(
    asker: &Asker<'_>,
    ledger: &Ledger<'_>,
    domain: &DomainName,
    name: &Name,
    zone: &Name,
    addresses: &[IpAddr],
) {
    let mut parts: Vec<BoxFuture<'_, ()>> = vec![
        services(asker, ledger, name).boxed(),
        spf::examine(asker, ledger, &domain.ascii).boxed(),
        mail::dmarc(asker, ledger, domain, name).boxed(),
        mail::mta_sts(asker, ledger, name).boxed(),
        mail::tls_rpt(asker, ledger, name).boxed(),
        probes::wildcard(asker, ledger, name).boxed(),
        dnssec::examine(asker, ledger, zone).boxed(),
        probes::reverse(asker, ledger, addresses).boxed(),
        dkim::examine(asker, ledger, name).boxed(),
    ];
    if asker.settings.axfr {
        parts.push(axfr::examine(asker, ledger, zone).boxed());
    } else {
        ledger.close_as(&Group::new("AXFR"), SourceStatus::Skipped, Some("switched-off".to_owned()));
    }
    join_all(parts).await;
}

async fn services(asker: &Asker<'_>, ledger: &Ledger<'_>, name: &Name) {
    let group = Group::new("SRV");
    let names = SERVICES.iter().filter_map(|service| below(service, name));
    let tries = names.map(|service| {
        let group = &group;
        async move {
            let found = asker.look_up(group, &service, RecordType::SRV).await;
            ledger.records("SRV", &found.records);
            found.verdict
        }
    });
    let verdicts = join_all(tries).await;
    ledger.status("SRV", Verdict::of_group(verdicts.iter().copied()));
    ledger.close_several(&group, &verdicts);
}

/// The zone that holds the name, from the SOA that came with the answer.
fn zone_of(soa: &Found, name: &Name, domain: &DomainName) -> Name {
    let told = soa.zone.as_ref().map(|record| record.name.to_lowercase());
    let holds = |zone: &Name| soa.aliases.is_empty() && !zone.is_root() && zone.zone_of(name);
    told.filter(holds).or_else(|| name_of(domain.organisation())).unwrap_or_else(|| name.clone())
}

fn addresses_in(found: &[Found]) -> Vec<IpAddr> {
    let mut addresses: Vec<_> = found.iter().flat_map(|found| &found.records).filter_map(address_in).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
