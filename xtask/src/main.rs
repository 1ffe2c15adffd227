//! `cargo xtask`: picks the chore named on the command line and leaves with its exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use xtask::shell::{Done, Failure};
use xtask::{bench, chaos, failpoints, fuzz, instructions, interop, lint, scale, scans, setup, suite, tidy};

/// The chores that take words.
const WITH_WORDS: [&str; 9] =
    ["test", "interop", "chaos", "failpoints", "fuzz", "bench", "instructions", "scale", "scans"];

const MANUAL: &str = include_str!("manual.txt");

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let chore = if words.is_empty() { String::new() } else { words.remove(0) };
    // `cargo xtask test -- settle` and `cargo xtask test settle` mean the same.
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
    }
    // Whoever asks for help of a chore is shown the page that tells of all.
    let lost = words.iter().any(|word| word == "--help" || word == "-h");
    match perform(if lost { "help" } else { &chore }, if lost { &[] } else { &words }, &root()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn perform(chore: &str, words: &[String], root: &Path) -> Done {
    if !WITH_WORDS.contains(&chore) && !words.is_empty() {
        return Err(Failure::usage(format!(
            "`{chore}` takes no further words, but was given `{}`; see `cargo xtask help`.",
            words.join(" ")
        )));
    }
    match chore {
        "ci" => lint::lint(root)
            .and_then(|()| instructions::instructions(root, &[]))
            .and_then(|()| suite::test(root, &[]))
            .and_then(|()| interop::interop(root, &[])),
        "fmt" => lint::format(root),
        "lint" => lint::lint(root),
        "tidy" => tidy::tidy(root),
        "test" => suite::test(root, words),
        "interop" => interop::interop(root, words),
        "chaos" => chaos::chaos(root, words),
        "failpoints" => failpoints::failpoints(root, words),
        "docs" => lint::docs(root),
        "setup" => setup::setup(root).map(drop),
        "fuzz" => fuzz::fuzz(root, words),
        "bench" => bench::bench(root, words),
        "scale" => scale::scale(root, words),
        "scans" => scans::scans(root, words),
        "instructions" => instructions::instructions(root, words),
        "help" | "--help" | "-h" => {
            print!("{MANUAL}");
            Ok(())
        }
        "" => Err(Failure::usage(format!("which chore?\n\n{MANUAL}"))),
        other => Err(Failure::usage(format!("there is no chore `{other}`; see `cargo xtask help`."))),
    }
}

/// The repository: asked of cargo at run time first, because two clones may share a target folder.
fn root() -> PathBuf {
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let here = PathBuf::from(here);
    here.parent().map_or(here.clone(), Path::to_path_buf)
}
