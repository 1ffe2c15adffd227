//! Entries of Sherlock's `data.json`, by site name.

use serde_json::Value;

use super::entry::{Entry, Unusable, address, headers, pattern};
use super::fields::Fields;
use super::site::{By, Method, Payload, Rule, Sign, Site};
use super::template::Template;

/// What stands for the name.
const MARK: &str = "{}";

/// Reads one entry.
///
/// # Errors
/// A sentence that names site and field.
pub(super) fn site(name: &str, value: &Value) -> Result<Entry, String> {
    let fields = Fields::of(name, value)?;
    let by = match rule_by(&fields.texts("errorType")?) {
        Ok(by) => by,
        Err(unusable) => return Ok(Err(unusable)),
    };
    let texts = if by.message { fields.texts("errorMsg")? } else { Vec::new() };
    if by.message && texts.is_empty() {
        return Ok(Err(Unusable::Rule));
    }
    let rule = Rule {
        by,
        present: Sign::default(),
        absent: Sign { codes: fields.codes("errorCode")?, texts },
        gone: fields.text("errorUrl")?.map(|url| Template::new(url, MARK)),
        ..Rule::default()
    };
    let asked = Asked {
        url: fields.text("url")?,
        probe: fields.text("urlProbe")?,
        method: fields.text("request_method")?,
        pattern: fields.text("regexCheck")?,
        headers: fields.pairs("headers")?,
    };
    let rest = Site {
        name: name.to_owned(),
        url: Template::new("", MARK),
        probe: None,
        method: Method::Get,
        payload: fields.any("request_payload").map(|payload| Payload::Json(payload.clone(), MARK)),
        headers: Vec::new(),
        pattern: None,
        strip: String::new(),
        rule,
        protection: Vec::new(),
        tags: fields.texts("tags")?,
        nsfw: fields.flag("isNSFW")?,
        rank: fields.number("rank")?,
        claimed: fields.texts("username_claimed")?,
        unclaimed: fields.texts("username_unclaimed")?,
    };
    Ok(finished(rest, asked))
}

/// What may turn out to be unusable.
struct Asked<'a> {
    url: Option<&'a str>,
    probe: Option<&'a str>,
    method: Option<&'a str>,
    pattern: Option<&'a str>,
    headers: Vec<(String, String)>,
}

fn finished(mut site: Site, asked: Asked<'_>) -> Entry {
    site.url = address(asked.url, MARK)?;
    site.probe = asked.probe.map(|probe| address(Some(probe), MARK)).transpose()?;
    site.method = match asked.method {
        Some("POST") => Method::Post,
        Some("HEAD") if !site.rule.by.message => Method::Head,
        // Sherlock asks for headers alone where statuses tell; whether a page bars the way is seen on the page only.
        None | Some("GET" | "HEAD") => Method::Get,
        Some(_) => return Err(Unusable::Method),
    };
    site.pattern = pattern(asked.pattern)?;
    site.headers = headers(asked.headers, MARK)?;
    Ok(site)
}

fn rule_by(kinds: &[String]) -> Result<By, Unusable> {
    let mut by = By::default();
    for kind in kinds {
        match kind.as_str() {
            "status_code" => by.status = true,
            "message" => by.message = true,
            "response_url" => by.redirect = true,
            _ => return Err(Unusable::Rule),
        }
    }
    if by == By::default() { Err(Unusable::Rule) } else { Ok(by) }
}
