//! From an answer to a verdict, by the rule of its site.
//!
//! The order is the point: what stands in the way is seen first, so that a refusal is never taken for an absence; then
//! what says that there is none; and last what says that there is one, which takes everything the rule names.

use url::Url;

use super::asking::Asking;
use super::barrier::{barrier, is_door};
use super::page::Page;
use super::site::{Rule, Site};
use super::verdict::Verdict;
use crate::connector::{Fetched, organisation};

/// What an answer comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) reason: Option<String>,
    /// Whether it rests on words of the page.
    pub(super) in_words: bool,
}

/// What an answer shows of what a rule looks for.
struct Signs {
    /// Its status is one for an account.
    present_code: bool,
    /// Its status is one for none.
    absent_code: bool,
    /// A text for an account is there; `None`: the rule has none.
    present_text: Option<bool>,
    /// A text for none is there.
    absent_text: Option<bool>,
}

/// Judges the answer of `site` to `asking`.
pub(super) fn judge(site: &Site, asking: &Asking, answer: &Fetched) -> Judgement {
    let page = Page::of(answer);
    if let Some((verdict, reason)) = barrier(answer, &page, &asking.asked) {
        return Judgement { verdict, reason: Some(reason), in_words: false };
    }
    if site.rule.errors.iter().any(|text| page.has(text)) {
        return unknown("site-error");
    }
    if site.rule.by.redirect && (300..400).contains(&answer.status) {
        return sent_on(asking, answer);
    }
    let signs = Signs::of(&site.rule, answer.status, &page);
    let judgement = if site.rule.exact {
        exact(&site.rule, &signs, &page, answer.status)
    } else {
        loose(site, &signs, &page, answer.status)
    };
    // Another organisation's page says nothing by its status, nor by what it lacks.
    if judgement.verdict.settles() && !judgement.in_words && answer.is_of_others() {
        return unknown("moved");
    }
    judgement
}

impl Signs {
    fn of(rule: &Rule, status: u16, page: &Page) -> Self {
        let listed = |codes: &[u16]| codes.contains(&status);
        let absent_code = listed(&rule.absent.codes) || (!rule.exact && matches!(status, 404 | 410));
        let success =
            if rule.present.codes.is_empty() { (200..300).contains(&status) } else { listed(&rule.present.codes) };
        Self {
            present_code: success && (rule.exact || !absent_code),
            absent_code,
            present_text: page.has_one(&rule.present.texts),
            absent_text: page.has_one(&rule.absent.texts),
        }
    }
}

/// Either sign speaks for itself.
fn loose(site: &Site, signs: &Signs, page: &Page, status: u16) -> Judgement {
    let rule = &site.rule;
    let by_code = rule.by.status || rule.by.redirect || signs.absent_text.is_none();
    if signs.absent_text == Some(true) || (signs.absent_code && by_code) {
        if signs.present_text == Some(true) {
            return unknown("contradiction");
        }
        return available(signs.absent_text == Some(true));
    }
    if !signs.present_code {
        return unknown(format!("http-{status}"));
    }
    // What was not read may be what says that there is none.
    if !page.proves_missing(&rule.absent.texts) && signs.absent_text.is_some() {
        return unknown("cut");
    }
    match signs.present_text {
        Some(true) => claimed(true),
        None if page.is_blank() && !rule.by.status && !rule.by.redirect => unknown("empty"),
        None => claimed(false),
        Some(false) if !page.proves_missing(&rule.present.texts) => unknown("cut"),
        // Neither text: the page is another than the list knows, or a firewall's that nobody knows yet.
        Some(false) if signs.absent_text.is_some() || !site.protection.is_empty() || page.is_blank() => {
            unknown("no-match")
        }
        Some(false) => available(false),
    }
}

/// A sign is its status and its text together.
fn exact(rule: &Rule, signs: &Signs, page: &Page, status: u16) -> Judgement {
    let present = signs.present_code && signs.present_text != Some(false);
    let absent = signs.absent_code && signs.absent_text != Some(false);
    let same_code = signs.present_code && signs.absent_code;
    let unread = |texts: &[String]| same_code && !texts.is_empty() && !page.proves_missing(texts);
    match (present, absent) {
        (true, true) if signs.absent_text.is_none() && signs.present_text == Some(true) => claimed(true),
        (true, true) if signs.present_text.is_none() && signs.absent_text == Some(true) => available(true),
        (true, true) => unknown("contradiction"),
        (true, false) if unread(&rule.absent.texts) => unknown("cut"),
        (true, false) => claimed(signs.present_text == Some(true)),
        (false, true) if unread(&rule.present.texts) => unknown("cut"),
        (false, true) => available(signs.absent_text == Some(true)),
        (false, false) if !signs.present_code && !signs.absent_code => unknown(format!("http-{status}")),
        (false, false) if !page.whole => unknown("cut"),
        (false, false) => unknown("no-match"),
    }
}

/// A redirect that is the answer: to where the list says that names without account are sent, or without saying where,
/// away from the name.
fn sent_on(asking: &Asking, answer: &Fetched) -> Judgement {
    let Some(location) = answer.headers.get("location") else {
        return unknown("redirect-nowhere");
    };
    let Ok(end) = asking.asked.join(location) else {
        return unknown("redirect-nowhere");
    };
    let gone = asking
        .gone
        .as_deref()
        .and_then(|gone| Url::parse(gone).or_else(|_| asking.asked.join(&format!("//{gone}"))).ok());
    if gone.as_ref().is_some_and(|gone| alike(gone, &end)) {
        return available(false);
    }
    if is_door(&asking.asked, &end) {
        return Judgement { verdict: Verdict::Blocked, reason: Some("login-wall".to_owned()), in_words: false };
    }
    let names = |url: &Url| url.as_str().to_ascii_lowercase().contains(&asking.name);
    if gone.is_some() || names(&end) || organisation(&end) != organisation(&asking.asked) {
        return unknown("redirect-elsewhere");
    }
    available(false)
}

/// The same address, whatever its scheme, a `www.` before it, and a `/` or more of a query after it.
fn alike(gone: &Url, end: &Url) -> bool {
    let host = |url: &Url| url.host_str().map(|host| host.strip_prefix("www.").unwrap_or(host).to_ascii_lowercase());
    let path = |url: &Url| url.path().trim_end_matches('/').to_ascii_lowercase();
    let query = end.query().unwrap_or_default().starts_with(gone.query().unwrap_or_default());
    host(gone) == host(end) && gone.port() == end.port() && path(gone) == path(end) && query
}

fn claimed(in_words: bool) -> Judgement {
    Judgement { verdict: Verdict::Claimed, reason: None, in_words }
}

fn available(in_words: bool) -> Judgement {
    Judgement { verdict: Verdict::Available, reason: None, in_words }
}

fn unknown(reason: impl Into<String>) -> Judgement {
    Judgement { verdict: Verdict::Unknown, reason: Some(reason.into()), in_words: false }
}
