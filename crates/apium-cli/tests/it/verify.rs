//! `apium verify` from outside: on Redis and on SQLite under blows, on stock Celery, which loses tasks, and on workers
//! that were there before.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::peer::Python;
use crate::place::{Place, Program};
use crate::poll::{SOON, alone, until};
use crate::running::{Ended, Running};
use crate::server::Server;

/// Tasks that are killed and frozen among.
const LOAD: &str = "--tasks 600 --task-time 0..100ms --workers 4 --concurrency 4 --lease 2 --seed 7";
const BLOWS: &str = "--kills 40 --freeze-every 2 --freeze-for 3";

fn verify(place: &Place, words: &str) -> Ended {
    start(place, words).ended_within(SOON * 3)
}

fn start(place: &Place, words: &str) -> Running {
    place.start(Program::Apium, &["verify"].into_iter().chain(words.split_whitespace()).collect::<Vec<_>>())
}

/// What it printed, however it ended.
fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn nothing_is_lost(place: &Place, words: &str) -> Value {
    let ended = verify(place, &format!("{words} --history history.jsonl --json"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let told = report(&ended);
    assert_eq!((&told["ended"], &told["lost"], &told["held"]), (&told["confirmed"], &json!(0), &json!(0)), "{told}");
    assert_eq!((&told["unexplained"], &told["results"], &told["given_up"]), (&json!([]), &json!([]), &json!({})));
    let again = place.run(Program::Apium, &["verify", "--recheck", "history.jsonl", "--json"]).json();
    assert_eq!(again, told, "the history tells the same");
    told
}

#[test]
fn kills_frosts_and_cuts_lose_nothing_on_redis() {
    let _alone = alone();
    let server = Server::start();
    let place = Place::on(&server.url());
    let told = nothing_is_lost(&place, &format!("{LOAD} {BLOWS} --cut-every 2 --cut-for 3 --spare 1"));
    assert!(told["kills"].as_u64() > Some(20) && told["doubled"].as_u64() > Some(0), "{told}");
    assert!(told["freezes"].as_u64() > Some(0), "{told}");
    assert!(told["cuts"].as_u64() > Some(0) && told["spared"][0]["rss_kib_most"].as_u64() > Some(1_024), "{told}");
    let left: Vec<String> = server.look().ask(&["KEYS", "*verify*"]);
    // That there was such a queue is what Redis is told, and a peer reads.
    assert!(left.iter().all(|key| key.starts_with("_kombu.binding")), "{left:?}");
}

#[test]
fn kills_and_frosts_lose_nothing_on_sqlite() {
    let _alone = alone();
    let place = Place::new();
    let told = nothing_is_lost(&place, &format!("{LOAD} {BLOWS}"));
    assert!(told["doubled"].as_u64() > Some(0) && told["kills"] == json!(40), "{told}");
}

#[test]
fn what_stock_celery_loses_is_found() {
    let _alone = alone();
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let interpreter = python.command(&server.url(), &[]).get_program().to_string_lossy().into_owned();
    let worker = format!("{interpreter} -m celery -A apium_verify worker -Q {{queue}} -n {{name}}@%h -c 2 -l error");
    let words = "verify --json --tasks 60 --task-time 300..400ms --kills 6 --workers 2 --timeout 8 --worker";
    let words: Vec<&str> = words.split_whitespace().chain([worker.as_str()]).collect();
    let ended = place.start(Program::Apium, &words).ended_within(SOON * 3);
    let told = report(&ended);
    assert_eq!((ended.code, &told["confirmed"]), (Some(1), &json!(60)), "{told}");
    assert!(told["lost"].as_u64() > Some(0), "acknowledged before they ran: {told}");
    assert!(told["ended"].as_u64() > Some(0) && ended.stderr.contains("tasks lost"), "{ended:?}");
}

#[test]
fn workers_that_are_there_are_judged_by_their_results_or_by_a_ledger_they_allow() {
    let place = Place::new();
    let ledger = place.path("ledger").display().to_string();
    let mut worker = place.start(Program::Apium, &["worker", "-n", "there@h"]);
    worker.until_says("Ctrl-C stops.");
    let plain = report(&verify(&place, "--tasks 50 --task-time 1ms --json"));
    assert_eq!((&plain["ended"], &plain["attempts"], &plain["results"]), (&json!(50), &json!(0), &json!([])));
    let refused = verify(&place, &format!("--tasks 3 --ledger {ledger} --json"));
    assert_eq!((refused.code, &report(&refused)["given_up"]), (Some(1), &json!({"rejected": 3})), "{refused:?}");
    assert!(refused.stderr.contains("start it with APIUM_VERIFY_LEDGER="), "{refused:?}");
    assert_eq!(place.run(Program::Apium, &["dead", "list", "--json"]).json(), json!([]), "its own were taken away");
    worker.stop();

    let place = place.with("APIUM_VERIFY_LEDGER", &ledger);
    let mut worker = place.start(Program::Apium, &["worker", "-n", "there@h"]);
    worker.until_says("Ctrl-C stops.");
    let told = nothing_is_lost(&place, &format!("--tasks 50 --task-time 1ms --ledger {ledger}"));
    assert_eq!((&told["attempts"], &told["doubled"]), (&json!(50), &json!(0)), "{told}");
    worker.stop();
}

#[test]
fn it_ends_cleanly_when_nobody_wants_to_wait() {
    let place = Place::new();
    let run = start(&place, "--tasks 10000 --rate 50 --workers 2 --history history.jsonl");
    until("an attempt", || {
        std::fs::read_to_string(place.path("history.jsonl")).ok()?.contains("started").then_some(())
    });
    run.signal(Signal::SIGINT);
    let ended = run.ended();
    assert!(ended.stdout.contains("interrupted"), "{ended:?}");
    let queues = place.run(Program::Apium, &["queues", "--json"]).json();
    assert!(queues.as_array().unwrap().iter().all(|queue| queue["ready"] == json!(0)), "{queues}");
}

#[test]
fn what_cannot_be_asked_for_is_one_sentence() {
    let place = Place::new();
    for (words, told) in [
        ("--kills 3", "only workers that are started here can be killed"),
        ("--workers 2 --kills 3 --spare 2", "every worker is spared"),
        ("--workers 2 --cut-every 1", "it is a file, to which there is no connection"),
        ("--without-results", "there is nothing to judge by"),
        ("--task-time soon", "--task-time must be a time such as 50ms or 0..200ms, not \"soon\""),
        ("--tasks 0", "--tasks must be a whole number from 1 to"),
        ("--pick-up-limit 1", "--pick-up-limit needs --rate"),
        ("--recheck nothing.jsonl", "the history nothing.jsonl cannot be read"),
    ] {
        let sentence = verify(&place, words).refusal();
        assert!(sentence.contains(told), "{words}: {sentence}");
    }
    let sentence = verify(&place, "--tasks 5 --worker false").sentence();
    assert!(sentence.contains("the workers end by themselves"), "{sentence}");
    assert!(
        place.run(Program::Apium, &["verify", "--python"]).printed().contains("@shared_task(name=\"apium.verify\")")
    );
}

/// A history by hand: one task is confirmed, and then this happened.
fn judged(events: &[&str]) -> Value {
    let place = Place::new();
    let terms = r#"{"at":0,"what":"run","run":"r","broker":"sqlite:b","workers":[],"tasks":1,"rate":null,"seed":1,"lease":2.0,"bound":1.0,"ledger":true}"#;
    let sent = r#"{"at":1000,"what":"sent","task":0,"since":900,"answer":"confirmed"}"#;
    place.file("h.jsonl", [&[terms, sent], events].concat().join("\n"));
    report(&place.run(Program::Apium, &["verify", "--recheck", "h.jsonl", "--json"]))
}

#[test]
fn the_judgement_tells_a_fault_from_what_a_blow_explains() {
    let begin = |at: u64, worker: &str| {
        format!(r#"{{"at":{at},"what":"begin","task":0,"attempt":"a{at}","worker":"{worker}","pid":1}}"#)
    };
    let end = |at: u64, begun: u64, worker: &str| {
        format!(r#"{{"at":{at},"what":"end","task":0,"attempt":"a{begun}","worker":"{worker}","pid":1}}"#)
    };
    let kill =
        |at: u64, worker: &str| format!(r#"{{"at":{},"what":"killed","worker":"{worker}","since":{at}}}"#, at + 1_000);
    let blow = |at: u64, what: &str, worker: &str| format!(r#"{{"at":{at},"what":"{what}","worker":"{worker}"}}"#);
    let frozen = |at: u64, what: &str| blow(at, what, "a");
    let sent = |at: u64| format!(r#"{{"at":{at},"what":"sent","task":1,"since":{at},"answer":"confirmed"}}"#);
    let given_up = r#"{"at":4000000,"what":"given_up","task":1,"reason":"poison"}"#.to_owned();
    let second = 1_000_000;
    let whole = [begin(3 * second, "b"), end(4 * second, 3 * second, "b")];
    // Cut off, unsettled, unexplained, lost, late.
    let cases: [(&str, Vec<String>, [u64; 5]); 10] = [
        ("it never ran", vec![], [0, 0, 0, 1, 0]),
        ("it ran once", whole.to_vec(), [0; 5]),
        ("killed in it", [vec![begin(2_000, "a"), kill(second, "a")], whole.to_vec()].concat(), [1, 0, 0, 0, 0]),
        (
            "killed just after it",
            [vec![begin(2_000, "a"), end(second, 2_000, "a"), kill(second + 10, "a")], whole.to_vec()].concat(),
            [0, 1, 0, 0, 0],
        ),
        (
            "killed more than a lease after it",
            [vec![begin(2_000, "a"), end(3_000, 2_000, "a"), kill(2 * second + 5_000, "a")], whole.to_vec()].concat(),
            [0, 0, 1, 0, 0],
        ),
        (
            "killed while it could not settle, because another stood still in the middle of its write",
            [
                vec![begin(2_000, "a"), end(3_000, 2_000, "a"), blow(3_000, "frozen", "c")],
                vec![kill(2 * second + 5_000, "a"), blow(3 * second - 1, "thawed", "c")],
                whole.to_vec(),
            ]
            .concat(),
            [0, 1, 0, 0, 0],
        ),
        (
            "the same, but others could write meanwhile",
            [
                vec![begin(2_000, "a"), end(3_000, 2_000, "a"), blow(3_000, "frozen", "c")],
                vec![sent(2 * second + 4_000), given_up],
                vec![kill(2 * second + 5_000, "a"), blow(3 * second - 1, "thawed", "c")],
                whole.to_vec(),
            ]
            .concat(),
            [0, 0, 1, 0, 0],
        ),
        ("another was killed", [vec![begin(2_000, "a"), kill(second, "c")], whole.to_vec()].concat(), [0, 0, 1, 0, 0]),
        (
            "frozen in it, awake too late",
            [
                vec![begin(2_000, "a"), frozen(3_000, "frozen"), frozen(5 * second, "thawed")],
                whole.to_vec(),
                vec![end(5 * second + 1, 2_000, "a")],
            ]
            .concat(),
            [1, 0, 0, 0, 0],
        ),
        (
            "taken before it froze, begun when it was awake",
            [
                vec![frozen(2_000, "frozen"), frozen(5 * second, "thawed")],
                whole.to_vec(),
                vec![begin(5 * second + 1, "a")],
            ]
            .concat(),
            [1, 0, 0, 0, 0],
        ),
    ];
    for (name, events, [cut_off, unsettled, unexplained, lost, late]) in cases {
        let told = judged(&events.iter().map(String::as_str).collect::<Vec<_>>());
        let count =
            |key: &str| told[key].as_array().map_or_else(|| told[key].as_u64().unwrap(), |all| all.len() as u64);
        let found = ["cut_off", "unsettled", "unexplained", "lost", "late"].map(count);
        assert_eq!(found, [cut_off, unsettled, unexplained, lost, late], "{name}: {told}");
    }
}
