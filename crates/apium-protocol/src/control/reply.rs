//! The reply of one worker, as it stands in the reply queue of the client.

use super::{
    ReplyTo, Request,
    envelope::{self, Envelope, typed, wrong},
};
use crate::{DecodeError, Properties, RawJson};

/// One element of a reply queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The worker that replies.
    pub node: String,
    /// What it says.
    pub value: RawJson,
    /// The ticket of the request.
    pub ticket: Option<String>,
    /// The Lamport clock of the worker.
    pub clock: u64,
    /// All other headers.
    pub headers: Vec<(String, RawJson)>,
    /// The properties.
    pub properties: Properties,
}

impl Reply {
    /// The reply of `node` to a request; `None` when it wants none. `clock` is the worker's, moved forward for it;
    /// `delivery_tag` is a fresh UUID.
    pub fn to(
        request: &Request,
        node: impl Into<String>,
        value: RawJson,
        clock: u64,
        delivery_tag: impl Into<String>,
    ) -> Option<Self> {
        let ReplyTo { exchange, routing_key } = request.reply_to.clone()?;
        let properties = envelope::properties(exchange, routing_key, 1, delivery_tag.into());
        let (node, ticket) = (node.into(), request.ticket.clone());
        Some(Self { node, value, ticket, clock, headers: Vec::new(), properties })
    }

    /// Reads an element of a reply queue.
    ///
    /// # Errors
    /// When it is no message, no JSON, or not the reply of exactly one node.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut message = Envelope::decode(bytes)?;
        let ticket = typed(message.header("ticket"), "headers.ticket", "a string")?;
        let clock = typed(message.header("clock"), "headers.clock", "a whole number")?;
        let not_one = || wrong("body", "should be an object with the name of one node");
        let body = envelope::once(&message.body).ok_or_else(not_one)?;
        let [(node, value)] = <[_; 1]>::try_from(body).map_err(|_| not_one())?;
        let clock = clock.unwrap_or_default();
        Ok(Self { node, value, ticket, clock, headers: message.headers, properties: message.properties })
    }

    /// Writes the element to push.
    pub fn encode(&self) -> Vec<u8> {
        let ticket = self.ticket.as_deref().map_or_else(RawJson::null, RawJson::string);
        let clock = RawJson::from(&self.clock).unwrap_or_default();
        let mut headers = vec![("ticket".to_owned(), ticket), ("clock".to_owned(), clock)];
        headers.extend(self.headers.iter().cloned());
        let body = RawJson::object(&[(self.node.clone(), self.value.clone())]);
        Envelope { headers, properties: self.properties.clone(), body }.encode()
    }

    /// What the worker says went well, of a reply `{"ok": …}`.
    pub fn ok(&self) -> Option<RawJson> {
        self.value.member("ok")
    }

    /// Why the worker refused, of a reply `{"error": …}`.
    pub fn error(&self) -> Option<String> {
        let error = self.value.member("error")?;
        Some(error.to().unwrap_or_else(|_| error.to_string()))
    }
}
