//! Remote control: what a worker answers, and to whom.

use std::time::Duration;

use apium_core::Broker as _;
use apium_core::broadcast::Topic;
use apium_core::clock::after;
use serde_json::json;

use crate::caller::{answers, from_python, request, say};
use crate::kit::Rig;
use crate::probe::Fault;
use crate::tasks;

#[tokio::test(start_paused = true)]
async fn it_answers_when_it_is_addressed() {
    let rig = Rig::controlled().await;
    assert_eq!(rig.ask("ping", json!({})).await, json!({"ok": "pong"}));
    let mut to_it = request("ping", &json!({}));
    to_it.destination = vec!["other@test".to_owned(), "w@test".to_owned()];
    assert_eq!(answers(&rig.memory, to_it.clone()).await.len(), 1);
    to_it.destination.pop();
    assert!(answers(&rig.memory, to_it).await.is_empty());
    for (pattern, matcher, count) in [("w@*", "glob", 1), ("x@*", "glob", 0), (".*", "pcre", 0)] {
        let mut matched = request("ping", &json!({}));
        (matched.pattern, matched.matcher) = (Some(pattern.to_owned()), Some(matcher.to_owned()));
        assert_eq!(answers(&rig.memory, matched).await.len(), count, "{pattern}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_it_cannot_do_it_says_in_pythons_words() {
    let rig = Rig::controlled().await;
    for (method, arguments, error) in [
        ("nosuch", json!({}), "KeyError('nosuch')"),
        ("pool_restart", json!({}), "ValueError('Pool restarts not enabled')"),
        ("autoscale", json!({"max": 5, "min": 1}), "ValueError('Autoscale not enabled')"),
        ("pool_shrink", json!({"n": 2}), "ValueError(\"Can't shrink pool. All processes busy!\")"),
        ("rate_limit", json!({"task_name": "no.such", "rate_limit": "1/m"}), "unknown task"),
        ("time_limit", json!({"task_name": "no.such", "hard": 1}), "unknown task"),
        (
            "terminate",
            json!({"task_id": "a", "signal": "SIGNOSUCH"}),
            "AttributeError(\"module 'signal' has no attribute 'SIGNOSUCH'\")",
        ),
        ("objgraph", json!({}), "ImportError('Requires the objgraph library')"),
    ] {
        assert_eq!(rig.ask(method, arguments).await, json!({ "error": error }), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_does_it_no_harm() {
    let rig = Rig::controlled().await;
    for bytes in [&b""[..], b"{", b"[]", b"{}", b"\xff\xfe", b"{\"body\": 1, \"headers\": {}, \"properties\": {}}"] {
        rig.memory.broadcast().say(&Topic::Control, bytes).await.unwrap();
        rig.memory.broadcast().say(&Topic::Event("worker.heartbeat".to_owned()), bytes).await.unwrap();
    }
    say(&rig.memory, &request("revoke", &json!({"task_id": {"a": [1]}}))).await;
    assert_eq!(rig.ask("ping", json!({})).await, json!({"ok": "pong"}));
}

#[tokio::test(start_paused = true)]
async fn it_says_what_it_runs_while_it_runs_it() {
    let rig = Rig::controlled().await;
    let running = rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.reached("a begun").await;
    let active = rig.ask("active", json!({})).await;
    let info = &active[0];
    assert_eq!(active.as_array().unwrap().len(), 1);
    assert_eq!((&info["id"], &info["name"], &info["type"]), (&json!(running.id()), &json!("t.hold"), &json!("t.hold")));
    assert_eq!((&info["args"], &info["kwargs"], &info["hostname"]), (&json!(["a"]), &json!({}), &json!("w@test")));
    assert_eq!((&info["acknowledged"], &info["worker_pid"]), (&json!(false), &json!(std::process::id())));
    let delivery = json!({"exchange": "", "routing_key": "celery", "priority": 0, "redelivered": false});
    assert_eq!(info["delivery_info"], delivery);
    assert!(info["time_start"].is_f64());
    assert_eq!(rig.ask("active", json!({"safe": true})).await[0]["args"], json!("('a',)"));
    let found = rig.ask("query_task", json!({"ids": [running.id(), "unknown"]})).await;
    assert_eq!(found[running.id()][0], json!("active"));
    assert!(found.get("unknown").is_none());
    let stats = rig.ask("stats", json!({})).await;
    assert_eq!(stats["total"], json!({"t.hold": 1}));
    rig.stage.cue();
    rig.record(running.id()).await;
    rig.probe.settled(1).await;
    assert_eq!(rig.ask("active", json!({})).await, json!([]));
}

#[tokio::test(start_paused = true)]
async fn it_says_what_it_has_put_off() {
    let rig = Rig::controlled().await;
    let due = apium_core::clock::after(rig.clock.now(), Duration::from_mins(5));
    rig.publish(from_python("far", due)).await;
    rig.probe.settled(1).await;
    let scheduled = rig.ask("scheduled", json!({})).await;
    assert_eq!((&scheduled[0]["request"]["id"], &scheduled[0]["priority"]), (&json!("far"), &json!(6)), "{scheduled}");
    assert_eq!(scheduled[0]["request"]["args"], json!([2, 2]));
    assert_eq!(rig.ask("query_task", json!({"ids": ["far"]})).await["far"][0], json!("scheduled"));
    assert_eq!(rig.ask("reserved", json!({})).await, json!([]));
    tokio::time::advance(Duration::from_mins(5)).await;
    assert_eq!(rig.record("far").await.status, "SUCCESS");
    assert_eq!(rig.ask("scheduled", json!({})).await, json!([]));
}

#[tokio::test(start_paused = true)]
async fn it_says_what_it_is_and_what_it_knows() {
    let rig = Rig::controlled().await;
    let known = rig.ask("registered", json!({})).await;
    assert!(known.as_array().unwrap().contains(&json!("t.add")), "{known}");
    let queues = rig.ask("active_queues", json!({})).await;
    assert_eq!((&queues[0]["name"], &queues[0]["exchange"]["type"]), (&json!("celery"), &json!("direct")));
    let stats = rig.ask("stats", json!({})).await;
    assert_eq!((&stats["pid"], &stats["prefetch_count"]), (&json!(std::process::id()), &json!(2)));
    assert_eq!((&stats["pool"]["max-concurrency"], &stats["broker"]["transport"]), (&json!(2), &json!("memory")));
    assert!(stats["clock"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    assert!(stats["rusage"]["maxrss"].as_i64().unwrap() > 0);
    let clock = |value: serde_json::Value| value["clock"].as_u64().unwrap();
    assert!(clock(rig.ask("clock", json!({})).await) < clock(rig.ask("clock", json!({})).await));
    assert!(
        rig.ask("report", json!({})).await["ok"]
            .as_str()
            .unwrap()
            .starts_with("\nsoftware -> celery:5.7 (its protocol) apium:")
    );
    assert!(rig.ask("memsample", json!({})).await.as_str().unwrap().ends_with("MB"));
    assert!(rig.ask("memdump", json!({})).await["ok"].as_str().unwrap().contains("rss (end)"));
    let conf = rig.ask("conf", json!({})).await;
    assert_eq!((&conf["worker_concurrency"], &conf["timezone"]), (&json!(2), &json!("UTC")));
    assert_eq!(conf["worker_hijack_root_logger"], json!(false), "what is fixed is told too");
}

#[tokio::test(start_paused = true)]
async fn workers_tell_each_other_what_was_revoked() {
    let rig = Rig::controlled().await;
    rig.ask("revoke", json!({"task_id": "old"})).await;
    let told = rig.ask("hello", json!({"from_node": "python@test", "revoked": {"x": [1.5, "x"]}})).await;
    assert_eq!(told["revoked"], json!(["old"]));
    assert!(told["clock"].is_u64());
    assert_eq!(rig.ask("revoked", json!({})).await, json!(["old", "x"]));
    assert_eq!(rig.ask("hello", json!({"from_node": "w@test", "revoked": []})).await, json!(null));
    let mut younger = Rig::on(&rig);
    younger.options.name = "younger@test".to_owned();
    younger.start();
    let knows = || async {
        let mut asked = request("revoked", &json!({}));
        asked.destination = vec!["younger@test".to_owned()];
        answers(&rig.memory, asked).await
    };
    while knows().await.is_empty() {}
    assert_eq!(knows().await[0].1, json!(["old", "x"]));
}

#[tokio::test(start_paused = true)]
async fn it_is_deaf_when_it_is_to_be() {
    let mut rig = Rig::new();
    rig.options.enable_remote_control = false;
    rig.start();
    rig.outcome(&tasks::add::s(1, 1, None)).await;
    assert!(answers(&rig.memory, request("ping", &json!({}))).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn it_listens_again_and_answers_what_it_can() {
    let mut rig = Rig::new();
    (0..3).for_each(|_| rig.probe.plan("listen", Fault::Before));
    (0..2).for_each(|_| rig.probe.plan("answer", Fault::Before));
    rig.start();
    rig.outcome(&tasks::add::s(1, 1, None)).await;
    rig.probe.called("listen", 4).await;
    while answers(&rig.memory, request("ping", &json!({}))).await.is_empty() {}
    assert!(rig.probe.calls("answer") > 2);
}

/// Others are asked what was revoked, but nobody waits for their answers.
#[tokio::test(start_paused = true)]
async fn work_begins_before_the_others_have_answered() {
    let mut rig = Rig::new();
    let began = tokio::time::Instant::now();
    rig.start();
    rig.outcome(&tasks::add::s(1, 1, None)).await;
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_the_question_is_in_the_answer() {
    let rig = Rig::controlled().await;
    for turn in 0..20 {
        let id = format!("later-{turn}");
        rig.publish(from_python(&id, after(rig.clock.now(), Duration::from_mins(10)))).await;
        let told = rig.ask("scheduled", json!({})).await;
        let ids: Vec<_> = told.as_array().unwrap().iter().map(|entry| entry["request"]["id"].clone()).collect();
        assert_eq!((ids.len(), ids.last()), (turn + 1, Some(&json!(id))), "{told}");
    }
}
