//! `cargo xtask interop`: Celery's own tests, and real Celery peers, against what we build.
//!
//! Without a word: a slice of the suite, in a few minutes. With `--all`: the whole suite on every series we judge with
//! (its table goes into the documents), the long runs of mixed clusters, and Flower in a real browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::setup::{self, Machine};
use crate::shell::{Done, Failure, cargo, run};
use crate::suite::told;
use crate::venvs;

/// The judge, and where it leaves what it found.
const SUITE: &str = "interop/celery-suite";
const RESULTS: &str = "target/interop";

/// The series whose tests judge us, the newest first: the slice is of that one.
const SERIES: [&str; 3] = ["5.7", "5.6", "5.5"];

/// In so many parts the slice runs at once, each with a Redis and a worker of its own: most of the time is waiting. The
/// whole suite runs in one part a series, in the order in which the genuine worker passed it.
const SHARDS: usize = 3;

/// A test that Celery's own worker takes longer for, in seconds, is not in the slice.
const SLICE: &str = "2";

/// A few tests make sure for minutes that something does not happen.
const LONGEST: &str = "400";

/// The long runs: how much of what, and by which variable the tests are told.
const LONG: [(&str, &str); 3] = [("APIUM_CANVASES", "5000"), ("APIUM_CHORD", "10000"), ("APIUM_EXAMPLES", "500")];

/// Runs the slice, or with `--all` everything.
///
/// # Errors
/// When a test did not pass that a genuine Celery worker passes, or a script says so.
pub fn interop(root: &Path, words: &[String]) -> Done {
    let all = match words {
        [] => false,
        [word] if word == "--all" => true,
        _ => return Err(Failure::usage("`interop` takes one word at most: --all.")),
    };
    let machine = setup::setup(root)?;
    let parts = if all { whole() } else { slice() };
    run(&mut cargo(root, ["build", "--workspace", "--bins", "--examples"]))?;
    let results = judge(root, &machine, &parts)?;
    let verdict = results.iter().try_for_each(|(series, results)| run(score(root, &machine)?.arg(series).arg(results)));
    if !all {
        return verdict;
    }
    let scores = results.iter().map(|(series, results)| format!("{series}={}", results.display()));
    run(score(root, &machine)?.arg("--table").arg(root.join("docs/COMPATIBILITY.md")).args(scores))?;
    verdict?;
    long(root, &machine)?;
    flower(root, &machine)
}

/// One run of the judge: a series, and which of its tests.
struct Part {
    series: &'static str,
    shard: usize,
    of: usize,
    slice: bool,
}

fn slice() -> Vec<Part> {
    (1..=SHARDS).map(|shard| Part { series: SERIES[0], shard, of: SHARDS, slice: true }).collect()
}

fn whole() -> Vec<Part> {
    SERIES.iter().map(|series| Part { series, shard: 1, of: 1, slice: false }).collect()
}

/// Runs all parts at once, and gives the results of each series.
fn judge(root: &Path, machine: &Machine, parts: &[Part]) -> Result<Vec<(&'static str, PathBuf)>, Failure> {
    let out = |part: &Part| root.join(RESULTS).join(format!("suite-{}", part.series));
    let mut running = Vec::new();
    for part in parts {
        eprintln!("$ {SUITE}/run.sh ({}, part {} of {})", part.series, part.shard, part.of);
        let mut command = Command::new("bash");
        command.arg(root.join(SUITE).join("run.sh")).current_dir(root).stdin(Stdio::null()).stdout(Stdio::null());
        command.env("WORKER_CMD", format!("'{}'", built(root, "suite-worker").display()));
        command.env("REDIS_SERVER", &machine.redis_server).env("SUITE_CACHE", venvs::home(root).join("suite"));
        command.env("SUITE_SERIES", part.series).env("SUITE_TEST_TIMEOUT", LONGEST);
        command.env("SUITE_SHARD", format!("{}/{}", part.shard, part.of));
        command.env("SUITE_OUT", out(part).join(part.shard.to_string()));
        if part.slice {
            command.env("SUITE_SLICE", SLICE);
        }
        let started = command.spawn();
        running.push(started.map_err(|error| Failure::new(format!("`bash` could not be started: {error}.")))?);
    }
    // The score says what did not pass; a judge that could not even begin leaves no results to score.
    for mut judge in running {
        drop(judge.wait());
    }
    let mut results: Vec<(&'static str, PathBuf)> = Vec::new();
    for part in parts {
        let (found, all) = (out(part).join(part.shard.to_string()).join("results.jsonl"), out(part).join("all.jsonl"));
        let text = fs::read_to_string(&found)
            .map_err(|error| Failure::new(format!("the suite left no results in {}: {error}.", found.display())))?;
        let first = results.last().is_none_or(|(series, _)| *series != part.series);
        let before = if first { String::new() } else { fs::read_to_string(&all).unwrap_or_default() };
        fs::write(&all, before + &text)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}.", all.display())))?;
        if first {
            results.push((part.series, all));
        }
    }
    Ok(results)
}

/// The long runs of what every run does in short: random canvases on a mixed cluster, a chord under fire, an API against its
/// document.
fn long(root: &Path, machine: &Machine) -> Done {
    let filter = "test(mixed_canvas) or test(chord_storm) or test(openapi::)";
    let mut tests =
        cargo(root, ["nextest", "run", "--profile", "interop", "-p", "apium-cli", "--no-capture", "-E", filter]);
    run(told(&mut tests, machine).envs(LONG))
}

/// Every page and button of each Flower, in a browser.
fn flower(root: &Path, machine: &Machine) -> Done {
    let genuine = format!("{} -m celery -A tasks worker", newest(machine)?.display());
    for (series, python) in setup::browser(root)? {
        let pictures = root.join(RESULTS).join(format!("flower-{series}"));
        let worker = format!("{} worker", built(root, "examples/probe").display());
        let mut check = Command::new(python);
        check.arg(root.join("interop/flower/check.py")).arg(pictures).args([
            "--worker",
            &worker,
            "--genuine",
            &genuine,
        ]);
        run(check.current_dir(root).stdin(Stdio::null()))?;
    }
    Ok(())
}

/// A program that was built.
fn built(root: &Path, name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("debug").join(name)
}

fn score(root: &Path, machine: &Machine) -> Result<Command, Failure> {
    let mut command = Command::new(newest(machine)?);
    command.arg(root.join(SUITE).join("score.py"));
    Ok(command)
}

/// The Python with the newest Celery.
fn newest(machine: &Machine) -> Result<&Path, Failure> {
    let newest = machine.pythons.last().map(|(_, python)| python.as_path());
    newest.ok_or_else(|| Failure::new("there is no Python with Celery."))
}
