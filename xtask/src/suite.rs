//! `cargo xtask test`: the machine set up, the binary built, every test run, the whole time told.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::failpoints;
use crate::setup::{Machine, setup};
use crate::shell::{Done, SYSTEM_FOLDERS, cargo, run, succeeds};

/// Runs every test, or with `words` only what they select (handed to the test runner as they are).
///
/// Documentation tests run only in the whole suite: a runner's words mean nothing to them.
///
/// # Errors
/// With the runner's own exit code, and its closing lines the last thing above ours.
pub fn test(root: &Path, words: &[String]) -> Done {
    let start = Instant::now();
    let ended = setup(root).and_then(|machine| run_all(root, &machine, words));
    let verdict = if ended.is_ok() { "passed" } else { "failed" };
    eprintln!("xtask test: {verdict} in {} s", start.elapsed().as_secs());
    ended
}

fn run_all(root: &Path, machine: &Machine, words: &[String]) -> Done {
    // Tests start binaries of other crates and examples, which cargo would not build for them in every case.
    run(&mut cargo(root, ["build", "--workspace", "--bins", "--examples"]))?;
    let mut runner = if succeeds(&mut cargo(root, ["nextest", "--version"])) {
        cargo(root, ["nextest", "run", "--workspace"])
    } else {
        cargo(root, ["test", "--workspace", "--lib", "--bins", "--tests"])
    };
    run(told(&mut runner, machine).args(words))?;
    if words.is_empty() {
        failpoints::run_all(root, machine, &[])?;
        run(told(&mut cargo(root, ["test", "--doc", "--workspace"]), machine))?;
    }
    Ok(())
}

/// Tells the tests where their servers and Python peers are.
pub(crate) fn told<'a>(command: &'a mut Command, machine: &Machine) -> &'a mut Command {
    command.env("APIUM_REDIS_SERVER", &machine.redis_server).env("PATH", path_with_system_folders());
    for (version, python) in &machine.pythons {
        let variable = format!("APIUM_PYTHON_{}", version.replace('.', "_"));
        command.env(variable, python);
    }
    command
}

fn path_with_system_folders() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM_FOLDERS.iter().map(PathBuf::from));
    std::env::join_paths(folders).unwrap_or(path)
}
