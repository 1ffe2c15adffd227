//! `osint`: a scan from the command line, and what the operator of the scan service looks after.

mod doctor;
mod exports;

use std::process::ExitCode;
use std::time::Duration;

use apium::redact;
use clap::{Arg, Command};
use jiff::Timestamp;
use serde_json::json;
use svc_osint::collectors::username;
use svc_osint::contract::{CollectorResult, SCAN, ScanOptions};
use svc_osint::error::ScanError;
use svc_osint::order::Order;
use svc_osint::report::report;
use svc_osint::several::Several;
use svc_osint::store::{Store, Token};
use svc_osint::{OsintSettings, contract};

use super::Invocation;
use crate::arguments::{self, switch};
use crate::failure::Failure;
use crate::output;
use crate::settings::{Kind, Scope};
use crate::stderr::say;

/// Longer than the hard limit of a scan and of its parts one after the other.
const PATIENCE: Duration = Duration::from_hours(2);
/// Sites after which a check says how far it is.
const PROGRESS: usize = 100;
/// Deeds that are shown when nothing is said.
const DEEDS: u32 = 50;

/// The command line of `osint`.
pub(crate) fn command(with: impl Fn(Command, &[Scope]) -> Command) -> Command {
    let with = |command: Command| with(command, &[Scope::Services]);
    let target = Arg::new("target").required(true).value_name("TARGET").help("A domain, an address, a URL …");
    let types = Arg::new("type")
        .long("type")
        .value_name("TYPES")
        .default_value(contract::ALL)
        .help("The collectors, with commas between; all: every one that takes such a target");
    let name = Arg::new("name").required(true).value_name("NAME").help("Whose it is");
    let pace =
        Arg::new("per-minute").long("per-minute").value_name("N").default_value("10").help("Scans in any minute");
    let who = Arg::new("who").long("who").value_name("NAME").help("Only of this token");
    let scan = Arg::new("scan").long("scan").value_name("ID").help("Only of this scan");
    let limit = Arg::new("limit").long("limit").value_name("N").default_value("50").help("At most so many");
    Command::new("osint")
        .about("Scan from the command line; look after the scan service")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            with(
                Command::new("scan")
                    .about("Scan a target here and now, and print a report; exits with 1 when nobody answered")
                    .args([target, types])
                    .arg(switch("force", "Ask everything anew, though a young result is there"))
                    .arg(switch("history", "Ask SecurityTrails about the past too, for six requests of the month's")),
            ),
            with(exports::export_command()),
            with(exports::diff_command()),
            with(Command::new("self-check").about(
                "Look for names at the sites of the lists that are known to be there, and not to be; exits with 1 when a \
                 site says a name is there that is not",
            )),
            with(
                Command::new("doctor")
                    .about("Look whether the service can work here: its parts, settings, broker, collectors and tasks; exits with 1 if not"),
            ),
            with(
                Command::new("token")
                    .about("Make a token for the API and print it, once; from the first on, everybody needs one")
                    .args([name, pace])
                    .arg(switch("revoke", "Make it no good instead").conflicts_with("per-minute")),
            ),
            with(Command::new("tokens").about("Show the tokens there are, without their texts")),
            with(Command::new("audit").about("Show who did what, the newest first").args([who, scan, limit])),
        ])
}

/// Does what was asked for.
pub(crate) async fn osint(invocation: Invocation, command: &str) -> Result<ExitCode, Failure> {
    match command {
        "scan" => scan(invocation).await,
        "export" => exports::export(invocation).await,
        "diff" => exports::diff(invocation).await,
        "doctor" => doctor::doctor(invocation).await,
        "self-check" => self_check(invocation).await,
        "token" => token(invocation).await,
        "tokens" => tokens(invocation).await,
        "audit" => audit(invocation).await,
        other => Err(Failure::new(format!("{other} is not a command"))),
    }
}

/// Scans here and now.
async fn scan(invocation: Invocation) -> Result<ExitCode, Failure> {
    let text = |name: &str| invocation.matches.get_one::<String>(name).cloned().unwrap_or_default();
    let (target, types) = (text("target"), text("type"));
    let flag = |name: &str| invocation.matches.get_flag(name);
    let history = flag("history").then_some(true);
    let options = ScanOptions { force: flag("force"), history, ..ScanOptions::default() };
    check(&target, &types, &options, &settings(&invocation)?).map_err(|error| Failure::usage(error.to_string()))?;
    let backend = invocation.without_broker().await?;
    let signature = apium::Signature::new(SCAN).arg(&target).arg(&types).arg(options);
    let pending = invocation.app.client(&backend).send(&signature).await?;
    let result: CollectorResult =
        pending.get(PATIENCE).await.map_err(|error| Failure::new(redact(&error.to_string())))?;
    if invocation.json {
        output::json(&result)?;
    } else {
        output::line(report(&result).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tries the lists of sites against names whose answer is known.
async fn self_check(invocation: Invocation) -> Result<ExitCode, Failure> {
    let osint = svc_osint::Osint::new(settings(&invocation)?);
    let (settings, json) = (&osint.settings.username, invocation.json);
    let checked = username::self_check(settings, &osint.connector, |done, total, _| {
        if done.is_multiple_of(PROGRESS) || done == total {
            say(&format!("{done} of {total} sites"));
        }
    });
    let checked = checked.await;
    if json {
        output::json(&checked)?;
    } else {
        output::line(checked.table().trim_end())?;
    }
    Ok(if checked.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Makes a token, or makes one no good.
async fn token(invocation: Invocation) -> Result<ExitCode, Failure> {
    let store = store(&invocation)?;
    let name = arguments::name(&invocation.matches, "name")?.unwrap_or_default();
    if invocation.matches.get_flag("revoke") {
        if !store.revoke_token(&name).await? {
            return Err(Failure::new(format!("there is no token of {name} that is good")));
        }
        output::line(&format!("the token of {name} is no good any more"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let pace = arguments::number(&invocation.matches, "per-minute", Kind::Count { least: 1, most: 1_000 })?;
    let text = store.add_token(&name, pace.unwrap_or(1)).await?;
    let text = text.ok_or_else(|| Failure::new(format!("there is, or was, a token of {name}; take another name")))?;
    output::line(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows the tokens.
async fn tokens(invocation: Invocation) -> Result<ExitCode, Failure> {
    let tokens = store(&invocation)?.tokens().await?;
    let moment = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    if invocation.json {
        let told = |token: &Token| json!({"name": token.name, "per_minute": token.per_minute, "created": token.created, "revoked": token.revoked});
        output::json(&tokens.iter().map(told).collect::<Vec<_>>())?;
    } else {
        let row = |token: &Token| {
            vec![token.name.clone(), token.per_minute.to_string(), moment(Some(token.created)), moment(token.revoked)]
        };
        output::table(&["NAME", "PER MINUTE", "CREATED", "REVOKED"], &tokens.iter().map(row).collect::<Vec<_>>())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows who did what.
async fn audit(invocation: Invocation) -> Result<ExitCode, Failure> {
    let most = arguments::number(&invocation.matches, "limit", Kind::Count { least: 1, most: 100_000 })?;
    let text = |name: &str| invocation.matches.get_one::<String>(name).cloned().unwrap_or_default();
    let store = store(&invocation)?;
    let deeds = store.deeds(&text("who"), &text("scan"), Timestamp::UNIX_EPOCH, most.unwrap_or(DEEDS)).await?;
    if invocation.json {
        let told = deeds.iter().map(|deed| {
            json!({"at": deed.at, "who": deed.who, "address": deed.address, "action": deed.action,
                "scan_id": deed.scan_id, "target": deed.target, "detail": deed.detail})
        });
        output::json(&told.collect::<Vec<_>>())?;
    } else {
        let rows = deeds.into_iter().map(|deed| {
            let (scan, target) = (deed.scan_id.unwrap_or_default(), deed.target.unwrap_or_default());
            vec![deed.at.to_string(), deed.who, deed.address, deed.action, scan, target]
        });
        output::table(&["AT", "WHO", "FROM", "WHAT", "SCAN", "TARGET"], &rows.collect::<Vec<_>>())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check(target: &str, types: &str, options: &ScanOptions, settings: &OsintSettings) -> Result<(), ScanError> {
    let orders = match Several::read(target, types, options)? {
        Some(several) => several.orders,
        None => vec![Order::read(target, types, options.clone())?],
    };
    orders.iter().try_for_each(|order| order.check(&settings.allowed))
}

fn settings(invocation: &Invocation) -> Result<OsintSettings, Failure> {
    let read = OsintSettings::from_lookup(|name| invocation.settings.of_service(name));
    read.map_err(|sentence| Failure::usage(redact(&sentence)))
}

fn store(invocation: &Invocation) -> Result<Store, Failure> {
    Ok(Store::at(settings(invocation)?.database))
}
