//! The table of settings: the engine's, and after them what each service declares.

use apium_core::routing::QueueOrder;
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
    /// `up`, `serve` and `worker`: what the services need.
    Services,
}

/// What a value must look like; `check.rs` holds each value to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// A URL of a store, shown without its password.
    Url,
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
    /// A program and its arguments, with spaces between.
    Command,
    /// Celery's `task_routes`: a table, or the path of a file that holds one.
    Routes,
    /// Celery's `task_queues`, likewise.
    Queues,
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
}

impl Kind {
    /// Whether the flag alone, without a value, means `true`.
    pub(crate) fn is_switch(self) -> bool {
        matches!(self, Self::Switch | Self::Word(["true", "false"]))
    }
}

/// The longest time a setting may name, in seconds: beyond it dates run out.
pub(crate) const HUNDRED_YEARS: f64 = 3_153_600_000.0;

/// Longer than any stop is worth waiting for, in seconds.
const DAY: f64 = 86_400.0;

/// In seconds; a lease is renewed while the work goes on, so a longer one only keeps a dead worker's work waiting.
const HOUR: f64 = 3_600.0;

/// Celery's serialisers.
const SERIALIZERS: &[&str] = &["json", "msgpack", "yaml", "auth", "pickle"];

/// Celery's compressions.
const COMPRESSIONS: &[&str] = &["gzip", "bzip2", "xz", "zstd", "brotli"];

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
        kind: Kind::Folder,
    },
    Setting {
        key: "loglevel",
        short: Some('l'),
        env: &["APIUM_LOGLEVEL", "LOG_LEVEL"],
        default: Some("info"),
        value: "LEVEL",
        help: "What is logged: error, warning, info, debug or trace, or directives such as info,apium_worker=debug",
        scope: Scope::All,
        kind: Kind::Level,
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
        key: "task_routes",
        short: None,
        env: &["APIUM_TASK_ROUTES", "CELERY_TASK_ROUTES"],
        default: None,
        value: "FILE",
        help: "Which task goes to which queue: a table in apium.toml, or the path of a file with Celery's dict in JSON or Python. The first rule that covers a name counts; `apium routes explain NAME` tells which",
        scope: Scope::All,
        kind: Kind::Routes,
    },
    Setting {
        key: "task_queues",
        short: None,
        env: &["APIUM_TASK_QUEUES", "CELERY_TASK_QUEUES"],
        default: None,
        value: "FILE",
        help: "The declared queues with exchange, exchange_type, routing_key or bindings: a table in apium.toml, or the path of a file likewise",
        scope: Scope::All,
        kind: Kind::Queues,
    },
    Setting {
        key: "task_default_queue",
        short: None,
        env: &["APIUM_TASK_DEFAULT_QUEUE", "CELERY_TASK_DEFAULT_QUEUE"],
        default: None,
        value: "QUEUE",
        help: "Where tasks go that neither name a queue nor have a rule. Default: what the program says, else celery",
        scope: Scope::All,
        kind: Kind::Name,
    },
    Setting {
        key: "task_default_exchange",
        short: None,
        env: &["APIUM_TASK_DEFAULT_EXCHANGE", "CELERY_TASK_DEFAULT_EXCHANGE"],
        default: None,
        value: "EXCHANGE",
        help: "The exchange of declared queues that name none. Default: named as the default queue",
        scope: Scope::All,
        kind: Kind::Name,
    },
    Setting {
        key: "task_default_exchange_type",
        short: None,
        env: &["APIUM_TASK_DEFAULT_EXCHANGE_TYPE", "CELERY_TASK_DEFAULT_EXCHANGE_TYPE"],
        default: Some("direct"),
        value: "TYPE",
        help: "Its type: direct, topic or fanout",
        scope: Scope::All,
        kind: Kind::Word(&["direct", "topic", "fanout"]),
    },
    Setting {
        key: "task_default_routing_key",
        short: None,
        env: &["APIUM_TASK_DEFAULT_ROUTING_KEY", "CELERY_TASK_DEFAULT_ROUTING_KEY"],
        default: None,
        value: "KEY",
        help: "The routing key where nothing names one. Default: the name of the default queue",
        scope: Scope::All,
        kind: Kind::Name,
    },
    Setting {
        key: "task_default_priority",
        short: None,
        env: &["APIUM_TASK_DEFAULT_PRIORITY", "CELERY_TASK_DEFAULT_PRIORITY"],
        default: None,
        value: "N",
        help: "The priority of tasks that neither their sender nor a rule gives one; on Redis, as in Celery, 0 comes first. Default: 0",
        scope: Scope::All,
        kind: Kind::Count { least: 0, most: 255 },
    },
    Setting {
        key: "task_create_missing_queues",
        short: None,
        env: &["APIUM_TASK_CREATE_MISSING_QUEUES", "CELERY_TASK_CREATE_MISSING_QUEUES"],
        default: Some("true"),
        value: "true|false",
        help: "Whether tasks may be sent to queues that are not declared",
        scope: Scope::All,
        kind: Kind::Switch,
    },
    Setting {
        key: "accept_content",
        short: None,
        env: &["APIUM_ACCEPT_CONTENT", "CELERY_ACCEPT_CONTENT"],
        default: Some("json"),
        value: "NAMES",
        help: "What is read of messages, with commas between: json, msgpack, yaml, auth (signed, see security_cert_store), pickle. Pickle is read as data, and nothing in it is called",
        scope: Scope::All,
        kind: Kind::Words(SERIALIZERS),
    },
    Setting {
        key: "task_serializer",
        short: None,
        env: &["APIUM_TASK_SERIALIZER", "CELERY_TASK_SERIALIZER"],
        default: Some("json"),
        value: "NAME",
        help: "What messages are written in",
        scope: Scope::All,
        kind: Kind::Word(&["json", "msgpack", "yaml", "pickle"]),
    },
    Setting {
        key: "task_compression",
        short: None,
        env: &["APIUM_TASK_COMPRESSION", "CELERY_TASK_COMPRESSION"],
        default: None,
        value: "NAME",
        help: "How messages are compressed: gzip, bzip2, xz, zstd or brotli. Default: not at all",
        scope: Scope::All,
        kind: Kind::Word(COMPRESSIONS),
    },
    Setting {
        key: "result_serializer",
        short: None,
        env: &["APIUM_RESULT_SERIALIZER", "CELERY_RESULT_SERIALIZER"],
        default: Some("json"),
        value: "NAME",
        help: "What results are stored in on Redis: json, msgpack or yaml. They bear no name of their form, so Celery's workers and callers must be set alike",
        scope: Scope::All,
        kind: Kind::Word(&["json", "msgpack", "yaml"]),
    },
    Setting {
        key: "result_compression",
        short: None,
        env: &["APIUM_RESULT_COMPRESSION", "CELERY_RESULT_COMPRESSION"],
        default: None,
        value: "NAME",
        help: "How results are compressed on Redis, likewise; Celery reads such since 5.7. Default: not at all",
        scope: Scope::All,
        kind: Kind::Word(COMPRESSIONS),
    },
    Setting {
        key: "largest_body",
        short: None,
        env: &["APIUM_LARGEST_BODY"],
        default: Some("67108864"),
        value: "BYTES",
        help: "The most that a compressed body or result may have once it is unpacked; what is larger is kept as a dead letter",
        scope: Scope::All,
        kind: Kind::Count { least: 1_024, most: 2_147_483_647 },
    },
    Setting {
        key: "security_cert_store",
        short: None,
        env: &["APIUM_SECURITY_CERT_STORE", "CELERY_SECURITY_CERT_STORE"],
        default: None,
        value: "FOLDER",
        help: "The certificates whose signatures are believed, in PEM: a folder, a file, or a folder with a pattern such as certs/*.pem",
        scope: Scope::All,
        kind: Kind::Folder,
    },
    Setting {
        key: "task_always_eager",
        short: None,
        env: &["APIUM_TASK_ALWAYS_EAGER", "CELERY_TASK_ALWAYS_EAGER"],
        default: Some("false"),
        value: "true|false",
        help: "Run each task in the process that sends it, before the sending returns, with all that follows; no broker is used. For `up`, `serve` and `call`; a worker is refused",
        scope: Scope::All,
        kind: Kind::Switch,
    },
    Setting {
        key: "task_store_eager_result",
        short: None,
        env: &["APIUM_TASK_STORE_EAGER_RESULT", "CELERY_TASK_STORE_EAGER_RESULT"],
        default: Some("false"),
        value: "true|false",
        help: "Store the results of such tasks in the result backend. Else they are in memory, and gone with the process",
        scope: Scope::All,
        kind: Kind::Switch,
    },
    Setting {
        key: "task_eager_propagates",
        short: None,
        env: &["APIUM_TASK_EAGER_PROPAGATES", "CELERY_TASK_EAGER_PROPAGATES"],
        default: Some("false"),
        value: "true|false",
        help: "Let the sending itself fail when such a task does, once all has run",
        scope: Scope::All,
        kind: Kind::Switch,
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
        help: "The queues to consume, with commas between. Default: those its tasks are sent to, those declared, and the default queue",
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
        kind: Kind::Count { least: 1, most: 10_000 },
    },
    Setting {
        key: "hostname",
        short: Some('n'),
        env: &["APIUM_HOSTNAME"],
        default: Some("celery@%h"),
        value: "NAME@%h",
        help: "The worker's node name; %h is the host's name, %n its first part, %d the rest, %% a percent sign; %i and %I are 0 and nothing: there are no child processes",
        scope: Scope::Work,
        kind: Kind::NodeName,
    },
    Setting {
        key: "result_expires",
        short: None,
        env: &["APIUM_RESULT_EXPIRES", "CELERY_RESULT_EXPIRES"],
        default: Some("86400"),
        value: "SECONDS",
        help: "How long results are kept; 0: for ever. A task's own setting comes first",
        scope: Scope::Work,
        kind: Kind::Seconds { least: 0.0, most: HUNDRED_YEARS },
    },
    Setting {
        key: "result_extended",
        short: None,
        env: &["APIUM_RESULT_EXTENDED", "CELERY_RESULT_EXTENDED"],
        default: Some("false"),
        value: "true|false",
        help: "Tell in each result the task's name, its arguments, the worker, the retries and the queue",
        scope: Scope::Work,
        kind: Kind::Switch,
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
        key: "task_events",
        short: Some('E'),
        env: &["APIUM_TASK_EVENTS", "CELERY_WORKER_SEND_TASK_EVENTS"],
        default: Some("false"),
        value: "true|false",
        help: "Send events of tasks from the start, not only once remote control has asked for them",
        scope: Scope::Work,
        kind: Kind::Switch,
    },
    Setting {
        key: "enable_remote_control",
        short: None,
        env: &["APIUM_ENABLE_REMOTE_CONTROL", "CELERY_WORKER_ENABLE_REMOTE_CONTROL"],
        default: Some("true"),
        value: "true|false",
        help: "Obey and answer remote control: apium inspect and control, Celery's own, Flower",
        scope: Scope::Work,
        kind: Kind::Switch,
    },
    Setting {
        key: "without_gossip",
        short: None,
        env: &["APIUM_WITHOUT_GOSSIP"],
        default: Some("false"),
        value: "true|false",
        help: "Do not listen to the events of other workers",
        scope: Scope::Work,
        kind: Kind::Switch,
    },
    Setting {
        key: "without_mingle",
        short: None,
        env: &["APIUM_WITHOUT_MINGLE"],
        default: Some("false"),
        value: "true|false",
        help: "Do not ask other workers at the start what was revoked",
        scope: Scope::Work,
        kind: Kind::Switch,
    },
    Setting {
        key: "without_heartbeat",
        short: None,
        env: &["APIUM_WITHOUT_HEARTBEAT"],
        default: Some("false"),
        value: "true|false",
        help: "Send no events of this worker's coming, living and going; Flower does not see it then",
        scope: Scope::Work,
        kind: Kind::Switch,
    },
    Setting {
        key: "task_default_rate_limit",
        short: None,
        env: &["APIUM_TASK_DEFAULT_RATE_LIMIT", "CELERY_TASK_DEFAULT_RATE_LIMIT"],
        default: None,
        value: "RATE",
        help: "How often this worker starts each task at most that has no limit of its own: 10/s, 100/m or 1/h. Default: no limit",
        scope: Scope::Work,
        kind: Kind::Rate,
    },
    Setting {
        key: "queue_order_strategy",
        short: None,
        env: &["APIUM_QUEUE_ORDER_STRATEGY"],
        default: Some("round_robin"),
        value: "ORDER",
        help: "In which order the queues are looked at: round_robin (each first in its turn), priority (as given: a later one is served while the earlier ones are empty) or sorted (the same by the alphabet)",
        scope: Scope::Work,
        kind: Kind::Word(QueueOrder::WORDS),
    },
    Setting {
        key: "lease",
        short: None,
        env: &["APIUM_LEASE"],
        default: Some("30"),
        value: "SECONDS",
        help: "After this long the work of a worker that died is taken up by another",
        scope: Scope::Work,
        kind: Kind::Seconds { least: 1.0, most: HOUR },
    },
    Setting {
        key: "max_deaths",
        short: None,
        env: &["APIUM_MAX_DEATHS"],
        default: Some("3"),
        value: "N",
        help: "With how many workers a message may die before it is kept as a dead letter, as poison; 0: with any number. A worker that stood still or was cut off for longer than its lease counts too",
        scope: Scope::Work,
        kind: Kind::Count { least: 0, most: 100 },
    },
    Setting {
        key: "dead_letter_command",
        short: None,
        env: &["APIUM_DEAD_LETTER_COMMAND"],
        default: None,
        value: "COMMAND",
        help: "What is run for new dead letters: a program and its arguments with spaces between, without a shell. It reads one JSON object for a group of letters with the same task, reason and class of error, without their messages. Default: nothing",
        scope: Scope::Work,
        kind: Kind::Command,
    },
    Setting {
        key: "dead_letter_interval",
        short: None,
        env: &["APIUM_DEAD_LETTER_INTERVAL"],
        default: Some("60"),
        value: "SECONDS",
        help: "How often it is run at most for one such group; what comes in between is told together",
        scope: Scope::Work,
        kind: Kind::Seconds { least: 0.1, most: DAY },
    },
    Setting {
        key: "visibility_timeout",
        short: None,
        env: &["APIUM_VISIBILITY_TIMEOUT"],
        default: Some("3600"),
        value: "SECONDS",
        help: "On Redis: after this long what a dead Python worker held is put back. Below what those workers use themselves, their running tasks run twice",
        scope: Scope::Work,
        kind: Kind::Seconds { least: 1.0, most: HUNDRED_YEARS },
    },
    Setting {
        key: "stop_timeout",
        short: None,
        env: &["APIUM_STOP_TIMEOUT"],
        default: Some("30"),
        value: "SECONDS",
        help: "How long a stop waits for running tasks, before they are given back to their queues, and for open requests",
        scope: Scope::Listen,
        kind: Kind::Seconds { least: 0.0, most: DAY },
    },
];

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
    ENGINE.iter().copied().chain(declared.map(of_service)).collect()
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
        }
    }
}
