//! A Python worker's visibility sweep, the real one of kombu, beside our leases.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use apium_core::{Broker, Claim, Outgoing, Settled, Settlement};
use apium_redis::RedisBackend;

use crate::server::{Peer, Server};

/// Longer than the sweeper's visibility timeout of one second.
const DEADLINE: Duration = Duration::from_mins(1);

/// Sweeps as fast as it can, with a visibility timeout of one second, until killed.
const SWEEPER: &str = r#"
import sys, kombu
connection = kombu.Connection(sys.argv[1], transport_options={"visibility_timeout": 1})
channel = connection.default_channel
while True:
    channel.qos.restore_visible(num=None, interval=1)
"#;

const MESSAGE: &str = r#"{"body": "W10=", "content-encoding": "utf-8", "content-type": "application/json", "headers": {"task": "t", "id": "i"}, "properties": {"delivery_info": {"exchange": "", "routing_key": "q"}, "delivery_tag": "d", "priority": 0}}"#;

struct Sweeper(Child);

/// A Python with Celery 5.7 that runs `script`, with the URL as its argument.
pub(crate) fn celery(script: &str, url: &str) -> Command {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.venvs/celery-5.7/bin/python");
    let program = std::env::var_os("APIUM_PYTHON_5_7").map_or(beside, PathBuf::from);
    assert!(
        program.exists(),
        "this test needs a Python with Celery 5.7, but {} is not there: \
         run `cargo xtask setup`, or name one in APIUM_PYTHON_5_7",
        program.display()
    );
    let mut command = Command::new(&program);
    command.args(["-c", script, url]).stdin(Stdio::null());
    command
}

impl Sweeper {
    fn start(url: &str) -> Self {
        Self(celery(SWEEPER, url).spawn().unwrap())
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Leaves a delivery that nobody renews, as a Python worker would, and waits until it was swept up: from then
/// on everything without a lease that was there before has been looked at after its second.
async fn until_swept(backend: &RedisBackend, peer: &mut Peer, tag: &str) {
    let (seconds, _): (i64, i64) = peer.run(&["TIME"]).await;
    let _: i64 = peer.run(&["HSET", "unacked", tag, &format!(r#"[{MESSAGE}, "", "python"]"#)]).await;
    let _: i64 = peer.run(&["ZADD", "unacked_index", &seconds.to_string(), tag]).await;
    Broker::wait(backend, &["python".to_owned()], DEADLINE).await.unwrap();
    let swept: Option<String> = peer.run(&["RPOP", "python"]).await;
    assert!(swept.is_some(), "the sweeper does not work");
}

#[tokio::test]
async fn a_python_sweeper_leaves_our_leases_alone() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let queues = ["q".to_owned()];
    let message = Outgoing { queue: "q".to_owned(), priority: 0, bytes: MESSAGE.into(), not_before: None };
    backend.publish(&[message.clone(), message.clone()]).await.unwrap();
    let claim = |lease| Claim { queues: &queues, max: 1, lease };
    let kept = backend.claim(&claim(Duration::from_millis(500))).await.unwrap().remove(0).receipt;
    let _sweeper = Sweeper::start(&server.url());
    let renewing = tokio::spawn({
        let (backend, kept) = (backend.clone(), kept.clone());
        async move {
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            loop {
                tick.tick().await;
                let lost = backend.renew(std::slice::from_ref(&kept), Duration::from_millis(500)).await.unwrap();
                assert!(lost.is_empty(), "a renewed lease was swept away");
            }
        }
    });
    // Twice, so that well over the visibility timeout has passed since the claim.
    until_swept(&backend, &mut peer, "first").await;
    until_swept(&backend, &mut peer, "second").await;
    assert!(!renewing.is_finished());
    renewing.abort();
    assert_eq!(backend.settle(vec![Settlement::ack(kept)]).await.unwrap(), [Settled::Done]);

    // The other message's holder dies without a word: the Python peer brings it back.
    let orphan = backend.claim(&claim(Duration::from_millis(10))).await.unwrap().remove(0);
    let deadline = Instant::now() + DEADLINE;
    let again = loop {
        if let Some(again) = backend.claim(&claim(DEADLINE)).await.unwrap().pop() {
            break again;
        }
        assert!(Instant::now() < deadline, "the Python peer did not restore it");
        Broker::wait(&backend, &queues, Duration::from_millis(100)).await.unwrap();
    };
    assert!(again.redelivered, "kombu marks what it restores");
    assert_eq!(backend.settle(vec![Settlement::ack(orphan.receipt)]).await.unwrap(), [Settled::Lost]);
    assert_eq!(backend.settle(vec![Settlement::ack(again.receipt)]).await.unwrap(), [Settled::Done]);
}
