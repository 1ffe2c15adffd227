//! The mark of a message that was given back, spliced into its bytes: a message is returned to its queue byte for
//! byte as it came, except for this.

use std::ops::Range;

use crate::json::split::{self, Part};

/// See [`crate::Message::redelivered`].
pub(crate) fn mark(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let envelope = Part { text, dialect: false };
    let mut places = Vec::new();
    if let Some(headers) = member(envelope, "headers")? {
        places.push(place(text, headers)?);
    }
    if let Some(properties) = member(envelope, "properties")?
        && let Some(info) = member(properties, "delivery_info")?
    {
        places.push(place(text, info)?);
    }
    // From the back, so that the earlier places stay where they are.
    places.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut marked = text.to_owned();
    for (range, replacement) in places {
        marked.replace_range(range, replacement);
    }
    Some(marked.into_bytes())
}

/// The member `key` of an object; the last one if it is given twice, which is the one Python sees. `None` within
/// when there is none or it is null, `None` without when `object` is no object.
#[allow(clippy::option_option)]
fn member<'a>(object: Part<'a>, key: &str) -> Option<Option<Part<'a>>> {
    let members = split::members(object.text).ok()?;
    let found = members.into_iter().rev().find(|(name, _)| name == key);
    Some(found.map(|(_, part)| part).filter(|part| !part.is_null()))
}

/// Where in `text` the mark of `object` goes, and what is written there.
fn place(text: &str, object: Part<'_>) -> Option<(Range<usize>, &'static str)> {
    let members = split::members(object.text).ok()?;
    let already = members.iter().rev().find(|(key, _)| key == "redelivered");
    if let Some((_, value)) = already {
        return Some((range(text, value.text), "true"));
    }
    let end = range(text, object.text).end.checked_sub(1)?;
    let mark = if members.is_empty() { "\"redelivered\": true" } else { ", \"redelivered\": true" };
    Some((end..end, mark))
}

/// The place of `slice`, which lies within `text`.
fn range(text: &str, slice: &str) -> Range<usize> {
    let start = slice.as_ptr().addr() - text.as_ptr().addr();
    start..start + slice.len()
}
