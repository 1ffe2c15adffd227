//! `cargo xtask failpoints`: workers that die at every point between a claim and its settlement.
//!
//! Apart from all other tests, because a worker has these points only where it is built with its feature `failpoints`, and
//! nothing else may be: the executables that the other tests start are those that users get.

use std::path::Path;

use crate::setup::{Machine, setup};
use crate::shell::{Done, Failure, cargo, run, succeeds};
use crate::suite::told;

/// The one place that switches the feature on. All of the workspace is named, so that nothing but the worker and what
/// stands on it is built anew.
const WHAT: [&str; 5] = ["--workspace", "--features", FEATURE, "--test", "failpoints"];

/// The feature.
pub(crate) const FEATURE: &str = "apium/failpoints";

/// Runs them as the words ask: a few seeds, or `--seeds N`, from `--seed N` on.
///
/// # Errors
/// With the runner's own exit code; it has told the seed.
pub fn failpoints(root: &Path, words: &[String]) -> Done {
    let seeds = read(words)?;
    let machine = setup(root)?;
    run_all(root, &machine, &seeds)
}

/// Runs them where there are any.
pub(crate) fn run_all(root: &Path, machine: &Machine, seeds: &[(&'static str, u64)]) -> Done {
    if !root.join("crates/apium/tests/failpoints").exists() {
        return Ok(());
    }
    let nextest = succeeds(&mut cargo(root, ["nextest", "--version"]));
    let runner: &[&str] = if nextest { &["nextest", "run"] } else { &["test"] };
    let mut runner = cargo(root, runner.iter().chain(&WHAT));
    // Thousands of seeds take longer than a test of the suite may.
    if nextest && !seeds.is_empty() {
        runner.args(["--profile", "interop"]);
    }
    run(told(&mut runner, machine).envs(seeds.iter().map(|(name, number)| (name, number.to_string()))))
}

fn read(words: &[String]) -> Result<Vec<(&'static str, u64)>, Failure> {
    let known = [("--seeds", "APIUM_SEEDS"), ("--seed", "APIUM_SEED")];
    let pair = |pair: &[String]| {
        let name = known.iter().find(|(word, _)| *word == pair[0]).map(|(_, name)| *name);
        let number = pair.get(1).and_then(|number| number.parse().ok()).filter(|number: &u64| *number > 0);
        name.zip(number)
    };
    words
        .chunks(2)
        .map(|words| {
            pair(words).ok_or_else(|| Failure::usage("`failpoints` takes `--seeds N` and `--seed N`, N above 0."))
        })
        .collect()
}
