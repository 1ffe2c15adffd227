//! `doctor`: a bad set-up of stock Celery shows what is wrong with it and nothing else, a good one of ours is well, and
//! looking changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use apium_core::client::hostname;
use serde_json::{Value, json};

use crate::console::Console;
use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::poll::until;
use crate::running::{Ended, Running};
use crate::server::Server;

const DOCTOR: [&str; 4] = ["doctor", "--json", "--timeout", "4"];
/// Where nobody is there to answer.
const ALONE: [&str; 4] = ["doctor", "--json", "--timeout", "0.1"];

/// Python's worst, on top of its defaults.
const BAD: &str = r#"{
    "accept_content": ["json", "pickle"], "result_expires": null, "worker_prefetch_multiplier": 0,
    "timezone": "Europe/Madrid"
}"#;

fn told(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// The names of what was found, above hints.
fn found(ended: &Ended) -> BTreeSet<String> {
    named(ended, |severity| severity != "hint")
}

fn hints(ended: &Ended) -> BTreeSet<String> {
    named(ended, |severity| severity == "hint")
}

fn named(ended: &Ended, counts: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let told = told(ended);
    let findings = told["findings"].as_array().unwrap();
    let counted = findings.iter().filter(|finding| counts(finding["severity"].as_str().unwrap()));
    counted.map(|finding| finding["name"].as_str().unwrap().to_owned()).collect()
}

fn names(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(ToString::to_string).collect()
}

/// Every key as it is stored, apart from the box that answers come into.
fn keyspace(server: &Server) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut look = server.look();
    let keys: Vec<Vec<u8>> = look.ask(&["KEYS", "*"]);
    let kept = |key: &Vec<u8>| !String::from_utf8_lossy(key).contains("reply.celery.pidbox");
    let keys = keys.into_iter().filter(|key| kept(key) && key != b"apium:inboxes");
    keys.map(|key| (key.clone(), look.ask(&["DUMP", std::str::from_utf8(&key).unwrap()]))).collect()
}

/// A beat of Celery 5.7 that answers to remote control.
fn beat(python: &Python, server: &Server, place: &Place, schedule: &str) -> Running {
    let schedule = place.path(schedule).display().to_string();
    let pid = format!("{schedule}.pid");
    let arguments = ["-m", "celery", "-A", "app", "beat", "-l", "INFO", "-s", &schedule, "--pidfile", &pid];
    let mut beat = Running::start(python.command(&server.url(), &arguments));
    beat.until_says("beat: Starting...");
    beat
}

#[test]
fn a_bad_set_up_of_stock_celery_shows_each_of_its_faults_and_is_left_as_it_was() {
    let server = Server::with(&["--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"]);
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7").set(BAD);
    let _new = python.worker(&server.url(), "celery", r#"{"visibility_timeout": 30}"#);
    let mut console = Console::open(&python, &server.url());
    console.value("send('app.echo', [1]).get(timeout=30)");
    let old = Python::with_celery("5.4").set(r#"{"task_acks_late": true}"#);
    let arguments = ["-m", "celery", "-A", "app", "worker", "-c", "1", "-n", "old@%h", "-l", "INFO"];
    let mut command = old.command(&server.url(), &arguments);
    command.env("APIUM_TRANSPORT", r#"{"priority_steps": [0, 5]}"#);
    let mut old = Running::start(command);
    old.until_says("ready.");
    console.value("send('app.add', [1], countdown=600)");
    console.value("send('app.add', [1], queue='nobody')");
    console.value("send('app.add', ['x' * 2_000_000], queue='nobody')");
    let mut look = server.look();
    until("the countdown to be held", || (look.ask::<u64>(&["HLEN", "unacked"]) == 1).then_some(()));
    let left = r#"[{"headers": {}, "properties": {}}, "", "celery"]"#;
    look.ask::<()>(&["HSET", "unacked", "left", left]);
    look.ask::<()>(&["ZADD", "unacked_index", "1000000000", "left"]);
    look.ask::<()>(&["HSET", "unacked", "orphan", left]);
    look.ask::<()>(&["SADD", "_kombu.binding.news", "x\u{6}\u{16}\u{6}\u{16}unread"]);
    let before = keyspace(&server);
    let ended = place.run(Program::Apium, &DOCTOR);
    assert_eq!(keyspace(&server), before, "looking changes nothing");
    let expected = [
        "abandoned_messages",
        "backlog_without_consumer",
        "early_ack",
        "eviction",
        "large_messages",
        "lost_child_acknowledged",
        "no_persistence",
        "orphaned_messages",
        "pickle_accepted",
        "prefetch_unlimited",
        "priority_lists_differ",
        "results_kept_for_ever",
        "results_without_expiry",
        "timezones_mixed",
        "unconsumed_binding",
        "versions_mixed",
        "visibility_below_eta",
        "visibility_differs",
    ];
    assert_eq!((found(&ended), ended.code), (names(&expected), Some(1)), "{ended:?}");
    let told = told(&ended);
    assert_eq!(told["seen"]["workers"], json!([format!("old@{}", hostname()), format!("python@{}", hostname())]));
    for finding in told["findings"].as_array().unwrap() {
        for part in ["sentence", "fix", "see"] {
            assert!(finding[part].as_str().is_some_and(|text| !text.is_empty()), "{finding}");
        }
    }
    let people = place.run(Program::Apium, &DOCTOR[..1]);
    assert!(
        people
            .stdout
            .contains("accepts pickle: whoever can write into the broker runs code there\n    fix: accept_content")
    );
}

#[test]
fn a_worker_that_keeps_silent_and_stores_nothing_shows_it() {
    const CONF: &str = r#"{
        "task_acks_late": true, "task_reject_on_worker_lost": true, "result_backend": null,
        "broker_connection_retry_on_startup": null
    }"#;
    let server = Server::with(&["--appendonly", "yes"]);
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7").set(CONF);
    let arguments = ["-m", "celery", "-A", "app", "worker", "-P", "solo", "-l", "INFO", "--without-heartbeat"];
    let mut worker = Running::start(python.command(&server.url(), &arguments));
    worker.until_says("ready.");
    // As somebody deletes it who clears Redis of what looks old.
    assert_eq!(server.look().ask::<u64>(&["DEL", "_kombu.binding.celery"]), 1);
    let ended = place.run(Program::Apium, &DOCTOR);
    assert_eq!(found(&ended), names(&["missing_binding", "no_result_backend"]), "{ended:?}");
    assert_eq!((hints(&ended), ended.code), (names(&["no_heartbeat", "no_retry_on_startup"]), Some(0)), "{ended:?}");
}

#[test]
fn a_redis_that_keeps_little_and_has_little_room_shows_it() {
    let server = Server::with(&["--maxmemory-policy", "allkeys-lru", "--save", "3600", "1"]);
    let place = Place::on(&server.url());
    let mut look = server.look();
    let kept = place.run(Program::Apium, &ALONE);
    assert_eq!(found(&kept), names(&["eviction_policy", "no_worker"]), "{kept:?}");
    assert_eq!((hints(&kept), kept.code), (names(&["snapshots_only"]), Some(0)), "{kept:?}");

    // A folder has the name its snapshots are to have.
    std::fs::create_dir(server.folder().join("dump.rdb")).unwrap();
    look.ask::<()>(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no", "maxmemory-policy", "noeviction"]);
    look.ask::<String>(&["BGSAVE"]);
    let failed = "rdb_last_bgsave_status:err";
    until(failed, || look.ask::<String>(&["INFO", "persistence"]).contains(failed).then_some(()));
    look.ask::<()>(&["SET", "others", &"x".repeat(20 << 20)]);
    let used: String = look.ask(&["INFO", "memory"]);
    let used: u64 = used.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().parse().unwrap();
    look.ask::<()>(&["CONFIG", "SET", "maxmemory", &(used / 95 * 100).to_string()]);
    let full = place.run(Program::Apium, &ALONE);
    assert_eq!(found(&full), names(&["disk_trouble", "memory_nearly_full", "no_worker"]), "{full:?}");
    assert_eq!((hints(&full), full.code), (names(&["snapshots_only"]), Some(1)), "{full:?}");
}

#[test]
fn two_beats_and_two_workers_of_one_name_are_found() {
    let server = Server::with(&["--appendonly", "yes"]);
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7")
        .set(r#"{"beat_enable_remote_control": true, "task_acks_late": true, "task_reject_on_worker_lost": true}"#);
    let _one = python.worker(&server.url(), "celery", "{}");
    let _other = python.worker(&server.url(), "celery", "{}");
    let first = beat(&python, &server, &place, "first");
    let well = place.run(Program::Apium, &DOCTOR);
    assert_eq!((found(&well), well.code), (names(&["duplicate_nodes"]), Some(0)), "{well:?}");
    let _second = beat(&python, &server, &place, "second");
    let both = (names(&["duplicate_nodes", "two_beats"]), Some(1));
    until("both beats to answer", || {
        let ended = place.run(Program::Apium, &DOCTOR);
        ((found(&ended), ended.code) == both).then_some(())
    });
    drop(first);
}

#[test]
fn beats_that_keep_silent_are_told_by_what_they_send() {
    let server = Server::with(&["--appendonly", "yes"]);
    let place = Place::on(&server.url());
    let mut look = server.look();
    let sent = |look: &mut crate::server::Look, origin: &str| {
        let message = json!({"headers": {"celery_beat_task": true, "origin": origin, "task": "app.add"}});
        look.ask::<()>(&["LPUSH", "celery", &message.to_string()]);
    };
    look.ask::<()>(&["SADD", "_kombu.binding.celery", "celery\u{6}\u{16}\u{6}\u{16}celery"]);
    for origin in ["gen1@a", "gen1@a", "gen2@b"] {
        sent(&mut look, origin);
    }
    let restarted = place.run(Program::Apium, &ALONE);
    assert_eq!(found(&restarted), names(&["backlog_without_consumer", "no_worker"]), "{restarted:?}");
    sent(&mut look, "gen1@a");
    let by_turns = place.run(Program::Apium, &ALONE);
    assert_eq!(found(&by_turns), names(&["backlog_without_consumer", "no_worker", "two_beats"]), "{by_turns:?}");
}

#[test]
fn a_good_set_up_of_ours_is_well() {
    let server = Server::with(&["--appendonly", "yes"]);
    for place in [Place::on(&server.url()), Place::new()] {
        let _worker = our_worker(&place, &[]);
        place.run(Program::Probe, &["call", "probe.greet", "-a", "[\"Ada\"]", "--wait"]).printed();
        let ended = place.run(Program::Probe, &DOCTOR);
        assert_eq!((found(&ended), ended.code), (names(&[]), Some(0)), "{ended:?}");
        assert_eq!(told(&ended)["seen"]["workers"], json!([format!("ours@{}", hostname())]));
    }
}

#[test]
fn the_embedded_store_tells_what_nobody_takes_and_what_was_given_up() {
    let place = Place::new();
    let absent = place.run(Program::Probe, &["doctor"]).sentence();
    assert!(absent.contains("apium.db"), "{absent}");
    let worker = our_worker(&place, &[]);
    place.run(Program::Probe, &["call", "probe.reject", "--wait"]);
    worker.stop();
    place.run(Program::Probe, &["call", "probe.greet", "-a", "[\"Ada\"]", "--queue", "nobody"]).printed();
    let ended = place.run(Program::Probe, &ALONE);
    let expected = ["backlog_without_consumer", "dead_letters", "no_worker"];
    assert_eq!((found(&ended), ended.code), (names(&expected), Some(1)), "{ended:?}");
}

#[test]
fn what_it_is_not_to_be_asked_is_refused() {
    assert!(Place::new().run(Program::Apium, &["doctor", "--timeout", "soon"]).refusal().contains("--timeout must be"));
}

#[test]
fn a_long_task_shows_a_visibility_timeout_that_is_too_short_and_what_is_held_back_behind_it() {
    let server = Server::with(&["--appendonly", "yes"]);
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7").set(r#"{"task_acks_late": true, "task_reject_on_worker_lost": true}"#);
    let arguments = ["-m", "celery", "-A", "app", "worker", "-c", "1", "-n", "long@%h", "-l", "INFO"];
    let mut command = python.command(&server.url(), &arguments);
    command.env("APIUM_TRANSPORT", r#"{"visibility_timeout": 5}"#);
    let mut worker = Running::start(command);
    worker.until_says("ready.");
    let go = place.path("go").display().to_string();
    let mut console = Console::open(&python, &server.url());
    for _ in 0..3 {
        console.value(&format!("send('app.progress', [{go:?}])"));
    }
    let expected = names(&["prefetch_hoards", "visibility_below_running"]);
    until("the task to have run for long", || (found(&place.run(Program::Apium, &DOCTOR)) == expected).then_some(()));
    std::fs::write(&go, "").unwrap();
}

#[test]
fn a_clock_that_is_ahead_is_told_by_its_heartbeats() {
    let server = Server::with(&["--appendonly", "yes"]);
    let place = Place::on(&server.url());
    let _worker = our_worker(&place, &[]);
    let (doctor, mut look) = (place.start(Program::Apium, &DOCTOR), server.look());
    let mut doctor = Some(doctor);
    let ended = until("the doctor's end", || {
        let event = json!({"hostname": format!("ours@{}", hostname()), "utcoffset": 0, "pid": 1, "clock": 1, "freq": 2.0,
            "timestamp": 4_000_000_000.0, "type": "worker-heartbeat"});
        let message = json!({"body": event.to_string(), "content-type": "application/json", "content-encoding": "utf-8",
            "headers": {"hostname": "ours"}, "properties": {"delivery_mode": 1, "delivery_tag": "1", "priority": 0,
                "delivery_info": {"exchange": "celeryev", "routing_key": "worker.heartbeat"}}});
        look.ask::<()>(&["PUBLISH", "/0.celeryev/worker.heartbeat", &message.to_string()]);
        doctor.as_mut().unwrap().has_ended().then(|| doctor.take().unwrap().ended())
    });
    assert_eq!((found(&ended), ended.code), (names(&["clocks_apart"]), Some(0)), "{ended:?}");
}
