//! crt.sh's list of certificates, read row by row: what is kept of it is bounded, however long it is.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::collectors::facts::host_below;
use crate::enquiry::Object;

/// Most names kept.
const NAMES: usize = 5_000;
/// Most e-mail addresses kept.
const EMAILS: usize = 1_000;
/// Most certificates kept.
const CERTIFICATES: usize = 1_000;
/// Longest part before the `@`, in bytes.
const LOCAL_PART: usize = 64;
/// Longest text of an issuer or serial number kept, in characters.
const TEXT: usize = 300;

/// What a certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A host, in lower-case ASCII.
    Host {
        /// Without `*.`.
        name: String,
        /// Whether `*.` stood before it.
        wildcard: bool,
    },
    /// An e-mail address.
    Email(String),
}

/// What is known of a name.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) wildcard: bool,
    pub(super) valid_until: Option<String>,
}

/// One certificate.
#[derive(Debug, Serialize)]
pub(super) struct Certificate {
    pub(super) id: u64,
    pub(super) issuer: Option<String>,
    pub(super) not_before: Option<String>,
    pub(super) not_after: Option<String>,
    pub(super) serial: Option<String>,
}

/// What is kept of the list.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) names: BTreeMap<String, Seen>,
    pub(super) emails: BTreeSet<String>,
    pub(super) certificates: Vec<Certificate>,
    pub(super) certificates_total: usize,
    /// Whether there was more than is kept.
    pub(super) cut: bool,
    /// Of those counted: what tells one certificate from another. Digests, as there may be very many.
    known: HashSet<u64>,
}

/// A row as crt.sh gives it; what else it has is not needed.
#[derive(Deserialize)]
struct Row {
    id: u64,
    name_value: Option<String>,
    common_name: Option<String>,
    issuer_name: Option<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    serial_number: Option<String>,
}

/// Reads the list into a [`Log`] of what is equal to or below `suffix`.
pub(super) struct Rows<'s> {
    pub(super) suffix: &'s str,
}

/// What one line of a certificate's names means to the scan of `suffix`; `None` for what is neither `suffix` nor below
/// it, and for what is no name at all.
pub fn name(line: &str, suffix: &str) -> Option<Name> {
    let line = line.trim();
    if let Some((local, domain)) = line.rsplit_once('@') {
        let fits = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        let local = local.to_lowercase();
        let plain = (1..=LOCAL_PART).contains(&local.len()) && local.chars().all(fits);
        return host_below(domain, suffix).filter(|_| plain).map(|domain| Name::Email(format!("{local}@{domain}")));
    }
    let bare = line.strip_prefix("*.");
    let name = host_below(bare.unwrap_or(line), suffix)?;
    Some(Name::Host { name, wildcard: bare.is_some() })
}

impl Log {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.emails.is_empty()
    }

    fn add(&mut self, row: Row, suffix: &str) {
        let mut ours = false;
        let until = row.not_after.as_deref().map(utc);
        for text in [&row.name_value, &row.common_name].into_iter().flatten() {
            for found in text.split('\n').filter_map(|line| name(line, suffix)) {
                ours = true;
                match found {
                    Name::Host { name, wildcard } => self.host(name, wildcard, until.as_deref()),
                    Name::Email(address) => self.email(address),
                }
            }
        }
        if ours {
            self.certificate(row);
        }
    }

    fn host(&mut self, name: String, wildcard: bool, until: Option<&str>) {
        if self.names.len() >= NAMES && !self.names.contains_key(&name) {
            self.cut = true;
            return;
        }
        let seen = self.names.entry(name).or_default();
        seen.wildcard |= wildcard;
        // Of one form and one zone, so that the later one is the greater text.
        if seen.valid_until.as_deref() < until {
            seen.valid_until = until.map(str::to_owned);
        }
    }

    fn email(&mut self, address: String) {
        if self.emails.len() < EMAILS {
            self.emails.insert(address);
        } else {
            self.cut |= !self.emails.contains(&address);
        }
    }

    fn certificate(&mut self, row: Row) {
        let mut digest = DefaultHasher::new();
        match &row.serial_number {
            Some(serial) => (serial, &row.issuer_name).hash(&mut digest),
            None => row.id.hash(&mut digest),
        }
        if !self.known.insert(digest.finish()) {
            return;
        }
        self.certificates_total += 1;
        if self.certificates.len() >= CERTIFICATES {
            self.cut = true;
            return;
        }
        self.certificates.push(Certificate {
            id: row.id,
            issuer: row.issuer_name.map(short),
            not_before: row.not_before.as_deref().map(utc),
            not_after: row.not_after.as_deref().map(utc),
            serial: row.serial_number.map(short),
        });
    }
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = Log;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Log, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = Log;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of certificates")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Log, A::Error> {
        let mut log = Log::default();
        while let Some(Object(row)) = rows.next_element::<Object<Row>>()? {
            log.add(row, self.suffix);
        }
        Ok(log)
    }
}

/// crt.sh writes moments in UTC and does not say so.
fn utc(moment: &str) -> String {
    let moment: String = moment.chars().take(30).collect();
    if moment.contains('T') && !moment.ends_with('Z') { moment + "Z" } else { moment }
}

fn short(text: String) -> String {
    if text.len() <= TEXT { text } else { text.chars().take(TEXT).collect() }
}
