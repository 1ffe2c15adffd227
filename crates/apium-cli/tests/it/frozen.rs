//! A worker that stands still for longer than its lease, as a suspended machine does: its work goes to another, and when
//! it awakes it may not finish it.

use nix::sys::signal::Signal;

use crate::diary::{attempts_of, until_begun};
use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::until;
use crate::server::Server;

fn freeze(place: &Place) {
    let go = format!("[{:?}]", place.path("go").display().to_string());
    let mut frozen = our_worker(place, &["-n", "frozen@%h", "--lease", "1", "-c", "1"]);
    place.run(Program::Probe, &["call", "probe.hold", "-a", &go, "--task-id", "held"]).printed();
    until_begun(place, "held");
    frozen.signal(Signal::SIGSTOP);
    let other = our_worker(place, &["-n", "other@%h", "--lease", "1", "-c", "1"]);
    until("another to take it up", || (attempts_of(place, "held").len() == 2).then_some(()));
    frozen.signal(Signal::SIGCONT);
    frozen.until_says("nothing of it was written");
    std::fs::write(place.path("go"), "").unwrap();
    assert_eq!(place.run(Program::Probe, &["result", "held", "--wait"]).printed(), "\"released\"");
    let attempts = attempts_of(place, "held");
    let ended = |process| attempts.iter().any(|one| one.process == process && one.ended.is_some());
    assert!(attempts.len() == 2 && ended(other.id()) && !ended(frozen.id()), "{attempts:?}");
    assert_eq!(other.stop().code, Some(0));
    // It works on: what it had lost was that one attempt.
    place.run(Program::Probe, &["call", "probe.note", "-a", "[7]", "--task-id", "next", "--wait"]).printed();
    assert_eq!(attempts_of(place, "next")[0].process, frozen.id());
    assert_eq!(frozen.stop().code, Some(0));
}

#[test]
fn on_redis_it_loses_its_work_and_may_not_finish_it() {
    let server = Server::start();
    freeze(&Place::on(&server.url()));
}

#[test]
fn on_sqlite_it_loses_its_work_and_may_not_finish_it() {
    freeze(&Place::new());
}
