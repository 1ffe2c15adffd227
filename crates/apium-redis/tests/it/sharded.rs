//! What may be promised of queues sharded over two real Redis servers: the suite's own queue lives at home, and what it
//! sends lives on the other.

use std::sync::Arc;
use std::time::Duration;

use apium_core::conformance::Subject;
use apium_core::limits::{Admission, Limit, Limits};
use apium_core::sharded::{Shard, Sharded};
use apium_core::{Broker, Claim, Delivery, Outgoing};

use crate::server::{Server, Steps, advance, open, set};

/// A server: where it is, and what moves its time.
type Place = (String, Steps);

async fn over([home, two]: [Place; 2]) -> Arc<dyn Broker> {
    let two: Arc<dyn Broker> = Arc::new(open(two.0, two.1, true).await);
    let home = Arc::new(open(home.0, home.1, true).await);
    Arc::new(Sharded::new(home, vec![(Shard::new("two", two), vec!["[!qp]*".to_owned()])]).unwrap())
}

async fn subject() -> Subject {
    let servers = [Server::start().await, Server::start().await];
    let places = servers.each_ref().map(|server| (server.url(), server.stepped.clone()));
    let (starting, advancing, setting) = (places.clone(), places.clone(), places.clone());
    Subject {
        broker: over(places.clone()).await,
        results: Arc::new(servers[0].stepped_backend().await),
        other: over(places).await,
        start: Box::new(move || Box::pin(over(starting.clone()))),
        advance: Box::new(move |by| {
            let places = advancing.clone();
            Box::pin(async move {
                for (url, steps) in places {
                    advance(url, steps, by).await;
                }
            })
        }),
        set: Box::new(move |by| {
            let places = setting.clone();
            Box::pin(async move {
                for (url, steps) in places {
                    set(url, steps, by).await;
                }
            })
        }),
        keep: Box::new(servers),
    }
}

apium_core::conformance_tests!(subject);

/// Of limits that are set from the home, a worker asks the home only.
#[tokio::test]
async fn who_waits_here_for_a_place_is_called_though_nobody_asked_here_what_is_limited() {
    let server = Server::start().await;
    let name = "task:t".to_owned();
    let limit = Limit { concurrency: Some(1), ..Limit::default() };
    server.stepped_backend().await.set_limit(&name, &limit).await.unwrap();
    let backend = server.stepped_backend().await;
    let (queues, lease) = (["q".to_owned()], Duration::from_secs(30));
    let take = async || backend.claim(&Claim { queues: &queues, max: 10, lease }).await.unwrap();
    let message = |text: &str| Outgoing { queue: "q".to_owned(), priority: 0, bytes: text.into(), not_before: None };
    let messages = ["a", "b"].map(message);
    backend.publish(&messages).await.unwrap();
    for Delivery { receipt, .. } in take().await {
        let task_id = receipt.tag.to_string();
        backend.admit(&Admission { receipt, task_id, limits: vec![name.clone()], unique: None }).await.unwrap();
    }
    server.advance(lease + Duration::from_secs(1)).await;
    while backend.recover().await.unwrap() > 0 {}
    assert_eq!(take().await.len(), 2, "the one whose holder died, and the one that waited for its place");
}
