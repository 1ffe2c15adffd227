//! Every promise of the ports, on real Redis servers.

use std::sync::Arc;

use apium_core::conformance::Subject;

use crate::server::{Server, advance};

async fn subject() -> Subject {
    let server = Server::start().await;
    let backend = server.stepped_backend().await;
    let other = server.stepped_backend().await;
    let (url, offset) = (server.url(), server.offset.clone());
    Subject {
        broker: Arc::new(backend.clone()),
        results: Arc::new(backend),
        other: Arc::new(other),
        advance: Box::new(move |by| Box::pin(advance(url.clone(), offset.clone(), by))),
        keep: Box::new(server),
    }
}

apium_core::conformance_tests!(subject);
