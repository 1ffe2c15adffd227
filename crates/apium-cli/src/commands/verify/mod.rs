//! `verify`: sends marked tasks through a broker and its workers, strikes the workers meanwhile, and counts what is lost,
//! doubled, late or out of order. It is our own checker too.
//!
//! Each attempt writes a line into a ledger as its first act and another as its last (`marked.rs`, for Celery
//! `apium_verify.py`). The course of a run (`course.rs`) sends (`send.rs`), starts workers and strikes them (`crew.rs`, as
//! `harm.rs` draws it; `wire.rs` is what can be cut), and writes all of it into a history (`events.rs`); the judgement
//! (`reckon.rs`) knows nothing but the history, and so can be had again.

mod asked;
mod blows;
mod chance;
mod course;
mod crew;
mod events;
mod harm;
mod ledger;
mod marked;
mod need;
mod reckon;
mod report;
mod send;
mod tasks;
mod wire;

use std::path::Path;
use std::process::ExitCode;

use apium::Stop;

use super::Invocation;
use crate::failure::Failure;
use crate::output;
use crate::signals;
use crate::stderr::say;
use asked::{Asked, Limits};
use course::Course;
use events::History;
use reckon::{Reckoning, reckon};

pub(crate) use asked::command;
pub(crate) use marked::{TASK, with_task};

/// The task for Celery's workers.
const PYTHON: &str = include_str!("apium_verify.py");

/// Runs, or judges what was run; exits with 1 when something is not as it must be.
pub(crate) async fn verify(invocation: Invocation) -> Result<ExitCode, Failure> {
    if invocation.matches.get_flag("python") {
        output::line(PYTHON.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let histories = invocation.words("recheck");
    if !histories.is_empty() {
        return recheck(&histories, invocation.json);
    }
    invocation.needs_broker("verify")?;
    let asked = Asked::read(&invocation.matches)?;
    let stop = Stop::new();
    signals::listen(stop.clone())?;
    let backend = invocation.open().await?;
    say(&format!("run {} on queue {}, seed {}", asked.run, asked.queue, asked.seed));
    let events = Course::begin(&invocation, &asked, &backend).await?.run(&stop).await?;
    let run = reckon(&events).ok_or_else(|| Failure::new("the run left no history"))?;
    let column = ("this run".to_owned(), run);
    report::print(std::slice::from_ref(&column), invocation.json)?;
    let (_, run) = column;
    report::tell_faults(&events, &run);
    let exceeded = exceeded(&run, &asked.limits);
    for sentence in &exceeded {
        say(&format!("error: {sentence}"));
    }
    Ok(if run.has_faults() || !exceeded.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Judges histories again, side by side.
fn recheck(paths: &[String], json: bool) -> Result<ExitCode, Failure> {
    let mut runs = Vec::new();
    for path in paths.iter().map(Path::new) {
        let events = History::read(path)?;
        let run = reckon(&events).ok_or_else(|| Failure::usage(format!("{} tells of no run", path.display())))?;
        if paths.len() == 1 && !json {
            report::tell_faults(&events, &run);
        }
        let name = path.file_stem().unwrap_or(path.as_os_str());
        runs.push((name.to_string_lossy().into_owned(), run));
    }
    report::print(&runs, json)?;
    let faulty = runs.iter().any(|(_, run)| run.has_faults());
    Ok(if faulty { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Which limits were exceeded, one sentence each.
fn exceeded(run: &Reckoning, limits: &Limits) -> Vec<String> {
    let mut sentences = Vec::new();
    for need in &run.spared {
        let mib = need.rss_kib_most / 1024;
        if limits.rss.is_some_and(|limit| mib > u64::from(limit)) {
            sentences.push(format!("{} needed {mib} MiB of memory", need.worker));
        }
        if limits.descriptors.is_some_and(|limit| need.descriptors_most > u64::from(limit)) {
            sentences.push(format!("{} had {} files and connections open", need.worker, need.descriptors_most));
        }
    }
    let p99 = run.picked_up.map(|spread| spread.p99);
    if let (Some(p99), Some(limit)) = (p99, limits.pick_up)
        && p99 > limit.as_secs_f64()
    {
        sentences.push(format!("tasks began {p99:.3} s after they were sent, at the p99"));
    }
    sentences
}
