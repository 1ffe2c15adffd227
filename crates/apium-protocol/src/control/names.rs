//! The names remote control goes by in Redis: channels, reply queues, and the bindings that lead to them.

use std::fmt;

/// Between the three parts of a binding.
const SEPARATOR: &str = "\u{6}\u{16}";

/// The names that follow from the setting `control_exchange`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlNames {
    namespace: String,
}

impl ControlNames {
    /// The names for a `control_exchange`; `celery` unless a deployment has changed it.
    pub fn new(control_exchange: impl Into<String>) -> Self {
        Self { namespace: control_exchange.into() }
    }

    /// The exchange requests are published to, `celery.pidbox`.
    pub fn exchange(&self) -> String {
        format!("{}.pidbox", self.namespace)
    }

    /// The exchange replies are published to, `reply.celery.pidbox`.
    pub fn reply_exchange(&self) -> String {
        format!("reply.{}", self.exchange())
    }

    /// The channel requests are published on, `/0.celery.pidbox` in database 0.
    pub fn channel(&self, database: u32) -> String {
        format!("/{database}.{}", self.exchange())
    }

    /// The mailbox of a worker, `w1@lab.celery.pidbox`.
    pub fn node_queue(&self, node: &str) -> String {
        format!("{node}.{}", self.exchange())
    }

    /// What a worker registers at [`ControlNames::exchange`]: nobody reads it, the channel reaches everybody.
    pub fn node_binding(&self, node: &str) -> Binding {
        Binding::new("", self.node_queue(node))
    }

    /// The list the replies for the client `oid` are pushed to, `<oid>.reply.celery.pidbox`.
    pub fn reply_queue(&self, oid: &str) -> String {
        format!("{oid}.{}", self.reply_exchange())
    }

    /// What a client registers at [`ControlNames::reply_exchange`] before it asks.
    pub fn reply_binding(&self, oid: &str) -> Binding {
        Binding::new(oid, self.reply_queue(oid))
    }
}

impl Default for ControlNames {
    fn default() -> Self {
        Self::new("celery")
    }
}

/// One member of the set `_kombu.binding.<exchange>`: what is published with this key goes to this queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Binding {
    /// The routing key.
    pub routing_key: String,
    /// The pattern of a topic exchange; empty for remote control.
    pub pattern: String,
    /// The queue.
    pub queue: String,
}

impl Binding {
    /// A binding without a pattern.
    pub fn new(routing_key: impl Into<String>, queue: impl Into<String>) -> Self {
        Self { routing_key: routing_key.into(), pattern: String::new(), queue: queue.into() }
    }

    /// The key of the set that holds the bindings of an exchange.
    pub fn key(exchange: &str) -> String {
        format!("_kombu.binding.{exchange}")
    }

    /// Reads a member of that set; `None` when it is no binding.
    pub fn parse(member: &str) -> Option<Self> {
        let mut parts = member.splitn(3, SEPARATOR);
        let (routing_key, pattern, queue) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { routing_key: routing_key.to_owned(), pattern: pattern.to_owned(), queue: queue.to_owned() })
    }
}

/// The member as it stands in the set.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{SEPARATOR}{}{SEPARATOR}{}", self.routing_key, self.pattern, self.queue)
    }
}
