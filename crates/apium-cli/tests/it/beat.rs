//! Schedulers as real processes, beside real Celery: what is due is sent once, whoever is killed or stands still; and what
//! people say to them while they run.

use std::collections::BTreeSet;

use apium::beat::Entry;
use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::console::Console;
use crate::diary::attempts;
use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::poll::until;
use crate::running::Running;
use crate::server::Server;

const EVERY_SECOND: &str = r#"
[beat_schedule.tick]
task = "probe.note"
schedule = 1
args = [7]
missed = "all"
"#;

const LEADS: &str = "leads the schedulers";

fn beat(place: &Place) -> Running {
    let mut beat = place.start(Program::Probe, &["beat"]);
    beat.until_says("Ctrl-C stops.");
    beat
}

fn each_second_is_sent_once(place: &Place) {
    place.file("apium.toml", EVERY_SECOND);
    let worker = our_worker(place, &["-n", "only@%h"]);
    let mut first = beat(place);
    first.until_says(LEADS);
    let mut second = beat(place);
    let ran = || attempts(place).len();
    until("the first to send", || (ran() >= 3).then_some(()));
    first.kill();
    second.until_says(LEADS);
    let mut third = beat(place);
    let before = ran();
    until("the second to send", || (ran() >= before + 3).then_some(()));
    second.signal(Signal::SIGSTOP);
    third.until_says(LEADS);
    let before = ran();
    until("the third to send", || (ran() >= before + 3).then_some(()));
    second.signal(Signal::SIGCONT);
    second.until_says("another scheduler leads now");
    let before = ran();
    until("all to go on", || (ran() >= before + 3).then_some(()));
    assert_eq!(third.stop().code, Some(0));
    assert_eq!(second.stop().code, Some(0));
    assert_eq!(worker.stop().code, Some(0));
    // Which due times there were, the ids tell, which are the same whoever sends.
    let sent: Vec<String> = attempts(place).into_iter().map(|attempt| attempt.task).collect();
    let once: BTreeSet<&String> = sent.iter().collect();
    assert_eq!(once.len(), sent.len(), "none twice");
    let entry = Entry::parse(r#"{"name": "tick", "task": "probe.note", "schedule": 1}"#).unwrap();
    let from = Timestamp::now() - jiff::SignedDuration::from_mins(5);
    let due: Vec<_> = entry.upcoming(from).take(300).map(|due| entry.task_id(due)).collect();
    let at = |id: &String| due.iter().position(|known| known == id).expect("it was due");
    let places: BTreeSet<usize> = sent.iter().map(at).collect();
    let (first, last) = (*places.first().unwrap(), *places.last().unwrap());
    assert_eq!(places.len(), last - first + 1, "and none left out");
    assert!(places.len() > 15, "{places:?}");
}

#[test]
fn on_redis_each_due_time_is_sent_once_though_leaders_are_killed_and_frozen() {
    let server = Server::start();
    each_second_is_sent_once(&Place::on(&server.url()));
}

#[test]
fn on_sqlite_each_due_time_is_sent_once_though_leaders_are_killed_and_frozen() {
    each_second_is_sent_once(&Place::new());
}

#[test]
fn a_stock_worker_runs_what_is_due() {
    let server = Server::start();
    let python = Python::with_celery("5.7");
    let place = Place::on(&server.url());
    let _stock = python.worker(&server.url(), "celery", "{}");
    let set = ["beat", "set", "sums", "--task", "app.add", "--every", "1", "--args", "[2, 3]", "--expires", "30"];
    assert_eq!(place.run(Program::Probe, &set).printed(), "sums is kept\ndue every second");
    let _beat = beat(&place);
    let task_id = until("a run to be told of", || {
        let history = place.run(Program::Probe, &["beat", "history", "sums", "--json"]).json();
        history.as_array()?.first()?["task_id"].as_str().map(ToOwned::to_owned)
    });
    let mut console = Console::open(&python, &server.url());
    assert_eq!(console.value(&format!("app.AsyncResult('{task_id}').get(timeout=30)")), "5");
}

#[test]
fn schedules_are_told_and_changed() {
    let place = Place::new();
    let file = r#"
timezone = "Europe/Madrid"
[beat_schedule.check-hps-expiration]
task = "hps_core.tasks.check_hps_expiration_task"
schedule = { crontab = { hour = 9, minute = 0, day_of_week = "1-5" } }
"#;
    place.file("apium.toml", file);
    let run = |arguments: &[&str]| place.run(Program::Apium, arguments);
    let up = place.start(Program::Apium, &["up", "--listen", "127.0.0.1:0"]);
    let listed = until("the schedule of the settings", || {
        let listed = run(&["beat", "list", "--json"]);
        let all: Value = serde_json::from_str(&listed.stdout).ok()?;
        all.as_array()?.first().cloned()
    });
    assert_eq!(listed["due"], "at 09:00 on Monday to Friday, Europe/Madrid");
    assert_eq!(listed["entry"]["origin"], "file");
    let next = run(&["beat", "next", "check-hps-expiration", "--count", "5", "--json"]).json();
    let days: Vec<_> = next.as_array().unwrap().iter().map(|row| row["local"].as_str().unwrap()).collect();
    assert!(days.len() == 5 && days.iter().all(|day| day.contains(" 09:00:00 CE")), "{days:?}");
    run(&["beat", "pause", "check-hps-expiration"]);
    assert!(run(&["beat", "list"]).stdout.contains("paused"));
    assert_eq!(run(&["beat", "resume", "check-hps-expiration"]).printed(), "check-hps-expiration goes on");
    run(&["beat", "set", "once", "--task", "health_check", "--at", "2030-01-01T00:00:00Z", "--jitter", "1m"]);
    let id = run(&["beat", "run", "once"]).printed();
    assert_eq!(run(&["result", &id, "--wait"]).code, Some(0));
    let history = run(&["beat", "history", "once"]).stdout;
    assert!(history.contains("run by hand"), "{history}");
    for (arguments, sentence) in [
        (vec!["beat", "set", "x", "--task", "t"], "required"),
        (vec!["beat", "set", "x", "--task", "t", "--crontab", "0 25 * * *"], "hour cannot be `25`"),
        (vec!["beat", "set", "x", "--task", "t", "--crontab", "0 9 * * 7"], "day_of_week cannot be `7`"),
        (vec!["beat", "set", "x", "--task", "t", "--every", "1", "--zone", "Mars"], "Mars"),
        (vec!["beat", "set", "x", "--task", "t", "--every", "1", "--overlap", "maybe"], "overlap"),
        (vec!["beat", "set", "x", "--task", "t", "--every", "1", "--args", "{}"], "is not a JSON list"),
        (vec!["beat", "run", "none"], "no schedule has the name none"),
        (vec!["beat", "drop", "none"], "no schedule has the name none"),
        (vec!["beat", "next", "none"], "no schedule has the name none"),
    ] {
        let refused = run(&arguments);
        assert!(refused.stderr.contains(sentence), "{arguments:?}: {}", refused.stderr);
        assert_ne!(refused.code, Some(0));
    }
    place.file("beat.json", r#"{"stats": {"task": "t.stats", "schedule": "0 8 * * 1", "overlap": "skip"}}"#);
    assert_eq!(run(&["beat", "import", "beat.json"]).printed(), "stats: due at 08:00 on Monday, Europe/Madrid");
    assert_eq!(run(&["beat", "drop", "stats"]).printed(), "stats is dropped");
    assert_eq!(up.stop().code, Some(0));
    let wrong = place.with("APIUM_BEAT_SCHEDULE", r#"{"a": {"task": "t", "schedule": "0 9 * *"}}"#);
    let refused = wrong.run(Program::Apium, &["beat"]);
    assert!(refused.stderr.contains("beat_schedule") && refused.stderr.contains("a: schedule"), "{}", refused.stderr);
}
