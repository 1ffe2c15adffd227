//! The command line of the workshop: what it offers, and exit codes a script can rely on.

use std::process::{Command, Output};

use crate::planted::{OPENING, Planted};
use xtask::shell::run;

fn xtask(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(words).output().unwrap()
}

#[test]
fn help_names_every_chore() {
    for words in [["--help"], ["help"], ["-h"]] {
        let output = xtask(&words);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        for chore in
            ["ci", "fmt", "lint", "tidy", "test", "docs", "setup", "chaos", "fuzz", "bench", "instructions", "scale"]
        {
            assert!(text.contains(&format!("\n  {chore} ")), "{chore} is not in:\n{text}");
        }
    }
}

#[test]
fn a_wrong_command_line_is_answered_with_a_sentence_and_code_2() {
    for words in [
        &[][..],
        &["dance"],
        &["tidy", "now"],
        &["fuzz", "soon"],
        &["fuzz", "0"],
        &["fuzz", "1", "2"],
        &["chaos", "--minutes", "0"],
        &["chaos", "--tasks", "9"],
        &["chaos", "much"],
        &["instructions", "dance"],
        &["instructions", "--rounds", "0"],
        &["scale", "--axis", "dance"],
        &["scale", "--rounds"],
    ] {
        let output = xtask(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stderr.starts_with(b"xtask: "), "{words:?}");
    }
}

#[test]
fn tidy_prints_place_and_sentence_and_fails() {
    let tree = Planted::sound();
    assert_eq!(tree.xtask(&["tidy"]).output().unwrap().status.code(), Some(0));

    tree.write("crates/apium-core/src/queue.rs", &format!("{OPENING}fn f() {{ dbg!(1); }}\n"));
    let output = tree.xtask(&["tidy"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "crates/apium-core/src/queue.rs:2: a debugging line was left behind; delete it. (debug)\n"
    );
}

#[test]
fn fuzz_runs_each_target_for_the_minutes_given() {
    let tree = Planted::sound();
    tree.write("fuzz/fuzz_targets/message.rs", OPENING).write("fuzz/fuzz_targets/body.rs", OPENING);
    let cargo = tree.script("cargo", "echo \"$RUSTC_BOOTSTRAP $*\"");
    let output = tree.xtask(&["fuzz", "2"]).env("CARGO", cargo).output().unwrap();
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "1 fuzz run body -- -max_total_time=120\n1 fuzz run message -- -max_total_time=120\n"
    );
}

#[test]
fn fuzz_without_cargo_fuzz_says_how_to_get_it() {
    let tree = Planted::sound();
    tree.write("fuzz/fuzz_targets/message.rs", OPENING);
    let cargo = tree.script("cargo", "exit 101");
    let output = tree.xtask(&["fuzz"]).env("CARGO", cargo).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cargo install cargo-fuzz"));
}

#[test]
fn the_exit_code_of_a_program_is_kept() {
    let failure = run(Command::new("sh").args(["-c", "exit 7"])).unwrap_err();
    assert_eq!(failure.code, 7);
    let failure = run(&mut Command::new("/nowhere/at-all")).unwrap_err();
    assert_eq!(failure.code, 1);
    assert!(run(Command::new("sh").args(["-c", "exit 0"])).is_ok());
}
