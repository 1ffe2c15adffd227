//! A queue a worker consumes, with every attribute kombu gives one.

use serde::{Deserialize, Serialize};

use crate::RawJson;

/// The entry of active_queues. What kombu alone knows has kombu's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)]
pub struct ActiveQueue {
    /// Its name.
    pub name: String,
    /// The exchange it is bound to.
    pub exchange: QueueExchange,
    /// The key it is bound by.
    pub routing_key: String,
    /// Arguments of its declaration, an object or null.
    pub queue_arguments: RawJson,
    /// Arguments of its binding, an object or null.
    pub binding_arguments: RawJson,
    /// Arguments of its consumer, an object or null.
    pub consumer_arguments: RawJson,
    /// Whether it outlives the broker.
    pub durable: bool,
    /// Whether only one connection may use it.
    pub exclusive: bool,
    /// Whether it goes with its last user.
    pub auto_delete: bool,
    /// Whether its messages count as acknowledged when they are delivered.
    pub no_ack: bool,
    /// Unused in Celery.
    pub alias: Option<String>,
    /// Further bindings, an array.
    pub bindings: RawJson,
    /// Whether it is taken to exist.
    pub no_declare: Option<bool>,
    /// After how many seconds unused it is deleted.
    pub expires: Option<f64>,
    /// After how many seconds a message in it is dropped.
    pub message_ttl: Option<f64>,
    /// How many messages it holds at most.
    pub max_length: Option<u64>,
    /// How many bytes it holds at most.
    pub max_length_bytes: Option<u64>,
    /// The highest priority it tells apart.
    pub max_priority: Option<u64>,
}

/// The exchange of such a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)]
pub struct QueueExchange {
    /// Its name.
    pub name: String,
    /// Its type: `direct`, `topic` or `fanout`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Arguments of its declaration, an object or null.
    pub arguments: RawJson,
    /// Whether it outlives the broker.
    pub durable: bool,
    /// Whether it is only looked up, not made.
    pub passive: bool,
    /// Whether it goes with its last user.
    pub auto_delete: bool,
    /// How lasting its messages are when they do not say: a number, a word or null.
    pub delivery_mode: RawJson,
    /// Whether it is taken to exist.
    pub no_declare: bool,
}

impl ActiveQueue {
    /// A queue as Celery makes it from a name alone: a direct exchange and a routing key of the same name.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            exchange: QueueExchange { name: name.to_owned(), ..QueueExchange::default() },
            routing_key: name.to_owned(),
            ..Self::default()
        }
    }
}

impl Default for ActiveQueue {
    fn default() -> Self {
        Self {
            name: String::new(),
            exchange: QueueExchange::default(),
            routing_key: String::new(),
            queue_arguments: RawJson::null(),
            binding_arguments: RawJson::null(),
            consumer_arguments: RawJson::null(),
            durable: true,
            exclusive: false,
            auto_delete: false,
            no_ack: false,
            alias: None,
            bindings: RawJson::empty_array(),
            no_declare: None,
            expires: None,
            message_ttl: None,
            max_length: None,
            max_length_bytes: None,
            max_priority: None,
        }
    }
}

impl Default for QueueExchange {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: "direct".to_owned(),
            arguments: RawJson::null(),
            durable: true,
            passive: false,
            auto_delete: false,
            delivery_mode: RawJson::null(),
            no_declare: false,
        }
    }
}
