//! `outbox`: what callers leave in a table within their own SQL transaction, and the relay that sends it.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use apium::sql::{Database, Dialect, Outbox, Relay};
use apium::{Backend, Stop};
use clap::{Arg, Command};
use serde_json::json;

use super::Invocation;
use crate::failure::Failure;
use crate::settings::Scope;
use crate::stderr::say;
use crate::{output, signals};

/// Runs until the stop.
type Beside = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Rows that cannot be sent, as far as they are shown.
const SHOWN: u32 = 20;

/// The command line of `outbox`.
pub(crate) fn command(with: impl Fn(Command, &[Scope]) -> Command) -> Command {
    let dialect = Arg::new("dialect").required(true).value_parser(["postgres", "sqlite"]).help("Which SQL");
    let with = |name: &'static str, about: &'static str| with(Command::new(name).about(about), &[Scope::Outbox]);
    Command::new("outbox")
        .about("Send what callers leave in a table of their own database, within their own transaction")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            with("relay", "Send what is left there, until stopped; any number may run"),
            with("init", "Make the table, where there is none"),
            with("status", "How many rows wait, since when, and which cannot be sent; exits with 1 if there are such"),
            with("retry", "Try the rows again that could not be sent"),
            with("sql", "Print what makes the table, for your own migrations").arg(dialect),
        ])
}

/// Sends what is left in the outbox until stopped.
pub(crate) async fn relay(invocation: Invocation) -> Result<ExitCode, Failure> {
    let stop = Stop::new();
    signals::listen(stop.clone())?;
    let backend = invocation.open().await?;
    // Asked now, so that a missing table is told at the start.
    let outbox = named(&invocation).await?;
    outbox.state(0).await?;
    relay_of(&invocation, outbox, &backend).run(stop.requested()).await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// What sends the outbox beside a worker: nothing, if none is named.
pub(crate) async fn beside(invocation: &Invocation, backend: &Backend, stop: &Stop) -> Result<Beside, Failure> {
    if !invocation.settings.is_set("outbox") {
        return Ok(Box::pin(std::future::ready(())));
    }
    let (relay, stop) = (relay_of(invocation, named(invocation).await?, backend), stop.clone());
    Ok(Box::pin(async move { relay.run(stop.requested()).await }))
}

/// Makes the table.
pub(crate) async fn init(invocation: Invocation) -> Result<ExitCode, Failure> {
    named(&invocation).await?.create().await?;
    output::line("the table apium_outbox is there")?;
    Ok(ExitCode::SUCCESS)
}

/// Shows how it stands.
pub(crate) async fn status(invocation: Invocation) -> Result<ExitCode, Failure> {
    let state = named(&invocation).await?.state(SHOWN).await?;
    if invocation.json {
        let problem = |(task_id, problem): &(String, String)| json!({"task_id": task_id, "problem": problem});
        let problems: Vec<_> = state.problems.iter().map(problem).collect();
        let (waiting, refused, oldest) = (state.waiting, state.refused, &state.oldest);
        output::json(&json!({"waiting": waiting, "oldest": oldest, "refused": refused, "problems": problems}))?;
    } else {
        let since = state.oldest.map(|at| format!(", the oldest since {at}")).unwrap_or_default();
        output::line(&format!("{} rows wait{since}; {} cannot be sent", state.waiting, state.refused))?;
        let rows: Vec<_> = state.problems.into_iter().map(|(id, problem)| vec![id, problem]).collect();
        if !rows.is_empty() {
            output::table(&["TASK ID", "PROBLEM"], &rows)?;
        }
    }
    Ok(if state.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lets what could not be sent be tried again.
pub(crate) async fn retry(invocation: Invocation) -> Result<ExitCode, Failure> {
    let count = named(&invocation).await?.forgive().await?;
    output::line(&format!("{count} rows are tried again"))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what makes the table.
pub(crate) fn sql(invocation: &Invocation) -> Result<ExitCode, Failure> {
    let postgres = invocation.matches.get_one::<String>("dialect").is_some_and(|dialect| dialect == "postgres");
    let dialect = if postgres { Dialect::Postgres } else { Dialect::Sqlite };
    output::line(dialect.table().trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn relay_of(invocation: &Invocation, outbox: Outbox, backend: &Backend) -> Relay {
    let poll = invocation.settings.seconds("outbox_poll").unwrap_or_default();
    Relay::new(outbox, invocation.app.client(backend), poll)
}

async fn named(invocation: &Invocation) -> Result<Outbox, Failure> {
    let url = invocation.settings.text("outbox").ok_or_else(unnamed)?;
    Ok(Outbox::new(Database::open(url).await?))
}

fn unnamed() -> Failure {
    say("an outbox is a table in your own database: `apium outbox sql postgres` prints it");
    Failure::usage("no outbox is named: say --outbox postgres://… or sqlite:PATH, or set APIUM_OUTBOX")
}
