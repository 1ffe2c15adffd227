//! The setting of the routes that may do anything: who is let in.

use super::{Kind, Scope, Setting};

pub(super) const API: &[Setting] = &[Setting {
    key: "api_token",
    short: None,
    env: &["APIUM_API_TOKEN"],
    default: None,
    value: "TOKEN",
    help: "Serves /beat/… to whoever sends Authorization: Bearer TOKEN: schedules listed, changed and run, which may send any task. Default: there are no such routes",
    scope: Scope::Listen,
    kind: Kind::Secret,
}];
