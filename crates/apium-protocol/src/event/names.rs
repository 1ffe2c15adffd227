//! The channels events go by in Redis.

/// The names that follow from the setting `event_exchange`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventNames {
    exchange: String,
}

impl EventNames {
    /// The names for an `event_exchange`; `celeryev` unless a deployment has changed it.
    pub fn new(event_exchange: impl Into<String>) -> Self {
        Self { exchange: event_exchange.into() }
    }

    /// The exchange events are published to.
    pub fn exchange(&self) -> &str {
        &self.exchange
    }

    /// The channel for a routing key, such as `/0.celeryev/worker.heartbeat` in database 0.
    pub fn channel(&self, database: u32, routing_key: &str) -> String {
        format!("/{database}.{}/{routing_key}", self.exchange)
    }

    /// The pattern to subscribe to for a routing key of a topic: `#` for all events, `worker.#` for those of workers.
    pub fn pattern(&self, database: u32, topic: &str) -> String {
        self.channel(database, &topic.replace('#', "*"))
    }

    /// The routing key a message came with, from the name of its channel; `None` for another channel.
    pub fn routing_key<'a>(&self, database: u32, channel: &'a str) -> Option<&'a str> {
        channel.strip_prefix(&self.channel(database, ""))
    }
}

impl Default for EventNames {
    fn default() -> Self {
        Self::new("celeryev")
    }
}
