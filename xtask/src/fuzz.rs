//! `cargo xtask fuzz`: every target of the fuzz folder, one after the other, each for the same time.

use std::path::Path;

use crate::shell::{Done, Failure, cargo, run, succeeds};

const TARGETS: &str = "fuzz/fuzz_targets";

/// Runs each target for the minutes given (default 1), stopping at the first that finds a crash.
///
/// # Errors
/// When cargo-fuzz is missing, there is no target, or a target crashes.
pub fn fuzz(root: &Path, words: &[String]) -> Done {
    let seconds = seconds(words)?;
    let targets = targets(root)?;
    if !succeeds(&mut cargo(root, ["fuzz", "--version"])) {
        return Err(Failure::new(
            "fuzzing needs cargo-fuzz; install it with `cargo install cargo-fuzz` and run this again.",
        ));
    }
    for target in targets {
        let limit = format!("-max_total_time={seconds}");
        // cargo-fuzz asks the compiler for sanitizers, which the stable one offers only this way.
        run(cargo(root, ["fuzz", "run", &target, "--", &limit]).env("RUSTC_BOOTSTRAP", "1"))?;
    }
    Ok(())
}

fn seconds(words: &[String]) -> Result<u64, Failure> {
    match words {
        [] => Ok(60),
        [minutes] => minutes
            .parse::<u64>()
            .ok()
            .filter(|minutes| *minutes > 0)
            .and_then(|minutes| minutes.checked_mul(60))
            .ok_or_else(|| Failure::usage(format!("`{minutes}` is not a whole number of minutes."))),
        _ => Err(Failure::usage("`fuzz` takes one number: the minutes for each target.")),
    }
}

/// The name of every target, in order.
fn targets(root: &Path) -> Result<Vec<String>, Failure> {
    let entries = std::fs::read_dir(root.join(TARGETS))
        .map_err(|error| Failure::new(format!("cannot read {TARGETS}: {error}.")))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_suffix(".rs")?.to_owned())
        })
        .collect();
    names.sort();
    if names.is_empty() {
        return Err(Failure::new(format!("there is no target in {TARGETS}.")));
    }
    Ok(names)
}
