//! What is published on a channel of events: one of them alone, or a batch.

use super::{Event, EventNames};
use crate::{
    DecodeError, Properties, RawJson,
    control::envelope::{self, Envelope, typed},
};

/// How many events a Python worker collects at most before it publishes them.
pub const BATCH_LIMIT: usize = 24;

/// One message on a channel of events.
#[derive(Debug, Clone, PartialEq)]
pub struct EventMessage {
    /// The sender as the header names it; the same as in its events.
    pub hostname: Option<String>,
    /// The events, in the order in which they happened.
    pub events: Vec<Event>,
    /// Whether they are written as a list; one alone need not be.
    pub batch: bool,
    /// All other headers.
    pub headers: Vec<(String, RawJson)>,
    /// The properties; their routing key is the end of the channel's name.
    pub properties: Properties,
}

impl EventMessage {
    /// One event alone. `delivery_tag` is a fresh UUID.
    pub fn single(event: Event, names: &EventNames, delivery_tag: impl Into<String>) -> Self {
        let (hostname, routing_key) = (event.hostname.clone(), event.kind.routing_key());
        Self::new(hostname, vec![event], false, names, routing_key, delivery_tag.into())
    }

    /// A batch of one group, such as `task`; `None` when it is empty. `delivery_tag` is a fresh UUID.
    pub fn batch(events: Vec<Event>, names: &EventNames, delivery_tag: impl Into<String>) -> Option<Self> {
        let first = events.first()?;
        let (hostname, routing_key) = (first.hostname.clone(), format!("{}.multi", first.kind.group()));
        Some(Self::new(hostname, events, true, names, routing_key, delivery_tag.into()))
    }

    /// Reads what came on a channel of events.
    ///
    /// # Errors
    /// When it is no message, no JSON, or not made of events; one that is none spoils its batch.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut message = Envelope::decode(bytes)?;
        let hostname = typed(message.header("hostname"), "headers.hostname", "a string")?;
        let (events, batch) = match message.body.elements() {
            Ok(elements) => (elements.iter().map(Event::from_json).collect::<Result<_, _>>()?, true),
            Err(_) => (vec![Event::from_json(&message.body)?], false),
        };
        Ok(Self { hostname, events, batch, headers: message.headers, properties: message.properties })
    }

    /// Writes the message to publish; several events are a batch whatever [`EventMessage::batch`] says.
    pub fn encode(&self) -> Vec<u8> {
        let hostname = self.hostname.as_deref().map(|name| ("hostname".to_owned(), RawJson::string(name)));
        let headers = hostname.into_iter().chain(self.headers.iter().cloned()).collect();
        let body = match self.events.as_slice() {
            [only] if !self.batch => only.to_json(),
            events => RawJson::array(&events.iter().map(Event::to_json).collect::<Vec<_>>()),
        };
        Envelope { headers, properties: self.properties.clone(), body }.encode()
    }

    /// The channel to publish the message on.
    pub fn channel(&self, names: &EventNames, database: u32) -> String {
        names.channel(database, &self.properties.delivery_info.routing_key)
    }

    fn new(
        hostname: String,
        events: Vec<Event>,
        batch: bool,
        names: &EventNames,
        routing_key: String,
        delivery_tag: String,
    ) -> Self {
        let properties = envelope::properties(names.exchange().to_owned(), routing_key, 1, delivery_tag);
        Self { hostname: Some(hostname), events, batch, headers: Vec::new(), properties }
    }
}
