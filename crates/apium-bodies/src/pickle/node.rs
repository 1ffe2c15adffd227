//! What a pickle builds: objects in one list, which refer to each other by their place.

use crate::json::Json;

/// The place of an object.
pub(super) type Place = u32;

/// One object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// A whole number in its digits.
    Int(String),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// A list, a set or a tuple: JSON does not tell them apart.
    List(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    /// The name of something in a module; nothing is looked up.
    Global(String),
    /// One of Python's types that kombu tags: the tag and its text.
    Tagged(&'static str, String),
    /// A span in microseconds: part of a time zone.
    Span(i128),
    /// A time zone, as an offset in ISO 8601.
    Zone(String),
    /// A UUID whose number comes later.
    BareUuid,
    Uuid(String),
}

/// All objects of a pickle.
pub(super) struct Nodes {
    list: Vec<Node>,
    most: usize,
}

impl Nodes {
    /// No more than `most` objects.
    pub(super) fn new(most: usize) -> Self {
        Self { list: Vec::new(), most }
    }

    pub(super) fn add(&mut self, node: Node) -> Result<Place, String> {
        if self.list.len() >= self.most {
            return Err(format!("it holds more than {} objects", self.most));
        }
        self.list.push(node);
        Place::try_from(self.list.len() - 1).map_err(|error| error.to_string())
    }

    pub(super) fn get(&self, place: Place) -> Result<&Node, String> {
        self.list.get(place as usize).ok_or_else(|| "it refers to what is not there".to_owned())
    }

    pub(super) fn change(&mut self, place: Place) -> Result<&mut Node, String> {
        self.list.get_mut(place as usize).ok_or_else(|| "it refers to what is not there".to_owned())
    }

    /// Writes one object and what it holds.
    pub(super) fn write(&self, place: Place, json: &mut Json) -> Result<(), String> {
        match self.get(place)? {
            Node::Null => json.raw("null"),
            Node::Bool(value) => json.raw(if *value { "true" } else { "false" }),
            Node::Int(digits) => json.raw(digits),
            Node::Float(value) => json.float(*value),
            Node::Text(text) => json.string(text),
            Node::Bytes(bytes) => json.bytes(bytes),
            Node::Tagged(tag, text) => json.tagged(tag, text),
            Node::Uuid(hex) => json.uuid(hex),
            Node::List(items) => {
                json.open('[')?;
                for (at, item) in items.iter().enumerate() {
                    json.comma(at)?;
                    self.write(*item, json)?;
                }
                json.close(']')
            }
            Node::Dict(members) => {
                json.open('{')?;
                for (at, (key, value)) in members.iter().enumerate() {
                    json.comma(at)?;
                    let begin = json.at();
                    self.write(*key, json)?;
                    json.as_key_since(begin)?;
                    self.write(*value, json)?;
                }
                json.close('}')
            }
            Node::Global(name) => Err(refused(name)),
            Node::Span(_) => Err(refused("datetime.timedelta")),
            Node::Zone(_) => Err(refused("datetime.timezone")),
            Node::BareUuid => Err("a UUID in it has no number".to_owned()),
        }
    }
}

/// What is not plain data is not made.
pub(super) fn refused(name: &str) -> String {
    format!("it holds a {name}, which is not plain data: nothing in a pickle is called or imported here")
}
