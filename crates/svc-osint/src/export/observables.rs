//! The things of STIX that can be seen (its cyber-observable objects), each made only of a value that is one: what is no
//! address is no `ipv4-addr`.

use std::net::{IpAddr, Ipv6Addr};

use serde_json::{Map, Value, json};
use url::Url;

use super::identifiers::of_observable;
use crate::collectors::facts::host_name;
use crate::target::{Target, TargetKind};

/// Components of a CPE 2.3 name, the word `cpe` and the version of the form included.
const CPE: usize = 13;
/// Where in it stand vendor, product and version.
const VENDOR: usize = 3;
const PRODUCT: usize = 4;
const VERSION: usize = 5;

/// One observable.
#[derive(Debug, Clone)]
pub(super) struct Observable {
    kind: &'static str,
    /// The properties its identifier is made of, as the specification names them.
    own: Vec<(&'static str, Value)>,
    /// What else is known of it.
    more: Vec<(&'static str, Value)>,
}

impl Observable {
    fn of(kind: &'static str, own: Vec<(&'static str, Value)>) -> Self {
        Self { kind, own, more: Vec::new() }
    }

    fn valued(kind: &'static str, value: impl Into<Value>) -> Self {
        Self::of(kind, vec![("value", value.into())])
    }

    /// With a further property, unless it is null.
    pub(super) fn with(mut self, name: &'static str, value: Value) -> Self {
        if !value.is_null() {
            self.more.push((name, value));
        }
        self
    }

    /// Its identifier.
    pub(super) fn id(&self) -> String {
        of_observable(self.kind, &self.own)
    }

    /// The whole object.
    pub(super) fn object(self) -> Map<String, Value> {
        let head = [("type", json!(self.kind)), ("spec_version", json!("2.1")), ("id", json!(self.id()))];
        let members = head.into_iter().chain(self.own).chain(self.more);
        members.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A host, if the text is the name of one. Names of services (`_sip._tcp.…`) are none.
    pub(super) fn host(text: &str) -> Option<Self> {
        let fits = |label: &str| !label.contains('_') && !label.starts_with('-') && !label.ends_with('-');
        let number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        let name = host_name(text)?;
        let readable = idna::domain_to_unicode(&name).1.is_ok();
        let whole = readable && name.split('.').all(fits) && !name.rsplit('.').next().is_some_and(number);
        whole.then(|| Self::valued("domain-name", name))
    }

    /// An address.
    pub(super) fn address(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::ip)
    }

    /// An address that was read already.
    pub(super) fn ip(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::valued("ipv4-addr", address.to_string()),
            IpAddr::V6(address) => Self::valued("ipv6-addr", written(address)),
        }
    }

    /// An address or a block of them in CIDR notation.
    pub(super) fn block(text: &str) -> Option<Self> {
        let Some((address, prefix)) = text.split_once('/') else { return Self::address(text) };
        let (address, prefix) = (address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?);
        match address {
            IpAddr::V4(address) if prefix <= 32 => Some(Self::valued("ipv4-addr", format!("{address}/{prefix}"))),
            IpAddr::V6(address) if prefix <= 128 => {
                Some(Self::valued("ipv6-addr", format!("{}/{prefix}", written(address))))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }

    /// An e-mail address. The specification wants that of RFC 5322, which is ASCII.
    pub(super) fn mailbox(text: &str) -> Option<Self> {
        let Ok(Target::Email(mailbox)) = Target::parse_for(text, &[TargetKind::Email]) else { return None };
        let address = format!("{}@{}", mailbox.local, mailbox.domain.ascii);
        address.is_ascii().then(|| Self::valued("email-addr", address))
    }

    /// An address of the web.
    pub(super) fn url(text: &str) -> Option<Self> {
        web(text).map(|url| Self::valued("url", url))
    }

    /// An autonomous system, written `AS3333`.
    pub(super) fn system(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as"))?;
        let number: u32 = digits.parse().ok()?;
        Some(Self::of("autonomous-system", vec![("number", json!(number))]))
    }

    /// An account of this name, at this site where that is known.
    pub(super) fn account(site: Option<&str>, login: &str) -> Option<Self> {
        let login = Some(login.trim()).filter(|login| !login.is_empty())?;
        let site = site.map(word).filter(|site| !site.is_empty());
        let site = site.map(|site| ("account_type", json!(site)));
        Some(Self::of("user-account", site.into_iter().chain([("account_login", json!(login))]).collect()))
    }

    /// A file of this digest; its name is the last part of a path or an address.
    pub(super) fn file(digest: &str, name: Option<&str>) -> Option<Self> {
        let algorithm = match digest.len() {
            32 => "MD5",
            40 => "SHA-1",
            64 => "SHA-256",
            _ => return None,
        };
        if !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let last = name.and_then(|name| name.split(['?', '#']).next()).and_then(|path| path.rsplit(['/', '\\']).next());
        let name = last.filter(|name| !name.is_empty()).map(|name| ("name", json!(name)));
        let hashes = ("hashes", json!({ algorithm: digest.to_ascii_lowercase() }));
        Some(Self::of("file", [hashes].into_iter().chain(name).collect()))
    }

    /// A certificate of this serial number.
    pub(super) fn certificate(serial: &str) -> Option<Self> {
        let serial = serial.trim();
        (!serial.is_empty()).then(|| Self::of("x509-certificate", vec![("serial_number", json!(serial))]))
    }

    /// A program: by its CPE in either form, else by its name.
    pub(super) fn software(text: &str) -> Option<Self> {
        let text = text.trim();
        let components = match text.strip_prefix("cpe:/") {
            // The older form has no version of itself and escapes as addresses do.
            Some(rest) => ["cpe", "2.2"].into_iter().chain(rest.split(':')).map(unescaped_address).collect(),
            None if text.starts_with("cpe:2.3:") => split(text),
            None if text.is_empty() => return None,
            None => return Some(Self::of("software", vec![("name", json!(text))])),
        };
        let told =
            |at: usize| components.get(at).map(|it| bare(it)).filter(|it| !matches!(it.as_str(), "" | "*" | "-"));
        let mut own = vec![("name", json!(told(PRODUCT)?))];
        own.extend(whole_cpe(text, &components).map(|cpe| ("cpe", json!(cpe))));
        own.extend(told(VENDOR).map(|vendor| ("vendor", json!(vendor))));
        own.extend(told(VERSION).map(|version| ("version", json!(version))));
        Some(Self::of("software", own))
    }

    /// A port of an address that is spoken to; over which transport, where that is known.
    pub(super) fn traffic(address: IpAddr, port: u16, transport: Option<&str>) -> Self {
        let network = if address.is_ipv4() { "ipv4" } else { "ipv6" };
        let protocols: Vec<_> = [network].into_iter().chain(transport).collect();
        let own = vec![
            ("dst_ref", json!(Self::ip(address).id())),
            ("dst_port", json!(port)),
            ("protocols", json!(protocols)),
        ];
        Self::of("network-traffic", own)
    }
}

/// An address of version 6 in hexadecimal groups only: some who read it know no other form.
fn written(address: Ipv6Addr) -> String {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => format!("::ffff:{high:x}:{low:x}"),
        _ => address.to_string(),
    }
}

/// An address of the web as RFC 3986 writes it; what browsers let pass and that does not is none.
pub(super) fn web(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=%".contains(&byte);
    let rest = [url.path(), url.query().unwrap_or_default(), url.fragment().unwrap_or_default()];
    rest.iter().all(|part| part.bytes().all(allowed)).then(|| url.into())
}

/// A word of an open vocabulary: lower case, with hyphens.
fn word(text: &str) -> String {
    let plain: String = text.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    plain.trim_matches('-').to_owned()
}

/// The components of a CPE 2.3 name; a colon behind a backslash belongs to one.
fn split(text: &str) -> Vec<String> {
    let (mut all, mut escaped) = (vec![String::new()], false);
    for c in text.chars() {
        match (c, all.last_mut()) {
            (':', _) if !escaped => all.push(String::new()),
            (_, Some(last)) => last.push(c),
            (_, None) => {}
        }
        escaped = c == '\\' && !escaped;
    }
    all
}

fn unescaped_address(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A component as people write it.
fn bare(component: &str) -> String {
    component.replace('\\', "")
}

/// The CPE 2.3 name with all its components: what is left out at the end, as Shodan does, is anything.
fn whole_cpe(text: &str, components: &[String]) -> Option<String> {
    let part = components.get(2).is_some_and(|part| matches!(part.as_str(), "a" | "h" | "o"));
    let whole =
        text.starts_with("cpe:2.3:") && part && components.len() <= CPE && components.iter().all(|it| is_component(it));
    whole.then(|| format!("{text}{}", ":*".repeat(CPE - components.len())))
}

fn is_component(text: &str) -> bool {
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        let fits = match c {
            '\\' => characters.next().is_some_and(|escaped| escaped.is_ascii_punctuation()),
            _ => c.is_ascii_alphanumeric() || "._-*?".contains(c),
        };
        if !fits {
            return false;
        }
    }
    !text.is_empty()
}
