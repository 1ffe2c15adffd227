//! The table of settings: the engine's, and after them what each service declares.

mod api;
mod beat;
mod bodies;
mod eager;
mod ground;
mod outbox;
mod routing;
mod work;

use svc_osint::settings::Declaration;

use crate::services::Service;

/// One setting: everything that is known of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// Its key in `apium.toml`; the flag is the same with dashes.
    pub(crate) key: &'static str,
    /// The short flag.
    pub(crate) short: Option<char>,
    /// Environment variables, the first that is set wins.
    pub(crate) env: &'static [&'static str],
    /// The value when nothing else says; `None`: as `help` tells.
    pub(crate) default: Option<&'static str>,
    /// What stands for the value in the help.
    pub(crate) value: &'static str,
    /// One line on what it does, with its unit.
    pub(crate) help: &'static str,
    /// Which commands know it.
    pub(crate) scope: Scope,
    /// How the value is checked.
    pub(crate) kind: Kind,
}

/// Which commands know a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Every command.
    All,
    /// `up` and `worker`.
    Work,
    /// `up`, `serve` and `worker`.
    Listen,
    /// `up`, `worker` and `outbox`.
    Outbox,
    /// `up` and `beat`.
    Beat,
    /// `up`, `serve` and `worker`: what the services need.
    Services,
}

/// What a value must look like; `check.rs` holds each value to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// A URL of a store, shown without its password.
    Url,
    /// A URL of a caller's own database, likewise.
    Database,
    /// The path of a folder, which may still have to be made.
    Folder,
    /// The path of a file that can be read.
    File,
    /// A level of the log, or directives.
    Level,
    /// What a header of HTTP can carry.
    Header,
    /// Celery's format of a node name.
    NodeName,
    /// A whole number in this range.
    Count { least: u32, most: u32 },
    /// A number of seconds in this range, fractions allowed.
    Seconds { least: f64, most: f64 },
    /// Queue names with commas between, at least one.
    Names,
    /// One name.
    Name,
    /// A password, never shown.
    Secret,
    /// A program and its arguments, with spaces between.
    Command,
    /// Celery's `task_routes`: a table, or the path of a file that holds one.
    Routes,
    /// Celery's `task_queues`, likewise.
    Queues,
    /// Celery's `beat_schedule`, likewise.
    Schedules,
    /// The further shards, likewise; shown without passwords.
    Shards,
    /// The IANA name of a time zone.
    Zone,
    /// `true` or `false`.
    Switch,
    /// A rate limit in Celery's notation.
    Rate,
    /// One of these words.
    Word(&'static [&'static str]),
    /// At least one of these words, with commas between.
    Words(&'static [&'static str]),
    /// `HOST:PORT`.
    Address,
    /// IP addresses with commas between.
    Addresses,
    /// IP addresses, each with its port, with commas between.
    Sockets,
    /// IP addresses with or without a port, with commas between.
    Servers,
    /// A key of somebody's service, which may be left empty; never shown.
    Key,
    /// What the service that declares it reads itself.
    Text,
}

impl Kind {
    /// Whether the flag alone, without a value, means `true`.
    pub(crate) fn is_switch(self) -> bool {
        matches!(self, Self::Switch | Self::Word(["true", "false"]))
    }
}

/// The longest time a setting may name, in seconds: beyond it dates run out.
pub(crate) const HUNDRED_YEARS: f64 = 3_153_600_000.0;

/// The engine's settings, in the order of the manual.
const ENGINE: &[&[Setting]] =
    &[ground::GROUND, routing::ROUTING, bodies::BODIES, eager::EAGER, work::WORK, api::API, beat::BEAT, outbox::OUTBOX];

/// The engine's settings and those of these services.
pub(crate) fn table(services: &[Service]) -> Vec<Setting> {
    let declared = services.iter().flat_map(|service| service.settings);
    let of_service = |declared: &Declaration| Setting {
        key: declared.key,
        short: None,
        env: declared.env,
        default: declared.default,
        value: declared.value,
        help: declared.help,
        scope: Scope::Services,
        kind: declared.kind.into(),
    };
    ENGINE.concat().into_iter().chain(declared.map(of_service)).collect()
}

impl Setting {
    /// The long flag.
    pub(crate) fn flag(&self) -> String {
        self.key.replace('_', "-")
    }
}

impl From<svc_osint::settings::Kind> for Kind {
    fn from(kind: svc_osint::settings::Kind) -> Self {
        use svc_osint::settings::Kind as Declared;
        match kind {
            Declared::File => Self::File,
            Declared::Header => Self::Header,
            Declared::Switch => Self::Word(&["true", "false"]),
            Declared::Count(least, most) => Self::Count { least, most },
            Declared::Seconds(least, most) => Self::Seconds { least, most },
            Declared::Addresses => Self::Addresses,
            Declared::Sockets => Self::Sockets,
            Declared::Servers => Self::Servers,
            Declared::Database => Self::Database,
            Declared::Secret => Self::Key,
            Declared::Text => Self::Text,
        }
    }
}
