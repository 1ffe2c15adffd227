//! The text of an answer, read so that a wrong or missing charset hides nothing.

use encoding_rs::{Encoding, UTF_8};

use crate::connector::Fetched;

/// How far into a page its charset is looked for, as browsers do.
const PROLOGUE: usize = 1_024;

/// An answer as text.
pub(crate) struct Page {
    /// Its bytes as UTF-8; what is not is replaced, so everything in ASCII is there whatever the charset.
    plain: String,
    /// The same in the charset it says it has, where that is another.
    decoded: Option<String>,
    /// Whether all of it is there, and could be read.
    pub(super) whole: bool,
    /// Whether its letters beyond ASCII can be trusted.
    legible: bool,
}

impl Page {
    pub(crate) fn of(answer: &Fetched) -> Self {
        let plain = String::from_utf8_lossy(&answer.body).into_owned();
        let said = answer.content_type.as_deref().and_then(charset);
        let encoding = match said {
            Some(label) => Encoding::for_label(label.as_bytes()),
            None => Encoding::for_bom(&answer.body)
                .map(|(encoding, _)| encoding)
                .or_else(|| Encoding::for_label(within(&plain)?.as_bytes()))
                .or(Some(UTF_8)),
        };
        let is_text = std::str::from_utf8(&answer.body).is_ok();
        let (decoded, legible) = match encoding {
            Some(encoding) if encoding == UTF_8 => (None, is_text),
            Some(encoding) => {
                let (text, broken) = encoding.decode_without_bom_handling(&answer.body);
                (Some(text.into_owned()), !broken || is_text)
            }
            None => (None, is_text),
        };
        Self { plain, decoded, whole: !answer.cut, legible }
    }

    /// Whether there is nothing to read.
    pub(super) fn is_blank(&self) -> bool {
        self.plain.trim().is_empty()
    }

    /// Whether it contains `text`.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.plain.contains(text) || self.decoded.as_deref().is_some_and(|decoded| decoded.contains(text))
    }

    /// Whether it contains one of `texts`; `None` where there are none to look for.
    pub(super) fn has_one(&self, texts: &[String]) -> Option<bool> {
        if texts.is_empty() { None } else { Some(texts.iter().any(|text| self.has(text))) }
    }

    /// Whether it would show that `texts` are missing: not if it was cut, nor if letters cannot be told.
    pub(super) fn proves_missing(&self, texts: &[String]) -> bool {
        self.whole && (self.legible || texts.iter().all(|text| text.is_ascii()))
    }
}

fn charset(content_type: &str) -> Option<&str> {
    let (_, rest) = content_type.split_once("charset=")?;
    let label = rest.split(';').next()?.trim().trim_matches(['"', '\'']);
    if label.is_empty() { None } else { Some(label) }
}

/// The charset a page says of itself.
fn within(page: &str) -> Option<String> {
    let end = page.char_indices().map(|(at, _)| at).find(|at| *at >= PROLOGUE).unwrap_or(page.len());
    let lower = page[..end].to_ascii_lowercase();
    let (_, rest) = lower.split_once("charset=")?;
    let rest = rest.trim_start_matches(['"', '\'', ' ']);
    let label: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_:.".contains(*c)).collect();
    if label.is_empty() { None } else { Some(label) }
}
