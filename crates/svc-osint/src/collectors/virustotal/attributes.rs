//! What VirusTotal says of an object, whichever kind it is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::SOURCE;
use crate::collectors::facts::{Facts, Origin};
use crate::enquiry::Object;
use crate::model::Gathering;

/// Longest `whois` kept, in characters.
const WHOIS: usize = 20_000;
/// Most names of a file, tags and threats kept.
const NAMES: usize = 100;

/// The attributes that are shown, by the names VirusTotal uses.
#[derive(Deserialize, Serialize)]
pub(super) struct Attributes {
    last_analysis_stats: Option<Object<Stats>>,
    last_analysis_date: Option<Moment>,
    #[serde(skip_serializing)]
    last_analysis_results: Option<BTreeMap<String, Object<Verdict>>>,
    reputation: Option<i64>,
    total_votes: Option<Object<Votes>>,
    categories: Option<BTreeMap<String, String>>,
    tags: Option<Vec<String>>,
    registrar: Option<String>,
    whois: Option<String>,
    whois_date: Option<Moment>,
    creation_date: Option<Moment>,
    asn: Option<u32>,
    as_owner: Option<String>,
    network: Option<String>,
    country: Option<String>,
    url: Option<String>,
    last_final_url: Option<String>,
    title: Option<String>,
    last_http_response_code: Option<u16>,
    threat_names: Option<Vec<String>>,
    md5: Option<String>,
    sha1: Option<String>,
    sha256: Option<String>,
    meaningful_name: Option<String>,
    names: Option<Vec<String>>,
    size: Option<u64>,
    type_description: Option<String>,
    first_submission_date: Option<Moment>,
    last_submission_date: Option<Moment>,
    times_submitted: Option<u64>,
}

/// How many programs said what. Of files there are further words for those that could not look.
#[derive(Deserialize, Serialize)]
struct Stats {
    malicious: Option<u32>,
    suspicious: Option<u32>,
    harmless: Option<u32>,
    undetected: Option<u32>,
    timeout: Option<u32>,
}

#[derive(Deserialize, Serialize)]
struct Votes {
    harmless: Option<u32>,
    malicious: Option<u32>,
}

/// Seconds since 1970; shown in UTC as people write it.
#[derive(Clone, Copy, Deserialize)]
struct Moment(i64);

/// What one program says.
#[derive(Deserialize)]
struct Verdict {
    category: String,
    result: Option<String>,
}

impl Attributes {
    /// Writes it all into the gathering; `target` is what was asked about.
    pub(super) fn tell(self, out: &Gathering, kind: &str, id: &str, target: &str) {
        let facts = Facts::new(out);
        let page = match kind {
            "domain" => Some("domain"),
            "ip_address" => Some("ip-address"),
            "url" => Some("url"),
            "file" => Some("file"),
            _ => None,
        };
        let url = page.map(|page| format!("https://www.virustotal.com/gui/{page}/{id}"));
        self.facts(&facts, &Origin { source: SOURCE, url, confidence: 0.9 }, target);
        out.set("object_type", json!(kind));
        out.set("object_id", json!(id));
        for (name, value) in self.members() {
            out.set(&name, value);
        }
    }

    fn facts(&self, facts: &Facts<'_>, origin: &Origin<'_>, target: &str) {
        if let Some(Object(stats)) = &self.last_analysis_stats {
            let attributes = json!({
                "last_analysis_stats": stats,
                "last_analysis_date": self.last_analysis_date,
                "reputation": self.reputation,
            });
            facts.add(origin, "reputation", target, attributes);
        }
        if let Some(registrar) = &self.registrar {
            facts.add(origin, "registrar", registrar, json!({ "creation_date": self.creation_date }));
        }
        if let Some(asn) = self.asn {
            facts.add(origin, "asn", format!("AS{asn}"), json!({ "org": self.as_owner }));
        }
        if let Some(network) = &self.network {
            facts.add(origin, "netblock", network, json!({ "org": self.as_owner }));
        }
        if let Some(country) = &self.country {
            facts.add(origin, "geo", country, json!({}));
        }
        for name in self.threat_names.iter().flatten().take(NAMES) {
            facts.add(origin, "reputation", name, json!({ "threat": true }));
        }
    }

    /// All of it, of lists and texts a beginning.
    fn members(mut self) -> Map<String, Value> {
        for list in [&mut self.tags, &mut self.threat_names, &mut self.names].into_iter().flatten() {
            list.truncate(NAMES);
        }
        self.whois = self.whois.map(|text| text.chars().take(WHOIS).collect());
        let mut members = match serde_json::to_value(&self) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        members.insert("detections".to_owned(), self.detections());
        members
    }

    fn detections(&self) -> Value {
        let results = self.last_analysis_results.iter().flatten();
        let bad = results.filter(|(_, Object(it))| matches!(it.category.as_str(), "malicious" | "suspicious"));
        let row = |(engine, Object(it)): (&String, &Object<Verdict>)| json!({ "engine": engine, "category": it.category, "result": it.result });
        bad.map(row).collect()
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Timestamp::from_second(self.0).ok().map(|moment| moment.to_string()).serialize(serializer)
    }
}
