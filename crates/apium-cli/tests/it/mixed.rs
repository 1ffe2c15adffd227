//! One Redis, two kinds of workers: a Python peer that sweeps up what is older than five seconds leaves our
//! running task alone, and what a dead worker of either kind left is run by the others.

use std::time::{Duration, Instant};

use crate::console::Console;
use crate::diary::{attempts_of, until_begun};
use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::poll::{pause, until};
use crate::server::Server;

/// The peer's visibility timeout is 5 s, and it looks for what is overdue every second.
const IMPATIENT: &str = r#"{"visibility_timeout": 5, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}"#;

/// More than twice the peer's visibility timeout.
const LONG: Duration = Duration::from_secs(12);

#[test]
fn a_python_peer_with_a_short_visibility_timeout_never_takes_what_we_hold() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let _stock = python.worker(&server.url(), "celery", IMPATIENT);
    let _ours = our_worker(&place, &["-Q", "ours", "--lease", "2"]);
    let mut console = Console::open(&python, &server.url());

    let go = place.path("go").display().to_string();
    console.value(&format!("(r := send('probe.hold', [{go:?}], queue='ours', task_id='long'))"));
    until_begun(&place, "long");
    let began = Instant::now();
    // Another Python process takes a message with kombu's own hands and never acknowledges it. Once the peer has
    // swept that up and run it, the same sweep has looked at our claim, which is older.
    console.value("(channel := app.connection_for_read().default_channel)");
    console.value("(left := send('app.add', [1], queue='left'))");
    until("kombu to take the message", || (console.value("channel.basic_get('left')") != "None").then_some(()));
    until("the peer to put it back", || (server.look().ask::<u64>(&["LLEN", "left"]) == 1).then_some(()));
    if let Some(rest) = LONG.checked_sub(began.elapsed()) {
        // The claim under test is its age.
        pause(rest);
    }
    std::fs::write(&go, "").unwrap();
    assert_eq!(console.value("r.get(timeout=30)"), "'released'");
    assert_eq!(attempts_of(&place, "long").len(), 1, "it ran once");
    assert_eq!(server.look().ask::<u64>(&["LLEN", "ours"]), 0, "and is in no queue");
}

#[test]
fn what_a_dead_worker_of_ours_held_is_run_by_another_beside_python() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let _stock = python.worker(&server.url(), "celery", IMPATIENT);
    let go = place.path("go").display().to_string();
    let mut first = our_worker(&place, &["-Q", "ours", "--lease", "1"]);
    let call = ["call", "probe.hold", "-a", &format!("[{go:?}]"), "--queue", "ours", "--task-id", "held"];
    place.run(Program::Probe, &call).printed();
    until_begun(&place, "held");
    first.kill();
    std::fs::write(&go, "").unwrap();
    let _second = our_worker(&place, &["-Q", "ours", "--lease", "1"]);
    assert_eq!(place.run(Program::Probe, &["result", "held", "--wait"]).printed(), "\"released\"");
    assert_eq!(attempts_of(&place, "held").len(), 2, "cut off once, run once");
}

#[test]
fn what_a_dead_python_worker_held_is_run_by_ours() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let mut console = Console::open(&Python::with_celery("5.7"), &server.url());
    console.value("(r := send('probe.greet', ['Ada'], queue='shared'))");
    console.value("(channel := app.connection_for_read().default_channel)");
    until("kombu to take the message", || (console.value("channel.basic_get('shared')") != "None").then_some(()));
    let _ours = our_worker(&place, &["-Q", "shared", "--visibility-timeout", "1", "--lease", "2"]);
    assert_eq!(console.value("r.get(timeout=30)"), "'Hello, Ada!'");
}
