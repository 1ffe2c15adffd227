//! How the way of a task is decided: step by step what Celery's router and its sender do.

use std::collections::BTreeSet;

use super::queues::Place;
use super::{Destination, ExchangeType, Route, RouteError, Router, Routes, Rule, Why};

/// What a router said about a task.
pub(super) struct Found<'a> {
    pub(super) why: Why,
    /// `None` of a rule that names nothing: it ends the search all the same.
    pub(super) route: Option<Route>,
    /// The rule, and the table it stands in.
    pub(super) rule: Option<(usize, &'a Rule)>,
}

impl Routes {
    /// Where a task goes whose sender asks for this; `Route::default()` when it asks for nothing.
    ///
    /// # Errors
    /// When it names a queue that is not declared, and missing ones are not to be made.
    pub fn route(&self, task: &str, asked: &Route) -> Result<Destination, RouteError> {
        let own = self.own.get(task).filter(|_| asked.queue.is_none());
        let own_asked = own.map(|queue| Route { queue: Some(queue.clone()), ..asked.clone() });
        let asked = own_asked.as_ref().unwrap_or(asked);
        let known = |queue: &Option<String>| queue.as_ref().map_or(Ok(()), |queue| self.place(task, queue).map(drop));
        known(&asked.queue)?;
        let found = self.find(task);
        let rule = found.as_ref().and_then(|found| found.route.as_ref());
        rule.map_or(Ok(()), |rule| known(&rule.queue))?;
        let mut merged = rule.cloned().unwrap_or_default().overruled_by(asked);
        if merged.queue.is_none() && (rule.is_none() || merged.exchange.is_none()) {
            merged.queue = Some(self.default_queue.clone());
        }
        let place = merged.queue.as_ref().map(|queue| self.place(task, queue)).transpose()?;
        let (exchange, routing_key) = address(&merged, place.as_ref());
        let why = match found {
            _ if own.is_some() => Why::Task,
            _ if asked.queue.is_some() || asked.exchange.is_some() => Why::Sender,
            Some(found) if rule.is_some_and(Route::names_a_place) => found.why,
            _ => Why::Default,
        };
        Ok(Destination {
            arrives: self.arrives(task, &exchange, &routing_key, merged.queue.as_deref()),
            queue: merged.queue,
            exchange,
            routing_key,
            priority: merged.priority.or(self.default_priority),
            other: merged.other,
            why,
        })
    }

    /// The first router that has something to say.
    pub(super) fn find(&self, task: &str) -> Option<Found<'_>> {
        self.routers.iter().enumerate().find_map(|(at, router)| match router {
            Router::Rules(rules) => rules.find(task).map(|rule| Found {
                why: Why::Rule(rule.pattern.clone()),
                route: rule.route.clone(),
                rule: Some((at, rule)),
            }),
            Router::Function(function) => {
                function(task).map(|route| Found { why: Why::Function, route: Some(route), rule: None })
            }
        })
    }

    /// The queues a message comes to, sorted.
    fn arrives(&self, task: &str, exchange: &str, routing_key: &str, queue: Option<&str>) -> Vec<String> {
        if exchange.is_empty() {
            return Some(routing_key.to_owned()).filter(|queue| !queue.is_empty()).into_iter().collect();
        }
        // Who sends declares the queue it sends to; where none is declared, there is the default one.
        let declared = self.queues.iter().map(|declared| declared.name.as_str());
        let names = declared.chain(self.queues.is_empty().then_some(self.default_queue.as_str())).chain(queue);
        let bound = |name: &&str| self.place(task, name).is_ok_and(|place| place.takes(exchange, routing_key));
        names.filter(bound).map(ToOwned::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// A queue as declared, or as Celery makes one that is not.
    fn place<'a>(&'a self, task: &str, queue: &'a str) -> Result<Place<'a>, RouteError> {
        let exchange = self.default_exchange.as_deref().unwrap_or(&self.default_queue);
        let routing_key = self.default_routing_key.as_deref().unwrap_or(&self.default_queue);
        let standard = Place { exchange, kind: self.default_exchange_type, routing_key, further: &[] };
        match self.queues.iter().find(|declared| declared.name == queue) {
            Some(declared) => Ok(declared.place(&standard)),
            // Where no queue is declared, the default one is.
            None if self.queues.is_empty() && queue == self.default_queue => Ok(standard),
            None if self.create_missing => {
                Ok(Place { exchange: queue, kind: ExchangeType::Direct, routing_key: queue, further: &[] })
            }
            None => Err(RouteError::UnknownQueue { task: task.to_owned(), queue: queue.to_owned() }),
        }
    }
}

/// Exchange and routing key: straight to the queue wherever the exchange is direct and not named with its key.
fn address(merged: &Route, place: Option<&Place<'_>>) -> (String, String) {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (exchange, routing_key) = (given(&merged.exchange), given(&merged.routing_key));
    let kind = merged.exchange_type.or(place.map(|place| place.kind)).unwrap_or_default();
    match (&merged.exchange, place) {
        _ if kind == ExchangeType::Direct && (exchange.is_none() || routing_key.is_none()) => {
            (String::new(), merged.queue.clone().unwrap_or_default())
        }
        (None, Some(place)) => (place.exchange.to_owned(), routing_key.unwrap_or_else(|| place.routing_key.to_owned())),
        _ => (exchange.unwrap_or_default(), routing_key.unwrap_or_default()),
    }
}
