//! What the entries of a WHOIS answer say of a network or an autonomous system.

use std::net::IpAddr;

use serde_json::json;

use super::layout::{Entry, Sheet};
use super::network::Range;
use super::people;
use super::record::Record;

const RANGES: [&str; 8] =
    ["inetnum", "inet6num", "netrange", "cidr", "network number", "ipv4 address", "ipv6 address", "ip address"];
const NUMBERS: [&str; 4] = ["aut num", "asnumber", "as number", "aut num range"];
const NETWORK_NAMES: [&str; 3] = ["netname", "network name", "service name"];
const SYSTEM_NAMES: [&str; 3] = ["as name", "asname", "autonomous system name"];
const HANDLES: [&str; 3] = ["nethandle", "ashandle", "nic hdl"];
/// The holder's name, where it is plainly one; in the object of the number, then anywhere.
const HOLDERS: [&str; 5] = ["owner", "organization", "organization name", "custname", "orgname"];
const HOLDERS_BESIDE: [&str; 4] = ["org name", "orgname", "custname", "owner"];
const CREATED: [&str; 4] = ["regdate", "created", "registered", "registration date"];
const UPDATED: [&str; 4] = ["updated", "last modified", "changed", "last updated"];

/// The record of the smallest network that holds `address`.
pub(super) fn network(address: IpAddr, sheet: &Sheet) -> Option<Record> {
    let ranges = sheet.all(&RANGES).filter_map(|entry| Some((Range::read(&entry.value)?, entry.object)));
    let (range, object) = ranges.filter(|(range, _)| range.holds(address)).min_by_key(|(range, _)| range.size())?;
    let mut record = Record::default();
    range.write(&mut record);
    let own = |entry: &Entry| entry.object == object;
    record.set("network.name", sheet.first(&NETWORK_NAMES, own));
    record.set("network.type", sheet.first(&["nettype", "status"], own));
    record.set("network.parent", sheet.first(&["parent"], own));
    holder(sheet, object, &mut record);
    Some(record)
}

/// The record of the smallest range that holds `number`.
pub(super) fn autnum(number: u32, sheet: &Sheet) -> Option<Record> {
    let ranges = sheet.all(&NUMBERS).filter_map(|entry| Some((range(&entry.value)?, entry.object)));
    let holding = ranges.filter(|((first, last), _)| (*first..=*last).contains(&number));
    let ((first, last), object) = holding.min_by_key(|((first, last), _)| last - first)?;
    let mut record = Record::default();
    record.set_value("asn.first", json!(first));
    record.set_value("asn.last", json!(last));
    record.set("asn.name", sheet.first(&SYSTEM_NAMES, |entry| entry.object == object));
    holder(sheet, object, &mut record);
    Some(record)
}

/// `AS3333`, `1877 - 1901`.
fn range(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| text.trim().trim_start_matches(['A', 'S', 'a', 's']).parse::<u32>().ok();
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

fn holder(sheet: &Sheet, object: usize, record: &mut Record) {
    let own = |entry: &Entry| entry.object == object;
    record.set("handle", sheet.first(&HANDLES, own));
    // What belongs to it follows it; what comes before belongs to a larger network.
    let after = |entry: &Entry| entry.object > object;
    let name = sheet.first(&HOLDERS, own).or_else(|| sheet.first(&HOLDERS_BESIDE, after));
    record.set("organisation", name.or_else(|| sheet.first(&["descr"], own)));
    let beside =
        |entry: &Entry| after(entry) && matches!(sheet.head(entry.object), "organisation" | "orgname" | "custname");
    let country = sheet.first(&["country"], own).or_else(|| sheet.first(&["country"], beside));
    record.set("country", country);
    for entry in sheet.all(&["status"]).filter(|entry| own(entry)) {
        record.push("status", &entry.value);
    }
    record.date("created", sheet.first(&CREATED, own));
    record.date("updated", sheet.first(&UPDATED, own));
    people::read(sheet, record);
}
