//! A way to a queue, as a rule or a sender names it: Celery's routing options.

use apium_protocol::RawJson;
use serde_json::{Map, Value};

use super::{ExchangeType, RouteError};

/// Where to, as far as one of them says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Route {
    /// The queue.
    pub queue: Option<String>,
    /// The exchange; empty: straight to the queue the routing key names.
    pub exchange: Option<String>,
    /// The exchange's type, where it is not that of the queue's own.
    pub exchange_type: Option<ExchangeType>,
    /// The routing key; empty counts as none.
    pub routing_key: Option<String>,
    /// 0 to 255; lowest first on Redis.
    pub priority: Option<u8>,
    /// Further options, such as `serializer`.
    pub other: Vec<(String, RawJson)>,
}

impl Route {
    /// To this queue.
    pub fn queue(name: impl Into<String>) -> Self {
        Self { queue: Some(name.into()).filter(|name| !name.is_empty()), ..Self::default() }
    }

    /// The same with a priority.
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Whether it says where to, and not only how.
    pub fn names_a_place(&self) -> bool {
        self.queue.is_some() || self.exchange.is_some() || self.routing_key.is_some()
    }

    /// Where it leads, in few words.
    pub(super) fn place(&self) -> String {
        match self {
            Self { queue: Some(queue), .. } => queue.clone(),
            Self { exchange: Some(exchange), .. } => format!("the exchange {exchange}"),
            _ => "the default queue".to_owned(),
        }
    }

    /// What the other says counts, wherever it says something.
    pub(super) fn overruled_by(mut self, other: &Self) -> Self {
        for (name, value) in other.other.iter().filter(|(_, value)| value.as_str() != "null") {
            self.other.retain(|(known, _)| known != name);
            self.other.push((name.clone(), value.clone()));
        }
        Self {
            queue: other.queue.clone().or(self.queue),
            exchange: other.exchange.clone().or(self.exchange),
            exchange_type: other.exchange_type.or(self.exchange_type),
            routing_key: other.routing_key.clone().or(self.routing_key),
            priority: other.priority.or(self.priority),
            other: self.other,
        }
    }

    /// Reads a rule's value; `None` when it is empty, which Celery takes for "as if there were no rule".
    pub(super) fn read(value: &Value, of: &str) -> Result<Option<Self>, RouteError> {
        match value {
            Value::String(queue) if queue.is_empty() => Ok(None),
            Value::String(queue) => Ok(Some(Self::queue(queue))),
            Value::Object(options) if options.is_empty() => Ok(None),
            Value::Object(options) => Self::of_options(options, of).map(Some),
            _ => Err(RouteError::Unreadable(format!(
                "{of} must be the name of a queue or a table of options such as {{\"queue\": \"email\"}}, not {value}"
            ))),
        }
    }

    fn of_options(options: &Map<String, Value>, of: &str) -> Result<Self, RouteError> {
        let mut route = Self::default();
        for (name, value) in options.iter().filter(|(_, value)| !value.is_null()) {
            let wrong = |what: &str| RouteError::Unreadable(format!("{name} of {of} must be {what}, not {value}"));
            let text = || value.as_str().map(ToOwned::to_owned).ok_or_else(|| wrong("a text"));
            match name.as_str() {
                "queue" => route.queue = Some(text()?).filter(|queue| !queue.is_empty()),
                "exchange" => route.exchange = Some(text()?),
                "routing_key" => route.routing_key = Some(text()?).filter(|key| !key.is_empty()),
                "exchange_type" => route.exchange_type = Some(ExchangeType::read(value, of)?),
                "priority" => {
                    let priority = value.as_u64().and_then(|priority| u8::try_from(priority).ok());
                    route.priority = Some(priority.ok_or_else(|| wrong("a whole number from 0 to 255"))?);
                }
                _ => route.other.push((name.clone(), RawJson::from(value).map_err(|error| wrong(&error.to_string()))?)),
            }
        }
        Ok(route)
    }
}

impl From<&str> for Route {
    fn from(queue: &str) -> Self {
        Self::queue(queue)
    }
}

impl From<String> for Route {
    fn from(queue: String) -> Self {
        Self::queue(queue)
    }
}
