//! YAML, read as PyYAML's `safe_load` reads it, and written so that it reads the same.

mod scalar;
mod write;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};
use std::collections::HashMap;

use crate::json::Json;

pub(crate) use write::{from_json, of};

/// Reads YAML as the JSON kombu would have written. What is shared by an alias is written out each time, and counts
/// each time: nothing can multiply beyond `most`.
pub(crate) fn to_json(bytes: &[u8], most: usize) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("it is no UTF-8: {error}"))?;
    let mut reader = Reader { parser: Parser::new_from_str(text), json: Json::new(most), anchors: HashMap::new() };
    reader.document()?;
    Ok(reader.json.end())
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    json: Json,
    /// Where what an anchor names was written.
    anchors: HashMap<usize, (usize, usize)>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<(), String> {
        loop {
            match self.next()? {
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => {}
                Event::StreamEnd => return self.json.raw("null"),
                event => {
                    self.value(event)?;
                    break;
                }
            }
        }
        match (self.next()?, self.next()?) {
            (Event::DocumentEnd, Event::StreamEnd) => Ok(()),
            _ => Err("it holds more than one document".to_owned()),
        }
    }

    fn value(&mut self, event: Event<'a>) -> Result<(), String> {
        let from = self.json.at();
        let anchor = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).copied();
                let (from, to) = known.ok_or("an alias in it stands within what it names")?;
                return self.json.again(from, to);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref().map(name);
                scalar::write(&mut self.json, &text, style == ScalarStyle::Plain, tag.as_deref())?;
                anchor
            }
            Event::SequenceStart(anchor, tag) => {
                only("seq", tag.as_deref())?;
                self.sequence()?;
                anchor
            }
            Event::MappingStart(anchor, tag) => {
                only("map", tag.as_deref())?;
                self.mapping()?;
                anchor
            }
            _ => return Err("it ends too early".to_owned()),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (from, self.json.at()));
        }
        Ok(())
    }

    fn sequence(&mut self) -> Result<(), String> {
        self.json.open('[')?;
        for at in 0.. {
            match self.next()? {
                Event::SequenceEnd => break,
                event => {
                    self.json.comma(at)?;
                    self.value(event)?;
                }
            }
        }
        self.json.close(']')
    }

    fn mapping(&mut self) -> Result<(), String> {
        self.json.open('{')?;
        for at in 0.. {
            let event = self.next()?;
            match &event {
                Event::MappingEnd => break,
                Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<" => {
                    return Err("it merges mappings by <<, which is not read here".to_owned());
                }
                _ => {}
            }
            self.json.comma(at)?;
            let key = self.json.at();
            self.value(event)?;
            self.json.as_key_since(key)?;
            let value = self.next()?;
            self.value(value)?;
        }
        self.json.close('}')
    }

    fn next(&mut self) -> Result<Event<'a>, String> {
        match self.parser.next_event() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(format!("it is no YAML: {error}")),
            None => Err("it ends too early".to_owned()),
        }
    }
}

/// `!!binary` as `binary`; a tag of another kind whole.
fn name(tag: &Tag) -> String {
    if tag.is_yaml_core_schema() { tag.suffix.clone() } else { format!("{}{}", tag.handle, tag.suffix) }
}

fn only(kind: &str, tag: Option<&Tag>) -> Result<(), String> {
    match tag.map(name) {
        Some(tag) if tag != kind => Err(scalar::foreign(&tag)),
        _ => Ok(()),
    }
}
