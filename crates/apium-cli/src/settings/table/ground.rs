//! The settings every command knows: where things are kept, and what is logged.

use super::{Kind, Scope, Setting};

pub(super) const GROUND: &[Setting] = &[
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
];
