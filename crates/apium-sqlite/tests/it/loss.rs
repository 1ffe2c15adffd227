//! A store whose file is taken away or replaced under a running process answers nothing that would be lost.

use std::fs;
use std::path::Path;
use std::time::Duration;

use apium_core::{BackendError, Broker, Claim, ResultStore};
use apium_sqlite::SqliteBackend;

use crate::{LEASE, SOON, claim, message, open, ready};

#[track_caller]
fn assert_gone(error: &BackendError, file: &Path) {
    assert!(error.is_transient(), "{error:?}");
    let sentence = error.to_string();
    assert!(sentence.contains(&file.display().to_string()), "{sentence}");
    for what in ["removed or replaced", "nothing more is stored", "restart"] {
        assert!(sentence.contains(what), "{sentence}");
    }
    assert!(!sentence.contains('\n'), "{sentence}");
}

/// Every kind of call: a flushed write, a light one, a claim, a question and the wait for work.
async fn assert_answers_nothing(broker: &SqliteBackend, file: &Path) {
    let queues = ["q".to_owned()];
    assert_gone(&broker.publish(&[message("q", "lost")]).await.unwrap_err(), file);
    assert_gone(&broker.remember("a", SOON).await.unwrap_err(), file);
    assert_gone(&broker.claim(&Claim { queues: &queues, max: 1, lease: LEASE }).await.unwrap_err(), file);
    assert_gone(&broker.recover().await.unwrap_err(), file);
    assert_gone(&broker.depths(&queues).await.unwrap_err(), file);
    assert_gone(&broker.lookup("a").await.unwrap_err(), file);
    assert_gone(&Broker::wait(broker, &queues, SOON).await.unwrap_err(), file);
}

#[tokio::test]
async fn a_folder_removed_while_open() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data/apium.db");
    let broker = open(&file);
    broker.publish(&[message("q", "a")]).await.unwrap();
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    assert_answers_nothing(&broker, &file).await;
}

#[tokio::test]
async fn a_file_replaced_while_open() {
    let folder = tempfile::tempdir().unwrap();
    let (file, other) = (folder.path().join("apium.db"), folder.path().join("other.db"));
    drop(open(&other));
    let broker = open(&file);
    fs::rename(&other, &file).unwrap();
    assert_answers_nothing(&broker, &file).await;
}

#[tokio::test]
async fn a_log_removed_while_open() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    let log = folder.path().join("apium.db-wal");
    fs::remove_file(&log).unwrap();
    assert_answers_nothing(&broker, &log).await;
}

#[tokio::test]
async fn a_folder_that_comes_back_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let (here, away) = (folder.path().join("here"), folder.path().join("away"));
    let broker = open(&here.join("apium.db"));
    fs::rename(&here, &away).unwrap();
    assert_answers_nothing(&broker, &here.join("apium.db")).await;
    fs::rename(&away, &here).unwrap();
    assert_eq!(ready(&broker, "q").await, 0, "what was refused was not stored either");
    broker.publish(&[message("q", "a")]).await.unwrap();
    assert_eq!(claim(&broker, "q", 9).await.len(), 1);
}

#[tokio::test]
async fn who_waits_for_a_result_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    let waiting = ResultStore::wait(&broker, "a", Duration::from_mins(5));
    tokio::pin!(waiting);
    // Begun, so that it waits already when the file goes.
    assert!(tokio::time::timeout(Duration::from_millis(50), waiting.as_mut()).await.is_err());
    fs::remove_file(&file).unwrap();
    let told = tokio::time::timeout(SOON, waiting).await.expect("told soon");
    assert_gone(&told.unwrap_err(), &file);
}
