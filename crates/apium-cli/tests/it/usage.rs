//! The command line read by a person: help, and what is said to someone who mistypes.

use crate::place::{Place, Program};

/// What the person asked for, by command.
const COMMANDS: [(&str, &str); 8] = [
    ("up", "Serve the API and work, in one process"),
    ("serve", "Serve the API; workers run elsewhere"),
    ("worker", "/livez"),
    ("call", "Send a task"),
    ("result", "Show the result of a task"),
    ("queues", "How the queues stand"),
    ("purge", "asks first"),
    ("dead", "Messages given up"),
];

#[test]
fn help_tells_every_command_and_each_command_tells_its_flags() {
    let place = Place::new();
    let help = place.run(Program::Apium, &["--help"]).printed();
    for (command, purpose) in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
        let own = place.run(Program::Apium, &[command, "--help"]).printed();
        assert!(own.contains(purpose), "{command}: {own}");
        assert!(own.contains(&format!("Usage: apium {command}")), "{command}: {own}");
    }
    let worker = place.run(Program::Apium, &["worker", "--help"]).printed();
    for flag in [
        "-b, --broker <URL>",
        "--result-backend <URL>",
        "--data <FOLDER>",
        "-Q, --queues <QUEUES>",
        "-c, --concurrency <N>",
        "-n, --hostname <NAME@%h>",
        "-l, --loglevel <LEVEL>",
        "--listen <HOST:PORT>",
        "--lease <SECONDS>",
    ] {
        assert!(worker.contains(flag), "{flag}: {worker}");
    }
    for told in ["[default: 127.0.0.1:8000]", "[env: APIUM_BROKER]"] {
        assert!(worker.contains(told), "{told}: {worker}");
    }
    let call = place.run(Program::Apium, &["call", "--help"]).printed();
    for flag in ["--args", "--kwargs", "--queue", "--countdown", "--eta", "--expires", "--wait", "--json"] {
        assert!(call.contains(flag), "{flag}: {call}");
    }
}

#[test]
fn the_program_of_a_user_is_named_in_its_own_help() {
    let place = Place::new();
    let help = place.run(Program::Adder, &["--help"]).printed();
    assert!(help.contains("Usage: adder"), "{help}");
    assert!(place.run(Program::Adder, &["--version"]).printed().starts_with("adder "));
    assert!(place.run(Program::Apium, &["--version"]).printed().starts_with("apium "));
}

#[test]
fn a_command_that_cannot_be_read_is_exit_code_2() {
    let place = Place::new();
    for (arguments, told) in [
        (&[][..], "Usage: apium"),
        (&["walk"], "unrecognized subcommand 'walk'"),
        (&["worker", "--colour"], "unexpected argument '--colour'"),
        (&["worker", "-c"], "a value is required"),
        (&["call"], "<NAME>"),
        (&["call", "t", "--priority", "11"], "11"),
        (&["call", "t", "--countdown", "soon"], "soon"),
        (&["call", "t", "--countdown", "1", "--eta", "2030-01-01T00:00:00Z"], "cannot be used with"),
        (&["purge"], "<QUEUE>"),
        (&["dead"], "Usage: apium dead"),
        (&["dead", "show"], "<ID>"),
    ] {
        let ended = place.run(Program::Apium, arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(told) && ended.stdout.is_empty(), "{arguments:?}: {ended:?}");
    }
    assert!(!place.path("apium-data").exists(), "nothing was opened");
}

#[test]
fn what_a_call_cannot_send_is_one_sentence() {
    let place = Place::new();
    for (arguments, told) in [
        (&["--args", "2, 3"][..], "--args must be a JSON list, such as '[2, 3]'"),
        (&["--args", "{}"], "--args must be a JSON list"),
        (&["--kwargs", "[1]"], "--kwargs must be a JSON object"),
        (&["--eta", "tomorrow"], "--eta \"tomorrow\" is not an ISO 8601 time"),
        (&["--countdown=-1"], "--countdown must be zero or more seconds"),
    ] {
        let sentence = place.run(Program::Apium, &[&["call", "some.task"], arguments].concat()).sentence();
        assert!(sentence.contains(told), "{arguments:?}: {sentence}");
    }
    assert!(!place.path("apium-data").exists(), "nothing was opened");
}
