//! What cannot be used is told in a sentence that names the place and no secret.

use std::io::{Read, Write};
use std::net::TcpListener;

use apium_core::{BackendError, Broker, Claim, Outgoing, Settlement};
use apium_redis::{RedisBackend, RedisSettings};

use crate::server::{Server, free_port};

async fn refusal(url: &str) -> BackendError {
    let error = RedisBackend::connect(url, RedisSettings::default()).await.unwrap_err();
    println!("{url}: {error}");
    assert!(!error.to_string().contains("secret"), "{error}");
    error
}

/// A server that gives every question the same answer.
fn answering(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let mut asked = [0; 4096];
            while stream.read(&mut asked).is_ok_and(|read| read > 0) && stream.write_all(answer).is_ok() {}
        }
    });
    port
}

#[tokio::test]
async fn passwords() {
    let server = Server::with(&["--requirepass", "secret"]).await;
    let port = server.port();
    for url in [format!("redis://:secretly@127.0.0.1:{port}"), format!("redis://me:secret@127.0.0.1:{port}")] {
        let error = refusal(&url).await;
        assert!(!error.is_transient() && error.to_string().contains("refused the user name or password"), "{error}");
    }
    let error = refusal(&format!("redis://127.0.0.1:{port}/0")).await;
    assert!(!error.is_transient() && error.to_string().contains("wants a password"), "{error}");
    let url = format!("redis://:secret@127.0.0.1:{port}/0");
    let backend = RedisBackend::connect(&url, RedisSettings::default()).await.unwrap();
    assert!(!format!("{backend:?}").contains("secret"));
}

#[tokio::test]
async fn nobody_there() {
    let port = free_port();
    let error = refusal(&format!("redis://:secret@127.0.0.1:{port}/0")).await;
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains(&format!("redis://127.0.0.1:{port}/0 cannot be reached")), "{error}");
}

#[tokio::test]
async fn something_else_there() {
    let web = answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let error = refusal(&format!("redis://127.0.0.1:{web}/0")).await;
    assert!(!error.is_transient() && error.to_string().contains("does not speak Redis's protocol"), "{error}");
}

#[tokio::test]
async fn a_redis_too_old() {
    let old = answering(b"-ERR unknown command 'HELLO'\r\n-ERR unknown\r\n-ERR unknown\r\n");
    let error = refusal(&format!("redis://127.0.0.1:{old}/0")).await;
    assert!(!error.is_transient() && error.to_string().contains("6.2 or newer"), "{error}");
}

#[tokio::test]
async fn a_database_that_is_not_there() {
    let server = Server::start().await;
    let error = refusal(&format!("redis://127.0.0.1:{}/99", server.port())).await;
    assert!(!error.is_transient() && error.to_string().contains("no such database"), "{error}");
}

#[tokio::test]
async fn a_key_of_another_type() {
    let server = Server::start().await;
    let backend = server.backend().await;
    let () = server.peer().await.run(&["SET", "q", "mine"]).await;
    let claim = Claim { queues: &["q".to_owned()], max: 1, lease: std::time::Duration::from_secs(30) };
    let error = backend.claim(&claim).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("WRONGTYPE"), "{error}");

    // A settlement that cannot be written leaves the message where it is: done again rather than lost.
    let message =
        |queue: &str| Outgoing { queue: queue.to_owned(), priority: 0, bytes: b"x".to_vec(), not_before: None };
    backend.publish(&[message("fine")]).await.unwrap();
    let claim = Claim { queues: &["fine".to_owned()], ..claim };
    let receipt = backend.claim(&claim).await.unwrap().remove(0).receipt;
    let settlement = Settlement::ack(receipt.clone()).sending(message("q"));
    assert!(!backend.settle(vec![settlement]).await.unwrap_err().is_transient());
    assert!(backend.renew(&[receipt], claim.lease).await.unwrap().is_empty());
}
