//! A chord of many parts, some delivered twice, while workers are killed: its body runs once.

use std::time::Duration;

use apium::App;

use crate::diary::attempts_of;
use crate::peer::Python;
use crate::place::{Place, Program};
use crate::poll::until_within;
use crate::running::Running;
use crate::server::{Look, Server};
use crate::size::size;

/// Every so many-th part is delivered twice.
const TWICE: usize = 7;
const WORKERS: usize = 4;
const AT_MOST: Duration = Duration::from_mins(4);

#[test]
fn its_body_runs_once() {
    let parts = size("APIUM_CHORD", 1_000);
    let server = Server::start();
    let place = Place::on(&server.url());
    let mut look = server.look();
    let sender = Python::with_celery("5.7").command(&server.url(), &["chords.py", &parts.to_string()]);
    let body = Running::start(sender).ended_within(AT_MOST).printed();
    let doubled = deliver_twice(&mut look);
    let mut workers: Vec<Running> = (0..WORKERS).map(|number| start(&place, number)).collect();
    for (number, worker) in workers.iter_mut().enumerate().take(2) {
        let left = parts * (3 - number) / 4;
        until_within(AT_MOST, "parts to run", || (waiting(&mut look) < left).then_some(()));
        worker.kill();
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sum: usize = runtime.block_on(async {
        let backend = apium::open(&server.url(), None).await.unwrap();
        App::new("chord").client(&backend).pending(&body).get(AT_MOST).await.unwrap()
    });
    assert_eq!(sum, (0..parts).sum::<usize>());
    until_within(AT_MOST, "every delivery to be settled", || (left(&mut look) == 0).then_some(()));
    let runs = attempts_of(&place, &body);
    assert!(runs.len() == 1 && runs[0].ended.is_some(), "{runs:?}");
    eprintln!("{parts} parts, {doubled} of them delivered twice, 2 of {WORKERS} workers killed: the body ran once");
}

/// As a broker does that lost an acknowledgement.
fn deliver_twice(look: &mut Look) -> usize {
    let messages: Vec<String> = look.ask(&["LRANGE", "celery", "0", "-1"]);
    let again: Vec<&str> = messages.iter().step_by(TWICE).map(String::as_str).collect();
    look.ask::<u64>(&[&["LPUSH", "celery"][..], &again].concat());
    again.len()
}

fn start(place: &Place, number: usize) -> Running {
    let name = format!("chord{number}@%h");
    place.start(Program::Probe, &["worker", "-n", &name, "-c", "8", "--lease", "2", "-Q", "celery", "-l", "error"])
}

fn waiting(look: &mut Look) -> usize {
    look.ask(&["LLEN", "celery"])
}

fn left(look: &mut Look) -> usize {
    waiting(look) + look.ask::<usize>(&["HLEN", "unacked"])
}
