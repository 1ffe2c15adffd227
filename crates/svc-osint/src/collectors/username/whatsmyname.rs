//! Entries of WhatsMyName's `wmn-data.json`: an exact status and text for each of both cases.

use serde_json::Value;

use super::entry::{Entry, Unusable, address, headers};
use super::fields::Fields;
use super::site::{By, Method, Payload, Rule, Sign, Site};
use super::template::Template;

/// What stands for the name.
const MARK: &str = "{account}";

/// Reads one entry; `place` is its number in the list, for one without a name.
///
/// # Errors
/// A sentence that names site and field.
pub(super) fn site(place: usize, value: &Value) -> Result<Entry, String> {
    let name = value.get("name").and_then(Value::as_str).map_or_else(|| format!("#{}", place + 1), str::to_owned);
    let fields = Fields::of(&name, value)?;
    if fields.any("valid") == Some(&Value::Bool(false)) {
        return Ok(Err(Unusable::Disabled));
    }
    let present = Sign { codes: fields.codes("e_code")?, texts: fields.texts("e_string")? };
    let absent = Sign { codes: fields.codes("m_code")?, texts: fields.texts("m_string")? };
    let tellable = !present.codes.is_empty() && !absent.codes.is_empty() && present != absent;
    let (check, pretty) = (fields.text("uri_check")?, fields.text("uri_pretty")?);
    let (pairs, body) = (fields.pairs("headers")?, fields.text("post_body")?);
    let rest = Site {
        name: name.clone(),
        url: Template::new("", MARK),
        probe: None,
        method: if body.is_some() { Method::Post } else { Method::Get },
        payload: body.map(|body| payload(body, &pairs)),
        headers: Vec::new(),
        pattern: None,
        strip: fields.text("strip_bad_char")?.unwrap_or_default().to_owned(),
        rule: Rule {
            by: By { status: true, message: !present.texts.is_empty() || !absent.texts.is_empty(), redirect: false },
            present,
            absent,
            exact: true,
            ..Rule::default()
        },
        protection: fields.texts("protection")?,
        tags: fields.texts("cat")?,
        nsfw: fields.text("cat")?.is_some_and(|category| category.starts_with("xx")),
        rank: None,
        claimed: fields.texts("known")?,
        unclaimed: Vec::new(),
    };
    if !tellable {
        return Ok(Err(Unusable::Rule));
    }
    Ok(finished(rest, check, pretty, pairs))
}

fn finished(mut site: Site, check: Option<&str>, pretty: Option<&str>, pairs: Vec<(String, String)>) -> Entry {
    site.url = address(pretty.or(check), MARK)?;
    site.probe = pretty.map(|_| address(check, MARK)).transpose()?;
    site.headers = headers(pairs, MARK)?;
    Ok(site)
}

/// What is posted is JSON where it looks so or a header says so, a form otherwise.
fn payload(body: &str, headers: &[(String, String)]) -> Payload {
    if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(body) {
        return Payload::Json(value, MARK);
    }
    let says_json =
        |(name, value): &(String, String)| name.eq_ignore_ascii_case("content-type") && value.contains("json");
    if body.starts_with(['{', '[']) || headers.iter().any(says_json) {
        return Payload::JsonText(Template::new(body, MARK));
    }
    Payload::Form(Template::new(body, MARK))
}
