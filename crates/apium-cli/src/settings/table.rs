//! The table of settings: the engine's, and after them what each service declares.

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
    /// `up`, `serve` and `worker`: what the services need.
    Services,
}

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A URL, shown without its password.
    Url,
    /// A whole number of at least 1.
    Count,
    /// A number of seconds from zero to a hundred years, fractions allowed.
    Seconds,
    /// Queue names with commas between, at least one.
    Names,
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `HOST:PORT`.
    Address,
}

/// The engine's settings, in the order of the manual.
const ENGINE: &[Setting] = &[
    Setting {
        key: "broker",
        short: Some('b'),
        env: &["APIUM_BROKER", "CELERY_BROKER_URL", "REDIS_URL"],
        default: None,
        value: "URL",
        help: "Where messages are: sqlite:PATH, redis://HOST:PORT/DB, rediss://…, unix://… or memory://. Default: the embedded store in the data folder",
        scope: Scope::All,
        kind: Kind::Url,
    },
    Setting {
        key: "result_backend",
        short: None,
        env: &["APIUM_RESULT_BACKEND", "CELERY_RESULT_BACKEND"],
        default: None,
        value: "URL",
        help: "Where results are. Default: where the messages are",
        scope: Scope::All,
        kind: Kind::Url,
    },
    Setting {
        key: "data",
        short: None,
        env: &["APIUM_DATA"],
        default: Some("./apium-data"),
        value: "FOLDER",
        help: "The folder of the embedded store; made when missing",
        scope: Scope::All,
        kind: Kind::Text,
    },
    Setting {
        key: "loglevel",
        short: Some('l'),
        env: &["APIUM_LOGLEVEL", "LOG_LEVEL"],
        default: Some("info"),
        value: "LEVEL",
        help: "What is logged: error, warning, info, debug or trace, or directives such as info,apium_worker=debug",
        scope: Scope::All,
        kind: Kind::Text,
    },
    Setting {
        key: "log_format",
        short: None,
        env: &["APIUM_LOG_FORMAT"],
        default: Some("text"),
        value: "FORMAT",
        help: "How it is logged: text, or json (one object a line)",
        scope: Scope::All,
        kind: Kind::Word(&["text", "json"]),
    },
    Setting {
        key: "listen",
        short: None,
        env: &["APIUM_LISTEN"],
        default: Some("127.0.0.1:8000"),
        value: "HOST:PORT",
        help: "Where HTTP is served. HOST and PORT in the environment are honoured too. A worker alone listens only when told to",
        scope: Scope::Listen,
        kind: Kind::Address,
    },
    Setting {
        key: "queues",
        short: Some('Q'),
        env: &["APIUM_QUEUES", "CELERY_WORKER_QUEUES"],
        default: None,
        value: "QUEUES",
        help: "The queues to consume, with commas between. Default: those of the tasks this program knows, and celery",
        scope: Scope::Work,
        kind: Kind::Names,
    },
    Setting {
        key: "concurrency",
        short: Some('c'),
        env: &["APIUM_CONCURRENCY", "CELERY_WORKER_CONCURRENCY"],
        default: None,
        value: "N",
        help: "Attempts at once. Default: the number of cores, at least 4",
        scope: Scope::Work,
        kind: Kind::Count,
    },
    Setting {
        key: "hostname",
        short: Some('n'),
        env: &["APIUM_HOSTNAME"],
        default: Some("celery@%h"),
        value: "NAME@%h",
        help: "The worker's node name; %h is the host's name, %n its first part, %d the rest",
        scope: Scope::Work,
        kind: Kind::Text,
    },
    Setting {
        key: "result_expires",
        short: None,
        env: &["APIUM_RESULT_EXPIRES", "CELERY_RESULT_EXPIRES"],
        default: Some("86400"),
        value: "SECONDS",
        help: "How long results are kept; 0: for ever. A task's own setting comes first",
        scope: Scope::Work,
        kind: Kind::Seconds,
    },
    Setting {
        key: "track_started",
        short: None,
        env: &["APIUM_TRACK_STARTED", "CELERY_TASK_TRACK_STARTED"],
        default: Some("false"),
        value: "true|false",
        help: "Store the state STARTED when an attempt begins",
        scope: Scope::Work,
        kind: Kind::Switch,
    },
    Setting {
        key: "lease",
        short: None,
        env: &["APIUM_LEASE"],
        default: Some("30"),
        value: "SECONDS",
        help: "After this long the work of a worker that died is taken up by another; at least 1",
        scope: Scope::Work,
        kind: Kind::Seconds,
    },
    Setting {
        key: "visibility_timeout",
        short: None,
        env: &["APIUM_VISIBILITY_TIMEOUT"],
        default: Some("3600"),
        value: "SECONDS",
        help: "On Redis: after this long what a dead Python worker held is put back. At least what those workers use",
        scope: Scope::Work,
        kind: Kind::Seconds,
    },
    Setting {
        key: "stop_timeout",
        short: None,
        env: &["APIUM_STOP_TIMEOUT"],
        default: Some("30"),
        value: "SECONDS",
        help: "How long a stop waits for running tasks, before they are given back to their queues, and for open requests",
        scope: Scope::Listen,
        kind: Kind::Seconds,
    },
];

/// The engine's settings and those of these services.
pub(crate) fn table(services: &[Service]) -> Vec<Setting> {
    let declared = services.iter().flat_map(|service| service.settings);
    let of_service = |declared: &svc_osint::settings::Declaration| Setting {
        key: declared.key,
        short: None,
        env: declared.env,
        default: declared.default,
        value: declared.value,
        help: declared.help,
        scope: Scope::Services,
        kind: Kind::Text,
    };
    ENGINE.iter().copied().chain(declared.map(of_service)).collect()
}

impl Setting {
    /// The long flag.
    pub(crate) fn flag(&self) -> String {
        self.key.replace('_', "-")
    }
}
