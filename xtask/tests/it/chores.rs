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
        for chore in ["ci", "fmt", "lint", "tidy", "test", "docs", "setup", "fuzz"] {
            assert!(text.contains(&format!("\n  {chore} ")), "{chore} is not in:\n{text}");
        }
    }
}

#[test]
fn a_wrong_command_line_is_answered_with_a_sentence_and_code_2() {
    for words in [&[][..], &["dance"], &["tidy", "now"], &["fuzz", "soon"], &["fuzz", "0"], &["fuzz", "1", "2"]] {
        let output = xtask(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stderr.starts_with(b"xtask: "), "{words:?}");
    }
}

#[test]
fn tidy_prints_place_and_sentence_and_fails() {
    let tree = Planted::sound();
    let chore = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        // The workshop asks cargo's variable which tree it is in.
        command.arg("tidy").env("CARGO_MANIFEST_DIR", tree.root().join("xtask"));
        command.output().unwrap()
    };
    assert_eq!(chore().status.code(), Some(0));

    tree.write("crates/apium-core/src/queue.rs", &format!("{OPENING}fn f() {{ dbg!(1); }}\n"));
    let output = chore();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "crates/apium-core/src/queue.rs:2: a debugging line was left behind; delete it. (debug)\n"
    );
}

#[test]
fn the_exit_code_of_a_program_is_kept() {
    let failure = run(Command::new("sh").args(["-c", "exit 7"])).unwrap_err();
    assert_eq!(failure.code, 7);
    let failure = run(&mut Command::new("/nowhere/at-all")).unwrap_err();
    assert_eq!(failure.code, 1);
    assert!(run(Command::new("sh").args(["-c", "exit 0"])).is_ok());
}
