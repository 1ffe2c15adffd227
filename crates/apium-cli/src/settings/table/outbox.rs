//! The settings of the outbox: the caller's own database, and how often it is looked into.

use super::{Kind, Scope, Setting};

pub(super) const OUTBOX: &[Setting] = &[
    Setting {
        key: "outbox",
        short: None,
        env: &["APIUM_OUTBOX"],
        default: None,
        value: "URL",
        help: "A database of yours, postgres://… or sqlite:PATH, whose table apium_outbox is to be sent: see `apium outbox --help`. Default: none",
        scope: Scope::Outbox,
        kind: Kind::Database,
    },
    Setting {
        key: "outbox_poll",
        short: None,
        env: &["APIUM_OUTBOX_POLL"],
        default: Some("0.5"),
        value: "SECONDS",
        help: "How often it is looked into, should nothing tell of new rows; Postgres does, by the table's trigger",
        scope: Scope::Outbox,
        kind: Kind::Seconds { least: 0.01, most: 3_600.0 },
    },
];
