//! The settings of bodies: what messages and results are written in, and what of others is read.

use super::{Kind, Scope, Setting};

/// Celery's serialisers.
const SERIALIZERS: &[&str] = &["json", "msgpack", "yaml", "auth", "pickle"];

/// Celery's compressions.
const COMPRESSIONS: &[&str] = &["gzip", "bzip2", "xz", "zstd", "brotli"];

pub(super) const BODIES: &[Setting] = &[
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
];
