//! What a WHOIS answer says: something, nothing, less questions please, or only whom else to ask.

use serde_json::{Map, Value};

use super::layout::Sheet;
use super::phrases::{self, Said};
use super::record::Record;
use super::settings::Server;
use super::{Wanted, domains, numbers, wire};

/// Lines that name the next server, the first that there is counts.
const REFERRALS: [&str; 6] =
    ["refer", "registrar whois server", "whois server", "referralserver", "resource link whois", "whois"];

/// An answer, read.
pub(super) struct Read {
    pub(super) verdict: Verdict,
    /// Whom it refers to.
    pub(super) next: Option<Server>,
}

/// What an answer amounts to.
pub(super) enum Verdict {
    Found(Record),
    /// Nothing of the target itself.
    Directory,
    /// There is no such object.
    Absent,
    TooMany(String),
    Denied(String),
    /// It makes no sense.
    Nothing,
}

/// What the bytes of an answer tell of the target, by field; `None` where they tell nothing of it. Made for any bytes.
pub fn fields(wanted: &Wanted, bytes: &[u8]) -> Option<Map<String, Value>> {
    match read(wanted, &wire::decode(bytes)).verdict {
        Verdict::Found(record) => Some(record.fields),
        Verdict::Directory | Verdict::Absent | Verdict::TooMany(_) | Verdict::Denied(_) | Verdict::Nothing => None,
    }
}

/// Reads an answer about the target.
pub(super) fn read(wanted: &Wanted, text: &str) -> Read {
    let sheet = Sheet::read(text);
    let next = referral(&sheet);
    // IANA tells of the whole top-level domain, or of the block that a registry has got.
    let directory = sheet.first(&["refer"], |_| true).is_some();
    let record = match wanted {
        Wanted::Domain(name) => domains::read(name, &sheet),
        Wanted::Ip(address) => numbers::network(*address, &sheet),
        Wanted::Asn(number) => numbers::autnum(*number, &sheet),
    };
    let verdict = match record {
        _ if directory => Verdict::Directory,
        Some(record) => Verdict::Found(record),
        None => match phrases::said(text) {
            _ if next.is_some() => Verdict::Directory,
            Some(Said::Absent) => Verdict::Absent,
            Some(Said::TooMany(words)) => Verdict::TooMany(words),
            Some(Said::Denied(words)) => Verdict::Denied(words),
            None if is_of_a_registry(&sheet) => Verdict::Directory,
            None => Verdict::Nothing,
        },
    };
    Read { verdict, next }
}

fn referral(sheet: &Sheet) -> Option<Server> {
    REFERRALS.iter().find_map(|key| sheet.all(&[key]).find_map(|entry| Server::referred(&entry.value)))
}

/// IANA's word on a top-level domain without a server, or that it has none.
fn is_of_a_registry(sheet: &Sheet) -> bool {
    let iana = |entry: &super::layout::Entry| entry.value.eq_ignore_ascii_case("iana");
    sheet.all(&["source"]).any(iana) || sheet.comments.iter().any(|line| line.contains("returned 0 objects"))
}
