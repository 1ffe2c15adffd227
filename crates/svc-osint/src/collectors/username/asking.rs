//! The request for one name at one site: the name encoded wherever it goes, and none at all where it cannot be one.

use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::site::{Method, Payload, Site};
use super::template::encoded;
use crate::connector::{FetchError, Request};
use crate::turns::Turns;

/// What is sent, and what it is about.
pub(super) struct Asking {
    pub(super) request: Request,
    /// Where it is sent.
    pub(super) asked: Url,
    /// Where people would see the account.
    pub(super) profile: String,
    /// The name as it stands in addresses, in lower case.
    pub(super) name: String,
    /// Where names without account are sent to.
    pub(super) gone: Option<String>,
}

/// Why nothing is sent.
pub(super) enum Unaskable {
    /// The site takes no such names.
    Illegal(&'static str),
    /// Its expression for names could not be brought to an end.
    Undecided,
    /// What the list says cannot be sent.
    Unsendable(FetchError),
}

/// Makes the request for `name`, to be sent in turn with others to its host.
pub(super) fn asking(site: &Site, name: &str, turns: &Arc<Turns>) -> Result<Asking, Unaskable> {
    let name: String = name.chars().filter(|letter| !site.strip.contains(*letter)).collect();
    legal(site, &name)?;
    let filled = encoded(&name);
    let address = site.probe().with(&filled);
    let asked =
        Url::parse(&address).map_err(|error| Unaskable::Unsendable(FetchError::Address { why: error.to_string() }))?;
    let request = sending(site, &name, &filled, &asked).map_err(Unaskable::Unsendable)?;
    // Where one is sent to is the answer itself.
    let request = if site.rule.by.redirect { request.without_redirects() } else { request };
    Ok(Asking {
        request: request.in_turn(Arc::clone(turns)),
        asked,
        profile: site.url.with(&filled),
        name: filled.to_ascii_lowercase(),
        gone: site.rule.gone.as_ref().map(|gone| gone.with(&filled)),
    })
}

/// Where people would see the account.
pub(super) fn profile(site: &Site, name: &str) -> String {
    site.url.encoded(name)
}

/// Whether a site would take this name.
pub(super) fn legal(site: &Site, name: &str) -> Result<(), Unaskable> {
    // A step of dots alone would lead out of the folder of accounts, however it is written.
    if name.chars().all(|letter| letter == '.') {
        return Err(Unaskable::Illegal("not-a-name"));
    }
    let label = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if site.probe().names_host() && (!name.chars().all(label) || name.starts_with('-') || name.ends_with('-')) {
        return Err(Unaskable::Illegal("not-a-host"));
    }
    match site.pattern.as_ref().map(|pattern| pattern.admits(name)) {
        None | Some(Ok(true)) => Ok(()),
        Some(Ok(false)) => Err(Unaskable::Illegal("regex")),
        Some(Err(_)) => Err(Unaskable::Undecided),
    }
}

fn sending(site: &Site, name: &str, filled: &str, asked: &Url) -> Result<Request, FetchError> {
    let (body, kind) = match &site.payload {
        None => (Vec::new(), None),
        Some(Payload::Json(value, mark)) => {
            (named(value, mark, name).to_string().into_bytes(), Some("application/json"))
        }
        Some(Payload::JsonText(template)) => {
            let quoted = Value::from(name).to_string();
            let inside = quoted.get(1..quoted.len() - 1).unwrap_or_default();
            (template.with(inside).into_bytes(), Some("application/json"))
        }
        Some(Payload::Form(template)) => {
            (template.with(filled).into_bytes(), Some("application/x-www-form-urlencoded"))
        }
    };
    let mut request = match site.method {
        Method::Get => Request::get(asked.as_str()),
        Method::Head => Request::head(asked.as_str()),
        Method::Post => Request::post(asked.as_str(), body),
    };
    if let (Method::Post, Some(kind)) = (site.method, kind) {
        request = request.header("content-type", kind)?;
    }
    for (header, value) in &site.headers {
        let value = value.with(filled);
        // Keys that stand in public lists are still not for those a site sends us on to.
        request = if is_key(header) { request.secret(header, &value)? } else { request.header(header, &value)? };
    }
    Ok(request)
}

fn is_key(header: &str) -> bool {
    ["authorization", "token", "key", "auth"].into_iter().any(|word| header.contains(word))
}

/// `value` with the name in the place of every mark in its texts.
fn named(value: &Value, mark: &str, name: &str) -> Value {
    match value {
        Value::String(text) => Value::from(text.replace(mark, name)),
        Value::Array(values) => values.iter().map(|value| named(value, mark, name)).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), named(value, mark, name))).collect())
        }
        other => other.clone(),
    }
}
