//! `cargo xtask scans`: a thousand OSINT scans at once through the API, on a Redis, a DNS and providers of its own.
//!
//! It is the test `osint_storm` of `apium-cli`, larger, on programs built for release, and held to a latency: who changes
//! what it does changes both.

use std::path::Path;

use crate::setup::setup;
use crate::shell::{Done, Failure, cargo, run};
use crate::suite::told;

/// What is asked for when nothing is said: so many scans, asked for by so many clients, each answer within so many
/// milliseconds but for one in a hundred.
const USUAL: [(&str, &str, u64); 3] =
    [("--scans", "APIUM_SCANS", 1_000), ("--clients", "APIUM_SCAN_CLIENTS", 16), ("--p99", "APIUM_SCANS_P99_MS", 50)];

/// Runs it as the words ask.
///
/// # Errors
/// When a scan was lost or a window exceeded, when a question was asked twice without need, or an answer took too long.
pub fn scans(root: &Path, words: &[String]) -> Done {
    let asked = read(words)?;
    let machine = setup(root)?;
    let test = ["test", "--release", "--package", "apium-cli", "--test", "it", "osint_storm", "--", "--nocapture"];
    run(told(&mut cargo(root, test), &machine).envs(asked.map(|(variable, number)| (variable, number.to_string()))))
}

fn read(words: &[String]) -> Result<[(&'static str, u64); 3], Failure> {
    let mut asked = USUAL;
    for pair in words.chunks(2) {
        let number = pair.get(1).and_then(|number| number.parse().ok()).filter(|number: &u64| *number > 0);
        let known = asked.iter_mut().find(|(word, ..)| *word == pair[0]);
        let (Some(known), Some(number)) = (known, number) else {
            return Err(Failure::usage("`scans` takes `--scans N`, `--clients N` and `--p99 MS`, each above 0."));
        };
        known.2 = number;
    }
    Ok(asked.map(|(_, variable, number)| (variable, number)))
}
