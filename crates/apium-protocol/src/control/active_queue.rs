//! A queue a worker consumes, with every attribute kombu gives one.

use serde::{Deserialize, Serialize};

use crate::RawJson;

/// The entry of active_queues. What kombu alone knows has kombu's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, clippy::struct_excessive_bools)]
pub struct ActiveQueue {
    pub name: String,
    pub exchange: QueueExchange,
    pub routing_key: String,
    pub queue_arguments: RawJson,
    pub binding_arguments: RawJson,
    pub consumer_arguments: RawJson,
    pub durable: bool,
    pub exclusive: bool,
    pub auto_delete: bool,
    pub no_ack: bool,
    pub alias: Option<String>,
    pub bindings: RawJson,
    pub no_declare: Option<bool>,
    pub expires: Option<f64>,
    pub message_ttl: Option<f64>,
    pub max_length: Option<u64>,
    pub max_length_bytes: Option<u64>,
    pub max_priority: Option<u64>,
}

/// The exchange of such a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, clippy::struct_excessive_bools)]
pub struct QueueExchange {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub arguments: RawJson,
    pub durable: bool,
    pub passive: bool,
    pub auto_delete: bool,
    pub delivery_mode: RawJson,
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
