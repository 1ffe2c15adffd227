//! The ways to reach a Redis: TLS, a socket file, a database by number; and what is said of one that evicts.

use std::io::Write;
use std::sync::{Arc, Mutex};

use apium_core::{Broker, Outgoing};
use apium_redis::{RedisBackend, RedisSettings};

use crate::server::{Server, free_port};

async fn publishes(url: &str) -> RedisBackend {
    let backend = RedisBackend::connect(url, RedisSettings::default()).await.unwrap();
    let message = Outgoing { queue: "q".to_owned(), priority: 0, bytes: b"x".to_vec(), not_before: None };
    backend.publish(&[message]).await.unwrap();
    backend
}

#[tokio::test]
async fn tls() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name).display().to_string();
        std::fs::write(&path, text).unwrap();
        path
    };
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = file("cert.pem", &own.cert.pem());
    let key = file("key.pem", &own.signing_key.serialize_pem());
    let port = free_port();
    let options = ["--tls-port", &port.to_string(), "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let server = Server::with(&[&options[..], &["--tls-auth-clients", "no"]].concat()).await;
    let backend = publishes(&format!("rediss://localhost:{port}/0?ssl_ca_certs={certificate}")).await;
    assert_eq!(Broker::home(&backend), format!("rediss://localhost:{port}/0"));
    assert_eq!(server.peer().await.run::<i64>(&["LLEN", "q"]).await, 1);
    let strange = format!("rediss://localhost:{port}/0");
    let error = RedisBackend::connect(&strange, RedisSettings::default()).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_socket_file_and_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock").display().to_string();
    let server = Server::with(&["--unixsocket", &socket]).await;
    publishes(&format!("redis+socket://{socket}?virtual_host=3")).await;
    publishes(&format!("redis://127.0.0.1:{}/3", server.port())).await;
    let mut peer = server.peer().await;
    assert_eq!(peer.run::<i64>(&["LLEN", "q"]).await, 0);
    let () = peer.run(&["SELECT", "3"]).await;
    assert_eq!(peer.run::<i64>(&["LLEN", "q"]).await, 2);
}

#[tokio::test]
async fn a_redis_that_throws_keys_away_is_warned_of() {
    let server = Server::with(&["--maxmemory-policy", "allkeys-lru"]).await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    publishes(&server.url()).await;
    drop(guard);
    let told = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(told.contains("set maxmemory-policy noeviction") && told.contains("allkeys-lru"), "{told}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
