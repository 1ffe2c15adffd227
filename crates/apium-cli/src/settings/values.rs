//! The values a command works with, checked, each with its origin.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use apium::bodies::{BodySettings, Compression, Serializer, WireBodies};
use apium::{BackendSettings, SentinelSettings, WorkerOptions, is_memory, redact};
use apium_core::client::hostname;
use apium_core::task::rate_limit;
use tracing_subscriber::EnvFilter;

use super::check::quoted;
use super::level;
use super::manual::manual;
use super::node::node_name;
use super::shards;
use super::sources::Origin;
use super::table::{Kind, Scope, Setting};
use crate::failure::Failure;

/// Every setting that has a value.
#[derive(Debug)]
pub(crate) struct Settings {
    table: Vec<Setting>,
    values: BTreeMap<&'static str, Value>,
}

/// A value and where it came from.
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// A setting as it may be shown.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) key: &'static str,
    /// Without secrets.
    pub(crate) value: String,
    pub(crate) origin: String,
}

impl Settings {
    pub(crate) fn new(table: Vec<Setting>, values: BTreeMap<&'static str, Value>) -> Self {
        Self { table, values }
    }

    /// The text of a setting.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|value| value.text.as_str())
    }

    /// True when someone set it, rather than the table.
    pub(crate) fn is_set(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(|value| value.origin != Origin::Default)
    }

    /// What a service is told of one of its settings, by the name of its environment variable.
    pub(crate) fn of_service(&self, name: &str) -> Option<String> {
        self.by_environment_name(name).or_else(|| std::env::var(name).ok())
    }

    /// The value of the setting that this environment variable sets, wherever it came from.
    pub(crate) fn by_environment_name(&self, name: &str) -> Option<String> {
        let setting = self.table.iter().find(|setting| setting.env.contains(&name))?;
        self.text(setting.key).map(ToOwned::to_owned)
    }

    /// The broker's URL: as set, else the embedded store in the data folder.
    pub(crate) fn broker(&self) -> String {
        let embedded =
            || format!("sqlite:{}", PathBuf::from(self.text("data").unwrap_or_default()).join("apium.db").display());
        self.text("broker").map_or_else(embedded, ToOwned::to_owned)
    }

    /// Refuses a store that lives in one process for a command that is to meet others there.
    pub(crate) fn shared(&self) -> Result<(), Failure> {
        for key in ["broker", "result_backend"] {
            if let Some(value) = self.values.get(key).filter(|value| is_memory(&value.text)) {
                return Err(Failure::usage(format!(
                    "{key} cannot be memory:// here, which lives in one process and nobody else can see: use it with \
                     `up` ({})",
                    value.origin
                )));
            }
        }
        if let Some(shard) = self.shards()?.iter().find(|shard| shard.is_memory()) {
            let name = &shard.name;
            return Err(Failure::usage(format!(
                "the shard {name} cannot be memory:// here, which nobody else can see"
            )));
        }
        Ok(())
    }

    /// What is logged.
    pub(crate) fn filter(&self) -> Result<EnvFilter, Failure> {
        let level = self.text("loglevel").unwrap_or("info");
        level::filter(level).ok_or_else(|| Failure::usage(format!("loglevel cannot be {}", quoted(level))))
    }

    /// What a worker is to be like; `queues` when none are set.
    pub(crate) fn worker(&self, queues: Vec<String>) -> WorkerOptions {
        let defaults = WorkerOptions::default();
        let named = self.text("queues").map(|text| text.split(',').map(|queue| queue.trim().to_owned()));
        let expires = self.seconds("result_expires").unwrap_or_default();
        WorkerOptions {
            // The format was checked, so that there is a name.
            name: node_name(self.text("hostname").unwrap_or("celery@%h"), &hostname()).unwrap_or(defaults.name),
            queues: named.map_or(queues, |named| named.filter(|queue| !queue.is_empty()).collect()),
            concurrency: self
                .text("concurrency")
                .and_then(|text| text.parse().ok())
                .unwrap_or(defaults.concurrency.max(4)),
            lease: self.seconds("lease").unwrap_or(defaults.lease),
            max_deaths: self.text("max_deaths").and_then(|text| text.parse().ok()).unwrap_or(defaults.max_deaths),
            max_stuck: self.text("max_stuck").and_then(|text| text.parse().ok()).unwrap_or(defaults.max_stuck),
            max_tasks_per_child: self.text("max_tasks_per_child").and_then(|text| text.parse().ok()),
            max_memory_per_child: self
                .text("max_memory_per_child")
                .and_then(|text| text.parse::<u64>().ok())
                .map(|kibibytes| kibibytes << 10),
            dead_letter_command: self
                .text("dead_letter_command")
                .map(|text| text.split_whitespace().map(ToOwned::to_owned).collect())
                .unwrap_or_default(),
            dead_letter_interval: self.seconds("dead_letter_interval").unwrap_or(defaults.dead_letter_interval),
            dead_letter_expired: self.switch("dead_letter_expired"),
            result_expires: Some(expires).filter(|span| !span.is_zero()),
            result_extended: self.switch("result_extended"),
            track_started: self.switch("track_started"),
            stop_timeout: self.stop_timeout(),
            task_events: self.switch("task_events"),
            enable_remote_control: self.switch("enable_remote_control"),
            without_gossip: self.switch("without_gossip"),
            without_mingle: self.switch("without_mingle"),
            without_heartbeat: self.switch("without_heartbeat"),
            default_rate_limit: self.text("task_default_rate_limit").and_then(rate_limit),
            queue_order: self.text("queue_order_strategy").and_then(|word| word.parse().ok()).unwrap_or_default(),
            ..defaults
        }
    }

    /// How long a stop waits for what is under way.
    pub(crate) fn stop_timeout(&self) -> Duration {
        self.seconds("stop_timeout").unwrap_or_else(|| WorkerOptions::default().stop_timeout)
    }

    /// What a backend is to be like.
    pub(crate) fn backend(&self) -> Result<BackendSettings, Failure> {
        let defaults = BackendSettings::default();
        Ok(BackendSettings {
            create: true,
            visibility_timeout: self.seconds("visibility_timeout").unwrap_or(defaults.visibility_timeout),
            sentinel: SentinelSettings {
                master_name: self.text("master_name").map(ToOwned::to_owned),
                password: self.text("sentinel_password").map(ToOwned::to_owned),
            },
            bodies: Arc::new(WireBodies::new(self.bodies()).map_err(Failure::usage)?),
            shards: self.shards()?,
        })
    }

    /// In which form bodies are sent and accepted.
    fn bodies(&self) -> BodySettings {
        let defaults = BodySettings::default();
        let accepted = self.text("accept_content").unwrap_or_default().split(',');
        let compression = |key| self.text(key).and_then(Compression::named);
        BodySettings {
            accept_content: accepted.filter_map(|name| Serializer::named(name.trim())).collect(),
            task_serializer: self
                .text("task_serializer")
                .and_then(Serializer::named)
                .unwrap_or(defaults.task_serializer),
            task_compression: compression("task_compression"),
            result_serializer: self
                .text("result_serializer")
                .and_then(Serializer::named)
                .unwrap_or(defaults.result_serializer),
            result_compression: compression("result_compression"),
            largest_body: self.text("largest_body").and_then(|text| text.parse().ok()).unwrap_or(defaults.largest_body),
            security_cert_store: self.text("security_cert_store").map(PathBuf::from),
        }
    }

    /// Each setting of these scopes that has a value, without secrets.
    pub(crate) fn told(&self, scopes: &[Scope]) -> Vec<Told> {
        let known = self.table.iter().filter(|setting| scopes.contains(&setting.scope));
        known
            .filter_map(|setting| {
                let value = self.values.get(setting.key)?;
                // A name or a path that held a login was refused; an `@` in it is just an `@`.
                let plain = match setting.kind {
                    Kind::Folder | Kind::File | Kind::NodeName | Kind::Names => true,
                    kind => matches!(kind, Kind::Name | Kind::Routes | Kind::Queues | Kind::Schedules),
                };
                let shown = match setting.kind {
                    Kind::Secret | Kind::Key => "***".to_owned(),
                    Kind::Shards => shards::shown(&value.text),
                    _ if plain => value.text.clone(),
                    _ => redact(&value.text),
                };
                Some(Told { key: setting.key, value: shown, origin: value.origin.to_string() })
            })
            .collect()
    }

    /// The manual page of all settings.
    pub(crate) fn manual(&self) -> String {
        manual(&self.table)
    }

    /// Whether a switch is on.
    pub(crate) fn switch(&self, key: &str) -> bool {
        matches!(self.text(key), Some("true" | "1"))
    }

    /// So many seconds.
    pub(crate) fn seconds(&self, key: &str) -> Option<Duration> {
        self.text(key).and_then(|text| text.parse().ok()).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }
}

/// Only where it came from: it may hold a password.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Value").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// `key = value (origin)`.
impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = {} ({})", self.key, self.value, self.origin)
    }
}
