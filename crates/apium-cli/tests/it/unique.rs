//! Unique tasks with real workers and a store between them: a hundred senders at once, and a worker that is killed.

use std::sync::Arc;

use apium::core::unique::Unique;
use apium::{App, Backend, SendError, Signature};
use tokio::sync::Barrier;

use crate::diary::{attempts_of, until_begun};
use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::until;
use crate::server::Server;

const SENDERS: usize = 100;

/// Every sender has a connection, or an open file, of its own.
async fn send_at_once(url: &str) {
    let barrier = Arc::new(Barrier::new(SENDERS));
    let mut sending = tokio::task::JoinSet::new();
    for number in 0..SENDERS {
        let (backend, barrier) = (apium::open(url, None).await.unwrap(), barrier.clone());
        sending.spawn(async move {
            let client = App::new("unique").client(&backend);
            // What does not count differs.
            let signature = Signature::new("probe.note").kwarg("number", 7).kwarg("seconds", number);
            barrier.wait().await;
            match client.send(&signature.unique(Unique::until_done().by(["number"]))).await {
                Ok(pending) => (Some(pending.id().to_owned()), None),
                Err(SendError::Held { holder, .. }) => (None, Some(holder)),
                Err(error) => panic!("{error}"),
            }
        });
    }
    let told = sending.join_all().await;
    let sent: Vec<_> = told.iter().filter_map(|(sent, _)| sent.clone()).collect();
    assert_eq!(sent.len(), 1, "{sent:?}");
    let held = told.iter().filter(|(_, held)| held.as_ref() == Some(&sent[0])).count();
    assert_eq!(held, SENDERS - 1, "each of the others is told who holds the key");
    let backend = apium::open(url, None).await.unwrap();
    let depths = backend.broker.depths(&["celery".to_owned()]).await.unwrap();
    assert_eq!((depths[0].ready, depths[0].delayed, depths[0].claimed), (1, 0, 0));
}

fn kill_its_worker(place: &Place, url: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let backend: Backend = runtime.block_on(apium::open(url, None)).unwrap();
    let client = App::new("unique").client(&backend);
    let go = place.path("go");
    let send = |id: &str, until: &std::path::Path| {
        let signature = Signature::new("probe.hold").kwarg("until", until).task_id(id).unique(Unique::until_done());
        runtime.block_on(client.send(&signature)).map(|pending| pending.id().to_owned())
    };
    let refused = |by: &str| match send("another", &go) {
        Err(SendError::Held { holder, .. }) => assert_eq!(holder, by),
        told => panic!("{told:?}"),
    };

    let mut first = our_worker(place, &["-n", "first@%h", "--lease", "1", "-c", "2"]);
    assert_eq!(send("held", &go).unwrap(), "held");
    until_begun(place, "held");
    refused("held");
    first.kill();
    refused("held");
    let second = our_worker(place, &["-n", "second@%h", "--lease", "1", "-c", "2"]);
    until("another worker to take it up", || (attempts_of(place, "held").len() == 2).then_some(()));
    refused("held");
    // Another key is not held up meanwhile.
    let done = place.file("done", "");
    assert_eq!(send("other", &done).unwrap(), "other");
    assert_eq!(place.run(Program::Probe, &["result", "other", "--wait"]).printed(), "\"released\"");
    std::fs::write(&go, "").unwrap();
    assert_eq!(place.run(Program::Probe, &["result", "held", "--wait"]).printed(), "\"released\"");
    assert_eq!(send("next", &go).unwrap(), "next");
    assert_eq!(place.run(Program::Probe, &["result", "next", "--wait"]).printed(), "\"released\"");
    assert_eq!(attempts_of(place, "another").len(), 0);
    assert_eq!(second.stop().code, Some(0));
}

#[test]
fn of_a_hundred_senders_on_redis_one_sends() {
    let server = Server::start();
    tokio::runtime::Runtime::new().unwrap().block_on(send_at_once(&server.url()));
}

#[test]
fn of_a_hundred_senders_on_sqlite_one_sends() {
    let place = Place::new();
    let url = format!("sqlite:{}", place.path("apium.db").display());
    tokio::runtime::Runtime::new().unwrap().block_on(send_at_once(&url));
}

#[test]
fn on_redis_a_killed_worker_keeps_it_unique() {
    let server = Server::start();
    kill_its_worker(&Place::on(&server.url()), &server.url());
}

#[test]
fn on_sqlite_a_killed_worker_keeps_it_unique() {
    let place = Place::new();
    let url = format!("sqlite:{}", place.path("apium-data/apium.db").display());
    kill_its_worker(&place, &url);
}
