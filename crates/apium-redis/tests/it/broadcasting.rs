//! What everyone may hear, as it stands in Redis: names, connections, what is left behind, and what it costs.

use std::time::{Duration, Instant};

use apium_core::broadcast::{Ear, Topic};
use apium_core::{Broker, Fleet, WorkerCard};
use apium_protocol::control::{Binding, ControlNames, ReplyTo};
use apium_redis::{RedisBackend, RedisSettings};
use futures_util::StreamExt;

use crate::server::{Peer, Server};

const LONG: Duration = Duration::from_secs(30);
const BINDING: &str = "_kombu.binding.reply.celery.pidbox";

fn event(key: &str) -> Topic {
    Topic::Event(key.to_owned())
}

fn asker(id: &str) -> ReplyTo {
    ReplyTo { exchange: ControlNames::default().reply_exchange(), routing_key: id.to_owned() }
}

async fn number(peer: &mut Peer, field: &str) -> u64 {
    let info: String = peer.run(&["INFO"]).await;
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().parse().unwrap()
}

/// Until this reads so; Redis notices with a delay who has left.
async fn until(peer: &mut Peer, field: &str, value: u64) {
    let deadline = Instant::now() + LONG;
    while number(peer, field).await != value {
        assert!(Instant::now() < deadline, "{field} is {} and not {value}", number(peer, field).await);
        tokio::task::yield_now().await;
    }
}

async fn until_only(peer: &mut Peer, keys: &[&str]) {
    let deadline = Instant::now() + LONG;
    while peer.keys().await != keys {
        assert!(Instant::now() < deadline, "{:?}", peer.keys().await);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_is_said_on_the_channels_of_the_database() {
    let server = Server::start().await;
    let url = format!("redis://127.0.0.1:{}/3", server.port());
    let backend = RedisBackend::connect(&url, RedisSettings::default()).await.unwrap();
    let zero = server.backend().await;
    let mut elsewhere = zero.broadcast().listen(&[Topic::Control, event("*")]).await.unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut channel = client.get_async_pubsub().await.unwrap();
    channel.psubscribe("*").await.unwrap();
    let mut told = channel.on_message();
    for (topic, name) in [(Topic::Control, "/3.celery.pidbox"), (event("task.sent"), "/3.celeryev/task.sent")] {
        backend.broadcast().say(&topic, b"said").await.unwrap();
        let message = told.next().await.unwrap();
        assert_eq!((message.get_channel_name(), message.get_payload_bytes()), (name, &b"said"[..]));
    }
    assert_eq!(elsewhere.next(Duration::from_millis(100)).await.unwrap(), None);
}

#[tokio::test]
async fn an_inbox_stands_as_kombus_and_leaves_nothing() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let mut inbox = backend.broadcast().open_inbox("mine").await.unwrap();
    let members: Vec<String> = peer.run(&["SMEMBERS", BINDING]).await;
    assert_eq!(members, ["mine\u{6}\u{16}\u{6}\u{16}mine.reply.celery.pidbox"]);
    backend.broadcast().answer(&asker("mine"), b"one").await.unwrap();
    assert!((1..=60).contains(&peer.run::<i64>(&["TTL", "mine.reply.celery.pidbox"]).await));
    let _: i64 = peer.run(&["LPUSH", "mine.reply.celery.pidbox", "two"]).await;
    assert_eq!(inbox.next(LONG).await.unwrap().unwrap().bytes, b"one");
    assert_eq!(inbox.next(LONG).await.unwrap().unwrap().bytes, b"two");
    let _: i64 = peer.run(&["LPUSH", "mine.reply.celery.pidbox", "unread"]).await;
    drop(inbox);
    until_only(&mut peer, &[]).await;
}

#[tokio::test]
async fn what_the_dead_have_bound_is_taken_away() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    // As a process that dies: nobody tidies up behind it.
    std::mem::forget(backend.broadcast().open_inbox("dead").await.unwrap());
    let _: i64 = peer.run(&["LPUSH", "dead.reply.celery.pidbox", "from a Python worker"]).await;
    let python = Binding::new("python", "python.reply.celery.pidbox").to_string();
    let _: i64 = peer.run(&["SADD", BINDING, &python]).await;
    server.advance(Duration::from_mins(11)).await;
    drop(backend.broadcast().open_inbox("alive").await.unwrap());
    until_only(&mut peer, &[BINDING]).await;
    assert_eq!(peer.run::<Vec<String>>(&["SMEMBERS", BINDING]).await, [python]);
}

#[tokio::test]
async fn a_worker_names_its_mailbox() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let card = WorkerCard {
        name: "w1@lab".to_owned(),
        queues: Vec::new(),
        tasks: Vec::new(),
        concurrency: 1,
        active: 0,
        processed: 0,
        pid: 1,
        started: String::new(),
    };
    for _ in 0..3 {
        backend.beat(&card, LONG).await.unwrap();
    }
    let members: Vec<String> = peer.run(&["SMEMBERS", "_kombu.binding.celery.pidbox"]).await;
    assert_eq!(members, ["\u{6}\u{16}\u{6}\u{16}w1@lab.celery.pidbox"]);
    assert!(backend.depths(&[]).await.unwrap().is_empty(), "it is no queue of tasks");
    backend.leave(&card).await.unwrap();
    until_only(&mut peer, &[]).await;
}

#[tokio::test]
async fn all_ears_share_a_connection_that_ends_with_them() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let before = number(&mut peer, "connected_clients").await;
    let mut ears: Vec<Box<dyn Ear>> = Vec::new();
    for topic in [Topic::Control, event("worker.*"), event("*"), event("*")] {
        ears.push(backend.broadcast().listen(&[topic]).await.unwrap());
    }
    assert_eq!(number(&mut peer, "connected_clients").await, before + 1);
    assert_eq!(number(&mut peer, "pubsub_patterns").await, 3);
    ears.truncate(2);
    until(&mut peer, "pubsub_patterns", 2).await;
    assert_eq!(number(&mut peer, "connected_clients").await, before + 1);
    ears.clear();
    until(&mut peer, "connected_clients", before).await;
    assert_eq!(number(&mut peer, "pubsub_patterns").await, 0);
}

#[tokio::test]
async fn a_lost_connection_is_told_to_every_ear() {
    let mut server = Server::start().await;
    let backend = server.backend().await;
    let mut ears = [
        backend.broadcast().listen(&[Topic::Control]).await.unwrap(),
        backend.broadcast().listen(&[event("*")]).await.unwrap(),
    ];
    let mut inbox = backend.broadcast().open_inbox("mine").await.unwrap();
    backend.broadcast().say(&Topic::Control, b"before").await.unwrap();
    // Said and heard in this order: it has arrived once another has it.
    let mut witness = backend.broadcast().listen(&[Topic::Control]).await.unwrap();
    backend.broadcast().say(&Topic::Control, b"witnessed").await.unwrap();
    assert_eq!(witness.next(LONG).await.unwrap().unwrap().bytes, b"witnessed");
    server.kill();
    assert_eq!(ears[0].next(LONG).await.unwrap().unwrap().bytes, b"before");
    assert_eq!(ears[0].next(LONG).await.unwrap().unwrap().bytes, b"witnessed");
    for ear in &mut ears {
        for _ in 0..2 {
            let error = ear.next(LONG).await.unwrap_err();
            assert!(error.is_transient() && error.to_string().contains("missed"), "{error}");
        }
    }
    let error = backend.broadcast().listen(&[Topic::Control]).await.err().unwrap();
    assert!(error.is_transient(), "{error}");
    server.start_again().await;
    let mut anew = backend.broadcast().listen(&[Topic::Control]).await.unwrap();
    backend.broadcast().say(&Topic::Control, b"anew").await.unwrap();
    assert_eq!(anew.next(LONG).await.unwrap().unwrap().bytes, b"anew");
    drop(ears);
    // The new Redis is empty: the inbox is bound again by whoever waits at it.
    while inbox.next(Duration::ZERO).await.is_err() {}
    backend.broadcast().answer(&asker("mine"), b"answer").await.unwrap();
    assert_eq!(inbox.next(LONG).await.unwrap().unwrap().bytes, b"answer");
}

#[tokio::test]
async fn a_user_without_channels_is_told() {
    let server = Server::start().await;
    let mut peer = server.peer().await;
    let () = peer.run(&["ACL", "SETUSER", "poor", "on", ">secret", "~*", "+@all", "resetchannels"]).await;
    let url = format!("redis://poor:secret@127.0.0.1:{}/0", server.port());
    let backend = RedisBackend::connect(&url, RedisSettings::default()).await.unwrap();
    let refused = [
        backend.broadcast().say(&Topic::Control, b"x").await.unwrap_err(),
        backend.broadcast().listen(&[Topic::Control]).await.err().unwrap(),
        backend.broadcast().listen(&[event("*")]).await.err().unwrap(),
    ];
    for error in refused {
        println!("{error}");
        assert!(!error.is_transient() && error.to_string().contains("channels `&*`"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    // Neither the rest of the store nor the answers are touched by that.
    let mut inbox = backend.broadcast().open_inbox("mine").await.unwrap();
    backend.broadcast().answer(&asker("mine"), b"answer").await.unwrap();
    assert_eq!(inbox.next(LONG).await.unwrap().unwrap().bytes, b"answer");
}

#[tokio::test]
async fn listening_in_vain_costs_next_to_nothing() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let mut ear = backend.broadcast().listen(&[Topic::Control, event("worker.*")]).await.unwrap();
    let mut inbox = backend.broadcast().open_inbox("mine").await.unwrap();
    assert_eq!(inbox.next(Duration::ZERO).await.unwrap(), None);
    let before = number(&mut peer, "total_commands_processed").await;
    let vain = Duration::from_secs(2);
    let (heard, answered) = tokio::join!(ear.next(vain), inbox.next(vain));
    assert_eq!((heard.unwrap(), answered.unwrap()), (None, None));
    let sent = number(&mut peer, "total_commands_processed").await - before;
    println!("{sent} commands in {vain:?}");
    assert!(sent < 5, "{sent} commands in {vain:?}");
}
