//! What a value must be: one sentence for what it is not, in which no secret stands.

use std::fmt::Display;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use apium::beat::Zone;
use apium::{holds_login, redact};
use apium_core::task::rate_limit;
use axum::http::HeaderValue;

use super::level;
use super::node::node_name;
use super::routing;
use super::shards;
use super::table::Kind;

/// The most of a wrong value that is quoted, in characters.
const QUOTED: usize = 60;

impl Kind {
    /// The range of a number, as the help, the manual page and a refusal tell it.
    pub(crate) fn range(self) -> Option<String> {
        match self {
            Self::Count { least, most } => Some(format!("{least} to {most}")),
            Self::Seconds { least, most } => Some(format!("{least} to {most}")),
            _ => None,
        }
    }

    /// Says what a value must be, if it is not; the sentence goes on after the setting's name.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        match self {
            // What is wrong with a URL is told without any of it.
            Self::Url => apium::check_url(text).map_err(|error| format!("cannot be used: {error}")),
            Self::Database => apium::sql::check_url(text).map_err(|error| format!("cannot be used: {error}")),
            Self::Count { .. } | Self::Seconds { .. } => self.number(text),
            Self::Folder => path(text),
            Self::File => file(text),
            Self::Level => {
                let known = level::filter(text).is_some() && !holds_login(text);
                let what = "error, warning, info, debug or trace, or directives such as info,apium_worker=debug";
                hold(known, what, text)
            }
            Self::Header => {
                let carried = HeaderValue::from_str(text).is_ok() && !text.contains('\t') && !text.trim().is_empty();
                hold(carried, "a line of ASCII text, as a header of HTTP carries", text)
            }
            Self::NodeName => node_name(text, "host").map(drop).map_err(|why| format!("{why}, not {}", quoted(text))),
            Self::Names => {
                let mut names = text.split(',').map(str::trim).filter(|name| !name.is_empty()).peekable();
                names.peek().ok_or("must name at least one")?;
                names.try_for_each(name)
            }
            Self::Name => name(text),
            Self::Secret if text.is_empty() => Err("must not be empty".to_owned()),
            Self::Secret | Self::Key | Self::Text => Ok(()),
            Self::Command => {
                let line = !text.trim().is_empty() && !text.contains(char::is_control);
                hold(line, "a program and its arguments in one line", text)
            }
            Self::Routes => routing::rules(text).map(drop),
            Self::Queues => routing::queues(text).map(drop),
            Self::Schedules => routing::schedules(text, &Zone::UTC).map(drop),
            Self::Shards => shards::shards(text).map(drop),
            Self::Zone => hold(Zone::named(text).is_ok(), "the name of a time zone, such as Europe/Madrid", text),
            Self::Switch => hold(matches!(text, "true" | "false" | "1" | "0"), "true or false", text),
            Self::Rate => hold(rate_limit(text).is_some(), "a rate limit, such as 10/s, 100/m or 1/h", text),
            Self::Word(words) => hold(words.contains(&text), &words.join(" or "), text),
            Self::Words(words) => {
                let known = text.split(',').all(|word| words.contains(&word.trim()));
                hold(known, &format!("one or more of {}, with commas between", words.join(", ")), text)
            }
            Self::Address => hold(is_address(text), "HOST:PORT, such as 127.0.0.1:8000", text),
            Self::Addresses => list::<IpAddr>(text, "IP addresses"),
            Self::Sockets => list::<SocketAddr>(text, "IP:PORT"),
            Self::Servers if list::<IpAddr>(text, "").is_ok() => Ok(()),
            Self::Servers => entries(text, "IP addresses or IP:PORT", |entry| {
                entry.parse::<SocketAddr>().is_ok() || entry.parse::<IpAddr>().is_ok()
            }),
        }
    }

    fn number(self, text: &str) -> Result<(), String> {
        let (what, within) = match self {
            Self::Count { least, most } => {
                ("a whole number", text.parse::<u32>().is_ok_and(|count| (least..=most).contains(&count)))
            }
            Self::Seconds { least, most } => {
                ("a number of seconds", text.parse::<f64>().is_ok_and(|seconds| (least..=most).contains(&seconds)))
            }
            _ => return Ok(()),
        };
        hold(within, &format!("{what} from {}", self.range().unwrap_or_default()), text)
    }
}

/// A wrong value, in quotes and short, without what could be a password.
pub(crate) fn quoted(text: &str) -> String {
    let (shown, rest) = split(redact(text));
    format!("{shown:?}{rest}")
}

/// The same without quotes, on one line.
pub(crate) fn shown(text: &str) -> String {
    let (shown, rest) = split(redact(text).replace(char::is_control, " "));
    format!("{shown}{rest}")
}

/// Says what the name of a queue, a task or an id must be, if it is not.
pub(crate) fn name(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("must not be blank".to_owned());
    }
    let plain = text.trim() == text && !text.contains(char::is_control);
    hold(plain && !holds_login(text), "a plain name without a login or control characters", text)
}

fn split(text: String) -> (String, &'static str) {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => (text[..end].to_owned(), "…"),
        None => (text, ""),
    }
}

fn hold(holds: bool, what: &str, text: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("must be {what}, not {}", quoted(text))) }
}

fn path(text: &str) -> Result<(), String> {
    match text {
        _ if text.trim().is_empty() => Err("must not be empty".to_owned()),
        _ if holds_login(text) => Err(format!("must be a path here, not a URL or a login such as {}", quoted(text))),
        _ => hold(
            !text.contains(char::is_control) && !text.contains('?'),
            "a path without control characters or ?",
            text,
        ),
    }
}

/// Says what the path of a file that can be read must be, if it is not.
pub(super) fn file(text: &str) -> Result<(), String> {
    path(text).and_then(|()| readable(text))
}

fn readable(path: &str) -> Result<(), String> {
    let cannot = |why: &dyn Display| format!("must be a file that can be read, and {} is not: {why}", quoted(path));
    let file = File::open(path).and_then(|file| file.metadata()).map_err(|error| cannot(&error))?;
    if file.is_file() { Ok(()) } else { Err(cannot(&"it is no file")) }
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let name = !host.is_empty() && host.chars().all(|sign| sign.is_ascii_alphanumeric() || "-._".contains(sign));
    port.parse::<u16>().is_ok() && (name || text.parse::<SocketAddr>().is_ok())
}

fn list<T: FromStr>(text: &str, what: &str) -> Result<(), String> {
    entries(text, what, |entry| entry.parse::<T>().is_ok())
}

fn entries(text: &str, what: &str, holds: impl Fn(&str) -> bool) -> Result<(), String> {
    let mut entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).peekable();
    entries.peek().ok_or("must name at least one")?;
    entries.try_for_each(|entry| hold(holds(entry), &format!("{what} with commas between"), entry))
}
