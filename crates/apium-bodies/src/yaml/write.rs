//! YAML being written: in flow style and quoted, so that nothing has to be guessed by whoever reads it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::value::Value;

/// PyYAML reads no longer key without being told that one comes.
const LONG_KEY: usize = 100;

/// Writes JSON as YAML.
pub(crate) fn from_json(json: &str) -> Result<Vec<u8>, String> {
    of(&Value::read(json)?)
}

/// Writes a value.
pub(crate) fn of(value: &Value) -> Result<Vec<u8>, String> {
    let mut out = String::new();
    write(&mut out, value)?;
    out.push('\n');
    Ok(out.into_bytes())
}

fn write(out: &mut String, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Float(value) => out.push_str(&float(*value)),
        Value::Text(text) => string(out, text),
        Value::Bytes(bytes) => {
            out.push_str("!!binary ");
            string(out, &STANDARD.encode(bytes));
        }
        Value::Tagged(tag, text) if tag == "datetime" || tag == "date" => {
            out.push_str("!!timestamp ");
            string(out, text);
        }
        Value::Tagged(tag, _) => return Err(format!("YAML has no {tag}; send it as text, or use json")),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write(out, item)?;
            }
            out.push(']');
        }
        Value::Map(members) => {
            out.push('{');
            for (at, (key, value)) in members.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                if key.len() > LONG_KEY {
                    out.push_str("? ");
                }
                string(out, key);
                out.push_str(": ");
                write(out, value)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// With a point, and the exponent with its sign: else PyYAML reads text.
fn float(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let text = format!("{value:?}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, ""));
    let point = if digits.contains('.') { "" } else { ".0" };
    match exponent {
        "" => format!("{digits}{point}"),
        exponent if exponent.starts_with('-') => format!("{digits}{point}e{exponent}"),
        exponent => format!("{digits}{point}e+{exponent}"),
    }
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for sign in text.chars() {
        // Nothing can fail that is written into a text.
        let _ = match sign {
            '"' => write!(out, "\\\""),
            '\\' => write!(out, "\\\\"),
            ' '..='~' => write!(out, "{sign}"),
            '\0'..='\u{ff}' => write!(out, "\\x{:02x}", u32::from(sign)),
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => write!(out, "\\u{:04x}", u32::from(sign)),
            _ => write!(out, "{sign}"),
        };
    }
    out.push('"');
}
