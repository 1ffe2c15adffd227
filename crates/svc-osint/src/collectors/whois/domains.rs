//! What the entries of a WHOIS answer say of a domain.

use serde_json::json;

use super::layout::{Entry, Sheet};
use super::people;
use super::record::Record;
use crate::target::DomainName;

const NAME: [&str; 6] = ["domain name", "domain", "domainname", "nombre de dominio", "dominio", "domain name (utf8)"];
const CREATED: [&str; 15] = [
    "creation date",
    "created",
    "created on",
    "created date",
    "registered on",
    "registration date",
    "registration time",
    "domain registration date",
    "domain create date",
    "registered date",
    "create date",
    "record created",
    "fecha de creación",
    "fecha de alta",
    "registered",
];
const UPDATED: [&str; 13] = [
    "updated date",
    "last updated",
    "last updated on",
    "last update",
    "last modified",
    "modified",
    "modified date",
    "modification date",
    "changed",
    "last changed",
    "domain last updated date",
    "updated",
    "última actualización",
];
const EXPIRES: [&str; 17] = [
    "registry expiry date",
    "registrar registration expiration date",
    "expiry date",
    "expiration date",
    "expiration time",
    "expires",
    "expires on",
    "expire date",
    "expire",
    "expiry",
    "renewal date",
    "paid till",
    "valid until",
    "domain expiration date",
    "exp date",
    "fecha de caducidad",
    "fecha de expiración",
];
const STATUS: [&str; 7] =
    ["domain status", "eppstatus", "status", "registration status", "state", "domain state", "estado"];
const SERVERS: [&str; 13] = [
    "name server",
    "name servers",
    "nameserver",
    "nameservers",
    "nserver",
    "nservers",
    "domain nameservers",
    "domain servers in listed order",
    "name servers in listed order",
    "nameservers list",
    "servidores de nombres",
    "dns",
    "host name",
];
const REGISTRAR: [&str; 6] = [
    "registrar",
    "registrar name",
    "sponsoring registrar",
    "current registrar",
    "agente registrador",
    "registrar organization",
];
const REGISTRAR_URL: [&str; 4] = ["registrar url", "registrar website", "registrar web", "registrar homepage"];
const SIGNED: [&str; 3] = ["dnssec", "signed", "dnssec status"];
const DS: [&str; 7] = ["dnssec ds data", "ds data", "ds rdata", "ds record", "dsrecord", "ds", "ds record 1"];
const KEYS: [&str; 3] = ["dnskey", "signing key", "ds key"];
/// Most name servers read of an answer.
const MAX_SERVERS: usize = 50;

/// The record of `asked`; `None` where the sheet does not tell of it.
pub(super) fn read(asked: &str, sheet: &Sheet) -> Option<Record> {
    let named = sheet.first(&NAME, |entry| !people::is_about_somebody(sheet, entry));
    let named = named.map(|name| is_same(name, asked));
    if named == Some(false) {
        return None;
    }
    let mut record = Record::default();
    let own = |entry: &Entry| !people::is_about_somebody(sheet, entry) && sheet.head(entry.object) != "registrar";
    record.date("created", sheet.first(&CREATED, own));
    record.date("updated", sheet.first(&UPDATED, own));
    record.date("expires", sheet.first(&EXPIRES, own));
    for entry in sheet.all(&STATUS).filter(|entry| own(entry)) {
        statuses(&entry.value, &mut record);
    }
    for entry in sheet.all(&SERVERS).take(MAX_SERVERS) {
        servers(&entry.value, &mut record);
    }
    if is_free(&record) {
        return None;
    }
    registrar(sheet, &mut record);
    let facts = ["created", "expires", "nameservers", "registrar.name"];
    let told = facts.iter().any(|field| record.fields.contains_key(*field));
    // A name and a status are enough where the name is the one asked for.
    let enough = told || (named.is_some() && record.fields.contains_key("status"));
    if !enough {
        return None;
    }
    record.set("domain", Some(asked));
    record.set("handle", sheet.first(&["registry domain id", "domain id", "roid"], own));
    dnssec(sheet, &mut record);
    people::read(sheet, &mut record);
    Some(record)
}

fn is_same(name: &str, asked: &str) -> bool {
    let name = name.split_whitespace().next().unwrap_or_default();
    name.trim_end_matches('.').eq_ignore_ascii_case(asked)
        || DomainName::parse(name).is_ok_and(|own| own.ascii == asked)
}

/// Some registries answer a name that nobody has with a status.
fn is_free(record: &Record) -> bool {
    let free = |status: &str| matches!(status, "free" | "available" | "not registered" | "no object found");
    let list = record.fields.get("status").and_then(|list| list.as_array());
    list.into_iter().flatten().filter_map(|status| status.as_str()).any(|status| free(&status.to_lowercase()))
}

/// `clientHold https://icann.org/epp#clientHold`, `REGISTERED, DELEGATED`.
fn statuses(value: &str, record: &mut Record) {
    let words = value.find("http").map_or(value, |at| &value[..at]);
    for status in words.split(',') {
        record.push("status", status.trim_end_matches(['(', ' ']));
    }
}

/// The host names in a line; the addresses beside them are glue.
fn servers(value: &str, record: &mut Record) {
    for word in value.split([' ', ',', '\t']) {
        let name = word.trim_end_matches('.').to_lowercase();
        let last = name.rsplit('.').next().unwrap_or_default();
        let named = last.starts_with(|c: char| c.is_ascii_alphabetic()) && last.len() >= 2;
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        if name.contains('.') && named && plain {
            record.push("nameservers", &name);
        }
    }
}

fn registrar(sheet: &Sheet, record: &mut Record) {
    let under = |entry: &Entry| entry.section == "registrar" || sheet.head(entry.object) == "registrar";
    let name = sheet
        .first(&["organization", "organisation"], |entry| entry.section == "registrar")
        .or_else(|| sheet.first(&REGISTRAR, |_| true))
        .or_else(|| sheet.first(&["name"], |entry| entry.section == "registrar"));
    // Nominet puts its own sign behind the name.
    record.set("registrar.name", name.and_then(|name| name.split(" [Tag").next()));
    record.set("registrar.iana_id", sheet.first(&["registrar iana id", "iana id"], |_| true));
    let url = sheet.first(&REGISTRAR_URL, |_| true);
    record.set("registrar.url", url.or_else(|| sheet.first(&["url", "website", "web", "www"], under)));
}

fn dnssec(sheet: &Sheet, record: &mut Record) {
    for entry in sheet.all(&DS) {
        record.push("dnssec.ds", &entry.value);
    }
    let keys = record.fields.contains_key("dnssec.ds") || sheet.all(&KEYS).next().is_some();
    let word = sheet.first(&SIGNED, |_| true).map(|word| word.to_lowercase().replace(' ', ""));
    let signed = match word.as_deref() {
        Some("signeddelegation" | "yes" | "signed" | "active" | "signedanddelegated" | "true") => Some(true),
        Some("unsigned" | "no" | "inactive" | "unsigneddelegation" | "notsigned" | "false") => Some(false),
        _ => keys.then_some(true),
    };
    if let Some(signed) = signed {
        record.set_value("dnssec.signed", json!(signed));
    }
}
