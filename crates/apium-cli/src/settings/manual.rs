//! The manual page of settings, made from the table.

use std::fmt::Write as _;

use super::table::{Scope, Setting};

/// `docs/SETTINGS.md`; a test holds the file to this text.
pub(crate) fn manual(table: &[Setting]) -> String {
    let mut text = String::from(
        "# Settings\n\n\
         Made from the tables in `crates/apium-cli/src/settings/table.rs` and of the services by `apium settings --manual`.\n\
         A flag comes before the environment, the environment before `apium.toml` (or the file `--config` names),\n\
         and that before the default. At start each value is printed with where it came from, passwords as `***`.\n\
         A value that is not allowed is refused at start, with exit code 2.\n\n\
         | key in `apium.toml` | flag | environment | default | allowed | what it does | commands |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for setting in table {
        let env: Vec<_> = setting.env.iter().map(|name| format!("`{name}`")).collect();
        let default = setting.default.map_or_else(|| "—".to_owned(), |default| format!("`{default}`"));
        let allowed = setting.kind.range().unwrap_or_else(|| "—".to_owned());
        let (help, commands) = (setting.help.replace('|', "\\|"), commands(setting.scope));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {default} | {allowed} | {help} | {commands} |",
            setting.key,
            flags(setting),
            env.join(", ")
        );
    }
    text.push_str(
        "\nOf the brief's names, `CELERY_WORKER_MAX_TASKS_PER_CHILD` has no counterpart: tasks are not child\n\
         processes here, so there is nothing to recycle.\n",
    );
    text
}

fn flags(setting: &Setting) -> String {
    let value = setting.value.replace('|', "\\|");
    let short = setting.short.map(|short| format!("`-{short}`, ")).unwrap_or_default();
    format!("{short}`--{} {value}`", setting.flag())
}

fn commands(scope: Scope) -> &'static str {
    match scope {
        Scope::All => "all",
        Scope::Work => "up, worker",
        Scope::Outbox => "up, worker, outbox",
        Scope::Beat => "up, beat",
        Scope::Listen | Scope::Services => "up, serve, worker",
    }
}
