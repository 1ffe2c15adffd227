//! What a setting may not be is refused at start, in a sentence with what it may be and where it came from.

use crate::place::{Place, Program};

const SECONDS: &str = "a number of seconds from";

#[test]
fn a_number_out_of_its_range() {
    for (key, wrong, told) in [
        ("visibility_timeout", &["0", "0.5", "-1", "1e300", "inf"][..], format!("{SECONDS} 1 to 3153600000")),
        ("lease", &["0", "0.5", "3601", "1e30", "-1"], format!("{SECONDS} 1 to 3600")),
        ("concurrency", &["0", "-1", "10001", "100000000", "1e3"], "a whole number from 1 to 10000".to_owned()),
        ("result_expires", &["-1", "1e300", "3153600001"], format!("{SECONDS} 0 to 3153600000")),
        ("stop_timeout", &["-1", "86401", "1e30"], format!("{SECONDS} 0 to 86400")),
        ("osint_dns_timeout", &["0", "0.05", "61", "nan"], format!("{SECONDS} 0.1 to 60")),
        ("osint_dns_max_queries", &["-1", "100001"], "a whole number from 0 to 100000".to_owned()),
        ("osint_metadata_files", &["-1", "1001"], "a whole number from 0 to 1000".to_owned()),
    ] {
        let (flag, variable) = (format!("--{}", key.replace('_', "-")), variable(key));
        for wrong in wrong {
            let sentence = Place::new().run(Program::Apium, &["up", &flag, wrong]).refusal();
            assert_eq!(sentence, format!("error: {key} must be {told}, not {wrong:?} (from the command line)"));
            let sentence = Place::new().with(&variable, wrong).run(Program::Apium, &["queues"]).refusal();
            assert_eq!(sentence, format!("error: {key} must be {told}, not {wrong:?} (from {variable})"));
        }
    }
}

#[test]
fn the_ends_of_each_range_are_allowed() {
    for (key, right) in [
        ("visibility_timeout", &["1", "3153600000"][..]),
        ("lease", &["1", "7.5", "3600"]),
        ("concurrency", &["1", "10000"]),
        ("result_expires", &["0", "3153600000"]),
        ("stop_timeout", &["0", "86400"]),
        ("osint_dns_timeout", &["0.1", "60"]),
    ] {
        for right in right {
            let place = Place::new().with(&variable(key), right);
            let told = place.run(Program::Apium, &["settings", "--json"]).json();
            assert_eq!(told[key]["value"], *right, "{key}");
        }
    }
}

#[test]
fn a_node_name_that_is_none() {
    for (wrong, told) in [
        ("a@b@c", "with at most one @"),
        ("a@%z", "only %h, %n, %d, %i, %I and %% stand behind a %"),
        ("a@%", "only %h, %n, %d, %i, %I and %% stand behind a %"),
        ("a b@%h", "without spaces"),
        ("a\u{7}b@%h", "without spaces"),
        (" ", "must not be blank"),
        ("@%h", "on both sides of the @"),
    ] {
        let sentence = Place::new().run(Program::Apium, &["worker", "-n", wrong]).refusal();
        assert!(sentence.contains("hostname must ") && sentence.contains(told), "{wrong:?}: {sentence}");
    }
    let place = Place::new();
    let mut worker = place.start(Program::Probe, &["worker", "-n", "100%%%i%I@here"]);
    worker.until_says("worker 100%0@here with ");
}

#[test]
fn files_headers_and_lists_of_a_service() {
    let place = Place::new();
    let folder = place.path("diaries").display().to_string();
    for (flag, wrong, told) in [
        (
            "--osint-sandbox-program",
            "/nope",
            "osint_sandbox_program must be a file that can be read, and \"/nope\" is not",
        ),
        ("--osint-extra-authorities", "/nope", "osint_extra_authorities must be a file that can be read"),
        ("--osint-extra-authorities", folder.as_str(), "it is no file"),
        ("--osint-user-agent", "one\ntwo: three", "osint_user_agent must be a line of ASCII text"),
        ("--osint-user-agent", "bell\u{7}", "osint_user_agent must be a line of ASCII text"),
        ("--osint-axfr", "maybe", "osint_axfr must be true or false, not \"maybe\""),
        ("--osint-resolvers", "dns.example", "osint_resolvers must be IP addresses or IP:PORT with commas between"),
        ("--osint-refuse-addresses", "10.0.0.0/8", "osint_refuse_addresses must be IP addresses with commas between"),
        ("--osint-allow-sockets", "127.0.0.1", "osint_allow_sockets must be IP:PORT with commas between"),
        ("--data", "", "data must not be empty"),
        ("--data", "redis://127.0.0.1", "data must be a path here, not a URL"),
        ("--listen", ":a@b:80", "listen must be HOST:PORT"),
        ("-Q", "a,b\u{7}", "queues must be a plain name"),
        ("-l", "info,apium=loud", "loglevel must be error, warning, info, debug or trace"),
    ] {
        let sentence = place.run(Program::Apium, &["up", flag, wrong]).refusal();
        assert!(sentence.contains(told), "{flag} {wrong:?}: {sentence}");
        assert!(sentence.ends_with("(from the command line)"), "{flag} {wrong:?}: {sentence}");
    }
}

/// The environment variable of ours for a key.
fn variable(key: &str) -> String {
    let upper = key.to_uppercase();
    if key.starts_with("osint_") { upper } else { format!("APIUM_{upper}") }
}
