//! Every promise of the ports, on real Redis servers.

use std::sync::Arc;

use apium_core::conformance::Subject;

use crate::server::{Server, advance, set};

async fn subject() -> Subject {
    let server = Server::start().await;
    let backend = server.stepped_backend().await;
    let other = server.stepped_backend().await;
    let (url, stepped) = (server.url(), server.stepped.clone());
    let (same, setting) = (url.clone(), stepped.clone());
    Subject {
        broker: Arc::new(backend.clone()),
        results: Arc::new(backend),
        other: Arc::new(other),
        advance: Box::new(move |by| Box::pin(advance(url.clone(), stepped.clone(), by))),
        set: Box::new(move |by| Box::pin(set(same.clone(), setting.clone(), by))),
        keep: Box::new(server),
    }
}

apium_core::conformance_tests!(subject);
apium_core::inspection_tests!(subject);
