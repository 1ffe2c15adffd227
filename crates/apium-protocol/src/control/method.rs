//! The table of commands: the name and older name of each, and which arguments its handler takes in Python. What is
//! refused for its arguments is refused by this table.

/// How one command is called.
pub(super) struct Method {
    pub(super) name: &'static str,
    /// The name before Celery 4, still sent by old clients.
    pub(super) alias: &'static str,
    pub(super) required: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
    /// Whether arguments beyond these are passed over rather than refused.
    pub(super) open: bool,
    /// Whether it only asks.
    pub(super) inspects: bool,
}

/// The command that goes by `name`.
pub(super) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name || (method.alias == name && !name.is_empty()))
}

const METHODS: &[Method] = &[
    inspect("ping", &[], &[]),
    inspect("clock", &[], &[]),
    inspect("active", &[], &["safe"]).once("dump_active"),
    inspect("reserved", &[], &[]).once("dump_reserved"),
    inspect("scheduled", &[], &[]).once("dump_schedule"),
    inspect("revoked", &[], &[]).once("dump_revoked"),
    inspect("registered", &[], &["taskinfoitems", "builtins"]).once("dump_tasks"),
    inspect("active_queues", &[], &[]).closed(),
    inspect("query_task", &["ids"], &[]),
    inspect("stats", &[], &[]),
    inspect("conf", &[], &["with_defaults"]).once("dump_conf"),
    inspect("report", &[], &[]).closed(),
    inspect("memsample", &[], &[]),
    inspect("memdump", &[], &["samples"]),
    inspect("objgraph", &[], &["num", "max_depth", "type"]).closed(),
    inspect("hello", &["from_node"], &["revoked"]),
    control("revoke", &["task_id"], &["terminate", "signal"]),
    control("terminate", &["signal", "task_id"], &[]),
    control("revoke_by_stamped_headers", &["headers"], &["terminate", "signal"]),
    control("rate_limit", &["task_name", "rate_limit"], &[]),
    control("time_limit", &[], &["task_name", "hard", "soft"]),
    control("enable_events", &[], &[]).closed(),
    control("disable_events", &[], &[]).closed(),
    control("heartbeat", &[], &[]).closed(),
    control("add_consumer", &["queue"], &["exchange", "exchange_type", "routing_key"]),
    control("cancel_consumer", &["queue"], &[]),
    control("pool_grow", &[], &["n"]),
    control("pool_shrink", &[], &["n"]),
    control("pool_restart", &[], &["modules", "reload", "reloader"]),
    control("autoscale", &[], &["max", "min"]).closed(),
    control("election", &["id", "topic"], &["action"]),
    control("shutdown", &[], &["msg"]),
];

const fn inspect(name: &'static str, required: &'static [&'static str], optional: &'static [&'static str]) -> Method {
    Method { name, alias: "", required, optional, open: true, inspects: true }
}

const fn control(name: &'static str, required: &'static [&'static str], optional: &'static [&'static str]) -> Method {
    Method { name, alias: "", required, optional, open: true, inspects: false }
}

impl Method {
    const fn once(mut self, alias: &'static str) -> Self {
        self.alias = alias;
        self
    }

    const fn closed(mut self) -> Self {
        self.open = false;
        self
    }
}
