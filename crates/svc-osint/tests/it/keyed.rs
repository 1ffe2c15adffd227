//! Scans with a key of the client's own, while the store hesitates.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apium_core::chords::Chords;
use apium_core::memory::Memory;
use apium_core::protocol::ResultRecord;
use apium_core::{BackendError, Broker, Lookup, ResultStore, StoredResult};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use svc_osint::contract::QUEUE;
use svc_osint::store::Store;
use svc_osint::{OsintApi, router};
use tokio::sync::Notify;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::bench::{MEMORY, client, posted};

const SOON: Duration = Duration::from_secs(10);

/// A store that remembers the first id it is given only when it is let.
#[derive(Default)]
pub(crate) struct Hesitant {
    pub(crate) inner: Memory,
    hesitated: AtomicBool,
    pub(crate) asked: Notify,
    pub(crate) go_on: Notify,
    remembered: Notify,
}

#[async_trait]
impl ResultStore for Hesitant {
    fn home(&self) -> &'static str {
        "hesitant"
    }

    fn chords(&self) -> &dyn Chords {
        self.inner.chords()
    }

    async fn store(&self, result: &StoredResult) -> Result<bool, BackendError> {
        self.inner.store(result).await
    }

    async fn lookup(&self, task_id: &str) -> Result<Lookup, BackendError> {
        self.inner.lookup(task_id).await
    }

    async fn wait(&self, task_id: &str, at_most: Duration) -> Result<Option<ResultRecord>, BackendError> {
        ResultStore::wait(&self.inner, task_id, at_most).await
    }

    async fn forget(&self, task_id: &str) -> Result<(), BackendError> {
        self.inner.forget(task_id).await
    }

    async fn remember(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        if !self.hesitated.swap(true, Ordering::SeqCst) {
            self.asked.notify_one();
            self.go_on.notified().await;
        }
        self.inner.remember(task_id, keep).await?;
        self.remembered.notify_one();
        Ok(())
    }
}

fn api() -> (Arc<Hesitant>, Router) {
    let store = Arc::new(Hesitant::default());
    let client = client(Arc::new(store.inner.clone()), store.clone());
    (store, apium_web::manners(router(OsintApi::new(client, Store::at(MEMORY)))))
}

fn keyed(key: &str) -> Request<Body> {
    let mut request = posted("/api/v1/scan", &json!({ "target": "ejemplo.es", "type": "dns" }));
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

async fn waiting(store: &Hesitant) -> u64 {
    store.inner.depths(&[QUEUE.to_owned()]).await.unwrap()[0].ready
}

#[tokio::test]
async fn a_client_that_hangs_up_after_the_sending_finds_its_scan_again() {
    let (store, router) = api();
    let request = tokio::spawn(router.clone().oneshot(keyed("k-1")));
    timeout(SOON, store.asked.notified()).await.expect("the scan is sent");
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    store.go_on.notify_one();
    timeout(SOON, store.remembered.notified()).await.expect("remembered although nobody listens");
    assert_eq!(router.oneshot(keyed("k-1")).await.unwrap().status(), 202);
    assert_eq!(waiting(&store).await, 1, "nothing was sent twice");
}

#[tokio::test]
async fn a_key_waits_for_itself_and_for_no_other() {
    let (store, router) = api();
    let first = tokio::spawn(router.clone().oneshot(keyed("k-1")));
    timeout(SOON, store.asked.notified()).await.expect("the scan is sent");
    let other = timeout(SOON, router.clone().oneshot(keyed("k-2"))).await.expect("another key does not wait");
    assert_eq!(other.unwrap().status(), 202);
    let again = tokio::spawn(router.oneshot(keyed("k-1")));
    store.go_on.notify_one();
    for answer in [first, again] {
        assert_eq!(timeout(SOON, answer).await.unwrap().unwrap().unwrap().status(), 202);
    }
    assert_eq!(waiting(&store).await, 2, "one scan a key");
}
