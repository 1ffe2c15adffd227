//! A backend used from several runtimes: its connections live where it was opened.

use std::time::Duration;

use apium_core::results::StoredResult;
use apium_core::{Broker, ResultStore};
use apium_protocol::{RawJson, ResultRecord};

use crate::server::Server;

const LONG: Duration = Duration::from_secs(30);

/// A task that stores its state is the first to need the connection of settlements, then computes without awaiting.
#[tokio::test]
async fn a_task_that_computes_does_not_stall_the_connections_it_opened() {
    let server = Server::start().await;
    let backend = server.backend().await;
    let (stored, told) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let tasks = std::thread::spawn({
        let backend = backend.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let state = ResultRecord::new("i", "STARTED", RawJson::null());
                backend.store(&StoredResult::of(&state, None)).await.unwrap();
                Broker::wait(&backend, &["q".to_owned()], Duration::from_millis(1)).await.unwrap();
                stored.send(()).unwrap();
                assert!(released.recv().is_err());
            });
        }
    });
    told.await.unwrap();
    let state = ResultRecord::new("j", "SUCCESS", RawJson::null());
    let used = tokio::time::timeout(LONG / 10, async {
        backend.store(&StoredResult::of(&state, None)).await.unwrap();
        ResultStore::wait(&backend, "j", LONG).await.unwrap()
    });
    let used = used.await;
    drop(release);
    tasks.join().unwrap();
    assert!(used.expect("the blocked runtime does not drive the connections").is_some());
}

#[test]
fn a_backend_outlives_the_runtime_it_was_opened_on() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let (server, backend) = first.block_on(async {
        let server = Server::start().await;
        let backend = server.backend().await;
        (server, backend)
    });
    drop(first);
    let state = ResultRecord::new("i", "SUCCESS", RawJson::null());
    assert!(second.block_on(backend.store(&StoredResult::of(&state, None))).unwrap());
    drop(server);
}
