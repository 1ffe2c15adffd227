//! Is the zone signed, does the parent vouch for it, and does the resolver believe it?
//!
//! No signature is verified here: that is the resolver's work, and its opinion (AD, or SERVFAIL
//! that goes away when validation is switched off) is reported as such.

use hickory_proto::rr::{Name, Record, RecordType};
use serde_json::json;

use super::asker::Asker;
use super::ledger::{Group, Ledger};
use super::names::text_of;
use super::rows::{bytes_of, row};
use super::verdict::Verdict;

/// Looks at the zone that holds the target.
pub(super) async fn examine(asker: &Asker<'_>, ledger: &Ledger<'_>, zone: &Name) {
    let group = Group::new("DNSSEC");
    let ds = asker.look_up(&group, zone, RecordType::DS).await;
    let keys = asker.look_up(&group, zone, RecordType::DNSKEY).await;
    let asked = Verdict::of_group([ds.verdict, keys.verdict]);
    let verdict = match (ds.verdict, keys.verdict) {
        (Verdict::ServFail, _) | (_, Verdict::ServFail) => {
            let unchecked = asker.look_up_unchecked(&group, zone, RecordType::DNSKEY).await;
            if unchecked.verdict == Verdict::Ok { "bogus" } else { "unknown" }
        }
        (Verdict::Ok, Verdict::Ok) if vouched(&ds.records, &keys.records) => "signed",
        (Verdict::Ok, _) if keys.verdict.conclusive() => "mismatch",
        (_, Verdict::Ok) if ds.verdict.absent() => "island",
        _ if ds.verdict.absent() && keys.verdict.absent() => "unsigned",
        _ => "unknown",
    };
    ledger.out.set(
        "dnssec",
        json!({
            "zone": text_of(zone),
            "verdict": verdict,
            "ds": ds.records.iter().map(row).collect::<Vec<_>>(),
            "dnskey": keys.records.iter().map(row).collect::<Vec<_>>(),
            "validated_by_resolver": keys.verdict == Verdict::Ok && keys.authentic,
        }),
    );
    ledger.close(&group, asked);
}

/// The short number by which a DS names its key (RFC 4034, appendix B).
pub(super) fn key_tag(rdata: &[u8]) -> u16 {
    if let [_, _, _, 1, .., high, low, _] = rdata {
        // Algorithm 1 (RSA/MD5) took the tag from the modulus instead.
        return u16::from_be_bytes([*high, *low]);
    }
    let sum = rdata
        .iter()
        .enumerate()
        .fold(0u32, |sum, (at, byte)| sum + if at % 2 == 0 { u32::from(*byte) << 8 } else { u32::from(*byte) });
    let folded = (sum + (sum >> 16)) & 0xffff;
    u16::try_from(folded).unwrap_or_default()
}

/// True when the parent names at least one key that the zone really has.
fn vouched(ds: &[Record], keys: &[Record]) -> bool {
    let present: Vec<_> = keys
        .iter()
        .filter_map(|key| {
            let bytes = bytes_of(&key.data);
            bytes.get(3).map(|algorithm| (key_tag(&bytes), *algorithm))
        })
        .collect();
    ds.iter().any(|ds| match bytes_of(&ds.data).as_slice() {
        [high, low, algorithm, ..] => present.contains(&(u16::from_be_bytes([*high, *low]), *algorithm)),
        _ => false,
    })
}
