//! Serves a router to strangers: connections are counted, and a client that stalls loses its own.
//!
//! `axum::serve` waits for a stalled client for ever and takes any number of them; every one costs a file
//! descriptor that the store may need.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt as _;

/// What clients are granted.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Connections at once; further ones wait in the machine's backlog until one ends. 512 by default: half of the
    /// file descriptors a process usually has.
    pub connections: usize,
    /// From the start of a connection, or the end of the request before, to the end of a request's head. 30 seconds
    /// by default; an idle connection is closed after it.
    pub head: Duration,
}

/// Tells a route, from its request's extensions, that the server takes no more: an answer that goes on for long ends then.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Returns once the server is to stop.
    pub async fn requested(&mut self) {
        // Without a sender there is no server any more.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { connections: 512, head: Duration::from_secs(30) }
    }
}

/// Takes connections until `stopping` ends, then returns once each open request is answered.
///
/// Dropped, it leaves the requests under way to the runtime. HTTP/1.1, as a proxy in front speaks it; no upgrades. A route
/// learns who asks from `ConnectInfo<SocketAddr>`; behind a proxy, that is the proxy. One whose answer has no end of its own
/// learns from [`Stopping`] when to end it.
pub async fn serve(listener: TcpListener, router: Router, patience: Patience, stopping: impl Future<Output = ()>) {
    let seats = Arc::new(Semaphore::new(patience.connections.max(1)));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience.head);
    let mut stopping = std::pin::pin!(stopping);
    let (tell, told_to_stop) = watch::channel(false);
    loop {
        let (stream, peer, seat) = tokio::select! {
            () = &mut stopping => break,
            taken = next(&listener, &seats) => taken,
        };
        let stop = Stopping(told_to_stop.clone());
        let told = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(stop.clone());
            request
        });
        let service = TowerToHyperService::new(told);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(seat);
        });
    }
    drop(listener);
    tell.send_replace(true);
    graceful.shutdown().await;
}

/// The next connection, once there is room for it.
async fn next(listener: &TcpListener, seats: &Arc<Semaphore>) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so there always is a seat in the end.
    let seat = seats.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps its delay");
                }
                return (stream, peer, seat);
            }
            // The client was faster than we: nothing to wait for.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be taken; trying again in a second");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
