//! What may be promised of queues sharded over two real Redis servers: the suite's own queue lives at home, and what it
//! sends lives on the other.

use std::sync::Arc;

use apium_core::Broker;
use apium_core::conformance::Subject;
use apium_core::sharded::{Shard, Sharded};

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
