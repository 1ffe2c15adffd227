//! The settings of schedules: what is due when, and in which zone.

use super::{Kind, Scope, Setting};

pub(super) const BEAT: &[Setting] = &[
    Setting {
        key: "beat_schedule",
        short: None,
        env: &["APIUM_BEAT_SCHEDULE", "CELERY_BEAT_SCHEDULE"],
        default: None,
        value: "FILE",
        help: "What is sent when: a table in apium.toml, or the path of a file with Celery's dict in JSON; see docs/SCHEDULES.md. Default: nothing but what the program and `apium beat set` say",
        scope: Scope::Beat,
        kind: Kind::Schedules,
    },
    Setting {
        key: "timezone",
        short: None,
        env: &["APIUM_TIMEZONE", "CELERY_TIMEZONE"],
        default: Some("UTC"),
        value: "ZONE",
        help: "The zone of schedules that name none of their own, such as Europe/Madrid",
        scope: Scope::Beat,
        kind: Kind::Zone,
    },
    Setting {
        key: "without_beat",
        short: None,
        env: &["APIUM_WITHOUT_BEAT"],
        default: Some("false"),
        value: "true|false",
        help: "Whether `up` leaves the schedules to others; of all schedulers on a broker one leads, so that it need not",
        scope: Scope::Beat,
        kind: Kind::Switch,
    },
];
