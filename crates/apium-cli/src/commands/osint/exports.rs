//! `osint export` and `osint diff`: results that the history remembers, as files for other programs, and what two of them
//! say differently.

use std::process::ExitCode;

use apium_web::ApiError;
use clap::{Arg, Command};
use svc_osint::diff::report;
use svc_osint::export::Format;
use svc_osint::exports::Told;

use super::{Invocation, store};
use crate::failure::Failure;
use crate::output;

/// The command line of `osint export`.
pub(super) fn export_command() -> Command {
    let id = Arg::new("id").required(true).value_name("ID").help("The scan");
    let format = Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .default_value(Format::Json.as_str())
        .value_parser(Format::ALL.map(Format::as_str))
        .help("The whole result (json), a line for each finding (csv), or a bundle of STIX 2.1 (stix)");
    let output = Arg::new("output")
        .short('o')
        .long("output")
        .value_name("FILE")
        .help("Where to write it; default: standard output");
    Command::new("export").about("Give the result of a scan to other programs").args([id, format, output])
}

/// The command line of `osint diff`.
pub(super) fn diff_command() -> Command {
    let scans = Arg::new("scans")
        .required(true)
        .num_args(1..=2)
        .value_names(["OLD", "NEW"])
        .help("The two scans; of one alone, it and the one before it that asked the same");
    Command::new("diff").about("Show what a scan says otherwise than an earlier one of the same target").arg(scans)
}

/// Writes a result in a format.
pub(super) async fn export(invocation: Invocation) -> Result<ExitCode, Failure> {
    let text = |name: &str| invocation.matches.get_one::<String>(name).cloned().unwrap_or_default();
    let format = Format::named(&text("format")).unwrap_or(Format::Json);
    let told = told(&invocation, &text("id")).await?;
    let export = told.export(format).map_err(|error| refused(&error))?;
    match invocation.matches.get_one::<String>("output") {
        Some(file) => std::fs::write(file, export.bytes)
            .map_err(|error| Failure::new(format!("{file} cannot be written: {error}")))?,
        None => output::bytes(&export.bytes)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows what is different.
pub(super) async fn diff(invocation: Invocation) -> Result<ExitCode, Failure> {
    let (old, new) = match invocation.words("scans").as_slice() {
        [old, new] => (told(&invocation, old).await?, told(&invocation, new).await?),
        scans => {
            let new = told(&invocation, scans.first().map(String::as_str).unwrap_or_default()).await?;
            (new.before(&store(&invocation)?, "").await.map_err(|error| refused(&error))?, new)
        }
    };
    let diff = new.compared(&old).map_err(|error| refused(&error))?;
    if invocation.json {
        output::json(&diff)?;
    } else {
        output::line(report(&diff).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn told(invocation: &Invocation, id: &str) -> Result<Told, Failure> {
    Told::remembered(&store(invocation)?, id).await.map_err(|error| refused(&error))
}

/// The sentence that the API would have answered with. What strangers wrote into it cannot move the cursor.
fn refused(error: &ApiError) -> Failure {
    Failure::new(error.to_string().replace(char::is_control, " "))
}
