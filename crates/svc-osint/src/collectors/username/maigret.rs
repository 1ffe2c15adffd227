//! Entries of Maigret's `data.json`: sites, many of which have what they have in common in an engine.

use serde_json::{Map, Value};

use super::entry::{Entry, Unusable, address, headers, pattern};
use super::fields::Fields;
use super::site::{By, Method, Payload, Rule, Sign, Site};
use super::template::Template;

/// What stands for the name once a text is read; see [`formatted`].
const MARK: &str = "\u{0}";
/// What such a site is asked for unless it says otherwise.
const USERNAME: &str = "username";

/// Reads one entry.
///
/// # Errors
/// A sentence that names site and field.
pub(super) fn site(name: &str, value: &Value, engines: &Map<String, Value>) -> Result<Entry, String> {
    let mut fields = Fields::of(name, value)?;
    if let Some(engine) = fields.text("engine")? {
        let shared = engines.get(engine).and_then(|engine| engine.get("site")).and_then(Value::as_object);
        let Some(shared) = shared else {
            return Err(format!("site `{name}`: field `engine` names `{engine}`, which the file does not hold"));
        };
        fields = fields.with_engine(shared);
    }
    if fields.flag("disabled")? {
        return Ok(Err(Unusable::Disabled));
    }
    if fields.text("type")?.is_some_and(|kind| kind != USERNAME) {
        return Ok(Err(Unusable::OtherIdentifier));
    }
    if fields.text("protocol")?.is_some() {
        return Ok(Err(Unusable::OtherNetwork));
    }
    if fields.flag("similarSearch")? {
        return Ok(Err(Unusable::Similar));
    }
    let (Some(rule), url) = (rule(&fields)?, address_of(&fields, "url")?) else {
        return Ok(Err(Unusable::Rule));
    };
    let probe = probe(&fields, url.as_deref())?;
    let method = fields.text("requestMethod")?.map(str::to_ascii_uppercase);
    let head = fields.flag("requestHeadOnly")?;
    let rest = Site {
        name: name.to_owned(),
        url: Template::new("", MARK),
        probe: None,
        method: Method::Get,
        payload: fields.any("requestPayload").map(|payload| Payload::Json(formatted_all(payload), MARK)),
        headers: Vec::new(),
        pattern: None,
        strip: String::new(),
        rule,
        protection: fields.texts("protection")?,
        tags: fields.texts("tags")?,
        nsfw: false,
        rank: fields.number("alexaRank")?,
        claimed: fields.texts("usernameClaimed")?,
        unclaimed: fields.texts("usernameUnclaimed")?,
    };
    let asked =
        Asked { url, probe, method, head, pattern: fields.text("regexCheck")?, headers: fields.pairs("headers")? };
    Ok(finished(rest, asked))
}

/// What may turn out to be unusable.
struct Asked<'a> {
    url: Option<String>,
    probe: Option<String>,
    method: Option<String>,
    head: bool,
    pattern: Option<&'a str>,
    headers: Vec<(String, String)>,
}

fn finished(mut site: Site, asked: Asked<'_>) -> Entry {
    site.url = address(asked.url.as_deref(), MARK)?;
    site.probe = asked.probe.map(|probe| address(Some(&probe), MARK)).transpose()?;
    site.method = match asked.method.as_deref() {
        Some("POST") => Method::Post,
        Some("HEAD") if !site.rule.by.message => Method::Head,
        None if asked.head && !site.rule.by.message => Method::Head,
        None | Some("GET" | "HEAD") => Method::Get,
        Some(_) => return Err(Unusable::Method),
    };
    site.pattern = pattern(asked.pattern)?;
    site.headers = headers(asked.headers, MARK)?;
    site.nsfw = site.tags.iter().any(|tag| matches!(tag.as_str(), "porn" | "erotic" | "nsfw" | "webcam"));
    Ok(site)
}

fn rule(fields: &Fields<'_>) -> Result<Option<Rule>, String> {
    let (present, absent) = (fields.texts("presenseStrs")?, fields.texts("absenceStrs")?);
    let said = !present.is_empty() || !absent.is_empty();
    let by = match fields.text("checkType")? {
        Some("message") if said => By { message: true, ..By::default() },
        Some("status_code") => By { status: true, message: said, ..By::default() },
        Some("response_url") => By { redirect: true, message: said, ..By::default() },
        _ => return Ok(None),
    };
    let mut errors: Vec<String> = fields.pairs("errors")?.into_iter().map(|(text, _)| text).collect();
    if let Some(activation) = fields.any("activation").and_then(|activation| activation.get("marks")) {
        let marks = activation.as_array().into_iter().flatten().filter_map(Value::as_str);
        errors.extend(marks.map(str::to_owned));
    }
    Ok(Some(Rule {
        by,
        present: Sign { codes: Vec::new(), texts: present },
        absent: Sign { codes: Vec::new(), texts: absent },
        gone: fields.text("errorUrl")?.map(|url| Template::new(&formatted(url), MARK)),
        errors,
        ..Rule::default()
    }))
}

/// A text as Python's `format` reads it: a doubled brace is a brace.
fn formatted(text: &str) -> String {
    text.replace("{username}", MARK).replace("{{", "{").replace("}}", "}")
}

fn formatted_all(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(formatted(text)),
        Value::Array(values) => values.iter().map(formatted_all).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), formatted_all(value))).collect(),
        other => other.clone(),
    }
}

/// Where to ask, with the parameters that belong there.
fn probe(fields: &Fields<'_>, url: Option<&str>) -> Result<Option<String>, String> {
    let mut probe = address_of(fields, "urlProbe")?;
    let parameters = fields.pairs("getParams")?;
    if !parameters.is_empty() {
        let mut text = probe.or_else(|| url.map(str::to_owned)).unwrap_or_default();
        for (name, value) in parameters {
            text.push(if text.contains('?') { '&' } else { '?' });
            text.extend([name.as_str(), "=", value.as_str()]);
        }
        probe = Some(text);
    }
    Ok(probe)
}

/// An address with the site's own words in it, and no empty steps where two of them meet.
fn address_of(fields: &Fields<'_>, name: &str) -> Result<Option<String>, String> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    let main = fields.text("urlMain")?.unwrap_or_default();
    let below = fields.text("urlSubpath")?.unwrap_or_default();
    let text = formatted(&text.replace("{urlMain}", main).replace("{urlSubpath}", below));
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        let doubled = letter == '/' && plain.ends_with('/') && !plain.ends_with(":/");
        if !doubled {
            plain.push(letter);
        }
    }
    Ok(Some(plain))
}
