//! What a scan says in the end: the records of all sources as one, who said what, and the facts.

use serde_json::{Map, Value, json};

use super::Wanted;
use super::record::{Part, Record};
use crate::model::{Finding, Gathering};

/// Most differences told.
const MAX_DIFFERENCES: usize = 20;

/// Writes that the target is registered, as `parts` tell it, the one that counts most first.
pub(super) fn registered(wanted: &Wanted, parts: &[Part], out: &Gathering) {
    let merged = so_far(parts, out);
    for finding in facts(wanted, &merged, parts) {
        out.finding(finding);
    }
}

/// Writes what is known until now, so that a scan cut short while it waits for one server more has it.
pub(super) fn so_far(parts: &[Part], out: &Gathering) -> Merged {
    let merged = merge(parts);
    out.set("registered", true.into());
    for (key, value) in nested(&merged.record.fields) {
        out.set(&key, value);
    }
    out.set("dates_as_written", Value::Object(merged.record.written.clone()));
    out.set("contacts", Value::Array(merged.contacts.clone()));
    out.set("redacted", merged.record.redacted.into());
    out.set("sources_of", Value::Object(merged.origins.clone()));
    out.set("differences", Value::Array(merged.differences.clone()));
    merged
}

/// Writes that nobody has the target.
pub(super) fn unregistered(wanted: &Wanted, source: &str, url: Option<&str>, out: &Gathering) {
    out.set("registered", false.into());
    let kind = match wanted {
        Wanted::Domain(_) => "domain",
        Wanted::Ip(_) => "netblock",
        Wanted::Asn(_) => "asn",
    };
    out.finding(Finding {
        kind: kind.to_owned(),
        value: wanted.to_string(),
        source: source.to_owned(),
        source_url: url.map(str::to_owned),
        confidence: 1.0,
        attributes: attributes([("registered", json!(false))]),
        evidence: Vec::new(),
    });
}

/// All records as one.
pub(super) struct Merged {
    record: Record,
    contacts: Vec<Value>,
    /// By field, the source it was taken from.
    origins: Map<String, Value>,
    /// What a later source says otherwise.
    differences: Vec<Value>,
}

/// The first part counts; the others fill what it leaves open, and are quoted where they say otherwise.
fn merge(parts: &[Part]) -> Merged {
    let mut merged =
        Merged { record: Record::default(), contacts: Vec::new(), origins: Map::new(), differences: Vec::new() };
    for Part { record, source, .. } in parts {
        for (field, value) in &record.fields {
            match merged.record.fields.get(field) {
                None => {
                    merged.record.fields.insert(field.clone(), value.clone());
                    merged.origins.insert(field.clone(), json!(source));
                    if let Some(written) = record.written.get(field) {
                        merged.record.written.insert(field.clone(), written.clone());
                    }
                }
                Some(known) if !alike(known, value) && merged.differences.len() < MAX_DIFFERENCES => {
                    merged.differences.push(json!({ "field": field, "value": value, "source": source }));
                }
                Some(_) => {}
            }
        }
        for contact in &record.contacts {
            let mut contact = json!(contact);
            contact["source"] = json!(source);
            merged.contacts.push(contact);
        }
        merged.record.redacted |= record.redacted;
    }
    merged
}

/// Equal but for letters' case and the order of lists.
fn alike(one: &Value, other: &Value) -> bool {
    let text = |value: &Value| value.as_str().map(|text| text.trim_end_matches('.').to_lowercase());
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            let texts = |list: &[Value]| {
                let mut texts: Vec<_> = list.iter().map(|value| text(value).unwrap_or_default()).collect();
                texts.sort_unstable();
                texts
            };
            texts(one) == texts(other)
        }
        (Value::String(_), Value::String(_)) => text(one) == text(other),
        _ => one == other,
    }
}

/// `registrar.name` becomes `{registrar: {name}}`.
fn nested(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut levels = Map::new();
    for (field, value) in fields {
        match field.split_once('.') {
            None => {
                levels.insert(field.clone(), value.clone());
            }
            Some((outer, inner)) => {
                let level = levels.entry(outer).or_insert_with(|| json!({}));
                if let Some(level) = level.as_object_mut() {
                    level.insert(inner.to_owned(), value.clone());
                }
            }
        }
    }
    levels
}

fn facts(wanted: &Wanted, merged: &Merged, parts: &[Part]) -> Vec<Finding> {
    let fields = &merged.record.fields;
    let value = |field: &str| fields.get(field).cloned().unwrap_or(Value::Null);
    let text = |field: &str| fields.get(field).and_then(Value::as_str).map(str::to_owned);
    let mut facts = Vec::new();
    let mut add = |kind: &str, fact: String, source: &str, attributes: Map<String, Value>| {
        let part = parts.iter().find(|part| part.source == source);
        facts.push(Finding {
            kind: kind.to_owned(),
            value: fact,
            source: source.to_owned(),
            source_url: part.and_then(|part| part.url.clone()),
            // What the first says is the registry's own word; the rest is what others say of it.
            confidence: if parts.first().is_some_and(|first| first.source == source) { 1.0 } else { 0.9 },
            attributes,
            evidence: Vec::new(),
        });
    };
    let first = parts.first().map(|part| part.source.clone()).unwrap_or_default();
    let by = |field: &str| merged.origins.get(field).and_then(Value::as_str).unwrap_or(&first).to_owned();
    let holder = [
        ("registered", json!(true)),
        ("created", value("created")),
        ("updated", value("updated")),
        ("status", value("status")),
        ("organisation", value("organisation")),
        ("country", value("country")),
    ];
    match wanted {
        Wanted::Domain(name) => {
            let own = [
                ("expires", value("expires")),
                ("nameservers", value("nameservers")),
                ("dnssec", value("dnssec.signed")),
                ("redacted", json!(merged.record.redacted)),
            ];
            add("domain", name.clone(), &first, attributes(holder.into_iter().chain(own)));
        }
        Wanted::Ip(_) => {
            let own = ["start", "end", "cidrs", "name", "type", "parent"];
            let own = own.map(|field| (field, value(&format!("network.{field}"))));
            if let Some(block) = block(fields) {
                add("netblock", block, &by("network.start"), attributes(holder.into_iter().chain(own)));
            }
        }
        Wanted::Asn(number) => {
            let own = ["first", "last", "name"].map(|field| (field, value(&format!("asn.{field}"))));
            add("asn", format!("AS{number}"), &first, attributes(holder.into_iter().chain(own)));
        }
    }
    if let Some(name) = text("registrar.name") {
        let more = [("iana_id", value("registrar.iana_id")), ("url", value("registrar.url"))];
        add("registrar", name, &by("registrar.name"), attributes(more));
    }
    if let Some(mailbox) = text("abuse.email") {
        let more = [("role", json!("abuse")), ("phone", value("abuse.phone"))];
        add("email", mailbox, &by("abuse.email"), attributes(more));
    }
    for contact in &merged.contacts {
        let shown = ["name", "organisation", "email", "phone"].iter().find_map(|field| contact[*field].as_str());
        if let (Some(shown), Some(more)) = (shown, contact.as_object()) {
            add("contact", shown.to_owned(), contact["source"].as_str().unwrap_or_default(), more.clone());
        }
    }
    facts
}

/// A block as people write it: one prefix, or from where to where.
fn block(fields: &Map<String, Value>) -> Option<String> {
    let cidrs = fields.get("network.cidrs").and_then(Value::as_array);
    if let Some([Value::String(cidr)]) = cidrs.map(Vec::as_slice) {
        return Some(cidr.clone());
    }
    let end = |field: &str| fields.get(field).and_then(Value::as_str);
    Some(format!("{} - {}", end("network.start")?, end("network.end")?))
}

fn attributes(list: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    list.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
}
