//! A Redis in trouble: senders are told, nothing is lost or run twice, and work goes on soon after the trouble is over.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use apium::{App, Signature};
use nix::sys::signal::Signal;

use crate::diary::{attempts, attempts_of, until_begun};
use crate::http::get;
use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::{until, until_within};
use crate::proxy::Proxy;
use crate::running::Ended;
use crate::server::{Look, Server, free_port};

/// So soon after a service is back, work goes on.
const BACK: Duration = Duration::from_secs(10);
/// So soon after the last claim that went well, a worker says that it is not ready.
const RED: Duration = Duration::from_secs(30);

fn call(place: &Place, further: &[&str]) -> Ended {
    let arguments: Vec<&str> = ["call", "probe.echo", "-a", "[1]"].iter().chain(further).copied().collect();
    place.run(Program::Probe, &arguments)
}

/// Sends a task that runs until the file `go` is there.
fn hold(place: &Place, id: &str) {
    let until = format!("[{:?}]", place.path("go").display().to_string());
    place.run(Program::Probe, &["call", "probe.hold", "-a", &until, "--task-id", id]).printed();
}

/// Waits until a task sent now has run, which must be soon.
fn works_again(place: &Place) {
    let began = Instant::now();
    assert_eq!(call(place, &["--wait"]).printed(), "1");
    assert!(began.elapsed() < BACK, "{:?}", began.elapsed());
}

/// Waits until the only lease there is was renewed until so long after now.
fn renewed_for(look: &mut Look, span: Duration) {
    let end = |look: &mut Look| -> f64 {
        let index: Vec<(String, f64)> = look.ask(&["ZRANGE", "unacked_index", "0", "-1", "WITHSCORES"]);
        assert_eq!(index.len(), 1, "{index:?}");
        index[0].1
    };
    let now = end(look);
    until("the lease to be renewed", || (end(look) > now + span.as_secs_f64()).then_some(()));
}

fn ready(address: &str) -> bool {
    get(address, "/readyz").is_some_and(|(status, _)| status == 200)
}

#[test]
fn while_it_loads_its_data_senders_are_told_and_workers_wait() {
    let slowly = ["--key-load-delay", "1500", "--loading-process-events-interval-bytes", "1024"];
    let mut server = Server::with(&slowly);
    let place = Place::on(&server.url());
    let fill = "for i = 1, 4000 do redis.call('SET', 'fill' .. i, string.rep('x', 500)) end";
    let () = server.look().ask(&["EVAL", fill, "0"]);
    let worker = our_worker(&place, &["-c", "1"]);
    works_again(&place);
    hold(&place, "held");
    until_begun(&place, "held");
    assert_eq!(call(&place, &["--task-id", "waits"]).printed(), "waits");
    let _: String = server.look().ask(&["SAVE"]);
    server.kill();
    std::fs::write(place.path("go"), "").unwrap();
    server.start_again();
    let sentence = call(&place, &[]).sentence();
    assert!(sentence.contains("is still loading its data"), "{sentence}");
    let loads = || server.look().ask::<String>(&["INFO", "persistence"]).contains("\nloading:1");
    assert!(loads(), "it is still loading");
    until("it to have loaded", || (!loads()).then_some(()));
    for (id, result) in [("held", "\"released\""), ("waits", "1")] {
        assert_eq!(place.run(Program::Probe, &["result", id, "--wait", "--timeout", "10"]).printed(), result);
    }
    works_again(&place);
    assert_eq!(attempts_of(&place, "held").len(), 1);
    assert_eq!(worker.stop().code, Some(0));
}

#[test]
fn while_it_cannot_save_senders_are_told_and_readyz_is_red() {
    let server = Server::with(&["--enable-protected-configs", "yes"]);
    let address = format!("127.0.0.1:{}", free_port());
    let place = Place::on(&server.url());
    let worker = our_worker(&place, &["--listen", &address]);
    works_again(&place);
    hold(&place, "held");
    until_begun(&place, "held");
    let mut look = server.look();
    let folder = place.path("rdb");
    let mut save = |to_nowhere: bool| {
        std::fs::create_dir_all(&folder).unwrap();
        let () = look.ask(&["CONFIG", "SET", "dir", &folder.display().to_string(), "save", "3600 1000000"]);
        if to_nowhere {
            std::fs::remove_dir(&folder).unwrap();
        }
        let _: String = look.ask(&["BGSAVE"]);
        let state = if to_nowhere { "rdb_last_bgsave_status:err" } else { "rdb_last_bgsave_status:ok" };
        until(state, || look.ask::<String>(&["INFO", "persistence"]).contains(state).then_some(()));
    };
    save(true);
    let (failed, sentence) = (Instant::now(), call(&place, &[]).sentence());
    assert!(sentence.contains("refuses to write now") && sentence.contains("MISCONF"), "{sentence}");
    std::fs::write(place.path("go"), "").unwrap();
    until_within(RED, "a red /readyz", || (!ready(&address)).then_some(()));
    eprintln!("red after {:.1} s", failed.elapsed().as_secs_f64());
    save(false);
    assert_eq!(place.run(Program::Probe, &["result", "held", "--wait", "--timeout", "10"]).printed(), "\"released\"");
    works_again(&place);
    until_within(BACK, "a green /readyz", || ready(&address).then_some(()));
    assert_eq!(attempts_of(&place, "held").len(), 1);
    assert_eq!(worker.stop().code, Some(0));
}

/// Only senders add to it: workers, also those that start now, take what is there, keep their leases and store results.
#[test]
fn while_it_is_full_senders_are_told_and_workers_empty_it() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let lease = Duration::from_secs(2);
    let holder = our_worker(&place, &["-n", "holder@%h", "-c", "1", "--lease", "2"]);
    hold(&place, "held");
    until_begun(&place, "held");
    let ids: Vec<String> = (0..20).map(|number| format!("note{number}")).collect();
    for id in &ids {
        let later: &[&str] = if id.ends_with('7') { &["--countdown", "1"] } else { &[] };
        let arguments = [&["call", "probe.note", "-a", "[1]", "--task-id", id], later].concat();
        place.run(Program::Probe, &arguments).printed();
    }
    let mut look = server.look();
    let () = look.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let sentence = call(&place, &[]).sentence();
    assert!(sentence.contains("has reached its maxmemory"), "{sentence}");
    let other = our_worker(&place, &["-n", "other@%h", "--lease", "2"]);
    for id in &ids {
        assert_eq!(place.run(Program::Probe, &["result", id, "--wait"]).printed(), "1");
    }
    renewed_for(&mut look, lease * 3);
    std::fs::write(place.path("go"), "").unwrap();
    assert_eq!(place.run(Program::Probe, &["result", "held", "--wait"]).printed(), "\"released\"");
    let () = look.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    works_again(&place);
    for id in ids.iter().map(String::as_str).chain(["held"]) {
        assert_eq!(attempts_of(&place, id).len(), 1, "{id}");
    }
    for worker in [holder, other] {
        assert_eq!(worker.stop().code, Some(0));
    }
}

#[test]
fn connections_that_are_killed_again_and_again_lose_nothing_and_double_nothing() {
    const TASKS: i64 = 400;
    let server = Server::start();
    let place = Place::on(&server.url());
    let workers = ["one@%h", "two@%h"].map(|name| our_worker(&place, &["-n", name, "-c", "4"]));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let backend = runtime.block_on(apium::open(&server.url(), None)).unwrap();
    let client = App::new("sender").client(&backend);
    let mut look = server.look();
    let mut kills = 0;
    let mut kill = |next: &mut Instant| {
        if *next <= Instant::now() {
            let normal: u64 = look.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
            let listening: u64 = look.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            kills += normal + listening;
            *next = Instant::now() + Duration::from_millis(100);
        }
    };
    let (mut confirmed, mut refused, mut next) = (Vec::new(), 0, Instant::now());
    for number in 0..TASKS {
        match runtime.block_on(client.send(&Signature::new("probe.note").arg(number).arg(0.02))) {
            Ok(pending) => confirmed.push(pending.id().to_owned()),
            Err(error) => {
                assert!(error.to_string().contains("Redis at"), "{error}");
                refused += 1;
            }
        }
        kill(&mut next);
    }
    let mut ended: HashMap<String, usize> = HashMap::new();
    until("all that was confirmed to have ended", || {
        kill(&mut next);
        ended.clear();
        for attempt in attempts(&place).into_iter().filter(|attempt| attempt.ended.is_some()) {
            *ended.entry(attempt.task).or_default() += 1;
        }
        confirmed.iter().all(|id| ended.contains_key(id)).then_some(())
    });
    eprintln!("{} confirmed, {refused} refused, {kills} connections killed", confirmed.len());
    assert!(kills > 50, "{kills}");
    works_again(&place);
    for id in &confirmed {
        assert_eq!(place.run(Program::Probe, &["result", id, "--wait", "--timeout", "10"]).code, Some(0), "{id}");
    }
    let doubled: Vec<_> = ended.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    for worker in workers {
        assert_eq!(worker.stop().code, Some(0));
    }
}

#[test]
fn half_open_connections_are_found_out() {
    let server = Server::start();
    let line = Proxy::to(server.port());
    let place = Place::on(&server.url());
    let worker = our_worker(&place, &["--broker", &line.url(), "-c", "1"]);
    works_again(&place);
    line.half_open();
    works_again(&place);
    // The same while its hands are full: the outcome is written.
    hold(&place, "held");
    until_begun(&place, "held");
    line.half_open();
    let began = Instant::now();
    std::fs::write(place.path("go"), "").unwrap();
    assert_eq!(place.run(Program::Probe, &["result", "held", "--wait"]).printed(), "\"released\"");
    assert!(began.elapsed() < BACK, "{:?}", began.elapsed());
    works_again(&place);
    assert_eq!(attempts_of(&place, "held").len(), 1);
    assert_eq!(worker.stop().code, Some(0));
}

#[test]
fn who_sends_through_a_half_open_connection_is_told() {
    let server = Server::start();
    let line = Proxy::to(server.port());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let backend = runtime.block_on(apium::open(&line.url(), None)).unwrap();
    let client = App::new("sender").client(&backend);
    let send = || runtime.block_on(client.send(&Signature::new("probe.note").arg(1)));
    send().unwrap();
    line.half_open();
    let began = Instant::now();
    let told = send().err().unwrap().to_string();
    assert!(told.contains("did not answer within") && began.elapsed() < BACK, "{told}: {:?}", began.elapsed());
    send().unwrap();
}

/// An answer takes two seconds: all is slower, and leases are kept.
#[test]
fn a_slow_line_slows_down_and_doubles_nothing() {
    let server = Server::start();
    let line = Proxy::to(server.port());
    line.slow(Duration::from_secs(1));
    let (near, place) = (Place::on(&server.url()), Place::on(&line.url()));
    let far = our_worker(&place, &["-n", "far@%h", "-c", "4", "--lease", "5"]);
    let ids: Vec<String> = (0..8).map(|number| format!("note{number}")).collect();
    for id in &ids {
        near.run(Program::Probe, &["call", "probe.note", "-a", "[7, 0.5]", "--task-id", id]).printed();
    }
    for id in &ids {
        assert_eq!(near.run(Program::Probe, &["result", id, "--wait"]).printed(), "7");
    }
    assert_eq!(call(&place, &["--wait"]).printed(), "1", "sent and read over the slow line");
    hold(&place, "held");
    until_begun(&place, "held");
    let other = our_worker(&near, &["-n", "near@%h", "--lease", "5"]);
    renewed_for(&mut server.look(), Duration::from_secs(6));
    std::fs::write(place.path("go"), "").unwrap();
    assert_eq!(near.run(Program::Probe, &["result", "held", "--wait"]).printed(), "\"released\"");
    assert!(attempts(&near).is_empty(), "nothing was taken from who holds it");
    for id in ids.iter().map(String::as_str).chain(["held"]) {
        assert_eq!(attempts_of(&place, id).len(), 1, "{id}");
    }
    for worker in [far, other] {
        assert_eq!(worker.stop().code, Some(0));
    }
}

#[test]
fn what_a_worker_that_is_cut_off_holds_is_run_by_another_and_its_late_outcome_is_not_written() {
    let server = Server::start();
    let line = Proxy::to(server.port());
    let address = format!("127.0.0.1:{}", free_port());
    let place = Place::on(&server.url());
    let far = ["-n", "far@%h", "--broker", &line.url(), "-c", "1", "--lease", "3", "--listen", &address];
    let mut far = our_worker(&place, &far);
    hold(&place, "held");
    until_begun(&place, "held");
    until("a green /readyz", || ready(&address).then_some(()));
    let near = our_worker(&place, &["-n", "near@%h", "-c", "1", "--lease", "3"]);
    line.cut();
    let cut = Instant::now();
    until_within(RED, "a red /readyz", || (!ready(&address)).then_some(()));
    until("another to take it up", || (attempts_of(&place, "held").len() == 2).then_some(()));
    assert!(cut.elapsed() < RED, "{:?}", cut.elapsed());
    std::fs::write(place.path("go"), "").unwrap();
    assert_eq!(place.run(Program::Probe, &["result", "held", "--wait"]).printed(), "\"released\"");
    let both_ended = || attempts_of(&place, "held").iter().all(|attempt| attempt.ended.is_some());
    until("the one that is cut off to have finished too", || both_ended().then_some(()));
    line.mend();
    let mended = Instant::now();
    far.until_says("nothing of it was written");
    near.signal(Signal::SIGTERM);
    assert_eq!(near.ended().code, Some(0));
    works_again(&place);
    until_within(BACK, "a green /readyz", || ready(&address).then_some(()));
    assert!(mended.elapsed() < BACK, "{:?}", mended.elapsed());
    assert_eq!(attempts_of(&place, "held").len(), 2);
    let mut look = server.look();
    assert_eq!(look.ask::<u64>(&["HLEN", "unacked"]), 0);
    assert_eq!(far.stop().code, Some(0));
}

#[test]
fn a_redis_that_may_throw_tasks_away_is_warned_of_at_the_start() {
    let server = Server::with(&["--maxmemory-policy", "allkeys-lru"]);
    let address = format!("127.0.0.1:{}", free_port());
    let place = Place::on(&server.url());
    for role in ["worker", "serve", "up"] {
        let mut started = place.start(Program::Probe, &[role, "--listen", &address]);
        started.until_says("set maxmemory-policy noeviction");
        started.until_says("Ctrl-C stops.");
        assert!(started.stderr().contains("WARN"), "{}", started.stderr());
        assert_eq!(started.stop().code, Some(0));
        until("the port to be free", || (!ready(&address)).then_some(()));
    }
}
