//! What a fact of each kind is in STIX: which observables it tells of, and how they hang together. Of kinds that are not
//! here a note says all.

use std::net::IpAddr;

use apium_core::client::parse_iso;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::observables::Observable;
use super::stix::{Bundle, Link, confidence, moment, references};
use crate::model::Finding;

/// Longest name of a protocol (RFC 6335).
const PROTOCOL: usize = 15;

impl Bundle<'_> {
    /// Adds everything that a finding says.
    pub(super) fn tell(&mut self, finding: &Finding) {
        let about = match finding.kind.as_str() {
            "domain" | "subdomain" => self.host(finding),
            "ip" => self.ip(finding),
            "dns_record" => self.record(finding),
            "netblock" => self.netblock(finding),
            "asn" => self.system(finding),
            "email" => self.one(Observable::mailbox(&finding.value)),
            "contact" => self.one(text(finding, "email").and_then(Observable::mailbox)),
            "certificate" => self.one(certificate(finding)),
            "port" | "service" => self.port(finding),
            "software" => self.software(finding),
            "vulnerability" => self.weakness(finding),
            "document" => self.files.get(&finding.value).cloned().into_iter().collect(),
            "account" => self.account(finding),
            "username" => self.one(Observable::account(finding.source.split(':').next(), &finding.value)),
            _ => self.document(finding).into_iter().collect(),
        };
        self.note(finding, about);
    }

    /// A file that was read: its digest is known only from its own finding.
    pub(super) fn file(&mut self, finding: &Finding) {
        let digest = text(finding, "sha256").unwrap_or_default();
        let Some(file) = Observable::file(digest, Some(&finding.value)) else { return };
        let size = finding.attributes.get("size").filter(|size| size.is_u64()).cloned().unwrap_or_default();
        let file = self.see(file.with("size", size));
        if let Some(url) = Observable::url(&finding.value) {
            let url = self.see(url);
            self.relate(&related(&url, &file, Some("document")), finding);
        }
        self.files.insert(finding.value.clone(), file);
    }

    fn one(&mut self, observable: Option<Observable>) -> Vec<String> {
        observable.map(|observable| self.see(observable)).into_iter().collect()
    }

    fn host(&mut self, finding: &Finding) -> Vec<String> {
        let Some(host) = Observable::host(&finding.value) else { return Vec::new() };
        let host = self.see(host);
        // That a name was seen at an address does not mean that it leads there.
        if let Some(address) = text(finding, "ip").and_then(Observable::address) {
            let address = self.see(address);
            self.relate(&related(&host, &address, None), finding);
        }
        vec![host]
    }

    fn ip(&mut self, finding: &Finding) -> Vec<String> {
        let Some(address) = Observable::address(&finding.value) else { return Vec::new() };
        let address = self.see(address);
        if let Some(host) = text(finding, "name").and_then(Observable::host) {
            let host = self.see(host);
            self.relate(&resolves(&host, &address, finding), finding);
        }
        vec![address]
    }

    /// `OWNER TYPE DATA`.
    fn record(&mut self, finding: &Finding) -> Vec<String> {
        let mut words = finding.value.splitn(3, ' ');
        let (Some(owner), Some(kind), Some(data)) = (words.next(), words.next(), words.next()) else {
            return Vec::new();
        };
        // The name that an address has in the DNS is that address.
        let scanned = self.target.clone().filter(|_| kind == "PTR" && self.address.is_some());
        let owner = scanned.or_else(|| Observable::host(owner).map(|owner| self.see(owner)));
        let Some(owner) = owner else { return Vec::new() };
        let last = data.rsplit(' ').next().unwrap_or_default();
        let leads_to = match kind {
            "A" | "AAAA" => Observable::address(data),
            "CNAME" => Observable::host(data),
            "MX" | "NS" | "PTR" | "SRV" => Observable::host(last),
            _ => None,
        };
        let Some(other) = leads_to else { return vec![owner] };
        let other = self.see(other);
        let link = match kind {
            "A" | "AAAA" | "CNAME" => resolves(&owner, &other, finding),
            _ => related(&owner, &other, Some(kind)),
        };
        self.relate(&link, finding);
        vec![owner, other]
    }

    fn netblock(&mut self, finding: &Finding) -> Vec<String> {
        let Some(block) = Observable::block(&finding.value) else { return Vec::new() };
        let block = self.see(block);
        if let (Some(target), Some(_)) = (self.target.clone(), self.address) {
            self.relate(&related(&target, &block, Some("netblock")), finding);
        }
        vec![block]
    }

    fn system(&mut self, finding: &Finding) -> Vec<String> {
        let Some(system) = Observable::system(&finding.value) else { return Vec::new() };
        let name = ["name", "org", "organisation"].iter().find_map(|name| text(finding, name));
        let system = self.see(system.with("name", json!(name)));
        if let (Some(target), Some(_)) = (self.target.clone(), self.address) {
            self.relate(&Link { verb: "belongs-to", ..related(&target, &system, None) }, finding);
        }
        vec![system]
    }

    fn port(&mut self, finding: &Finding) -> Vec<String> {
        let port = finding.attributes.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        let (Some(address), Some(port)) = (self.place(finding), port) else { return Vec::new() };
        let plain = |name: &&str| name.len() <= PROTOCOL && name.bytes().all(|byte| byte.is_ascii_lowercase());
        let transport = text(finding, "transport").filter(plain).filter(|name| !name.is_empty());
        let at = self.see(Observable::ip(address));
        vec![self.see(Observable::traffic(address, port, transport)), at]
    }

    fn software(&mut self, finding: &Finding) -> Vec<String> {
        let Some(software) = Observable::software(&finding.value) else { return Vec::new() };
        let software = self.see(software);
        if let Some(file) = self.document(finding) {
            self.relate(&related(&file, &software, None), finding);
        } else if let Some(address) = self.place(finding) {
            let address = self.see(Observable::ip(address));
            self.relate(&related(&address, &software, None), finding);
        }
        vec![software]
    }

    fn weakness(&mut self, finding: &Finding) -> Vec<String> {
        let name = finding.value.as_str();
        let mut told = references(finding);
        if is_cve(name) {
            told.insert(0, json!({ "source_name": "cve", "external_id": name }));
        }
        let members = json!({
            "name": name,
            "description": text(finding, "summary"),
            "confidence": confidence(finding),
            "external_references": Some(told).filter(|told| !told.is_empty()),
        });
        let weakness = self.object("vulnerability", &[name], members);
        if let Some(address) = self.place(finding) {
            let address = self.see(Observable::ip(address));
            self.relate(&related(&address, &weakness, None), finding);
        }
        vec![weakness]
    }

    fn account(&mut self, finding: &Finding) -> Vec<String> {
        let page = Observable::url(&finding.value).map(|url| self.see(url));
        let login = text(finding, "username").unwrap_or_default();
        let account = text(finding, "site").and_then(|site| Observable::account(Some(site), login));
        let account =
            account.map(|account| self.see(account.with("display_name", json!(text(finding, "display_name")))));
        if let (Some(account), Some(page)) = (&account, &page) {
            self.relate(&related(account, page, None), finding);
        }
        account.into_iter().chain(page).collect()
    }

    /// The file a fact was read from.
    fn document(&self, finding: &Finding) -> Option<String> {
        self.files.get(text(finding, "document")?).cloned()
    }

    /// The address a fact is about: the one it names, else the one that was scanned.
    fn place(&self, finding: &Finding) -> Option<IpAddr> {
        text(finding, "ip").map_or(self.address, |address| address.parse().ok())
    }
}

fn certificate(finding: &Finding) -> Option<Observable> {
    let written = |name| text(finding, name).and_then(parse_iso).map(moment);
    let certificate = Observable::certificate(text(finding, "serial")?)?;
    let certificate = certificate.with("issuer", json!(text(finding, "issuer")));
    let certificate = certificate.with("validity_not_before", json!(written("not_before")));
    Some(certificate.with("validity_not_after", json!(written("not_after"))))
}

fn related<'a>(from: &'a str, to: &'a str, why: Option<&'a str>) -> Link<'a> {
    Link { from, verb: "related-to", to, why, span: None }
}

/// That a name leads somewhere; of what was so once, only where it is known until when.
fn resolves<'a>(from: &'a str, to: &'a str, finding: &Finding) -> Link<'a> {
    let link = Link { from, verb: "resolves-to", to, why: None, span: None };
    if finding.attributes.get("historical") != Some(&json!(true)) {
        return link;
    }
    match span(finding) {
        Some(span) => Link { span: Some(span), ..link },
        None => Link { verb: "related-to", why: Some("historical"), ..link },
    }
}

fn span(finding: &Finding) -> Option<(Timestamp, Timestamp)> {
    let seen = |name| text(finding, name).and_then(parse_iso);
    let (first, last) = (seen("first_seen")?, seen("last_seen")?);
    (first < last).then_some((first, last))
}

fn text<'f>(finding: &'f Finding, attribute: &str) -> Option<&'f str> {
    finding.attributes.get(attribute).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

fn is_cve(name: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = name.strip_prefix("CVE-").and_then(|rest| rest.split_once('-'));
    numbers.is_some_and(|(year, number)| year.len() == 4 && number.len() >= 4 && digits(year) && digits(number))
}
