//! `cargo xtask`: picks the chore named on the command line and leaves with its exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use xtask::shell::{Done, Failure};
use xtask::{bench, chaos, failpoints, fuzz, interop, lint, setup, suite, tidy};

const MANUAL: &str = "\
The workshop of Apium.

Usage: cargo xtask <chore> [words]

  ci              lint, test and interop: what has to pass before a change is in
  fmt             format every crate
  lint            formatting, tidy, clippy and documentation, each with warnings as errors
  tidy            the habits of the house: arrows, measures, words, links, licences
  test [words]    set the machine up, then run every test; words go to the test runner:
                  cargo xtask test -- -E 'package(apium-redis)'   (with cargo-nextest)
                  cargo xtask test -- settle                      (names holding `settle`)
  interop [--all] Celery's own tests against our worker: a slice of them; with --all the whole suite on
                  every Celery series, mixed clusters for long, and Flower in a browser
  chaos [words]   our own checker on Redis and SQLite, while workers are killed, frozen and cut off:
                  for 3 minutes or --minutes N with limits for memory, descriptors and latency, or
                  --tasks N --kills N as fast as it goes; --celery: stock Celery beside; --release
  failpoints [words]
                  workers that die at each point between a claim and its settlement, and then by lot:
                  --seeds N, from --seed N on (`test` runs it with a few)
  docs            build the documentation, broken links are errors
  setup           install what the tests need: servers (apt-get, as root) and one Python
                  environment per Celery version
  fuzz [minutes]  run each fuzz target for that long (default: 1 minute)
  bench [words]   Apium, its peers and a bare client at the same work, measured from outside: medians of
                  --rounds N (3); --quick: within ten minutes; --peer NAME, --workload NAME (each may
                  come again), --json [FILE], --write: docs/BENCHMARKS.md
  help            this page

Environment: APIUM_VENVS, the folder of the Python environments (default: .venvs here); APIUM_BENCH_CACHE, where
peers are built (default: target/bench).
";

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let chore = if words.is_empty() { String::new() } else { words.remove(0) };
    // `cargo xtask test -- settle` and `cargo xtask test settle` mean the same.
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
    }
    match perform(&chore, &words, &root()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn perform(chore: &str, words: &[String], root: &Path) -> Done {
    if !["test", "interop", "chaos", "failpoints", "fuzz", "bench"].contains(&chore) && !words.is_empty() {
        return Err(Failure::usage(format!(
            "`{chore}` takes no further words, but was given `{}`; see `cargo xtask help`.",
            words.join(" ")
        )));
    }
    match chore {
        "ci" => lint::lint(root).and_then(|()| suite::test(root, &[])).and_then(|()| interop::interop(root, &[])),
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
