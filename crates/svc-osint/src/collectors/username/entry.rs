//! What the readers of all kinds of list share: an entry can be used, or there is a word for why not.

use super::pattern::Pattern;
use super::site::Site;
use super::template::Template;

/// What became of one entry of a list.
pub(super) type Entry = Result<Site, Unusable>;

/// Why an entry cannot be used; told in numbers, because a list goes on being useful without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unusable {
    /// The list itself has switched it off.
    Disabled,
    /// It has no address, or none that can be asked.
    NoUrl,
    /// The name is in nothing that is sent.
    NoName,
    /// Its expression for names is none.
    Regex,
    /// It is asked for numbers and other identifiers, not for names.
    OtherIdentifier,
    /// It is asked through another network than the web: Tor, I2P, the DNS.
    OtherNetwork,
    /// It finds similar names too, so what it finds proves nothing.
    Similar,
    /// It is asked in a way that would change something there.
    Method,
    /// What its answers mean is not said, or in a way not known here.
    Rule,
    /// It wants a cookie, and no scan sends one.
    Cookie,
    /// An earlier entry asks the same.
    Repeated,
}

impl Unusable {
    /// The word of the report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::NoUrl => "no-url",
            Self::NoName => "no-name",
            Self::Regex => "regex",
            Self::OtherIdentifier => "other-identifier",
            Self::OtherNetwork => "other-network",
            Self::Similar => "similar-names",
            Self::Method => "method",
            Self::Rule => "rule",
            Self::Cookie => "cookie",
            Self::Repeated => "repeated",
        }
    }
}

/// Headers that are the door's own matter.
const OURS: [&str; 9] = [
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers of an entry, names in lower case.
pub(super) fn headers(pairs: Vec<(String, String)>, mark: &str) -> Result<Vec<(String, Template)>, Unusable> {
    let mut headers = Vec::new();
    for (name, value) in pairs {
        let name = name.trim().to_ascii_lowercase();
        if name == "cookie" {
            return Err(Unusable::Cookie);
        }
        if !OURS.contains(&name.as_str()) && !name.starts_with("proxy-") {
            headers.push((name, Template::new(value.trim(), mark)));
        }
    }
    Ok(headers)
}

/// The names an entry takes.
pub(super) fn pattern(text: Option<&str>) -> Result<Option<Pattern>, Unusable> {
    text.map(|text| Pattern::new(text).map_err(|_| Unusable::Regex)).transpose()
}

/// An address of an entry.
pub(super) fn address(text: Option<&str>, mark: &str) -> Result<Template, Unusable> {
    let text = text.unwrap_or_default().trim();
    let web = ["http://", "https://"].into_iter().any(|scheme| {
        text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)) && text.len() > scheme.len()
    });
    if web { Ok(Template::new(text, mark)) } else { Err(Unusable::NoUrl) }
}
