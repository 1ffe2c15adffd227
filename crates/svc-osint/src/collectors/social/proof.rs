//! What proves an account at each network: an answer that names the very user, or says that there is none.

use jiff::Timestamp;
use roxmltree::Document;
use serde_json::Value;
use std::time::Duration;
use url::Url;

use super::networks::{Asking, Reading};
use crate::collectors::metadata::meta;
use crate::collectors::username::{Page, Verdict, barrier};
use crate::connector::Fetched;
use crate::enquiry::{Refusal, is_page, json, text};
use crate::model::SourceStatus;
use crate::providers::Provider;

/// Longest name kept, in characters.
const MOST_LETTERS: usize = 200;

/// Reads any answer: what stands in the way first, then the network's own words.
pub(super) fn read(asking: &Asking, answer: &Fetched, name: &str) -> Reading {
    if let Some(refusal) = limited(asking.provider, answer) {
        return Err(refusal);
    }
    if let Some(refusal) = barred(asking.provider, answer) {
        return Err(refusal);
    }
    match answer.status {
        // Where data was asked for, a page says that the address is wrong, not that there is no such account.
        404 | 410 if is_page(answer) && !asking.wants_page() => Err(Refusal::by_status(asking.provider, answer)),
        404 | 410 => Ok(None),
        200..=299 if answer.body.trim_ascii().is_empty() => Err(Refusal::empty()),
        200..=299 => (asking.read)(answer, name),
        _ => Err(Refusal::by_status(asking.provider, answer)),
    }
}

/// Reads nothing: every entry of the table has a reader of its own.
pub(super) fn nothing(_: &Fetched, _: &str) -> Reading {
    Err(unproven())
}

pub(super) fn github(answer: &Fetched, name: &str) -> Reading {
    let user: Value = json(answer)?;
    named(&user, "/login", name)?;
    Ok(Some(words(&user, "/name")))
}

pub(super) fn reddit(answer: &Fetched, name: &str) -> Reading {
    let user: Value = json(answer)?;
    named(&user, "/data/name", name)?;
    Ok(Some(words(&user, "/data/subreddit/title")))
}

pub(super) fn pinterest(answer: &Fetched, name: &str) -> Reading {
    let user: Value = json(answer)?;
    let url = user.pointer("/author_url").and_then(Value::as_str).unwrap_or_default();
    ends_in(url, name)?;
    Ok(Some(words(&user, "/author_name")))
}

pub(super) fn steam(answer: &Fetched, name: &str) -> Reading {
    let text = text(answer);
    let broken = |_| Refusal::unreadable("invalid-response", "La respuesta no es el XML esperado.");
    let document = Document::parse(&text).map_err(broken)?;
    let root = document.root_element();
    let words = |tag: &str| {
        let node = root.children().find(|node| node.has_tag_name(tag))?;
        node.text().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    if words("error").is_some_and(|error| error.contains("could not be found")) {
        return Ok(None);
    }
    match words("customURL") {
        Some(custom) if same(&custom, name) => Ok(Some(words("steamID").map(short))),
        _ => Err(unproven()),
    }
}

pub(super) fn telegram(answer: &Fetched, name: &str) -> Reading {
    let page = text(answer);
    let title = meta(&page, "og:title").ok_or_else(unproven)?;
    // Whom nobody knows can be written to all the same, says the page of a free name.
    if title.strip_prefix("Telegram: Contact @").is_some_and(|free| same(free, name)) {
        return Ok(None);
    }
    let lower = page.to_lowercase();
    let named = [format!("resolve?domain={name}"), format!("@{name}"), format!("t.me/{name}")];
    let named = named.iter().any(|mark| contains_word(&lower, &mark.to_lowercase()));
    if named && lower.contains("tgme_page_title") { Ok(Some(Some(short(title)))) } else { Err(unproven()) }
}

pub(super) fn youtube(answer: &Fetched, name: &str) -> Reading {
    let page = text(answer);
    let handle = format!("@{name}");
    let named = meta(&page, "og:url").is_some_and(|url| ends_in(&url, &handle).is_ok())
        || contains_word(&page.to_lowercase(), &format!("\"canonicalbaseurl\":\"/{}", handle.to_lowercase()));
    if named { Ok(Some(meta(&page, "og:title").map(short))) } else { Err(unproven()) }
}

pub(super) fn medium(answer: &Fetched, name: &str) -> Reading {
    let page = text(answer);
    let named = meta(&page, "profile:username").is_some_and(|user| same(&user, name))
        || meta(&page, "og:url").is_some_and(|url| ends_in(&url, &format!("@{name}")).is_ok());
    if named { Ok(Some(meta(&page, "og:title").map(short))) } else { Err(unproven()) }
}

pub(super) fn twitch(answer: &Fetched, name: &str) -> Reading {
    let page = text(answer);
    let title = meta(&page, "og:title").or_else(|| meta(&page, "title")).ok_or_else(unproven)?;
    match title.split_once(" - Twitch") {
        Some((user, _)) if same(user.trim(), name) => Ok(Some(Some(short(user.trim().to_owned())))),
        _ => Err(unproven()),
    }
}

pub(super) fn tiktok(answer: &Fetched, name: &str) -> Reading {
    let lower = text(answer).to_lowercase();
    if lower.contains(&format!("\"uniqueid\":\"{}\"", name.to_lowercase())) {
        return Ok(Some(None));
    }
    // The code of "user not found" in the page's own state.
    if lower.contains("\"statuscode\":10221") { Ok(None) } else { Err(unproven()) }
}

pub(super) fn snapchat(answer: &Fetched, name: &str) -> Reading {
    let page = text(answer);
    let title = meta(&page, "og:title");
    let lower = name.to_lowercase();
    let named = title.as_ref().is_some_and(|title| title.to_lowercase().contains(&format!("(@{lower})")))
        || page.to_lowercase().contains(&format!("\"username\":\"{lower}\""));
    if named { Ok(Some(title.map(short))) } else { Err(unproven()) }
}

/// GitHub and others say with 403 that an hour's requests are spent.
pub(crate) fn limited(provider: &Provider, answer: &Fetched) -> Option<Refusal> {
    let spent = answer.headers.get("x-ratelimit-remaining").is_some_and(|left| left.trim() == "0");
    if answer.status != 403 || !spent {
        return None;
    }
    let reset = answer.headers.get("x-ratelimit-reset").and_then(|reset| reset.trim().parse().ok());
    let wait = reset.and_then(|second| Timestamp::from_second(second).ok());
    let wait = wait.map(|until| Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default());
    Some(Refusal::too_many(provider, wait))
}

/// What says nothing about an account.
fn barred(provider: &Provider, answer: &Fetched) -> Option<Refusal> {
    if answer.status == 429 {
        return Some(Refusal::by_status(provider, answer));
    }
    let asked = answer.trail.first().unwrap_or(&answer.url);
    let (verdict, reason) = barrier(answer, &Page::of(answer), &Url::parse(asked).ok()?)?;
    if verdict == Verdict::Blocked {
        let detail = format!("{} no deja consultar: pide iniciar sesión o pasar un control.", provider.title);
        return Some(Refusal::new(SourceStatus::Blocked, reason, detail));
    }
    Some(Refusal::by_status(provider, answer))
}

/// Holds an answer to naming the user that was asked for.
fn named(user: &Value, pointer: &str, name: &str) -> Result<(), Refusal> {
    let named = user.pointer(pointer).and_then(Value::as_str).is_some_and(|said| same(said, name));
    if named { Ok(()) } else { Err(unproven()) }
}

/// Holds an address to ending in this step.
fn ends_in(url: &str, step: &str) -> Result<(), Refusal> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if same(last, step) { Ok(()) } else { Err(unproven()) }
}

/// Whether `text` contains `mark` and does not go on with more of a name.
fn contains_word(text: &str, mark: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
    text.match_indices(mark).any(|(at, mark)| !goes_on(&text[at + mark.len()..]))
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn words(value: &Value, pointer: &str) -> Option<String> {
    let words = value.pointer(pointer)?.as_str()?.trim();
    if words.is_empty() { None } else { Some(short(words.to_owned())) }
}

fn short(text: String) -> String {
    match text.char_indices().nth(MOST_LETTERS) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

fn unproven() -> Refusal {
    Refusal::unreadable(
        "not-named",
        "La respuesta no nombra al usuario: no prueba que la cuenta exista ni lo contrario.",
    )
}
