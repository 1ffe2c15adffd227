//! Random canvases of a real Celery client, each step run by whoever is free: Python workers or ours.

use std::time::Duration;

use crate::peer::{Python, our_worker};
use crate::place::Place;
use crate::running::Running;
use crate::server::Server;
use crate::size::size;

/// Enough to meet every kind of step in every other.
const CANVASES: usize = 80;

/// Chosen once, so that a run can be compared with the one before.
const SEED: &str = "20261122";

/// For as many as anybody asks for.
const AT_MOST: Duration = Duration::from_mins(25);

fn run(server: &Server) {
    let python = Python::with_celery("5.7");
    let canvases = size("APIUM_CANVASES", CANVASES).to_string();
    let running = Running::start(python.command(&server.url(), &["canvases.py", &canvases, SEED, "30"]));
    let ended = running.ended_within(AT_MOST);
    assert!(ended.stdout.contains(&format!("{canvases} right, 0 wrong")), "{}", ended.stdout);
}

#[test]
fn our_workers_alone_run_them() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let _ours = [our_worker(&place, &["-n", "a@%h"]), our_worker(&place, &["-n", "b@%h"])];
    run(&server);
}

#[test]
fn python_workers_and_ours_run_them_together() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let _ours = [our_worker(&place, &["-n", "a@%h", "-c", "1"]), our_worker(&place, &["-n", "b@%h", "-c", "1"])];
    let _theirs = ["5.7", "5.4"].map(|series| Python::with_celery(series).worker(&server.url(), "celery", "{}"));
    run(&server);
}
