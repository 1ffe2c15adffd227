//! Whatever is wrong, and wherever it stands: what could be a password is not shown.

use serde_json::Value;

use crate::place::{Place, Program};
use crate::running::Ended;

const SECRET: &str = "s3cret";

/// Logins as people mistype and misplace them.
const HOSTILE: [&str; 14] = [
    "redis://:s3cret@127.0.0.1:1/0",
    "redis://me:s3cret@127.0.0.1:1/0",
    "redis//:s3cret@127.0.0.1:1",
    ":s3cret@127.0.0.1",
    ":s3cret@127.0.0.1:1",
    "redis://:s3cret@127.0.0.1:1/0;redis://:s3cret@127.0.0.1:2/0",
    "redis://:s3cret@127.0.0.1:1/0,redis://:s3cret@127.0.0.1:2/0",
    "redis://%3As3cret%40127.0.0.1:1/0",
    "redis://127.0.0.1:1/0?password=s3cret",
    "redis://127.0.0.1:1/0?auth=s3cret",
    "redis://127.0.0.1:1/with/s3cret@h",
    "amqp://me:s3cret@127.0.0.1//",
    "sqlite:///nowhere/x?password=s3cret",
    "password=s3cret",
];

fn shows_nothing(ended: &Ended, what: &str) {
    assert!(!format!("{ended:?}").contains(SECRET), "{what}: {ended:?}");
}

#[test]
fn in_no_setting_from_no_source() {
    let place = Place::new();
    let manual = place.run(Program::Apium, &["settings", "--manual"]).printed();
    let cells = |line: &str| line.split(" | ").map(|cell| cell.replace('`', "")).collect::<Vec<_>>();
    let settings: Vec<(String, Vec<String>)> = manual
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells = cells(line);
            (cells[0].replace("| ", ""), cells[2].split(", ").map(ToOwned::to_owned).collect())
        })
        .collect();
    assert!(settings.len() > 20 && settings[0].1 == ["APIUM_BROKER", "CELERY_BROKER_URL", "REDIS_URL"], "{settings:?}");
    std::thread::scope(|scope| {
        for (key, variables) in &settings {
            scope.spawn(move || {
                for hostile in HOSTILE {
                    let flag = format!("--{}={hostile}", key.replace('_', "-"));
                    shows_nothing(&Place::new().run(Program::Apium, &["settings", &flag]), &flag);
                    for variable in variables {
                        let place = Place::new().with(variable, hostile);
                        shows_nothing(
                            &place.run(Program::Apium, &["settings", "--json"]),
                            &format!("{variable}={hostile}"),
                        );
                    }
                    let place = Place::new();
                    let line = format!("{key} = {}\n", Value::from(hostile));
                    place.file("apium.toml", &line);
                    shows_nothing(&place.run(Program::Apium, &["settings"]), &line);
                }
            });
        }
    });
}

#[test]
fn at_no_start() {
    for hostile in HOSTILE {
        for key in ["APIUM_BROKER", "APIUM_RESULT_BACKEND", "APIUM_LOGLEVEL", "OSINT_RESOLVERS", "PORT", "APIUM_CONFIG"]
        {
            for command in [&["call", "some.task"][..], &["worker", "--concurrency", hostile]] {
                let ended = Place::new().with(key, hostile).run(Program::Apium, command);
                shows_nothing(&ended, &format!("{key}={hostile} {command:?}"));
            }
        }
    }
}

#[test]
fn in_no_settings_file() {
    for hostile in HOSTILE {
        for file in [
            format!("{hostile} = 1"),
            format!("{hostile:?} = 1"),
            format!("lease = {hostile}"),
            format!("lease = \"{hostile}"),
            format!("broker = \"{hostile}\"\nbroker = \"{hostile}\""),
            format!("\"{hostile}\" = 1\n\"{hostile}\" = 2"),
            format!("[\"{hostile}\"]\nlease = 1"),
            format!("queues = [\"{hostile}\"]"),
            format!("queues = [\"celery\", \"{hostile}\", 1]"),
        ] {
            let place = Place::new();
            place.file("apium.toml", &file);
            shows_nothing(&place.run(Program::Apium, &["worker", "-c", "0"]), &file);
        }
    }
}

#[test]
fn in_no_argument() {
    for hostile in HOSTILE {
        for arguments in [
            &["--config", hostile, "queues"][..],
            &["call", hostile],
            &["call", "t", "--queue", hostile],
            &["call", "t", "--task-id", hostile],
            &["call", "t", "--eta", hostile],
            &["call", "t", "--countdown", hostile],
            &["call", "t", "--expires", hostile],
            &["call", "t", "--priority", hostile],
            &["call", "t", "--args", hostile],
            &["call", "t", "--wait", "--timeout", hostile],
            &["result", hostile],
            &["queues", hostile],
            &["purge", hostile, "--force"],
            &["dead", "list", "--limit", hostile],
            &["dead", "list", "--queue", hostile],
            &["dead", "show", hostile],
            &[hostile],
            &["worker", hostile],
            &["dead", hostile],
            &["call", "t", &format!("--{hostile}")],
            &["queues", &format!("--json={hostile}")],
            &["queues", "q", &format!("--nothing={hostile}")],
        ] {
            shows_nothing(&Place::new().run(Program::Apium, arguments), &format!("{arguments:?}"));
        }
    }
}
