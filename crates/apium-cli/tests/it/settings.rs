//! Settings: one table, four sources, each value told with its origin, never a secret.

use crate::peer::root;
use crate::place::{Place, Program};

const SECRET: &str = "sup3r-s3cret";

#[test]
fn flag_before_environment_before_file_before_default_and_each_says_so() {
    let place =
        Place::new().with("APIUM_CONCURRENCY", "3").with("CELERY_WORKER_QUEUES", "mail,osint").with("HOST", "::1");
    place.file(
        "apium.toml",
        "concurrency = 2\nlease = 7.5\nresult_expires = 60\ntrack_started = true\nqueues = [\"other\"]\n",
    );
    let told = place.run(Program::Apium, &["settings", "--result-expires", "90"]).printed();
    for line in [
        "concurrency = 3 (from APIUM_CONCURRENCY)",
        "queues = mail,osint (from CELERY_WORKER_QUEUES)",
        "listen = [::1]:8000 (from HOST)",
        "lease = 7.5 (from apium.toml)",
        "track_started = true (from apium.toml)",
        "result_expires = 90 (from the command line)",
        "stop_timeout = 30 (default)",
    ] {
        assert!(told.lines().any(|known| known == line), "{line} in\n{told}");
    }
    let other = place.file("other.toml", "hostname = \"w1@%h\"\n");
    let told = place.run(Program::Apium, &["settings", "--config", other.to_str().unwrap()]).printed();
    assert!(told.contains(&format!("hostname = w1@%h (from {})", other.display())), "{told}");
    assert!(!told.contains("apium.toml)"), "only one file counts: {told}");
}

#[test]
fn the_names_of_celery_and_of_a_cloud_are_understood() {
    for (name, value, line) in [
        ("CELERY_BROKER_URL", "redis://a/1", "broker = redis://a/1 (from CELERY_BROKER_URL)"),
        ("REDIS_URL", "redis://a/2", "broker = redis://a/2 (from REDIS_URL)"),
        ("CELERY_RESULT_BACKEND", "redis://a/3", "result_backend = redis://a/3 (from CELERY_RESULT_BACKEND)"),
        ("CELERY_WORKER_CONCURRENCY", "5", "concurrency = 5 (from CELERY_WORKER_CONCURRENCY)"),
        ("CELERY_RESULT_EXPIRES", "5", "result_expires = 5 (from CELERY_RESULT_EXPIRES)"),
        ("CELERY_TASK_TRACK_STARTED", "true", "track_started = true (from CELERY_TASK_TRACK_STARTED)"),
        ("LOG_LEVEL", "debug", "loglevel = debug (from LOG_LEVEL)"),
        ("PORT", "9000", "listen = 127.0.0.1:9000 (from PORT)"),
        ("HOST", "some-machine", "listen = 127.0.0.1:8000 (default)"),
        ("APIUM_BROKER", "", "data = ./apium-data (default)"),
    ] {
        let told = Place::new().with(name, value).run(Program::Apium, &["settings"]).printed();
        assert!(told.lines().any(|known| known == line), "{name}={value}: {told}");
    }
}

#[test]
fn a_wrong_setting_is_one_sentence_that_says_where_it_stands() {
    let by_flag = [
        (
            ["worker", "-c", "many"],
            "concurrency must be a whole number from 1 to 10000, not \"many\" (from the command line)",
        ),
        (["worker", "-c", "0"], "concurrency must be a whole number from 1 to 10000, not \"0\""),
        (
            ["worker", "--lease", "soon"],
            "lease must be a number of seconds from 1 to 3600, not \"soon\" (from the command line)",
        ),
        (["worker", "--lease", "nan"], "lease must be a number of seconds from 1 to 3600, not \"nan\""),
        (["worker", "--track-started", "maybe"], "track_started must be true or false"),
        (["worker", "--log-format", "xml"], "log_format must be text or json, not \"xml\""),
        (["worker", "-l", "loud"], "such as info,apium_worker=debug, not \"loud\""),
        (["up", "--listen", "8000"], "listen must be HOST:PORT, such as 127.0.0.1:8000, not \"8000\""),
        (["up", "--config", "absent.toml"], "the settings file absent.toml cannot be read"),
    ];
    for (arguments, told) in by_flag {
        let sentence = Place::new().run(Program::Apium, &arguments).refusal();
        assert!(sentence.contains(told), "{arguments:?}: {sentence}");
    }
    for (name, value, told) in [
        (
            "APIUM_CONCURRENCY",
            "-1",
            "concurrency must be a whole number from 1 to 10000, not \"-1\" (from APIUM_CONCURRENCY)",
        ),
        (
            "CELERY_RESULT_EXPIRES",
            "1d",
            "result_expires must be a number of seconds from 0 to 3153600000, not \"1d\" (from CELERY_RESULT_EXPIRES)",
        ),
        ("PORT", "http", "listen must be HOST:PORT"),
    ] {
        let sentence = Place::new().with(name, value).run(Program::Apium, &["worker"]).refusal();
        assert!(sentence.contains(told), "{name}: {sentence}");
    }
    for (file, told) in [
        (
            "concurency = 2",
            "concurency in apium.toml is not a setting; known are broker, result_backend, shards, master_name",
        ),
        ("concurrency = 1.5", "concurrency must be a whole number from 1 to 10000, not \"1.5\" (from apium.toml)"),
        ("lease = -1", "lease must be a number of seconds from 1 to 3600, not \"-1\" (from apium.toml)"),
        ("broker = {url = 1}", "broker in apium.toml must be a plain value"),
        ("broker = \"", "the settings file apium.toml is not TOML in line 1"),
        ("queues = [1, 2]", "queues in apium.toml must be a plain value"),
        ("queues = \",\"", "queues must name at least one"),
        ("result_expires = 1e20", "result_expires must be a number of seconds"),
    ] {
        let place = Place::new();
        place.file("apium.toml", file);
        let sentence = place.run(Program::Apium, &["worker"]).refusal();
        assert!(sentence.contains(told), "{file}: {sentence}");
    }
}

#[test]
fn the_manual_page_is_what_the_table_says() {
    let made = Place::new().run(Program::Apium, &["settings", "--manual"]).printed();
    let kept = std::fs::read_to_string(root().join("docs/SETTINGS.md")).unwrap();
    assert_eq!(kept.trim_end(), made, "run `cargo run -- settings --manual > docs/SETTINGS.md`");
}

#[test]
fn settings_can_be_read_by_machines() {
    let place = Place::new().with("APIUM_BROKER", &format!("redis://me:{SECRET}@cache:7000/3"));
    let told = place.run(Program::Apium, &["settings", "--json"]).json();
    assert_eq!(told["concurrency"], serde_json::Value::Null, "what is not set is not there: {told}");
    assert_eq!(told["lease"], serde_json::json!({"value": "30", "origin": "default"}));
    assert_eq!(
        told["broker"],
        serde_json::json!({"value": "redis://me:***@cache:7000/3", "origin": "from APIUM_BROKER"})
    );
}

#[test]
fn a_password_is_never_shown() {
    let place = Place::new();
    place.file("apium.toml", format!("loglevel = \"info\"\nbroker = \"redis://:{SECRET}@127.0.0.1:1/0"));
    let sentence = place.run(Program::Apium, &["queues"]).refusal();
    assert!(sentence.contains("line 2") && !sentence.contains(SECRET), "{sentence}");
    for url in [
        format!("redis://me:{SECRET}@127.0.0.1:1/0"),
        format!("redis://:{SECRET}@127.0.0.1:1/0"),
        format!("redis://127.0.0.1:1/0?password={SECRET}"),
        format!("amqp://me:{SECRET}@127.0.0.1/"),
        format!("redis://me:{SECRET}@127.0.0.1:port/"),
        format!("redis://me:with/slash{SECRET}@127.0.0.1:1/0"),
        format!("redis://me:with?mark{SECRET}@127.0.0.1:1/0"),
        format!("redis://me:with@at{SECRET}@127.0.0.1:1/0"),
    ] {
        for arguments in [&["settings"][..], &["settings", "--json"], &["queues"], &["worker", "-l", "trace"]] {
            let place = Place::on(&url).with("APIUM_RESULT_BACKEND", &url);
            let ended = place.run(Program::Probe, arguments);
            assert!(!format!("{ended:?}").contains(SECRET), "{url} {arguments:?}: {ended:?}");
        }
    }
}
