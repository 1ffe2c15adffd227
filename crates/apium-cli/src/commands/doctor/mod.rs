//! `doctor`: what of a live broker, of its workers and of the result store may lose, double or delay tasks, each with its
//! mending in one line. It looks and changes nothing.

mod checks;
mod gather;
mod peers;
mod queues;
mod seen;
mod store;

use std::process::ExitCode;

use clap::{Arg, Command};
use serde::Serialize;
use serde_json::json;

use super::Invocation;
use super::remote::tame;
use crate::failure::Failure;
use crate::output;
use crate::stderr::say;
use seen::Seen;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    /// Tasks are lost, doubled or stuck, or strangers may do harm.
    Error,
    /// They will be when something goes wrong.
    Warning,
    /// Worth knowing.
    Hint,
}

/// Something looked for: a row of the table.
struct Check {
    name: &'static str,
    severity: Severity,
    /// One sentence why, if it is so.
    look: fn(&Seen) -> Option<String>,
    /// What to do, in one line.
    fix: &'static str,
    /// Where it is written about.
    see: &'static str,
}

/// Something found.
#[derive(Serialize)]
struct Finding {
    severity: Severity,
    name: &'static str,
    sentence: String,
    fix: &'static str,
    see: &'static str,
}

/// The command line of `doctor`.
pub(crate) fn command() -> Command {
    let timeout = Arg::new("timeout")
        .long("timeout")
        .short('t')
        .value_name("SECONDS")
        .allow_negative_numbers(true)
        .help("How long to wait for workers to answer [default: 1]");
    Command::new("doctor")
        .about("Look for what may lose or double tasks: in the broker, its workers (Python's too) and results")
        .long_about(
            "Look for what may lose or double tasks: in the broker, its workers (Python's too) and results. Nothing is \
             changed. Exits with 1 when an error is found; with 0 when there are warnings and hints at the most.",
        )
        .arg(timeout)
}

/// Looks, and tells what was found, the worst first; exits with 1 when there is an error among it.
pub(crate) async fn doctor(invocation: Invocation) -> Result<ExitCode, Failure> {
    let seen = gather::gather(&invocation).await?;
    let found = |check: &Check| {
        let Check { name, severity, fix, see, .. } = *check;
        (check.look)(&seen).map(|sentence| Finding { severity, name, sentence, fix, see })
    };
    let mut findings: Vec<Finding> = checks::all().filter_map(found).collect();
    findings.sort_by_key(|finding| finding.severity);
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings, hints) = (count(Severity::Error), count(Severity::Warning), count(Severity::Hint));
    if invocation.json {
        output::json(&json!({"findings": findings, "seen": seen.summary()}))?;
    } else {
        findings.iter().try_for_each(print)?;
        say(&format!("{errors} errors, {warnings} warnings, {hints} hints"));
        say(&format!("looked at {}", seen.told()));
    }
    Ok(if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(finding: &Finding) -> Result<(), Failure> {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "hint",
    };
    output::line(&format!("{severity} {}: {}", finding.name, tame(&finding.sentence)))?;
    output::line(&format!("    fix: {}", finding.fix))?;
    output::line(&format!("    see: {}", finding.see))
}
