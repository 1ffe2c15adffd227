//! The objects of RDAP (RFC 9083): a domain, a network, an autonomous system, with whom and what belongs to them.

use serde_json::{Value, json};
use url::Url;

use super::jcard::Card;
use super::network::Range;
use super::record::{Contact, Record};
use super::{Wanted, phrases};

/// Entities looked at, and how deep they may lie within each other.
const MAX_ENTITIES: usize = 50;
const MAX_DEPTH: usize = 3;
/// Most of a notice that is quoted, in characters.
const MAX_NOTICE: usize = 200;

/// Whether an object is what was asked for, by its own words; one that does not say so is believed.
pub(super) fn is_wanted(wanted: &Wanted, object: &Value) -> bool {
    let class = |name: &str, sign: &str| match object["objectClassName"].as_str() {
        Some(class) => class.eq_ignore_ascii_case(name),
        None => !object[sign].is_null(),
    };
    match wanted {
        Wanted::Domain(name) => {
            let own = object["ldhName"].as_str().map(|own| own.trim_end_matches('.').to_ascii_lowercase());
            class("domain", "ldhName") && own.is_none_or(|own| own == *name)
        }
        Wanted::Ip(address) => {
            class("ip network", "startAddress") && range(object).is_none_or(|range| range.holds(*address))
        }
        Wanted::Asn(number) => {
            let end = |field: &str| object[field].as_u64();
            let outside = end("startAutnum").is_some_and(|first| first > u64::from(*number))
                || end("endAutnum").is_some_and(|last| last < u64::from(*number));
            class("autnum", "startAutnum") && !outside
        }
    }
}

/// What an object says.
pub(super) fn read(wanted: &Wanted, object: &Value) -> Record {
    let mut record = Record::default();
    record.set("handle", object["handle"].as_str());
    record.redacted |= object["redacted"].as_array().is_some_and(|list| !list.is_empty());
    match wanted {
        Wanted::Domain(_) => domain(object, &mut record),
        Wanted::Ip(_) => network(object, &mut record),
        Wanted::Asn(_) => autnum(object, &mut record),
    }
    for status in texts(&object["status"]) {
        record.push("status", status);
    }
    events(object, &mut record);
    let mut left = MAX_ENTITIES;
    entities(wanted, object, &mut record, MAX_DEPTH, &mut left);
    remarks(object, &mut record);
    record
}

/// Where the registrar tells more of a domain, as the registry says.
pub(super) fn related(name: &str, object: &Value, asked: &str) -> Option<Url> {
    let links = object["links"].as_array()?;
    let rdap = |link: &&Value| {
        let kind = link["type"].as_str().unwrap_or_default();
        link["rel"].as_str() == Some("related") && (kind.contains("rdap+json") || kind.is_empty())
    };
    let mut url = links.iter().filter(rdap).find_map(|link| Url::parse(link["href"].as_str()?).ok())?;
    if !url.path().contains("/domain/") {
        // Some registries give the server's address alone.
        url.path_segments_mut().ok()?.pop_if_empty().extend(["domain", name]);
    }
    (!url.as_str().eq_ignore_ascii_case(asked)).then_some(url)
}

/// What the server says of limits, if it says anything.
pub(super) fn notice(object: &Value) -> Option<String> {
    let notices = object["notices"].as_array()?.iter().take(MAX_ENTITIES);
    let told = notices.filter_map(|notice| {
        let title = notice["title"].as_str().unwrap_or_default();
        let lines: Vec<_> = texts(&notice["description"]).collect();
        let text = format!("{title} {}", lines.join(" "));
        phrases::speaks_of_limits(&text).then_some(text)
    });
    let plain: String = told.map(|text| text.replace(char::is_control, " ")).next()?;
    Some(plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_NOTICE).collect())
}

fn domain(object: &Value, record: &mut Record) {
    record.set("domain", object["ldhName"].as_str().map(|name| name.trim_end_matches('.').to_lowercase()).as_deref());
    record.set("unicode_name", object["unicodeName"].as_str());
    for server in object["nameservers"].as_array().into_iter().flatten() {
        if let Some(name) = server["ldhName"].as_str() {
            record.push("nameservers", &name.trim_end_matches('.').to_lowercase());
        }
    }
    let secure = &object["secureDNS"];
    if let Some(signed) = secure["delegationSigned"].as_bool() {
        record.set_value("dnssec.signed", json!(signed));
    }
    for ds in secure["dsData"].as_array().into_iter().flatten() {
        let number = |field: &str| ds[field].as_u64().unwrap_or_default();
        let digest = ds["digest"].as_str().unwrap_or_default();
        let text = format!("{} {} {} {digest}", number("keyTag"), number("algorithm"), number("digestType"));
        record.push("dnssec.ds", &text);
    }
}

fn network(object: &Value, record: &mut Record) {
    if let Some(range) = range(object) {
        record.set("network.start", Some(&range.start.to_string()));
        record.set("network.end", Some(&range.end.to_string()));
        for cidr in object["cidr0_cidrs"].as_array().into_iter().flatten() {
            let prefix = cidr["v4prefix"].as_str().or_else(|| cidr["v6prefix"].as_str());
            if let (Some(prefix), Some(length)) = (prefix, cidr["length"].as_u64()) {
                record.push("network.cidrs", &format!("{prefix}/{length}"));
            }
        }
        // Not every registry has the extension.
        range.write(record);
    }
    record.set("network.name", object["name"].as_str());
    record.set("network.type", object["type"].as_str());
    record.set("network.parent", object["parentHandle"].as_str());
    record.set("country", object["country"].as_str());
}

fn autnum(object: &Value, record: &mut Record) {
    for (field, name) in [("asn.first", "startAutnum"), ("asn.last", "endAutnum")] {
        if let Some(number) = object[name].as_u64() {
            record.set_value(field, json!(number));
        }
    }
    record.set("asn.name", object["name"].as_str());
    record.set("country", object["country"].as_str());
}

fn range(object: &Value) -> Option<Range> {
    // Some write the length of the prefix behind the address.
    let end = |field: &str| object[field].as_str()?.split('/').next()?.parse().ok();
    Range::new(end("startAddress")?, end("endAddress")?)
}

fn events(object: &Value, record: &mut Record) {
    for event in object["events"].as_array().into_iter().flatten() {
        let field = match event["eventAction"].as_str().unwrap_or_default() {
            "registration" => "created",
            "last changed" => "updated",
            "expiration" => "expires",
            "transfer" => "transferred",
            "registrar expiration" => "registrar.expires",
            _ => continue,
        };
        record.date(field, event["eventDate"].as_str());
    }
}

fn entities(wanted: &Wanted, within: &Value, record: &mut Record, depth: usize, left: &mut usize) {
    let Some(depth) = depth.checked_sub(1) else { return };
    for entity in within["entities"].as_array().into_iter().flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        one(wanted, entity, record);
        remarks(entity, record);
        entities(wanted, entity, record, depth, left);
    }
}

fn one(wanted: &Wanted, entity: &Value, record: &mut Record) {
    let card = Card::of(entity);
    let roles: Vec<String> = texts(&entity["roles"]).map(str::to_lowercase).collect();
    let is = |role: &str| roles.iter().any(|own| own == role);
    if is("registrar") {
        registrar(entity, &card, record);
    }
    if is("abuse") {
        if let Some(mailbox) = card.email.and_then(|text| record.email(text)) {
            record.set("abuse.email", Some(&mailbox));
        }
        record.set("abuse.phone", card.phone);
    }
    let is_org = card.kind.is_none_or(|kind| kind.eq_ignore_ascii_case("org"));
    if is("registrant") && !matches!(wanted, Wanted::Domain(_)) && is_org {
        // Elsewhere the holder of the record's password is a registrant as well.
        record.set("organisation", card.organisation.or(card.name));
        record.set("country", card.country);
    }
    if is("registrar") || roles.is_empty() {
        return;
    }
    let mut shown = |text: Option<&str>| text.and_then(|text| record.shown(text));
    let contact = Contact {
        handle: shown(entity["handle"].as_str()),
        name: shown(card.name),
        organisation: shown(card.organisation),
        phone: shown(card.phone),
        country: shown(card.country),
        email: card.email.and_then(|text| record.email(text)),
        roles,
    };
    record.contact(contact);
}

fn registrar(entity: &Value, card: &Card<'_>, record: &mut Record) {
    record.set("registrar.name", card.name.or(card.organisation));
    let ids = entity["publicIds"].as_array().into_iter().flatten();
    let iana = ids.filter(|id| id["type"].as_str().is_some_and(|kind| kind.to_lowercase().contains("iana")));
    for id in iana {
        let number = id["identifier"].as_u64().map(|number| number.to_string());
        record.set("registrar.iana_id", id["identifier"].as_str().or(number.as_deref()));
    }
    record.set("registrar.url", card.url);
    let links = entity["links"].as_array().into_iter().flatten();
    let pages = links.filter(|link| link["type"].as_str().is_some_and(|kind| kind.starts_with("text/html")));
    for page in pages {
        record.set("registrar.url", page["href"].as_str());
    }
}

/// Remarks are where servers say that they keep something back.
fn remarks(within: &Value, record: &mut Record) {
    for remark in within["remarks"].as_array().into_iter().flatten() {
        let kind = remark["type"].as_str().unwrap_or_default();
        let title = remark["title"].as_str().unwrap_or_default();
        let hidden = kind.contains("redacted") || kind.contains("truncated due to authorization");
        record.redacted |= hidden || phrases::is_redacted(title);
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
