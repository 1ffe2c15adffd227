//! The command line: its commands and their own flags; the flags of settings come from their table.

use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use apium::holds_login;
use clap::error::ContextValue;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::commands::{beat, dead, doctor, limits, osint, outbox, remote, verify};
use crate::failure::{Failure, USAGE};
use crate::settings::{self, HUNDRED_YEARS, Kind, Scope, Setting};
use crate::stderr::say;

/// Reads the command line, or says what is wrong with it, or the help that was asked for.
///
/// What is quoted of the line may have been meant for another flag: whatever could be a password is not shown.
pub(crate) fn read(name: &str, table: &[Setting]) -> Result<ArgMatches, ExitCode> {
    command(name, table).try_get_matches().map_err(|error| {
        let quoted = error.context().flat_map(|(_, value)| match value {
            ContextValue::String(text) => vec![text.as_str()],
            ContextValue::Strings(texts) => texts.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        });
        let secrets: Vec<&str> = quoted.filter(|text| holds_login(text)).collect();
        if secrets.is_empty() {
            error.exit();
        }
        let told =
            secrets.iter().fold(error.to_string(), |told, secret| told.replace(secret, &settings::shown(secret)));
        say(told.trim_end());
        ExitCode::from(USAGE)
    })
}

/// The whole command line.
fn command(name: &str, table: &[Setting]) -> Command {
    let with =
        |command: Command, scopes: &[Scope]| command.args(flags_of(table, scopes)).args(flags_of(table, &[Scope::All]));
    // A worker alone listens only when told to: there is no default to show.
    let unless_told =
        |setting: &Setting| Setting { default: setting.default.filter(|_| setting.key != "listen"), ..*setting };
    let alone: Vec<Setting> = table.iter().map(unless_told).collect();
    let listen: Vec<Setting> = table.iter().filter(|setting| setting.key == "listen").copied().collect();
    let scans = table.iter().any(|setting| setting.key == "osint_database");
    Command::new(name.to_owned())
        .version(env!("CARGO_PKG_VERSION"))
        .about("Tasks that are not lost: Celery's wire protocol, one binary")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            Arg::new("config")
                .long("config")
                .global(true)
                .value_name("FILE")
                .env("APIUM_CONFIG")
                .hide_env_values(true)
                .help("The settings file [default: ./apium.toml, if there]"),
        )
        .arg(switch("json", "Print JSON, for machines").short('j').global(true))
        .subcommands([
            with(
                Command::new("up").about("Serve the API and work, in one process"),
                &[Scope::Listen, Scope::Work, Scope::Outbox, Scope::Beat, Scope::Services],
            ),
            with(
                Command::new("serve").about("Serve the API; workers run elsewhere"),
                &[Scope::Listen, Scope::Services],
            ),
            Command::new("worker")
                .about("Work; with --listen, also answer /livez, /readyz and /metrics")
                .args(flags_of(&alone, &[Scope::Work, Scope::Listen, Scope::Outbox, Scope::Services, Scope::All])),
            beat::command(with),
            Command::new("ready")
                .about(
                    "Ask the process that listens here whether it is ready, as health checks do; exits with 1 if not",
                )
                .args(flags_of(&listen, &[Scope::Listen])),
            with(call(), &[]),
            with(result(), &[]),
            with(Command::new("queues").about("How the queues stand").arg(queues_argument()), &[]),
            with(purge(), &[]),
            routes(with),
            dead::command(with),
            limits::command(with),
            outbox::command(with),
            with(doctor::command(), &[]),
            with(verify::command(), &[]),
        ])
        .subcommands(scans.then(|| osint::command(with)))
        .subcommands(remote::commands(|command| with(command, &[])))
        .subcommands([Command::new("settings")
            .about("Show every setting and where its value comes from")
            .args(flags_of(
                table,
                &[Scope::All, Scope::Listen, Scope::Work, Scope::Outbox, Scope::Beat, Scope::Services],
            ))
            .arg(switch("manual", "Print the manual page of settings"))])
}

/// The value a flag of a setting has in these matches, if the command knows it.
pub(crate) fn flag(matches: &ArgMatches, key: &str) -> Option<String> {
    matches.try_get_one::<String>(key).ok().flatten().cloned()
}

/// Seconds a command was given.
pub(crate) fn seconds(matches: &ArgMatches, flag: &str) -> Result<Option<Duration>, Failure> {
    let seconds = number::<f64>(matches, flag, Kind::Seconds { least: 0.0, most: HUNDRED_YEARS })?;
    Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}

/// A number a command was given, in the range of this kind.
pub(crate) fn number<T: FromStr>(matches: &ArgMatches, flag: &str, kind: Kind) -> Result<Option<T>, Failure> {
    let Some(text) = matches.get_one::<String>(flag) else { return Ok(None) };
    kind.check(text).map_err(|why| Failure::usage(format!("--{flag} {why}")))?;
    Ok(text.parse().ok())
}

/// The name of a queue or a task, or an id, that a command was given.
pub(crate) fn name(matches: &ArgMatches, argument: &str) -> Result<Option<String>, Failure> {
    let given = matches.get_one::<String>(argument).cloned();
    Ok(names(argument, given.into_iter().collect())?.pop())
}

/// The same of an argument that takes several.
pub(crate) fn names(argument: &str, given: Vec<String>) -> Result<Vec<String>, Failure> {
    let checked = given.iter().try_for_each(|name| settings::name(name));
    checked.map_err(|why| Failure::usage(format!("the {} {why}", argument.replace('-', " "))))?;
    Ok(given)
}

fn flags_of(table: &[Setting], scopes: &[Scope]) -> Vec<Arg> {
    let known = table.iter().filter(|setting| scopes.contains(&setting.scope));
    known
        .map(|setting| {
            let range = setting.kind.range().map(|range| format!(" [{range}]")).unwrap_or_default();
            let env = setting.env.join(", ");
            let default = setting.default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
            let arg = Arg::new(setting.key)
                // The last one counts, as in Celery.
                .overrides_with(setting.key)
                .long(setting.flag())
                .value_name(setting.value)
                .help(format!("{}{range}{default} [env: {env}]", setting.help))
                // So that a wrong number is refused as one, and not as a flag nobody knows.
                .allow_negative_numbers(true);
            let arg = if setting.kind.is_switch() { arg.num_args(0..=1).default_missing_value("true") } else { arg };
            match setting.short {
                Some(short) => arg.short(short),
                None => arg,
            }
        })
        .collect()
}

fn call() -> Command {
    Command::new("call")
        .about("Send a task")
        .arg(Arg::new("task").required(true).value_name("NAME").help("The task's name"))
        .arg(
            Arg::new("args")
                .long("args")
                .short('a')
                .value_name("JSON")
                .default_value("[]")
                .help("Positional arguments, a JSON list"),
        )
        .arg(
            Arg::new("kwargs")
                .long("kwargs")
                .short('k')
                .value_name("JSON")
                .default_value("{}")
                .help("Arguments by name, a JSON object"),
        )
        .arg(Arg::new("queue").long("queue").value_name("QUEUE").help("The queue; else the task's own, else celery"))
        .arg(
            Arg::new("countdown")
                .long("countdown")
                .value_name("SECONDS")
                .allow_negative_numbers(true)
                .conflicts_with("eta")
                .help("Not before this many seconds from now"),
        )
        .arg(
            Arg::new("eta").long("eta").value_name("TIME").help("Not before this time, e.g. 2026-12-24T18:00:00+01:00"),
        )
        .arg(
            Arg::new("expires")
                .long("expires")
                .value_name("SECONDS")
                .allow_negative_numbers(true)
                .help("Not begun any more this many seconds from now"),
        )
        .arg(Arg::new("priority").long("priority").value_name("0-9").allow_negative_numbers(true).help("Lowest first"))
        .arg(Arg::new("task-id").long("task-id").value_name("ID").help("The id to send it under; else a fresh one"))
        .args(waiting())
}

fn result() -> Command {
    Command::new("result")
        .about("Show the result of a task, or of a group that was saved")
        .arg(Arg::new("id").required(true).value_name("ID").help("The id of the task or the group"))
        .args(waiting())
        .arg(switch("details", "Show all that is known: state, parent, children, group, traceback, worker, retries"))
        .arg(switch("forget", "Delete what is stored of it, once it is shown"))
}

fn waiting() -> [Arg; 2] {
    [
        switch("wait", "Wait for the result and print it; exits with 1 when the task failed"),
        Arg::new("timeout")
            .long("timeout")
            .value_name("SECONDS")
            .default_value("60")
            .allow_negative_numbers(true)
            .help("How long to wait at the most"),
    ]
}

fn purge() -> Command {
    Command::new("purge")
        .about("Throw away the waiting messages of queues; asks first")
        .arg(queues_argument().required(true))
        .arg(switch("force", "Do not ask").short('f'))
}

fn routes(with: impl Fn(Command, &[Scope]) -> Command) -> Command {
    let queue = Arg::new("queue").long("queue").value_name("QUEUE").help("As if its sender named this queue");
    let consumed =
        Arg::new("consumed").long("consumed").value_name("QUEUES").value_delimiter(',').help(
            "The queues that are consumed, with commas between, before any worker runs; else those of live workers",
        );
    let from = Arg::new("tasks-from")
        .long("tasks-from")
        .value_name("FILE")
        .help("The tasks there are, a name a line; else those of this program and of live workers");
    Command::new("routes")
        .about("Where tasks go, and what of it is hardly meant")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            with(
                Command::new("explain")
                    .about("Say where a task goes, and why")
                    .arg(Arg::new("task").required(true).value_name("NAME").help("The task's name"))
                    .arg(queue),
                &[],
            ),
            with(
                Command::new("check")
                    .about(
                        "Tell tasks without a rule, rules without effect and queues without a consumer; exits with 1",
                    )
                    .args([consumed, from]),
                &[],
            ),
        ])
}

fn queues_argument() -> Arg {
    Arg::new("queue").value_name("QUEUE").num_args(1..).help("The queues")
}

/// A flag without a value.
pub(crate) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}
