//! Answers and events as people read them, in the manner of Celery's command line.

use apium_protocol::{RawJson, python_repr};
use serde::de::IgnoredAny;

/// By how much what belongs to something is moved to the right.
const INDENT: &str = "    ";

/// One worker's answer: who, whether it went well, and what it said.
pub(super) fn answer(node: &str, value: &RawJson, body: bool) -> String {
    let error = value.member("ok").is_none() && value.member("error").is_some();
    let title = format!("->  {}: {}", tame(node), if error { "ERROR" } else { "OK" });
    if body { format!("{title}\n{}", indented(&pretty(value))) } else { title }
}

/// A value on one line, as Python shows it; a text as it is.
pub(super) fn short(value: &RawJson) -> String {
    match value.to::<String>() {
        Ok(text) => tame(&text),
        Err(_) => python(value),
    }
}

/// A value in JSON that every machine reads: Python's NaN and infinities, which JSON does not have, are null.
pub(crate) fn strict(value: &RawJson) -> RawJson {
    if serde_json::from_str::<IgnoredAny>(value.as_str()).is_ok() {
        return value.clone();
    }
    if let Ok(members) = value.members() {
        let members: Vec<_> = members.iter().map(|(key, value)| (key.clone(), strict(value))).collect();
        return RawJson::object(&members);
    }
    value
        .elements()
        .map_or_else(|_| RawJson::null(), |items| RawJson::array(&items.iter().map(strict).collect::<Vec<_>>()))
}

/// What strangers wrote cannot move the cursor.
pub(crate) fn tame(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn pretty(value: &RawJson) -> String {
    if let Ok(items) = value.elements() {
        let lines: Vec<_> = items.iter().map(|item| format!("* {}", short(item))).collect();
        return if lines.is_empty() { "- empty -".to_owned() } else { lines.join("\n") };
    }
    if let Some(said) = value.member("ok").or_else(|| value.member("error")) {
        return indented(&pretty(&said));
    }
    match value.to::<String>() {
        Ok(text) => text.lines().map(tame).collect::<Vec<_>>().join("\n"),
        Err(_) if value.is_object() => json(value, 0),
        Err(_) => python(value),
    }
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| if line.is_empty() { String::new() } else { format!("{INDENT}{line}") });
    lines.collect::<Vec<_>>().join("\n")
}

/// JSON over several lines, the keys in order. Texts stay as they came: in JSON nothing in them is a control
/// character, save what is above ASCII.
fn json(value: &RawJson, depth: usize) -> String {
    let lines: Vec<String> = if let Ok(mut members) = value.members() {
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        let line = |(key, value): &(String, RawJson)| {
            format!("{}: {}", tame(RawJson::string(key).as_str()), json(value, depth + 1))
        };
        members.iter().map(line).collect()
    } else if let Ok(items) = value.elements() {
        items.iter().map(|item| json(item, depth + 1)).collect()
    } else {
        return tame(value.as_str());
    };
    within(&lines, if value.is_object() { ['{', '}'] } else { ['[', ']'] }, depth)
}

fn within(lines: &[String], [open, close]: [char; 2], depth: usize) -> String {
    if lines.is_empty() {
        return format!("{open}{close}");
    }
    let (inner, outer) = (INDENT.repeat(depth + 1), INDENT.repeat(depth));
    format!("{open}\n{inner}{}\n{outer}{close}", lines.join(&format!(",\n{inner}")))
}

/// As Python shows it, containers whole however deep; a long text is cut.
fn python(value: &RawJson) -> String {
    if let Ok(members) = value.members() {
        let shown = members.iter().map(|(key, value)| format!("{}: {}", python(&RawJson::string(key)), python(value)));
        return format!("{{{}}}", shown.collect::<Vec<_>>().join(", "));
    }
    match value.elements() {
        Ok(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Err(_) => tame(&python_repr::value(value)),
    }
}
