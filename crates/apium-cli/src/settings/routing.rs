//! The routes and schedules among the settings: a table of `apium.toml`, or a file with the dict of a Celery app.

use std::fmt::Display;

use apium::App;
use apium::beat::celery::import;
use apium::beat::{Entry, Zone};
use apium_core::routing::{DeclaredQueue, ExchangeType, Routes, Rules};

use super::Settings;
use super::check::file;
use super::table::Kind;
use crate::failure::Failure;

/// Whether the setting is a table, which keeps its order.
pub(super) fn is_table(kind: Kind) -> bool {
    matches!(kind, Kind::Routes | Kind::Queues | Kind::Schedules | Kind::Shards)
}

/// The text of a value of `apium.toml`: a path as it is, a table as JSON.
pub(super) fn text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(path) => Some(path.clone()),
        toml::Value::Table(_) | toml::Value::Array(_) => serde_json::to_string(value).ok(),
        _ => None,
    }
}

/// The rules a setting means.
pub(super) fn rules(text: &str) -> Result<Vec<Rules>, String> {
    read(text, Rules::parse)
}

/// The queues a setting declares.
pub(super) fn queues(text: &str) -> Result<Vec<DeclaredQueue>, String> {
    read(text, DeclaredQueue::parse)
}

/// The schedules a setting means, in this zone unless they say otherwise.
pub(super) fn schedules(text: &str, zone: &Zone) -> Result<Vec<Entry>, String> {
    read(text, |text| import(text, zone))
}

impl Settings {
    /// The zone of schedules that name none.
    pub(crate) fn zone(&self) -> Zone {
        self.text("timezone").and_then(|name| Zone::named(name).ok()).unwrap_or(Zone::UTC)
    }

    /// The app with these schedules beside its own.
    pub(crate) fn scheduled(&self, app: App) -> Result<App, Failure> {
        let wrong = |why: String| Failure::usage(format!("beat_schedule {why}"));
        let entries = self.text("beat_schedule").map_or(Ok(Vec::new()), |text| schedules(text, &self.zone()));
        Ok(entries.map_err(wrong)?.into_iter().fold(app, App::schedule))
    }

    /// The app with these routes before its own.
    pub(crate) fn routed(&self, app: App) -> Result<App, Failure> {
        let wrong = |key: &'static str| move |why: String| Failure::usage(format!("{key} {why}"));
        let rules = self.text("task_routes").map_or(Ok(Vec::new()), rules).map_err(wrong("task_routes"))?;
        let queues = self.text("task_queues").map_or(Ok(Vec::new()), queues).map_err(wrong("task_queues"))?;
        let set = Routes::default().with_queues(queues).with_rules(rules);
        Ok(app.routing(|program| self.with_defaults(program.preceded_by(set))))
    }

    fn with_defaults(&self, mut routes: Routes) -> Routes {
        if let Some(queue) = self.text("task_default_queue") {
            routes = routes.with_default_queue(queue);
        }
        if self.is_set("task_default_exchange") || self.is_set("task_default_exchange_type") {
            let exchange_type = match self.text("task_default_exchange_type") {
                Some("topic") => ExchangeType::Topic,
                Some("fanout") => ExchangeType::Fanout,
                _ => ExchangeType::Direct,
            };
            routes = routes.with_default_exchange(self.text("task_default_exchange").map(str::to_owned), exchange_type);
        }
        if let Some(key) = self.text("task_default_routing_key") {
            routes = routes.with_default_routing_key(key);
        }
        if let Some(priority) = self.text("task_default_priority").and_then(|text| text.parse().ok()) {
            routes = routes.with_default_priority(priority);
        }
        if self.is_set("task_create_missing_queues") {
            let create = matches!(self.text("task_create_missing_queues"), Some("true" | "1"));
            routes = routes.with_create_missing(create);
        }
        routes
    }
}

/// What a text says, or the file it names.
pub(super) fn read<T, E: Display>(text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, String> {
    if text.trim_start().starts_with(['{', '[', '(']) {
        return parse(text).map_err(|error| format!("cannot be used: {error}"));
    }
    file(text)?;
    let content = std::fs::read_to_string(text).map_err(|error| format!("cannot be read from {text}: {error}"))?;
    parse(&content).map_err(|error| format!("cannot be used: {text}: {error}"))
}
