//! Declared queues: the exchange each is bound to, and by which keys messages come to it.

use serde_json::{Map, Value};

use super::RouteError;
use super::literal;

/// How an exchange hands messages on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExchangeType {
    /// To the queues bound by this very routing key.
    #[default]
    Direct,
    /// To the queues whose key covers it: `*` stands for one word, `#` for any number of them.
    Topic,
    /// To every queue bound.
    Fanout,
}

/// A further way by which messages come to a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The exchange.
    pub exchange: String,
    /// Its type.
    pub exchange_type: ExchangeType,
    /// The key.
    pub routing_key: String,
}

/// A queue of `task_queues`. What is not said is as Celery has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclaredQueue {
    /// The name.
    pub name: String,
    /// Its exchange, with the type; `None`: the default one.
    pub exchange: Option<(String, ExchangeType)>,
    /// The key it is bound by; `None`: its name, or where it has `bindings` the default routing key.
    pub routing_key: Option<String>,
    /// Bindings instead of `exchange`.
    pub bindings: Vec<Binding>,
}

/// A queue with everything filled in.
pub(super) struct Place<'a> {
    pub(super) exchange: &'a str,
    pub(super) kind: ExchangeType,
    pub(super) routing_key: &'a str,
    pub(super) further: &'a [Binding],
}

/// The options of a queue that have nothing to do with routing, and are left to those who make the queue.
const OF_OTHERS: [&str; 19] = [
    "alias",
    "auto_delete",
    "binding_arguments",
    "consumer_arguments",
    "delivery_mode",
    "durable",
    "exchange_arguments",
    "exchange_auto_delete",
    "exchange_durable",
    "exclusive",
    "expires",
    "max_length",
    "max_length_bytes",
    "max_priority",
    "message_ttl",
    "no_ack",
    "no_declare",
    "queue_arguments",
    "queue_durable",
];

impl DeclaredQueue {
    /// A queue on the default exchange.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Reads Celery's `task_queues`: a dict of names and options, or a list of names, as JSON or as Python writes it.
    ///
    /// # Errors
    /// One sentence with what cannot be read.
    pub fn parse(text: &str) -> Result<Vec<Self>, RouteError> {
        match literal::read(text)? {
            Value::Null => Ok(Vec::new()),
            Value::Object(queues) => queues.iter().map(|(name, options)| queue(name, options)).collect(),
            Value::Array(names) => {
                let named =
                    |name: &Value| name.as_str().map(Self::new).ok_or_else(|| wrong("a list of queues", "names", name));
                names.iter().map(named).collect()
            }
            other => Err(wrong("task_queues", "a table such as {\"email\": {\"routing_key\": \"mail\"}}", &other)),
        }
    }

    pub(super) fn place<'a>(&'a self, standard: &Place<'a>) -> Place<'a> {
        let named = self.exchange.as_ref().filter(|(name, _)| !name.is_empty());
        let (exchange, kind) = named.map_or((standard.exchange, standard.kind), |(name, kind)| (name.as_str(), *kind));
        let routing_key = match self.routing_key.as_deref() {
            Some("") => standard.routing_key,
            Some(key) => key,
            None if self.bindings.is_empty() => &self.name,
            None => standard.routing_key,
        };
        Place { exchange, kind, routing_key, further: &self.bindings }
    }
}

impl Place<'_> {
    /// Whether a message to this exchange with this key comes here.
    pub(super) fn takes(&self, exchange: &str, routing_key: &str) -> bool {
        let main = self.exchange == exchange && self.kind.hands_on(self.routing_key, routing_key);
        let bound = |binding: &Binding| {
            binding.exchange == exchange && binding.exchange_type.hands_on(&binding.routing_key, routing_key)
        };
        main || self.further.iter().any(bound)
    }
}

impl ExchangeType {
    pub(super) fn read(value: &Value, of: &str) -> Result<Self, RouteError> {
        let known = match value.as_str() {
            Some("direct") => Self::Direct,
            Some("topic") => Self::Topic,
            Some("fanout") => Self::Fanout,
            _ => return Err(wrong(&format!("exchange_type of {of}"), "direct, topic or fanout", value)),
        };
        Ok(known)
    }

    fn hands_on(self, bound_by: &str, routing_key: &str) -> bool {
        match self {
            Self::Direct => bound_by == routing_key,
            Self::Topic => {
                let (pattern, key): (Vec<_>, Vec<_>) =
                    (bound_by.split('.').collect(), routing_key.split('.').collect());
                covers(&pattern, &key)
            }
            Self::Fanout => true,
        }
    }
}

/// Kombu's reading, that every worker on Redis has: `a.#` covers `a.b.c` and `a.`, and not `a`.
fn covers(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern.split_first(), key.split_first()) {
        (None, None) => true,
        (Some((&"#", rest)), Some(_)) => (1..=key.len()).any(|taken| covers(rest, &key[taken..])),
        (Some((&"*", rest)), Some((word, further))) => !word.is_empty() && covers(rest, further),
        (Some((same, rest)), Some((word, further))) => same == word && covers(rest, further),
        _ => false,
    }
}

fn queue(name: &str, options: &Value) -> Result<DeclaredQueue, RouteError> {
    let of = format!("the queue {name:?}");
    if options.is_null() {
        return Ok(DeclaredQueue::new(name));
    }
    let options = options.as_object().ok_or_else(|| wrong(&of, "a table of options", options))?;
    let mine = ["exchange", "exchange_type", "routing_key", "binding_key", "bindings"];
    if let Some(strange) =
        options.keys().find(|key| !mine.contains(&key.as_str()) && !OF_OTHERS.contains(&key.as_str()))
    {
        return Err(RouteError::Unreadable(format!("{of} has no option {strange}; known are {}", mine.join(", "))));
    }
    let kind = kind(options, &of)?;
    let exchange = text(options, "exchange", &of)?.map(|exchange| (exchange, kind));
    let routing_key = text(options, "binding_key", &of)?
        .filter(|key| !key.is_empty())
        .map_or_else(|| text(options, "routing_key", &of), |key| Ok(Some(key)))?;
    let bindings = match options.get("bindings") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.iter().map(|one| binding(one, &of)).collect::<Result<_, _>>()?,
        Some(other) => return Err(wrong(&format!("bindings of {of}"), "a list", other)),
    };
    if exchange.is_some() && !bindings.is_empty() {
        return Err(RouteError::Unreadable(format!(
            "{of} has an exchange and bindings: write the exchange as one of them"
        )));
    }
    Ok(DeclaredQueue { name: name.to_owned(), exchange, routing_key, bindings })
}

fn binding(value: &Value, of: &str) -> Result<Binding, RouteError> {
    let form = "a table such as {\"exchange\": \"media\", \"exchange_type\": \"topic\", \"routing_key\": \"video.#\"}";
    let broken = || wrong(&format!("a binding of {of}"), form, value);
    let options = value.as_object().ok_or_else(broken)?;
    Ok(Binding {
        exchange: text(options, "exchange", of)?.filter(|name| !name.is_empty()).ok_or_else(broken)?,
        exchange_type: kind(options, of)?,
        routing_key: text(options, "routing_key", of)?.unwrap_or_default(),
    })
}

fn kind(options: &Map<String, Value>, of: &str) -> Result<ExchangeType, RouteError> {
    let given = options.get("exchange_type").filter(|value| !value.is_null());
    given.map_or(Ok(ExchangeType::Direct), |value| ExchangeType::read(value, of))
}

fn text(options: &Map<String, Value>, key: &str, of: &str) -> Result<Option<String>, RouteError> {
    match options.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong(&format!("{key} of {of}"), "a text", other)),
    }
}

fn wrong(of: &str, what: &str, value: &Value) -> RouteError {
    RouteError::Unreadable(format!("{of} must be {what}, not {value}"))
}
