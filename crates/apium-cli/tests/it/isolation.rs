//! Isolated tasks: each in a child of the worker, with the same results, and gone when it has to go.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::diary::{attempts_of, until_begun};
use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::{alone, until, until_within};
use crate::server::Server;

/// How long what is killed may take to be gone.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Sends a task under an id, with its arguments as JSON.
fn send(place: &Place, task: &str, args: &serde_json::Value, id: &str) {
    place.run(Program::Probe, &["call", task, "-a", &args.to_string(), "--task-id", id]).printed();
}

/// What a task returned.
fn value(place: &Place, id: &str) -> serde_json::Value {
    serde_json::from_str(&place.run(Program::Probe, &["result", id, "--wait"]).printed()).unwrap()
}

/// The sentence a task failed with.
fn error(place: &Place, id: &str) -> String {
    place.run(Program::Probe, &["result", id, "--wait"]).sentence()
}

/// False once a process is gone, or has ended and nobody has asked after it yet.
fn lives(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn until_empty(place: &Place) {
    until("an empty queue", || {
        let queues = place.run(Program::Probe, &["queues", "celery", "--json"]).json();
        (queues[0]["ready"] == json!(0) && queues[0]["claimed"] == json!(0)).then_some(())
    });
}

fn until_gone(id: u32) {
    until_within(AT_ONCE, &format!("the end of process {id}"), || (!lives(id)).then_some(()));
}

/// The process an attempt began in.
fn process_of(place: &Place, id: &str) -> u32 {
    until_begun(place, id);
    attempts_of(place, id)[0].process
}

#[test]
fn a_hard_limit_ends_the_child_and_what_it_started() {
    let place = Place::new();
    let worker = our_worker(&place, &["-c", "1"]);
    let pids = place.path("pids");
    send(&place, "isolated.spin", &json!([pids]), "spins");
    assert!(error(&place, "spins").contains("TimeLimitExceeded: 1"));
    let pids: Vec<u32> = std::fs::read_to_string(pids).unwrap().split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 2);
    assert_ne!(pids[0], worker.id());
    pids.into_iter().for_each(until_gone);
    send(&place, "isolated.pid", &json!([]), "after");
    assert!(lives(u32::try_from(value(&place, "after").as_u64().unwrap()).unwrap()), "the next has a child of its own");
    assert_eq!(worker.stop().code, Some(0));
}

#[test]
fn one_that_takes_too_much_memory_ends_alone() {
    let place = Place::new();
    let _worker = our_worker(&place, &["-c", "2"]);
    let go = place.path("go");
    send(&place, "isolated.hold", &json!([go]), "beside");
    until_begun(&place, "beside");
    send(&place, "isolated.hog", &json!([1000]), "hog");
    let told = error(&place, "hog");
    assert!(told.contains("MemoryError: the task wanted more than its max_memory of 64 MiB"), "{told}");
    send(&place, "isolated.hog", &json!([8]), "modest");
    assert_eq!(value(&place, "modest"), json!(8 << 20));
    std::fs::write(&go, "").unwrap();
    assert_eq!(value(&place, "beside").as_u64().unwrap(), u64::from(attempts_of(&place, "beside")[0].process));
    let dead = place.run(Program::Probe, &["dead", "list", "--json"]).json();
    assert_eq!(dead, json!([]));
}

#[test]
fn a_child_is_kept_for_so_many_and_prints_beside_its_answers() {
    let place = Place::new();
    let worker = our_worker(&place, &["-c", "1"]);
    let pids: Vec<u64> = (0..7)
        .map(|n| {
            let id = format!("n{n}");
            send(&place, "isolated.pid", &json!([]), &id);
            value(&place, &id).as_u64().unwrap()
        })
        .collect();
    assert!(pids[..3].iter().all(|pid| *pid == pids[0]), "{pids:?}");
    assert!(pids[3..6].iter().all(|pid| *pid == pids[3]), "{pids:?}");
    assert_eq!(BTreeSet::from_iter(&pids).len(), 3, "{pids:?}");
    assert!(!pids.contains(&worker.id().into()));
    let kept = u32::try_from(pids[6]).unwrap();
    assert!(lives(kept));
    let ended = worker.stop();
    assert!(ended.stderr.contains(&format!("printed by {}", pids[0])), "{ended:?}");
    assert_eq!(ended.stdout, "");
    until_gone(kept);
}

#[test]
fn one_that_holds_too_much_is_replaced_when_its_task_has_ended() {
    let place = Place::new();
    let _worker = our_worker(&place, &["-c", "1", "--max-memory-per-child", "1"]);
    for id in ["first", "second"] {
        send(&place, "isolated.pid", &json!([]), id);
    }
    assert_ne!(value(&place, "first"), value(&place, "second"));
}

#[test]
fn a_soft_limit_is_told_or_cuts_off() {
    let place = Place::new();
    let _worker = our_worker(&place, &[]);
    send(&place, "isolated.soft", &json!([true]), "heeds");
    send(&place, "isolated.soft", &json!([false]), "does not");
    assert_eq!(value(&place, "heeds"), json!("what was done in time"));
    assert!(error(&place, "does not").contains("SoftTimeLimitExceeded"));
}

#[test]
fn no_child_outlives_a_worker_that_is_killed() {
    let place = Place::new();
    let mut worker = our_worker(&place, &["-c", "3", "--lease", "1"]);
    let (go, pids) = (place.path("go"), place.path("pids"));
    send(&place, "isolated.hold", &json!([go]), "held");
    let holds = process_of(&place, "held");
    send(&place, "isolated.pid", &json!([]), "idle");
    let idles = u32::try_from(value(&place, "idle").as_u64().unwrap()).unwrap();
    send(&place, "isolated.spin", &json!([pids]), "spins");
    let spins: Vec<u32> = until("a spinning child", || {
        let text = std::fs::read_to_string(&pids).unwrap_or_default();
        let both: Vec<u32> = text.split(' ').filter_map(|pid| pid.parse().ok()).collect();
        (both.len() == 2).then_some(both)
    });
    worker.kill();
    for pid in [holds, idles].into_iter().chain(spins) {
        until_gone(pid);
    }
    std::fs::write(&go, "").unwrap();
    let _next = our_worker(&place, &["--lease", "1"]);
    assert_ne!(value(&place, "held"), json!(holds), "it ran again");
}

#[test]
fn a_revoked_one_is_called_off() {
    let place = Place::new();
    let _worker = our_worker(&place, &["-c", "1"]);
    send(&place, "isolated.hold", &json!([place.path("never")]), "revoked");
    process_of(&place, "revoked");
    place.run(Program::Probe, &["control", "terminate", "SIGTERM", "revoked"]).printed();
    assert!(error(&place, "revoked").contains("REVOKED"));
    send(&place, "isolated.pid", &json!([]), "after");
    assert!(value(&place, "after").is_u64());
}

#[test]
fn a_stop_gives_it_back() {
    let place = Place::new();
    let worker = our_worker(&place, &["--stop-timeout", "0"]);
    let go = place.path("go");
    send(&place, "isolated.hold", &json!([go]), "held");
    let first = process_of(&place, "held");
    assert_eq!(worker.stop().code, Some(0));
    until_gone(first);
    let queues = place.run(Program::Probe, &["queues", "celery", "--json"]).json();
    assert_eq!((&queues[0]["ready"], &queues[0]["claimed"]), (&json!(1), &json!(0)));
    std::fs::write(&go, "").unwrap();
    let _next = our_worker(&place, &[]);
    assert_ne!(value(&place, "held"), json!(first));
}

#[test]
fn a_signal_for_every_process_of_a_service_costs_no_attempt() {
    let place = Place::new();
    let worker = our_worker(&place, &[]);
    let go = place.path("go");
    send(&place, "isolated.hold", &json!([go]), "held");
    let child = process_of(&place, "held");
    worker.signal(Signal::SIGTERM);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        kill(Pid::from_raw(child.try_into().unwrap()), signal).unwrap();
    }
    std::fs::write(&go, "").unwrap();
    assert_eq!(value(&place, "held"), json!(child), "it ended in its own time");
    assert_eq!(worker.ended().code, Some(0));
    assert_eq!(attempts_of(&place, "held").len(), 1);
}

/// What is known of a task, without what no two tasks share.
fn details(place: &Place, id: &str) -> String {
    place.run(Program::Probe, &["result", id, "--wait"]);
    let told = place.run(Program::Probe, &["result", id, "--details"]);
    let own = ["id:", "ended:", "children:"];
    let shared = told.stdout.lines().filter(|line| !own.iter().any(|name| line.starts_with(name)));
    let alike = |line: &str| line.replace("isolated.both", "probe.both").replace(id, "itself");
    let lines: Vec<String> = shared.map(alike).collect();
    format!("{} children: {}\n{}", told.code.unwrap(), told.stdout.contains("children:"), lines.join("\n"))
}

fn leaves_what_others_leave(place: &Place) {
    let _worker = our_worker(place, &["-c", "4", "--result-extended"]);
    place.run(Program::Probe, &["limits", "set", "provider=*", "--rate", "3/h"]).printed();
    let ways = "states child chord retry fails raises rejects panics replaced nan spends anything";
    for how in ways.split(' ') {
        let [ours, plain] = ["isolated", "probe"].map(|task| {
            let id = format!("{task}-{how}");
            send(place, &format!("{task}.both"), &json!([how]), &id);
            id
        });
        let (ours, plain) = (details(place, &ours), details(place, &plain));
        assert_eq!(ours, plain, "{how}");
        assert!(ours.contains("state:"), "{ours}");
    }
    let spent = details(place, "isolated-spends");
    assert!(spent.contains("left: Some(2)") && spent.contains("wait: 3600s"), "{spent}");
    for task in ["isolated", "probe"] {
        let id = format!("{task}-ignores");
        send(place, &format!("{task}.both"), &json!(["ignores"]), &id);
        until_empty(place);
        let told = place.run(Program::Probe, &["result", &id]);
        assert!(!told.stdout.contains("SUCCESS") && !told.stderr.contains("FAILURE"), "{told:?}");
    }
}

#[test]
fn it_leaves_the_records_others_leave_on_sqlite() {
    leaves_what_others_leave(&Place::new());
}

#[test]
fn it_leaves_the_records_others_leave_on_redis() {
    let server = Server::start();
    leaves_what_others_leave(&Place::on(&server.url()));
}

#[test]
fn what_it_costs_is_printed() {
    const TASKS: u32 = 60;
    let _alone = alone();
    for task in ["isolated.nothing", "probe.now"] {
        let place = Place::new();
        (0..TASKS).for_each(|n| send(&place, task, &json!([]), &format!("n{n}")));
        let worker = our_worker(&place, &["-c", "2"]);
        until_empty(&place);
        let said = worker.stop().stderr;
        let moments: Vec<jiff::Timestamp> = said
            .lines()
            .filter(|line| line.contains("task ended"))
            .filter_map(|line| line.split_whitespace().next()?.parse().ok())
            .collect();
        assert_eq!(moments.len(), TASKS as usize);
        let took = moments[moments.len() - 1].duration_since(moments[0]);
        eprintln!("{task}: {TASKS} by 2 slots, from the end of the first to the end of the last: {took:#}");
    }
}

#[test]
fn one_worker_alone_has_no_child_until_it_needs_one() {
    let place = Place::new();
    let worker = our_worker(&place, &[]);
    send(&place, "mix.add", &json!([1, 2]), "plain");
    assert_eq!(value(&place, "plain"), json!(3));
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", worker.id())).unwrap_or_default();
    assert_eq!(children.trim(), "");
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().code, Some(0));
}
