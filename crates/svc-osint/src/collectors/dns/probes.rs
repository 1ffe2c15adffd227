//! Questions about names nobody listed: does every name below the target answer, and what do its
//! addresses call themselves?

use std::net::IpAddr;

use futures_util::future::join_all;
use hickory_proto::rr::{Name, RData, RecordType};
use serde_json::{Value, json};
use uuid::Uuid;

use super::asker::Asker;
use super::ledger::{Group, Ledger};
use super::names::{below, reverse_of, text_of};
use super::verdict::Verdict;
use crate::model::SourceStatus;

/// Addresses of the target whose names are asked for.
const MAX_ADDRESSES: usize = 16;
/// Names of one address that are confirmed.
const MAX_NAMES: usize = 4;

/// Reports `wildcard`: a label that nobody can have registered is asked for; if it answers, names
/// that "exist" below the target prove nothing.
pub(super) async fn wildcard(asker: &Asker<'_>, ledger: &Ledger<'_>, name: &Name) {
    let group = Group::new("wildcard");
    let label = format!("x{}", Uuid::new_v4().simple());
    let Some(probe) = below(&label, name) else {
        ledger.out.set("wildcard", json!({"present": false, "status": Verdict::NxDomain.to_string()}));
        return ledger.close(&group, Verdict::NxDomain);
    };
    let v4 = asker.look_up(&group, &probe, RecordType::A).await;
    let v6 = asker.look_up(&group, &probe, RecordType::AAAA).await;
    let answers: Vec<_> = v4.records.iter().chain(&v6.records).filter_map(address_in).collect();
    let aliases: Vec<_> = v4.aliases.iter().filter_map(name_in).collect();
    let verdict = Verdict::of_group([v4.verdict, v6.verdict]);
    let nothing = v4.verdict == Verdict::NxDomain || v6.verdict == Verdict::NxDomain;
    // NOERROR without answer for a random name is a wildcard of other types, or a signer that
    // denies names this way: not decided.
    let present = match (answers.is_empty() && aliases.is_empty(), nothing) {
        (false, _) => Value::Bool(true),
        (true, true) => Value::Bool(false),
        (true, false) => Value::Null,
    };
    ledger.out.set(
        "wildcard",
        json!({"present": present, "probe": text_of(&probe), "addresses": answers, "aliases": aliases,
            "status": if nothing { Verdict::NxDomain } else { verdict }.to_string()}),
    );
    ledger.close(&group, if nothing { Verdict::NxDomain } else { verdict });
}

/// Reports `ptr` and `records.PTR`: the names of `addresses`, and whether each name leads back.
pub(super) async fn reverse(asker: &Asker<'_>, ledger: &Ledger<'_>, addresses: &[IpAddr]) {
    let group = Group::new("PTR");
    if addresses.len() > MAX_ADDRESSES {
        ledger.out.truncated();
    }
    let tries = addresses.iter().take(MAX_ADDRESSES).map(|address| reverse_one(asker, ledger, &group, *address));
    let (verdicts, rows): (Vec<_>, Vec<_>) = join_all(tries).await.into_iter().unzip();
    let blocked = !verdicts.is_empty() && verdicts.iter().all(Option::is_none);
    let alone = verdicts.len() == 1;
    let verdicts: Vec<_> = verdicts.into_iter().flatten().collect();
    ledger.out.set("ptr", Value::Array(rows));
    if blocked {
        return ledger.close_as(&group, SourceStatus::Blocked, Some("forbidden-address".to_owned()));
    }
    if addresses.is_empty() {
        return ledger.close_as(&group, SourceStatus::Skipped, Some("no-address".to_owned()));
    }
    // One address needs no summary: its own verdict says more.
    if let (true, [only]) = (alone, verdicts.as_slice()) {
        ledger.status("PTR", *only);
        return ledger.close(&group, *only);
    }
    ledger.status("PTR", Verdict::of_group(verdicts.iter().copied()));
    ledger.close_several(&group, &verdicts);
}

/// The address in a record, if it is one.
pub(super) fn address_in(record: &hickory_proto::rr::Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    }
}

/// `None` as verdict when the address may not be asked about: the answer would tell a stranger how
/// our own network names its machines.
async fn reverse_one(
    asker: &Asker<'_>,
    ledger: &Ledger<'_>,
    group: &Group,
    address: IpAddr,
) -> (Option<Verdict>, Value) {
    if !(asker.settings.may_contact)(address) {
        return (None, json!({"ip": address.to_string(), "status": "blocked", "names": []}));
    }
    let found = asker.look_up(group, &reverse_of(address), RecordType::PTR).await;
    ledger.records("PTR", &found.records);
    let targets = found.records.iter().filter_map(|record| match &record.data {
        RData::PTR(name) => Some(name.0.clone()),
        _ => None,
    });
    let mut names = vec![];
    for target in targets.take(MAX_NAMES) {
        let confirmed = leads_back(asker, group, &target, address).await;
        names.push(json!({"name": text_of(&target), "forward_confirmed": confirmed}));
    }
    let row = json!({"ip": address.to_string(), "status": found.verdict.to_string(), "names": names});
    (Some(found.verdict), row)
}

/// Whether `name` has `address`; `null` when that could not be learned.
async fn leads_back(asker: &Asker<'_>, group: &Group, name: &Name, address: IpAddr) -> Option<bool> {
    let kind = if address.is_ipv4() { RecordType::A } else { RecordType::AAAA };
    let found = asker.look_up(group, name, kind).await;
    let back = found.records.iter().any(|record| address_in(record) == Some(address));
    found.verdict.conclusive().then_some(back)
}

fn name_in(record: &hickory_proto::rr::Record) -> Option<String> {
    match &record.data {
        RData::CNAME(name) => Some(text_of(&name.0)),
        _ => None,
    }
}
