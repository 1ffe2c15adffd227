//! The roll call on a real Redis: what stock workers register, and stock beats, those that answer and those that do not.

use std::time::Duration;

use apium::Backend;
use apium::beat::roll::{self, Foreign};
use apium_core::client::hostname;

use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::poll::until;
use crate::running::Running;
use crate::server::Server;

/// Every second into a queue that nobody consumes.
const SCHEDULE: &str = r#"{"beat_schedule": {"often": {"task": "app.add", "schedule": 1.0, "args": [1], "options": {"queue": "nobody"}}}}"#;

/// A beat of Celery 5.7, with further arguments.
fn beat(place: &Place, server: &Server, name: &str, further: &[&str]) -> Running {
    let schedule = place.path(name).display().to_string();
    let pid = format!("{schedule}.pid");
    let arguments = ["-m", "celery", "-A", "app", "beat", "-l", "INFO", "-s", &schedule, "--pidfile", &pid];
    let python = Python::with_celery("5.7").set(SCHEDULE);
    let mut beat = Running::start(python.command(&server.url(), &[&arguments[..], further].concat()));
    beat.until_says("beat: Starting...");
    beat
}

fn foreign(runtime: &tokio::runtime::Runtime, backend: &Backend) -> Vec<Foreign> {
    let facts = runtime.block_on(backend.broker.inspection().unwrap().examine()).unwrap();
    roll::foreign(&facts).into_iter().collect()
}

#[test]
fn stock_workers_and_stock_beats_are_found() {
    let server = Server::start();
    let place = Place::on(&server.url());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let backend = runtime.block_on(apium::open(&server.url(), None)).unwrap();
    let call = || runtime.block_on(roll::call(&*backend.broker, Duration::from_secs(2))).unwrap();
    let nobody = call();
    assert!(nobody.tasks.is_empty() && nobody.workers == 0 && nobody.beats.is_empty(), "{nobody:?}");

    let _ours = our_worker(&place, &[]);
    let _python = Python::with_celery("5.7").worker(&server.url(), "celery", "{}");
    let silent = beat(&place, &server, "silent", &[]);
    let found =
        until("what the silent beat sends", || Some(foreign(&runtime, &backend)).filter(|found| found.len() > 1));
    let origin = format!("gen{}@{}", silent.id(), hostname());
    assert!(found.iter().all(|foreign| foreign.origin == origin), "{found:?}");
    let there = call();
    for task in ["probe.echo", "app.add", "celery.backend_cleanup"] {
        assert!(there.tasks.contains(task), "{task} in {there:?}");
    }
    assert_eq!((there.workers, there.beats), (2, vec![]), "a beat keeps silent unless it is told to answer");

    let _answering = beat(&place, &server, "answering", &["--enable-remote-control"]);
    let name = format!("celerybeat@{}", hostname());
    until("the beat to answer", || (call().beats == [name.clone()]).then_some(()));

    let schedule = r#"{"lonely": {"task": "no.body", "schedule": 60}, "well": {"task": "app.add", "schedule": 60}}"#;
    let mut leader = place.start(Program::Apium, &["beat", "--beat-schedule", schedule]);
    leader.until_says("a Celery beat runs beside this scheduler");
    let said = leader.stop().stderr;
    let lonely: Vec<_> = said.lines().filter(|line| line.contains("no worker that answers registers")).collect();
    assert!(lonely.len() == 1 && lonely[0].contains("no.body") && lonely[0].contains("lonely"), "{said}");
}
