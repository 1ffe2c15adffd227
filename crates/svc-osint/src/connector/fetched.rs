//! What a fetch is given and gives back.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

/// The headers worth keeping: what says something about the server or the document.
pub(super) const KEPT_HEADERS: [&str; 14] = [
    "cf-mitigated",
    "content-disposition",
    "content-language",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "location",
    "retry-after",
    "server",
    "x-datadome",
    "x-powered-by",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
];

/// How much of a stranger's answer is taken.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest body in bytes, after unpacking. Default: 10 MiB.
    pub body: usize,
    /// Longest time for everything, redirects included. Default: 30 s.
    pub total: Duration,
    /// Longest silence: until the first byte of an answer and between two pieces. Default: 10 s.
    pub idle: Duration,
    /// Redirects followed. Default: 5.
    pub redirects: usize,
    /// Whether a larger body is cut at that size instead of refused. Default: false.
    pub cut: bool,
}

/// An answer, whatever its status.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fetched {
    /// The address that answered, after redirects, without fragment.
    pub url: String,
    /// The HTTP status.
    pub status: u16,
    /// The `content-type` as the server claims it; proves nothing.
    pub content_type: Option<String>,
    /// Headers of interest, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, unpacked.
    #[serde(with = "in_base64")]
    pub body: Vec<u8>,
    /// Whether the body goes on where it ends here.
    #[serde(default)]
    pub cut: bool,
    /// The addresses that redirected here, oldest first.
    pub trail: Vec<String>,
    /// How long it all took.
    pub took: Duration,
}

/// An answer that does not know yet how it was reached.
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    pub(super) cut: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 10 << 20, total: Duration::from_secs(30), idle: Duration::from_secs(10), redirects: 5, cut: false }
    }
}

impl Fetched {
    /// Whether redirects led from those who were asked to somebody else.
    pub fn is_of_others(&self) -> bool {
        let whose = |url: &str| Url::parse(url).ok().and_then(|url| organisation(&url));
        self.trail.first().is_some_and(|asked| whose(asked) != whose(&self.url))
    }
}

/// To whom an address belongs: its registrable domain.
pub(crate) fn organisation(url: &Url) -> Option<String> {
    let host = url.host_str()?.to_ascii_lowercase();
    Some(psl::domain_str(&host).map_or_else(|| host.clone(), str::to_owned))
}

/// Bytes as a text a third longer than they are; a list of numbers would be nearly four times as long.
mod in_base64 {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Page {
    pub(super) fn at(self, url: &Url, trail: Vec<String>, took: Duration) -> Fetched {
        Fetched {
            url: url.to_string(),
            status: self.status,
            content_type: self.headers.get("content-type").cloned(),
            headers: self.headers,
            body: self.body,
            cut: self.cut,
            trail,
            took,
        }
    }
}
