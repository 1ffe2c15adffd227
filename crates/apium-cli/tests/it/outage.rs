//! A Redis that goes away under a running worker and a waiting client, and comes back.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::diary::{attempts_of, until_begun};
use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::server::Server;

/// Much longer than anybody may be kept waiting by a Redis that is gone.
const BOUND: Duration = Duration::from_secs(25);

/// A server that keeps what it is told across a kill.
fn durable() -> Server {
    Server::with(&["--appendonly", "yes", "--appendfsync", "always"])
}

#[test]
fn a_worker_outlives_it_and_loses_nothing() {
    let mut server = durable();
    let place = Place::on(&server.url());
    let go = place.path("go");
    let until_file = format!("[{:?}]", go.display().to_string());
    let mut worker = our_worker(&place, &[]);
    place.run(Program::Probe, &["call", "probe.hold", "-a", &until_file, "--task-id", "held"]).printed();
    until_begun(&place, "held");
    server.kill();
    std::fs::write(go, "").unwrap();
    worker.until_says("trying again");
    server.start_again();
    assert_eq!(place.run(Program::Probe, &["result", "held", "--wait"]).printed(), "\"released\"");
    assert_eq!(attempts_of(&place, "held").len(), 1, "its outcome was kept until Redis was back");
    assert_eq!(place.run(Program::Probe, &["call", "probe.echo", "-a", "[1]", "--wait"]).printed(), "1");
    assert_eq!(worker.stop().code, Some(0));
}

#[test]
fn a_worker_stops_without_it() {
    let mut server = durable();
    let place = Place::on(&server.url());
    let worker = our_worker(&place, &[]);
    place.run(Program::Probe, &["call", "probe.echo", "-a", "[1]", "--wait"]).printed();
    server.kill();
    let began = Instant::now();
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().code, Some(0));
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
}

#[test]
fn a_client_that_waits_is_told() {
    let mut server = durable();
    let place = Place::on(&server.url());
    let began = Instant::now();
    let waiting = place.start(Program::Probe, &["result", "nobody", "--wait", "--timeout", "4"]);
    crate::poll::until("the client to look", || (server.look().info("total_connections_received") > 1).then_some(()));
    server.kill();
    let sentence = waiting.ended().sentence();
    assert!(sentence.contains("Redis at redis://127.0.0.1") || sentence.contains("no result within"), "{sentence}");
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
}
