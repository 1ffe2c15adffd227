//! One record of the DNS as one row of the report.

use hickory_proto::rr::{RData, Record};
use hickory_proto::serialize::binary::BinEncodable;
use serde_json::{Map, Value, json};

use super::dnssec::key_tag;
use super::names::{readable, text_of};

/// The row: `name`, `ttl` (seconds), `value` (the record's data on one line) and, for records that
/// have parts, each part under its own name.
pub(super) fn row(record: &Record) -> Map<String, Value> {
    let (value, parts) = value_of(&record.data);
    let mut row = Map::new();
    row.insert("name".to_owned(), text_of(&record.name).into());
    row.insert("value".to_owned(), value.into());
    row.insert("ttl".to_owned(), record.ttl.into());
    if let Value::Object(parts) = parts {
        row.extend(parts);
    }
    row
}

/// The record's data as it travelled, without compression of names.
pub(super) fn bytes_of(data: &RData) -> Vec<u8> {
    data.to_bytes().unwrap_or_default()
}

fn value_of(data: &RData) -> (String, Value) {
    match data {
        RData::A(address) => (address.0.to_string(), Value::Null),
        RData::AAAA(address) => (address.0.to_string(), Value::Null),
        RData::CNAME(name) => (text_of(&name.0), Value::Null),
        RData::NS(name) => (text_of(&name.0), Value::Null),
        RData::PTR(name) => (text_of(&name.0), Value::Null),
        RData::MX(mx) => {
            (text_of(&mx.exchange), json!({"preference": mx.preference, "null_mx": mx.exchange.is_root()}))
        }
        RData::TXT(txt) => {
            let bytes = txt.txt_data.concat();
            (readable(&bytes), json!({"bytes": bytes.len(), "strings": txt.txt_data.len()}))
        }
        RData::SRV(srv) => {
            (text_of(&srv.target), json!({"priority": srv.priority, "weight": srv.weight, "port": srv.port}))
        }
        RData::SOA(soa) => {
            let (mname, rname) = (text_of(&soa.mname), text_of(&soa.rname));
            let (refresh, retry, expire) = (soa.refresh, soa.retry, soa.expire);
            (
                format!("{mname} {rname} {} {refresh} {retry} {expire} {}", soa.serial, soa.minimum),
                json!({"mname": mname, "rname": rname, "serial": soa.serial, "refresh": refresh,
                    "retry": retry, "expire": expire, "minimum": soa.minimum}),
            )
        }
        RData::CAA(caa) => {
            let property = readable(&caa.value);
            let tag = readable(caa.tag.as_bytes());
            (
                format!("{} {tag} \"{property}\"", caa.flags()),
                json!({"flags": caa.flags(), "tag": tag, "property": property}),
            )
        }
        other => other_value(other),
    }
}

/// DS and DNSKEY are read from their bytes, so that no signature library is needed; whatever else
/// comes is shown as its bytes.
fn other_value(data: &RData) -> (String, Value) {
    let bytes = bytes_of(data);
    match (u16::from(data.record_type()), bytes.as_slice()) {
        (43, [tag_high, tag_low, algorithm, digest_type, digest @ ..]) => {
            let tag = u16::from_be_bytes([*tag_high, *tag_low]);
            (
                format!("{tag} {algorithm} {digest_type} {}", hex(digest)),
                json!({"key_tag": tag, "algorithm": algorithm, "digest_type": digest_type}),
            )
        }
        (48, [flags_high, flags_low, protocol, algorithm, key @ ..]) => {
            let flags = u16::from_be_bytes([*flags_high, *flags_low]);
            (
                format!("{flags} {protocol} {algorithm} ({} bytes)", key.len()),
                json!({"flags": flags, "algorithm": algorithm, "key_tag": key_tag(&bytes),
                    "key_signing": flags & 1 == 1}),
            )
        }
        _ => (format!("\\# {} {}", bytes.len(), hex(&bytes)), Value::Null),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}
