//! Breaches and pastes, under the names that Have I Been Pwned gives their parts.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::collectors::facts::{Facts, Origin};
use crate::enquiry::Object;
use crate::model::Gathering;

/// Rows of a list.
pub(super) type Rows<T> = Vec<Object<T>>;

/// One breach. Its description is left out: it is HTML, and stands on the page that each finding leads to.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Breach {
    name: String,
    title: Option<String>,
    domain: Option<String>,
    #[serde(rename = "BreachDate")]
    date: Option<String>,
    added_date: Option<String>,
    modified_date: Option<String>,
    pwn_count: Option<u64>,
    data_classes: Option<Vec<String>>,
    is_verified: Option<bool>,
    is_fabricated: Option<bool>,
    is_sensitive: Option<bool>,
    is_retired: Option<bool>,
    is_spam_list: Option<bool>,
    is_malware: Option<bool>,
    is_subscription_free: Option<bool>,
    is_stealer_log: Option<bool>,
}

/// One paste with the address in it.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Paste {
    source: String,
    id: String,
    title: Option<String>,
    date: Option<String>,
    email_count: Option<u64>,
}

impl Breach {
    /// Whether it is one of this site.
    pub(super) fn is_of(&self, domain: &str) -> bool {
        self.domain.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(domain))
    }
}

pub(super) fn tell(out: &Gathering, facts: &Facts<'_>, source: &str, breaches: &Rows<Breach>) {
    for Object(breach) in breaches {
        // Not verified: it may not have happened.
        let confidence = if breach.is_verified == Some(true) { 1.0 } else { 0.5 };
        let url = Some(format!("https://haveibeenpwned.com/Breach/{}", breach.name));
        let attributes = json!({
            "title": breach.title,
            "domain": breach.domain,
            "breach_date": breach.date,
            "pwn_count": breach.pwn_count,
            "data_classes": breach.data_classes,
            "verified": breach.is_verified,
            "sensitive": breach.is_sensitive,
        });
        facts.add(&Origin { source, url, confidence }, "breach", &breach.name, attributes);
    }
    out.set("breaches", json!(breaches));
}

pub(super) fn tell_pastes(out: &Gathering, facts: &Facts<'_>, source: &str, pastes: &Rows<Paste>) {
    for Object(paste) in pastes {
        let value = format!("{} {}", paste.source, paste.id);
        let attributes =
            json!({ "paste": true, "title": paste.title, "date": paste.date, "emails": paste.email_count });
        facts.add(&Origin { source, url: None, confidence: 0.8 }, "breach", value, attributes);
    }
    out.set("pastes", json!(pastes));
}
