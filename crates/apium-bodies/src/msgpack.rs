//! msgpack, straight into JSON and back: `rmp` knows its bytes, and no tree is built of what a stranger sent.

use rmp::{Marker, decode, encode};

use crate::json::Json;
use crate::value::Value;

/// Reads msgpack as the JSON kombu would have written.
pub(crate) fn to_json(bytes: &[u8], most: usize) -> Result<String, String> {
    let (mut reader, mut json) = (Reader { left: bytes }, Json::new(most));
    reader.value(&mut json)?;
    if !reader.left.is_empty() {
        return Err("it goes on after its end".to_owned());
    }
    Ok(json.end())
}

/// Writes JSON as msgpack.
pub(crate) fn from_json(json: &str) -> Result<Vec<u8>, String> {
    of(&Value::read(json)?)
}

/// Writes a value.
pub(crate) fn of(value: &Value) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    write(&mut out, value)?;
    Ok(out)
}

/// Whether there is room for a number.
pub(crate) fn holds(number: i128) -> bool {
    u64::try_from(number).is_ok() || i64::try_from(number).is_ok()
}

struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, json: &mut Json) -> Result<(), String> {
        let first = *self.left.first().ok_or("it ends too early")?;
        match Marker::from_u8(first) {
            Marker::Null => decode::read_nil(&mut self.left).map_err(short).and_then(|()| json.raw("null")),
            Marker::True | Marker::False => {
                let value = decode::read_bool(&mut self.left).map_err(short)?;
                json.raw(if value { "true" } else { "false" })
            }
            Marker::F32 => json.float(decode::read_f32(&mut self.left).map_err(short)?.into()),
            Marker::F64 => json.float(decode::read_f64(&mut self.left).map_err(short)?),
            Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => self.text(json),
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                let size = decode::read_bin_len(&mut self.left).map_err(short)?;
                json.bytes(self.take(size)?)
            }
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => self.list(json),
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => self.map(json),
            Marker::Reserved
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32
            | Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16 => Err("it holds an extension type, which kombu does not send".to_owned()),
            _ => json.raw(&decode::read_int::<i128, _>(&mut self.left).map_err(short)?.to_string()),
        }
    }

    fn list(&mut self, json: &mut Json) -> Result<(), String> {
        json.open('[')?;
        for at in 0..decode::read_array_len(&mut self.left).map_err(short)? {
            json.comma(at as usize)?;
            self.value(json)?;
        }
        json.close(']')
    }

    fn map(&mut self, json: &mut Json) -> Result<(), String> {
        json.open('{')?;
        for at in 0..decode::read_map_len(&mut self.left).map_err(short)? {
            json.comma(at as usize)?;
            let key = json.at();
            self.value(json)?;
            json.as_key_since(key)?;
            self.value(json)?;
        }
        json.close('}')
    }

    fn text(&mut self, json: &mut Json) -> Result<(), String> {
        let size = decode::read_str_len(&mut self.left).map_err(short)?;
        let text =
            std::str::from_utf8(self.take(size)?).map_err(|error| format!("a text in it is no UTF-8: {error}"))?;
        json.string(text)
    }

    fn take(&mut self, size: u32) -> Result<&'a [u8], String> {
        let (taken, left) = self.left.split_at_checked(size as usize).ok_or("it ends too early")?;
        self.left = left;
        Ok(taken)
    }
}

/// The marker was looked at before, so that all that can go wrong in reading is that bytes are missing.
fn short<E>(_: E) -> String {
    "it ends too early".to_owned()
}

fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => encode::write_nil(out).map_err(unwritten),
        Value::Bool(value) => encode::write_bool(out, *value).map_err(unwritten),
        Value::Int(value) => integer(out, *value),
        Value::Float(value) => encode::write_f64(out, *value).map_err(unwritten),
        Value::Text(text) => {
            size(text.len())?;
            encode::write_str(out, text).map_err(unwritten)
        }
        Value::Bytes(bytes) => {
            size(bytes.len())?;
            encode::write_bin(out, bytes).map_err(unwritten)
        }
        Value::Tagged(tag, _) => Err(format!("msgpack has no {tag}; send it as text, or use json")),
        Value::List(items) => {
            encode::write_array_len(out, size(items.len())?).map_err(unwritten)?;
            items.iter().try_for_each(|item| write(out, item))
        }
        Value::Map(members) => {
            encode::write_map_len(out, size(members.len())?).map_err(unwritten)?;
            members.iter().try_for_each(|(key, value)| {
                size(key.len())?;
                encode::write_str(out, key).map_err(unwritten)?;
                write(out, value)
            })
        }
    }
}

fn integer(out: &mut Vec<u8>, value: i128) -> Result<(), String> {
    let written = if let Ok(value) = u64::try_from(value) {
        encode::write_uint(out, value)
    } else if let Ok(value) = i64::try_from(value) {
        encode::write_sint(out, value)
    } else {
        return Err(format!("{value} is too large a number for msgpack"));
    };
    written.map(drop).map_err(unwritten)
}

/// A length as msgpack has it; the library would cut a larger one off.
fn size(of: usize) -> Result<u32, String> {
    u32::try_from(of).map_err(|_| "it is too large for msgpack".to_owned())
}

fn unwritten<E: std::fmt::Display>(error: E) -> String {
    error.to_string()
}
