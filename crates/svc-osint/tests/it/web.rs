//! Web servers on loopback that behave, misbehave, or only count who comes.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::Router;
use svc_osint::connector::{Connector, ConnectorSettings, Lookup};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Names with fixed addresses; any other name has none.
pub(crate) struct Names(HashMap<String, Vec<IpAddr>>);

/// A listener nobody may reach, on both loopback addresses.
pub(crate) struct Trap {
    /// Its port.
    pub(crate) port: u16,
    reached: Arc<AtomicUsize>,
    addresses: Vec<SocketAddr>,
}

#[async_trait]
impl Lookup for Names {
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        self.0.get(host).cloned().ok_or_else(|| "no existe".to_owned())
    }
}

impl Names {
    /// These names, each with one address.
    pub(crate) fn of(names: &[(&str, IpAddr)]) -> Arc<Self> {
        let mut all: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for (name, ip) in names {
            all.entry((*name).to_owned()).or_default().push(*ip);
        }
        Arc::new(Self(all))
    }
}

impl Trap {
    /// Sets it up.
    pub(crate) async fn new() -> Self {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok();
        let reached = Arc::new(AtomicUsize::new(0));
        let mut addresses = vec![];
        for listener in [Some(v4), v6].into_iter().flatten() {
            addresses.push(listener.local_addr().unwrap());
            let reached = Arc::clone(&reached);
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    reached.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(async move {
                        read_head(&mut stream).await;
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                    });
                }
            });
        }
        Self { port, reached, addresses }
    }

    /// How often it was reached. Connections are accepted in their order, so once one of our own has
    /// got through, every earlier one has been counted.
    pub(crate) async fn reached(&self) -> usize {
        for address in &self.addresses {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"\r\n\r\n").await.unwrap();
            let mut answer = [0];
            stream.read_exact(&mut answer).await.unwrap();
        }
        let ours = self.addresses.len();
        self.reached.fetch_sub(ours, Ordering::SeqCst) - ours
    }
}

/// A door that may go to these loopback sockets and nowhere else on loopback.
pub(crate) fn door(allow: &[SocketAddr], names: Arc<dyn Lookup>) -> Connector {
    Connector::new(ConnectorSettings {
        allow_loopback: allow.to_vec(),
        lookup: Some(names),
        ..ConnectorSettings::default()
    })
}

/// Serves `router` until the test ends.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    serve_at(Ipv4Addr::LOCALHOST, router).await
}

/// The same on another loopback address.
pub(crate) async fn serve_at(ip: Ipv4Addr, router: Router) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Gives each connection to `answer`, untouched.
pub(crate) async fn raw<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

/// Reads a request's head, so that closing the connection does not reset it.
pub(crate) async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
}
