//! The wire between one worker and the broker, which can be cut: a TCP proxy on a port of its own.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::failure::Failure;

/// The most that is carried at once, in bytes.
const PIECE: usize = 16 * 1024;

/// What becomes of what is sent through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It arrives.
    Open,
    /// Connections stand, and nothing comes through until the wire is open again.
    Silent,
    /// Connections are closed, new ones too.
    Closed,
}

/// The wire of one worker.
pub(super) struct Wire {
    address: SocketAddr,
    flow: watch::Sender<Flow>,
    accepting: JoinHandle<()>,
}

/// The URL of a network broker, taken apart where its server stands.
#[derive(Debug, Clone)]
pub(super) struct Server {
    before: String,
    /// `HOST:PORT`.
    pub(super) place: String,
    after: String,
}

impl Server {
    /// The server of a URL that a wire can be laid to, or why there is none.
    pub(super) fn of(url: &str) -> Result<Self, Failure> {
        let refused = |why: &str| Err(Failure::usage(format!("workers cannot be cut off from this broker: {why}")));
        let Some(rest) = url.strip_prefix("redis://") else {
            return refused(match url.split_once(':').map(|(scheme, _)| scheme) {
                Some("sqlite") => "it is a file, to which there is no connection; leave out --cut-every",
                Some("rediss") => "TLS would not accept another's address; try it on redis://",
                _ => "only redis://HOST:PORT can be reached through another address",
            });
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let begin = rest[..end].rfind('@').map_or(0, |at| at + 1);
        let place = &rest[begin..end];
        if place.contains(',') {
            return refused("it has several servers");
        }
        let host = if place.is_empty() { "localhost" } else { place };
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let place = if has_port { host.to_owned() } else { format!("{host}:6379") };
        Ok(Self { before: format!("redis://{}", &rest[..begin]), place, after: rest[end..].to_owned() })
    }

    /// The same URL with another server.
    pub(super) fn at(&self, address: SocketAddr) -> String {
        format!("{}{address}{}", self.before, self.after)
    }
}

impl Wire {
    /// A wire to this server, on a free port.
    pub(super) async fn lay(server: &Server) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::new(format!("no port can be listened on: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (flow, seen) = watch::channel(Flow::Open);
        Ok(Self { address, flow, accepting: tokio::spawn(accept(listener, server.place.clone(), seen)) })
    }

    /// Where the worker finds it.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts it, or joins it again.
    pub(super) fn set(&self, flow: Flow) {
        self.flow.send_replace(flow);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // With the listener go the connections it carries.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: String, flow: watch::Receiver<Flow>) {
    let mut carried = JoinSet::new();
    loop {
        while carried.try_join_next().is_some() {}
        if let Ok((client, _)) = listener.accept().await
            && *flow.borrow() != Flow::Closed
        {
            carried.spawn(carry(client, server.clone(), flow.clone()));
        }
    }
}

/// Carries one connection until either side or the wire ends it.
async fn carry(client: TcpStream, server: String, mut flow: watch::Receiver<Flow>) {
    if flow.wait_for(|flow| *flow != Flow::Silent).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(&server).await else { return };
    // What waits to be filled up would be a delay of our own making.
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let mut closing = flow.clone();
    tokio::select! {
        () = pump(from_client, to_server, flow.clone()) => {}
        () = pump(from_server, to_client, flow) => {}
        _ = closing.wait_for(|flow| *flow == Flow::Closed) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut flow: watch::Receiver<Flow>) {
    let mut piece = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        // What was under way when the wire was cut arrives once it is open again, as on a network that was away.
        if flow.wait_for(|flow| *flow != Flow::Silent).await.is_err() || to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_of_a_url_gives_way_to_another() {
        let other = SocketAddr::from(([127, 0, 0, 1], 7));
        for (url, place, there) in [
            ("redis://h:7000/3?x=1", "h:7000", "redis://127.0.0.1:7/3?x=1"),
            ("redis://me:s@h/3", "h:6379", "redis://me:s@127.0.0.1:7/3"),
            ("redis://[::1]:7000", "[::1]:7000", "redis://127.0.0.1:7"),
            ("redis:///2", "localhost:6379", "redis://127.0.0.1:7/2"),
        ] {
            let server = Server::of(url).map(|server| (server.at(other), server.place));
            assert_eq!(server, Ok((there.to_owned(), place.to_owned())), "{url}");
        }
        for url in ["sqlite:x.db", "rediss://h/0", "unix:///run/redis.sock", "redis://a:1,b:2/0"] {
            assert!(Server::of(url).is_err(), "{url}");
        }
    }
}
