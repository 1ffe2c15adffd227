//! One service of an address, as Shodan describes it.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::collectors::facts::{Facts, Origin, filled};
use crate::enquiry::Object;

/// One service.
#[derive(Deserialize)]
pub(super) struct Banner {
    pub(super) port: u16,
    transport: Option<String>,
    product: Option<String>,
    version: Option<String>,
    cpe: Option<Vec<String>>,
    cpe23: Option<Vec<String>>,
    timestamp: Option<String>,
    vulns: Option<BTreeMap<String, Object<Weakness>>>,
    #[serde(rename = "_shodan")]
    crawler: Option<Object<Crawler>>,
}

/// What is known of a weakness.
#[derive(Default, Clone, Deserialize, Serialize)]
pub(super) struct Weakness {
    pub(super) verified: Option<bool>,
    cvss: Option<Score>,
    summary: Option<String>,
}

/// How a service was spoken to.
#[derive(Deserialize)]
struct Crawler {
    module: Option<String>,
}

/// A number, which Shodan has also written as a text.
#[derive(Clone, Copy, Serialize)]
struct Score(f64);

struct Written;

impl Banner {
    /// The facts it holds.
    pub(super) fn tell(&self, address: &str, facts: &Facts<'_>, origin: &Origin<'_>) {
        let transport = self.transport.as_deref().unwrap_or("tcp");
        let port = format!("{}/{transport}", self.port);
        let at = json!({ "ip": address, "port": self.port, "transport": transport, "timestamp": self.timestamp });
        facts.add(origin, "port", port.clone(), at.clone());
        if let Some(name) = self.name() {
            let module = self.crawler.as_ref().and_then(|Object(crawler)| crawler.module.as_ref());
            let mut attributes = filled(at);
            attributes.extend(filled(json!({ "product": self.product, "version": self.version, "module": module })));
            facts.add(origin, "service", format!("{port} {name}"), Value::Object(attributes));
        }
        for cpe in self.cpes() {
            let attributes = json!({ "product": self.product, "version": self.version, "port": self.port });
            facts.add(origin, "software", cpe, attributes);
        }
    }

    /// How the report shows it.
    pub(super) fn row(&self) -> Value {
        json!({
            "port": self.port,
            "transport": self.transport,
            "product": self.product,
            "version": self.version,
            "cpe": self.cpes(),
            "timestamp": self.timestamp,
            "vulns": self.weaknesses().map(|(name, _)| name).collect::<Vec<_>>(),
        })
    }

    /// Its weaknesses, with what is known of each.
    pub(super) fn weaknesses(&self) -> impl Iterator<Item = (&String, &Weakness)> {
        self.vulns.iter().flatten().map(|(name, Object(weakness))| (name, weakness))
    }

    /// Product and version, or else the protocol.
    fn name(&self) -> Option<String> {
        let named: Vec<_> = [&self.product, &self.version].into_iter().flatten().map(String::as_str).collect();
        match (named.is_empty(), &self.crawler) {
            (false, _) => Some(named.join(" ")),
            (true, Some(Object(crawler))) => crawler.module.clone(),
            (true, None) => None,
        }
    }

    /// In the newer form where there is one; each is the other written differently.
    fn cpes(&self) -> &[String] {
        self.cpe23.as_ref().or(self.cpe.as_ref()).map_or(&[], Vec::as_slice)
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written).map(Self)
    }
}

impl Visitor<'_> for Written {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        u32::try_from(number).map(f64::from).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        text.trim().parse().map_err(E::custom)
    }
}
