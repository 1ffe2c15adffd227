//! The request a client broadcasts: a command, whom it is for, and where replies are to go.

use std::fmt;

use super::{
    Command, ControlNames, Refusal,
    arguments::truthy,
    envelope::{self, Envelope, Members, typed, wrong},
    glob,
};
use crate::{
    DecodeError, Properties, RawJson,
    json::{number, object::ObjectWriter},
};

/// One message on the channel of remote control.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The command by its name.
    pub method: String,
    /// Its keyword arguments.
    pub arguments: RawJson,
    /// The nodes it is for; empty for those of the pattern, or all.
    pub destination: Vec<String>,
    /// A pattern over node names; counts only with a matcher and without a destination.
    pub pattern: Option<String>,
    /// How to read the pattern: `glob` or `pcre`.
    pub matcher: Option<String>,
    /// What the replies are to be marked with.
    pub ticket: Option<String>,
    /// Where replies go; `None` when none are wanted.
    pub reply_to: Option<ReplyTo>,
    /// The Lamport clock of the client.
    pub clock: u64,
    /// When nobody waits for a reply any more, in seconds since 1970; `None` for never. A Python worker answers
    /// whatever it says.
    pub expires: Option<f64>,
    /// All other headers.
    pub headers: Vec<(String, RawJson)>,
    /// The properties.
    pub properties: Properties,
}

/// Where the replies to a request go: to the queue that is bound to the exchange by this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// The exchange.
    pub exchange: String,
    /// The key, an id of the client.
    pub routing_key: String,
}

/// A request names its nodes in a way that is not known here; it is not answered, as a Python worker would not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMatcher {
    /// The way.
    pub matcher: String,
}

impl Request {
    /// A request to all nodes that wants no reply. Set `clock`, and `destination` or `pattern` and `matcher`.
    /// `delivery_tag` is a fresh UUID.
    pub fn new(command: &Command, names: &ControlNames, delivery_tag: impl Into<String>) -> Self {
        Self {
            method: command.name().to_owned(),
            arguments: command.arguments(),
            destination: Vec::new(),
            pattern: None,
            matcher: None,
            ticket: None,
            reply_to: None,
            clock: 0,
            expires: None,
            headers: Vec::new(),
            // What Celery's clients say, although nothing keeps what is published on a channel.
            properties: envelope::properties(names.exchange(), String::new(), 2, delivery_tag.into()),
        }
    }

    /// The same request with replies wanted: marked with `ticket`, a fresh UUID, and sent to the queue that the
    /// client `oid` has bound, see [`ControlNames::reply_binding`].
    pub fn replying_to(mut self, names: &ControlNames, oid: impl Into<String>, ticket: impl Into<String>) -> Self {
        self.reply_to = Some(ReplyTo { exchange: names.reply_exchange(), routing_key: oid.into() });
        self.ticket = Some(ticket.into());
        self
    }

    /// Reads what came on the channel.
    ///
    /// # Errors
    /// When it is no message, no JSON, names no method, or a known field is of the wrong type. The arguments are not
    /// judged here, see [`Request::command`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut message = Envelope::decode(bytes)?;
        let clock = typed(message.header("clock"), "headers.clock", "a whole number")?;
        let expires = typed(message.header("expires"), "headers.expires", "a number")?;
        let not_object = || wrong("body", "should be an object");
        let mut body = envelope::once(&message.body).ok_or_else(not_object)?;
        let mut text = |name: &str| typed(envelope::take(&mut body, name), &format!("body.{name}"), "a string");
        Ok(Self {
            method: text("method")?.ok_or_else(|| wrong("body.method", "is missing"))?,
            pattern: text("pattern")?,
            matcher: text("matcher")?,
            ticket: text("ticket")?,
            destination: destination(envelope::take(&mut body, "destination"))?,
            reply_to: reply_to(envelope::take(&mut body, "reply_to"))?,
            arguments: envelope::take(&mut body, "arguments").unwrap_or_else(RawJson::empty_object),
            clock: clock.unwrap_or_default(),
            expires: expires.filter(|at| *at != 0.0),
            headers: message.headers,
            properties: message.properties,
        })
    }

    /// Writes the message to publish.
    pub fn encode(&self) -> Vec<u8> {
        let texts: Vec<_> = self.destination.iter().map(|node| RawJson::string(node)).collect();
        let destination = if texts.is_empty() { RawJson::null() } else { RawJson::array(&texts) };
        let mut body = ObjectWriter::with_capacity(256);
        body.string("method", &self.method);
        body.raw("arguments", self.arguments.as_str());
        body.raw("destination", destination.as_str());
        body.nullable("pattern", self.pattern.as_deref());
        body.nullable("matcher", self.matcher.as_deref());
        body.optional("ticket", self.ticket.as_deref());
        if let Some(reply_to) = &self.reply_to {
            body.raw("reply_to", &reply_to.write());
        }
        let expires = self.expires.map_or_else(|| "0".to_owned(), number::float);
        let mut headers = vec![number_header("clock", &self.clock.to_string()), number_header("expires", &expires)];
        headers.extend(self.headers.iter().cloned());
        let body = RawJson::parse(&body.end()).unwrap_or_default();
        Envelope { headers, properties: self.properties.clone(), body }.encode()
    }

    /// The command with its arguments.
    ///
    /// # Errors
    /// The reply to give instead.
    pub fn command(&self) -> Result<Command, Refusal> {
        Command::parse(&self.method, &self.arguments)
    }

    /// Whether the request is for `node`.
    ///
    /// # Errors
    /// When it depends on a pattern that cannot be read here.
    pub fn is_for(&self, node: &str) -> Result<bool, UnknownMatcher> {
        if !self.destination.is_empty() {
            return Ok(self.destination.iter().any(|named| named == node));
        }
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        match (given(&self.pattern), given(&self.matcher)) {
            (Some(pattern), Some(matcher)) if matcher == "glob" => Ok(glob(&pattern, node)),
            (Some(_), Some(matcher)) => Err(UnknownMatcher { matcher }),
            _ => Ok(true),
        }
    }
}

impl ReplyTo {
    fn write(&self) -> String {
        let mut object = ObjectWriter::new();
        object.string("exchange", &self.exchange);
        object.string("routing_key", &self.routing_key);
        object.end()
    }
}

impl fmt::Display for UnknownMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nodes can be named by a pattern of the kind \"glob\" only, not {:?}", self.matcher)
    }
}

impl std::error::Error for UnknownMatcher {}

/// A list of nodes, or one alone; what is no text names no node.
fn destination(value: Option<RawJson>) -> Result<Vec<String>, DecodeError> {
    let Some(value) = value.filter(truthy) else {
        return Ok(Vec::new());
    };
    if let Ok(node) = value.to() {
        return Ok(vec![node]);
    }
    let nodes = value.elements().map_err(|_| wrong("body.destination", "should be a list of strings"))?;
    Ok(nodes.iter().map(|node| node.to().unwrap_or_default()).collect())
}

fn reply_to(value: Option<RawJson>) -> Result<Option<ReplyTo>, DecodeError> {
    let Some(value) = value.filter(truthy) else {
        return Ok(None);
    };
    let mut members: Members =
        envelope::once(&value).ok_or_else(|| wrong("body.reply_to", "should be an object or null"))?;
    let mut text = |name: &str| {
        let field = format!("body.reply_to.{name}");
        typed(envelope::take(&mut members, name), &field, "a string")?.ok_or_else(|| wrong(&field, "is missing"))
    };
    Ok(Some(ReplyTo { exchange: text("exchange")?, routing_key: text("routing_key")? }))
}

fn number_header(name: &str, text: &str) -> (String, RawJson) {
    (name.to_owned(), RawJson::parse(text).unwrap_or_default())
}
