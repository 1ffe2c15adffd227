//! The settings of running tasks at once, in the process that sends them.

use super::{Kind, Scope, Setting};

pub(super) const EAGER: &[Setting] = &[
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
];
