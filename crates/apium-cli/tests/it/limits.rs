//! Shared limits with three real worker processes: never more than allowed, also when one of them is killed, and a breaker
//! behind which everything waits and nothing fails.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apium::{App, Signature};
use serde_json::Value;

use crate::diary::attempts;
use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::{until, until_within};
use crate::running::Running;
use crate::server::Server;

/// How much later than it was admitted an attempt may note its beginning while the machine is busy with others.
const LATE: u64 = 400_000;

const SECOND: u64 = 1_000_000;

fn three_workers(place: &Place) -> [Running; 3] {
    ["one@%h", "two@%h", "three@%h"].map(|name| our_worker(place, &["-n", name, "--lease", "2", "-c", "8"]))
}

fn limit(place: &Place, arguments: &[&str]) {
    let said = place.run(Program::Probe, &[&["limits", "set"], arguments].concat());
    assert_eq!(said.code, Some(0), "{}", said.stderr);
}

/// How one limit is used now.
fn used(place: &Place, name: &str) -> Value {
    let said = place.run(Program::Probe, &["limits", "list", "--json"]);
    let all: Value = serde_json::from_str(&said.stdout).unwrap();
    all.as_array().unwrap().iter().find(|used| used["name"] == name).unwrap().clone()
}

/// Sends so many, numbered.
fn send(url: &str, count: usize, signature: &Signature) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let backend = apium::open(url, None).await.unwrap();
        let client = App::new("limits").client(&backend);
        for number in 0..count {
            client.send(&signature.clone().task_id(number.to_string())).await.unwrap();
        }
    });
}

/// Waits until so many tasks have run to their end; returns when their attempts began, sorted.
fn all_ended(place: &Place, count: usize) -> Vec<u64> {
    let begun = until_within(Duration::from_mins(2), "all to end", || {
        let ended: Vec<_> = attempts(place).into_iter().filter(|attempt| attempt.ended.is_some()).collect();
        (ended.len() >= count).then_some(ended)
    });
    let mut begun: Vec<_> = begun.into_iter().map(|attempt| attempt.began).collect();
    begun.sort_unstable();
    begun
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

fn keep_their_rate(place: &Place, url: &str) {
    limit(place, &["task:probe.note", "--rate", "50/s"]);
    let workers = three_workers(place);
    send(url, 200, &Signature::new("probe.note").kwarg("number", 7));
    let began = all_ended(place, 200);
    assert_eq!(began.len(), 200, "each once");
    for (at, first) in began.iter().enumerate() {
        let within = began[at..].iter().filter(|other| **other < first + SECOND - LATE).count();
        assert!(within <= 50, "{within} starts in a window");
    }
    let took = began[199] - began[0];
    assert!((3 * SECOND - LATE..15 * SECOND).contains(&took), "{took} µs for 200 at 50 a second");
    let retried = place.run(Program::Probe, &["result", "199", "--wait"]);
    assert_eq!(retried.printed(), "7");
    drop(workers);
}

fn keep_three_at_once(place: &Place, url: &str) {
    limit(place, &["task:probe.note", "--concurrency", "3"]);
    let mut workers = three_workers(place);
    send(url, 60, &Signature::new("probe.note").kwarg("number", 7).kwarg("seconds", 0.1));
    let victim = workers[0].id();
    until("the first worker to be at work", || {
        attempts(place).iter().any(|attempt| attempt.process == victim && attempt.ended.is_none()).then_some(())
    });
    workers[0].kill();
    let killed = now();
    all_ended(place, 60);
    let spans: Vec<_> = attempts(place).iter().map(|one| (one.began, one.ended.unwrap_or(killed))).collect();
    for (began, _) in &spans {
        let beside = spans.iter().filter(|(other, ended)| other <= began && began < ended).count();
        assert!(beside <= 3, "{beside} at once: {spans:?}");
    }
    until("all places to be free", || (used(place, "task:probe.note")["running"] == 0).then_some(()));
    assert_eq!(used(place, "task:probe.note")["waiting"], 0);
}

fn share_a_provider(place: &Place, url: &str) {
    limit(place, &["provider=*", "--rate", "10/2s"]);
    let mut workers = three_workers(place);
    send(url, 40, &Signature::new("probe.ask"));
    let victim = workers[0].id();
    until("the first worker to have asked", || {
        attempts(place).iter().any(|attempt| attempt.process == victim).then_some(())
    });
    workers[0].kill();
    all_ended(place, 40);
    let mut asked: Vec<_> = attempts(place).iter().map(|attempt| attempt.began).collect();
    asked.sort_unstable();
    for (at, first) in asked.iter().enumerate() {
        let within = asked[at..].iter().filter(|other| **other < first + 2 * SECOND - LATE).count();
        assert!(within <= 10, "asked {within} times in a window: {asked:?}");
    }
    let took = asked[asked.len() - 1] - asked[0];
    assert!(took < 30 * SECOND, "{took} µs for 40 at ten in two seconds");
    assert_eq!(used(place, "provider=probe")["rate"], "10/2s", "who looks finds it in use");
}

fn wait_behind_a_breaker(place: &Place, url: &str) {
    limit(place, &["task:probe.fragile", "--breaker", "3/1m:1s"]);
    let _workers = three_workers(place);
    let mends = place.path("mends");
    send(url, 40, &Signature::new("probe.fragile").kwarg("until", &mends));
    until("the breaker to open", || (used(place, "task:probe.fragile")["state"] == "open").then_some(()));
    until("a probe to fail and the others to wait", || {
        let tried = attempts(place).len();
        assert!(tried <= 24 + 10, "{tried} attempts: a breaker that is open lets one through at a time");
        let waiting = used(place, "task:probe.fragile")["waiting"].as_u64().unwrap();
        (waiting >= 38).then_some(())
    });
    std::fs::write(&mends, "").unwrap();
    for id in 0..40 {
        let result = place.run(Program::Probe, &["result", &id.to_string(), "--wait"]);
        assert_eq!((result.code, result.stdout.trim()), (Some(0), "\"mended\""), "{}", result.stderr);
    }
    assert_eq!(used(place, "task:probe.fragile")["state"], "closed");
    let dropped = place.run(Program::Probe, &["limits", "drop", "task:probe.fragile"]);
    assert_eq!(dropped.printed(), "task:probe.fragile is limited no more");
}

fn on_redis(run: fn(&Place, &str)) {
    let server = Server::start();
    run(&Place::on(&server.url()), &server.url());
}

fn on_sqlite(run: fn(&Place, &str)) {
    let place = Place::new();
    let url = format!("sqlite:{}", place.path("apium-data/apium.db").display());
    run(&place, &url);
}

#[test]
fn on_redis_three_workers_keep_a_rate() {
    on_redis(keep_their_rate);
}

#[test]
fn on_sqlite_three_workers_keep_a_rate() {
    on_sqlite(keep_their_rate);
}

#[test]
fn on_redis_three_workers_run_three_at_once_though_one_is_killed() {
    on_redis(keep_three_at_once);
}

#[test]
fn on_sqlite_three_workers_run_three_at_once_though_one_is_killed() {
    on_sqlite(keep_three_at_once);
}

#[test]
fn on_redis_three_workers_share_a_provider_though_one_is_killed() {
    on_redis(share_a_provider);
}

#[test]
fn on_sqlite_three_workers_share_a_provider_though_one_is_killed() {
    on_sqlite(share_a_provider);
}

#[test]
fn on_redis_all_wait_behind_a_breaker() {
    on_redis(wait_behind_a_breaker);
}

#[test]
fn on_sqlite_all_wait_behind_a_breaker() {
    on_sqlite(wait_behind_a_breaker);
}

#[test]
fn limits_are_set_listed_and_taken_away() {
    let place = Place::new();
    let run = |arguments: &[&str]| place.run(Program::Apium, arguments);
    limit(&place, &["tenant=*", "--rate", "3/10s", "--concurrency", "4", "--breaker", "5/1m:30s"]);
    let listed = run(&["limits", "list"]).stdout;
    assert_eq!(
        listed,
        "NAME      RATE   CONCURRENCY  BREAKER   SHARE  RUNNING  WAITING  STATE   SET BY\n\
         tenant=*  3/10s  4            5/1m:30s  -      0        0        closed  operator\n"
    );
    let shared = run(&["limits", "set", "queue:imports", "--share", "tenant"]);
    assert_eq!(shared.printed(), "queue:imports is shared by tenant");
    let heavy = run(&["limits", "set", "tenant=acme", "--weight", "2.5"]);
    assert_eq!(heavy.printed(), "tenant=acme has a weight of 2.5");
    let listed = run(&["limits", "list"]).stdout;
    assert!(listed.contains("by tenant") && listed.contains("x2.5"), "{listed}");
    for (arguments, sentence) in [
        (vec!["limits", "set", "tenant", "--rate", "1/s"], "\"tenant\" is no name of a limit"),
        (vec!["limits", "set", "tenant=*"], "limited to what?"),
        (vec!["limits", "set", "tenant=*", "--rate", "often"], "--rate: \"often\" is no rate"),
        (vec!["limits", "set", "tenant=*", "--breaker", "5/1m"], "--breaker: \"5/1m\" is no breaker"),
        (vec!["limits", "set", "tenant=*", "--concurrency", "0"], "--concurrency must"),
        (vec!["limits", "set", "tenant=*", "--share", "tenant"], "a queue is shared, and \"tenant=*\" is none"),
        (vec!["limits", "set", "queue:q", "--share", "a b"], "\"a b\" is no name of an argument"),
        (vec!["limits", "set", "queue:q", "--weight", "2"], "\"queue:q\" has no share that could have a weight"),
        (vec!["limits", "set", "tenant=*", "--weight", "0"], "a weight is 0.01 to 1000, not 0"),
        (vec!["limits", "set", "tenant=*", "--weight", "much"], "\"much\" is no number such as 3 or 0.5"),
        (vec!["limits", "drop", "task:other"], "no limit is set for task:other"),
    ] {
        let refused = run(&arguments);
        assert!(refused.stderr.contains(sentence), "{arguments:?}: {}", refused.stderr);
        assert_ne!(refused.code, Some(0));
    }
    assert_eq!(run(&["limits", "drop", "tenant=*"]).printed(), "tenant=* is limited no more");
    for name in ["queue:imports", "tenant=acme"] {
        assert_eq!(run(&["limits", "drop", name]).code, Some(0));
    }
    assert!(run(&["limits", "list"]).stderr.contains("no limits are set"));
}
