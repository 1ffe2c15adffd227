//! Every promise of the ports, on real Redis servers.

use std::sync::Arc;

use apium_core::Broker;
use apium_core::conformance::Subject;

use crate::server::{Server, advance, open, set};

async fn subject() -> Subject {
    let server = Server::start().await;
    let backend = server.stepped_backend().await;
    let other = server.stepped_backend().await;
    let at = (server.url(), server.stepped.clone());
    let (starting, advancing, setting) = (at.clone(), at.clone(), at);
    Subject {
        broker: Arc::new(backend.clone()),
        results: Arc::new(backend),
        other: Arc::new(other),
        start: Box::new(move || {
            let (url, steps) = starting.clone();
            Box::pin(async { Arc::new(open(url, steps, true).await) as Arc<dyn Broker> })
        }),
        advance: Box::new(move |by| Box::pin(advance(advancing.0.clone(), advancing.1.clone(), by))),
        set: Box::new(move |by| Box::pin(set(setting.0.clone(), setting.1.clone(), by))),
        keep: Box::new(server),
    }
}

apium_core::conformance_tests!(subject);
apium_core::inspection_tests!(subject);
