//! `cargo xtask test` on a workspace of one crate: what the tests are told, what is run, how it ends.

use std::process::{Command, Output};

use crate::planted::Planted;

const MANIFEST: &str = "[workspace]\n[package]\nname = \"tiny\"\nedition = \"2024\"\n";

const LIBRARY: &str = "//! ```\n//! assert!(tiny::two() == 2);\n//! ```\npub fn two() -> u8 { 2 }\n";

const TESTS: &str = r#"
#[test]
fn the_tests_know_their_machine() {
    for variable in ["APIUM_REDIS_SERVER", "APIUM_PYTHON_9_9"] {
        let path = std::env::var(variable).expect(variable);
        assert!(std::path::Path::new(&path).is_file(), "{path}");
    }
    assert!(std::path::Path::new("target/debug/tiny").is_file());
}

#[test]
fn fails_when_told_to() {
    assert!(std::env::var("TINY_FAILS").is_err());
}
"#;

/// A workspace with a library, a binary, tests, and one Python environment with nothing in it.
fn workspace() -> Planted {
    let tree = Planted::empty();
    tree.write("Cargo.toml", MANIFEST).write("src/lib.rs", LIBRARY).write("src/main.rs", "fn main() {}\n");
    tree.write("tests/it.rs", TESTS).write("interop/requirements/celery-9.9.txt", "# nothing\n");
    tree
}

fn suite(tree: &Planted, words: &[&str]) -> Command {
    let mut command = tree.xtask(&[&["test"], words].concat());
    command.env_remove("CARGO_TARGET_DIR").env_remove("APIUM_VENVS");
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_suite_sets_up_builds_runs_everything_and_tells_its_time() {
    let tree = workspace();
    let output = suite(&tree, &[]).output().unwrap();
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("fails_when_told_to"), "{text}");
    assert!(text.contains("Doc-tests tiny"), "{text}");
    assert!(text.contains("-m venv"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("xtask test: passed in "), "{text}");

    let output = suite(&tree, &["--", "told_to"]).env("TINY_FAILS", "1").output().unwrap();
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    assert_ne!(output.status.code(), Some(1), "the runner's own code is kept: {text}");
    assert!(text.contains("xtask test: failed in "), "{text}");
    assert!(!text.contains("the_tests_know_their_machine"), "only what was asked for runs: {text}");
    assert!(!text.contains("-m venv"), "the environment is made once: {text}");
}

#[test]
fn without_nextest_plain_cargo_runs_the_tests() {
    let tree = workspace();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let without = tree.script("cargo", &format!("[ \"$1\" = nextest ] && exit 101\nexec '{cargo}' \"$@\""));
    let output = suite(&tree, &[]).env("CARGO", without).output().unwrap();
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("test fails_when_told_to ... ok"), "{text}");
    assert!(text.contains("Doc-tests tiny"), "{text}");
}
