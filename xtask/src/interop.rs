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

/// How many tests run at once, each with a Redis and a worker of its own: most of the time is waiting.
const SHARDS: usize = 3;

/// A test that Celery's own worker takes longer for, in seconds, is not in the slice.
const SLICE: &str = "2";

/// A few tests make sure for minutes that something does not happen.
const LONGEST: &str = "400";

/// The long runs: how much of what, and by which variable the tests are told.
const LONG: [(&str, &str); 2] = [("APIUM_CANVASES", "5000"), ("APIUM_CHORD", "10000")];

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
    run(&mut cargo(root, ["build", "--workspace", "--bins", "--examples"]))?;
    if !all {
        return suite(root, &machine, SERIES[0], true).map(drop);
    }
    let mut scores = Vec::new();
    for series in SERIES {
        scores.push(format!("{series}={}", suite(root, &machine, series, false)?.display()));
    }
    let document = root.join("docs/COMPATIBILITY.md");
    run(score(root, &machine)?.arg("--table").arg(document).args(scores))?;
    long(root, &machine)?;
    flower(root)
}

/// Celery's own tests of one series against the suite worker; gives the results.
fn suite(root: &Path, machine: &Machine, series: &str, slice: bool) -> Result<PathBuf, Failure> {
    let out = root.join(RESULTS).join(format!("suite-{series}"));
    fs::create_dir_all(&out).map_err(|error| Failure::new(format!("cannot make {}: {error}.", out.display())))?;
    let mut shards = Vec::new();
    for shard in 1..=SHARDS {
        let mut command = Command::new("bash");
        command.arg(root.join(SUITE).join("run.sh")).current_dir(root).stdin(Stdio::null()).stdout(Stdio::null());
        command.env("WORKER_CMD", worker(root)).env("REDIS_SERVER", &machine.redis_server);
        command.env("SUITE_SERIES", series).env("SUITE_TEST_TIMEOUT", LONGEST);
        command.env("SUITE_CACHE", venvs::home(root).join("suite"));
        command.env("SUITE_SHARD", format!("{shard}/{SHARDS}")).env("SUITE_OUT", out.join(shard.to_string()));
        if slice {
            command.env("SUITE_SLICE", SLICE);
        }
        eprintln!("$ {SUITE}/run.sh ({series}, part {shard} of {SHARDS})");
        let started = command.spawn();
        shards.push(started.map_err(|error| Failure::new(format!("`bash` could not be started: {error}.")))?);
    }
    // The score says what did not pass; a judge that could not even begin leaves no results to score.
    for shard in &mut shards {
        drop(shard.wait());
    }
    let parts = (1..=SHARDS).map(|shard| out.join(shard.to_string()).join("results.jsonl"));
    let mut all = String::new();
    for part in parts {
        all += &fs::read_to_string(&part)
            .map_err(|error| Failure::new(format!("the suite left no results in {}: {error}.", part.display())))?;
    }
    let results = out.join("results.jsonl");
    fs::write(&results, all).map_err(|error| Failure::new(format!("cannot write {}: {error}.", results.display())))?;
    run(score(root, machine)?.arg(series).arg(&results))?;
    Ok(results)
}

/// The long runs of what every run does in short: random canvases on a mixed cluster, a chord under fire.
fn long(root: &Path, machine: &Machine) -> Done {
    let filter = "test(mixed_canvas) or test(chord_storm)";
    let mut tests =
        cargo(root, ["nextest", "run", "--profile", "interop", "-p", "apium-cli", "--no-capture", "-E", filter]);
    run(told(&mut tests, machine).envs(LONG))
}

/// Every page and button of Flower, in a browser.
fn flower(root: &Path) -> Done {
    run(Command::new("bash").arg(root.join("interop/flower/run.sh")).current_dir(root).stdin(Stdio::null()))
}

/// The worker of the suite, as a word of a shell.
fn worker(root: &Path) -> String {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    format!("'{}'", target.join("debug/suite-worker").display())
}

fn score(root: &Path, machine: &Machine) -> Result<Command, Failure> {
    let (_, python) = machine.pythons.last().ok_or_else(|| Failure::new("there is no Python with Celery."))?;
    let mut command = Command::new(python);
    command.arg(root.join(SUITE).join("score.py"));
    Ok(command)
}
