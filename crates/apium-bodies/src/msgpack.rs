//! msgpack, straight into JSON and back: no tree is built of what a stranger sent.

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
    let mut out = Vec::with_capacity(json.len());
    write(&mut out, &Value::read(json)?)?;
    Ok(out)
}

struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self, json: &mut Json) -> Result<(), String> {
        let marker = self.take(1)?[0];
        match marker {
            0x00..=0x7f => json.raw(&marker.to_string()),
            0x80..=0x8f => self.map(usize::from(marker & 0x0f), json),
            0x90..=0x9f => self.list(usize::from(marker & 0x0f), json),
            0xa0..=0xbf => self.text(usize::from(marker & 0x1f), json),
            0xc0 => json.raw("null"),
            0xc2 => json.raw("false"),
            0xc3 => json.raw("true"),
            0xc4..=0xc6 => {
                let size = self.size(1 << (marker - 0xc4))?;
                json.bytes(self.take(size)?)
            }
            0xca => json.float(f32::from_be_bytes(self.exact()?).into()),
            0xcb => json.float(f64::from_be_bytes(self.exact()?)),
            0xcc..=0xcf => json.raw(&self.number(1 << (marker - 0xcc))?.to_string()),
            0xd0 => json.raw(&i8::from_be_bytes(self.exact()?).to_string()),
            0xd1 => json.raw(&i16::from_be_bytes(self.exact()?).to_string()),
            0xd2 => json.raw(&i32::from_be_bytes(self.exact()?).to_string()),
            0xd3 => json.raw(&i64::from_be_bytes(self.exact()?).to_string()),
            0xd9..=0xdb => {
                let size = self.size(1 << (marker - 0xd9))?;
                self.text(size, json)
            }
            0xdc | 0xdd => {
                let size = self.size(2 << (marker - 0xdc))?;
                self.list(size, json)
            }
            0xde | 0xdf => {
                let size = self.size(2 << (marker - 0xde))?;
                self.map(size, json)
            }
            0xe0..=0xff => json.raw(&marker.cast_signed().to_string()),
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => Err("it holds an extension type, which kombu does not send".to_owned()),
        }
    }

    fn list(&mut self, size: usize, json: &mut Json) -> Result<(), String> {
        json.open('[')?;
        for at in 0..size {
            json.comma(at)?;
            self.value(json)?;
        }
        json.close(']')
    }

    fn map(&mut self, size: usize, json: &mut Json) -> Result<(), String> {
        json.open('{')?;
        for at in 0..size {
            json.comma(at)?;
            let key = json.at();
            self.value(json)?;
            json.as_key_since(key)?;
            self.value(json)?;
        }
        json.close('}')
    }

    fn text(&mut self, size: usize, json: &mut Json) -> Result<(), String> {
        let text =
            std::str::from_utf8(self.take(size)?).map_err(|error| format!("a text in it is no UTF-8: {error}"))?;
        json.string(text)
    }

    fn size(&mut self, bytes: usize) -> Result<usize, String> {
        usize::try_from(self.number(bytes)?).map_err(|error| error.to_string())
    }

    /// So many bytes as a number, the highest first.
    fn number(&mut self, bytes: usize) -> Result<u64, String> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn exact<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, left) = self.left.split_first_chunk().ok_or("it ends too early")?;
        self.left = left;
        Ok(*taken)
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], String> {
        let (taken, left) = self.left.split_at_checked(size).ok_or("it ends too early")?;
        self.left = left;
        Ok(taken)
    }
}

fn write(out: &mut Vec<u8>, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(value) => out.push(if *value { 0xc3 } else { 0xc2 }),
        Value::Int(value) => integer(out, *value)?,
        Value::Float(value) => {
            out.push(0xcb);
            out.extend(value.to_be_bytes());
        }
        Value::Text(text) => {
            sized(out, text.len(), Some((0xa0, 31)), [Some(0xd9), Some(0xda), Some(0xdb)])?;
            out.extend(text.as_bytes());
        }
        Value::Bytes(bytes) => {
            sized(out, bytes.len(), None, [Some(0xc4), Some(0xc5), Some(0xc6)])?;
            out.extend(bytes);
        }
        Value::Tagged(tag, _) => return Err(format!("msgpack has no {tag}; send it as text, or use json")),
        Value::List(items) => {
            sized(out, items.len(), Some((0x90, 15)), [None, Some(0xdc), Some(0xdd)])?;
            items.iter().try_for_each(|item| write(out, item))?;
        }
        Value::Map(members) => {
            sized(out, members.len(), Some((0x80, 15)), [None, Some(0xde), Some(0xdf)])?;
            for (key, value) in members {
                write(out, &Value::Text(key.clone()))?;
                write(out, value)?;
            }
        }
    }
    Ok(())
}

fn integer(out: &mut Vec<u8>, value: i128) -> Result<(), String> {
    if let Ok(small) = i8::try_from(value)
        && small >= -32
    {
        out.push(small.to_be_bytes()[0]);
    } else if let Ok(value) = u64::try_from(value) {
        out.push(0xcf);
        out.extend(value.to_be_bytes());
    } else if let Ok(value) = i64::try_from(value) {
        out.push(0xd3);
        out.extend(value.to_be_bytes());
    } else {
        return Err(format!("{value} is too large a number for msgpack"));
    }
    Ok(())
}

/// A marker with a size: in the marker itself, or behind one for one, two or four bytes.
fn sized(out: &mut Vec<u8>, size: usize, within: Option<(u8, usize)>, markers: [Option<u8>; 3]) -> Result<(), String> {
    let size = u32::try_from(size).map_err(|_| "it is too large for msgpack".to_owned())?;
    let bytes = size.to_be_bytes();
    match (within, markers) {
        (Some((marker, most)), _) if size as usize <= most => out.push(marker | bytes[3]),
        (_, [Some(marker), ..]) if size <= 0xff => out.extend([marker, bytes[3]]),
        (_, [_, Some(marker), _]) if size <= 0xffff => out.extend([marker, bytes[2], bytes[3]]),
        (_, [_, _, Some(marker)]) => {
            out.push(marker);
            out.extend(bytes);
        }
        _ => return Err("it is too large for msgpack".to_owned()),
    }
    Ok(())
}
