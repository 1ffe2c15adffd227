//! The command line read by a person: help, and what is said to someone who mistypes.

use std::process::Command;

use crate::place::{Place, Program};

/// What the person asked for, by command.
const COMMANDS: [(&str, &str); 10] = [
    ("up", "Serve the API and work, in one process"),
    ("serve", "Serve the API; workers run elsewhere"),
    ("worker", "/livez"),
    ("ready", "exits with 1 if not"),
    ("call", "Send a task"),
    ("result", "Show the result of a task"),
    ("queues", "How the queues stand"),
    ("purge", "asks first"),
    ("dead", "Messages given up"),
    ("verify", "Send marked tasks"),
];

/// Only the tests of `crates/apium/tests/failpoints` are built with these: here, no symbol of them is found.
#[test]
fn the_executable_has_no_point_at_which_it_can_be_made_to_die() {
    let program = env!("CARGO_BIN_EXE_apium");
    let holds = |symbol: &str| Command::new("grep").args(["-qF", symbol, program]).status().unwrap().success();
    assert!(holds("12apium_worker"), "its symbols can be read");
    assert!(!holds("6points5table"), "it was built with the feature `failpoints`");
}

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
    let (plain, up) = (one_line(&worker), one_line(&place.run(Program::Apium, &["up", "--help"]).printed()));
    for told in ["[env: APIUM_BROKER, CELERY_BROKER_URL, REDIS_URL]", "[1 to 10000]", "[1 to 3600] [default: 30]"] {
        assert!(plain.contains(told), "{told}: {worker}");
    }
    assert!(up.contains("[default: 127.0.0.1:8000]"), "{up}");
    assert!(!plain.contains("[default: 127.0.0.1:8000]"), "a worker listens only when told to: {worker}");
    let call = place.run(Program::Apium, &["call", "--help"]).printed();
    for flag in ["--args", "--kwargs", "--queue", "--countdown", "--eta", "--expires", "--wait", "--json"] {
        assert!(call.contains(flag), "{flag}: {call}");
    }
}

/// The help is wrapped to the width of the terminal.
fn one_line(help: &str) -> String {
    help.split_whitespace().collect::<Vec<_>>().join(" ")
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
        (&["--countdown", "-1"], "--countdown must be a number of seconds from 0 to 3153600000, not \"-1\""),
        (&["--countdown", "soon"], "--countdown must be a number of seconds from 0 to 3153600000, not \"soon\""),
        (&["--expires", "1e300"], "--expires must be a number of seconds from 0 to 3153600000, not \"1e300\""),
        (&["--priority", "11"], "--priority must be a whole number from 0 to 9, not \"11\""),
        (&["--priority", "-1"], "--priority must be a whole number from 0 to 9, not \"-1\""),
        (&["--wait", "--timeout", "-1"], "--timeout must be a number of seconds from 0 to"),
        (&["--queue", ""], "the queue must not be blank"),
        (&["--queue", " "], "the queue must not be blank"),
        (&["--queue", "a\nb"], "the queue must be a plain name"),
        (&["--task-id", ""], "the task id must not be blank"),
    ] {
        let sentence = place.run(Program::Apium, &[&["call", "some.task"], arguments].concat()).refusal();
        assert!(sentence.contains(told), "{arguments:?}: {sentence}");
    }
    for (arguments, told) in [
        (&["call", ""][..], "the task must not be blank"),
        (&["call", "  "], "the task must not be blank"),
        (&["result", ""], "the id must not be blank"),
        (&["queues", ""], "the queue must not be blank"),
        (&["purge", "a", "", "--force"], "the queue must not be blank"),
        (&["dead", "list", "--queue", ""], "the queue must not be blank"),
        (&["dead", "list", "--limit", "0"], "--limit must be a whole number from 1 to 100000, not \"0\""),
        (&["dead", "show", ""], "the id must not be blank"),
    ] {
        let sentence = place.run(Program::Apium, arguments).refusal();
        assert!(sentence.contains(told), "{arguments:?}: {sentence}");
    }
    assert!(!place.path("apium-data").exists(), "nothing was opened");
}

#[test]
fn where_nothing_is_a_sentence_says_so() {
    let place = Place::new();
    let mut serve = place.start(Program::Apium, &["serve", "--listen", "127.0.0.1:0"]);
    serve.until_says("Ctrl-C stops.");
    serve.stop().printed();
    for (arguments, told) in [(&["queues"][..], "no queues yet"), (&["dead", "list"], "no dead letters")] {
        let ended = place.run(Program::Apium, arguments);
        assert!(ended.code == Some(0) && ended.stdout.is_empty() && ended.stderr.contains(told), "{ended:?}");
    }
    assert_eq!(place.run(Program::Apium, &["queues", "--json"]).json(), serde_json::json!([]));
    assert_eq!(place.run(Program::Apium, &["dead", "list", "--json"]).json(), serde_json::json!([]));
}
