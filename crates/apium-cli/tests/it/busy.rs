//! Tasks that compute without ever awaiting: more of them than the machine has cores, and the worker is still at work.

use std::time::{Duration, Instant};

use crate::diary::{attempts_of, until_begun};
use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::{alone, pause};

/// Several times the lease.
const LONG: Duration = Duration::from_secs(4);

#[test]
fn they_keep_their_leases_and_run_once() {
    let _alone = alone();
    let place = Place::new();
    let go = place.path("go").display().to_string();
    let spins: Vec<String> =
        (0..std::thread::available_parallelism().unwrap().get()).map(|n| format!("spin-{n}")).collect();
    let _first = our_worker(&place, &["-c", "16", "--lease", "1"]);
    for id in &spins {
        place.run(Program::Probe, &["call", "probe.spin", "-a", &format!("[{go:?}]"), "--task-id", id]).printed();
        until_begun(&place, id);
    }
    let began = Instant::now();
    // Another worker takes up at once whatever the first loses hold of.
    let _second = our_worker(&place, &["-c", "16", "--lease", "1"]);
    if let Some(rest) = LONG.checked_sub(began.elapsed()) {
        // What is under test is how long a lease is kept.
        pause(rest);
    }
    std::fs::write(&go, "").unwrap();
    for id in &spins {
        assert_eq!(place.run(Program::Probe, &["result", id, "--wait"]).printed(), "\"released\"");
        assert_eq!(attempts_of(&place, id).len(), 1, "{id} ran once");
    }
}
