//! What lies in Redis, asked with plain commands as a peer would: kombu's key names, its value shapes, and what
//! becomes of deliveries that a Python worker left behind.

use std::collections::HashMap;
use std::time::Duration;

use apium_core::chords::{ChordEnd, ChordPart};
use apium_core::results::StoredResult;
use apium_core::{Broker, Claim, Delivery, Disposition, Outgoing, ResultStore, Settled, Settlement, TaskState};
use apium_protocol::{RawJson, ResultRecord};
use apium_redis::RedisBackend;
use futures_util::StreamExt;

use crate::server::{Peer, Server};

const LEASE: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_hours(1);

/// What a Python producer sends.
const MESSAGE: &str = r#"{"body": "W1tdLCB7fSwge31d", "headers": {"task": "t", "id": "i", "big": 12345678901234567890123, "nan": NaN, "empty": []}, "properties": {"delivery_info": {"exchange": "", "routing_key": "q"}, "delivery_tag": "d", "priority": 4}}"#;
/// The same as kombu gives it back.
const MARKED: &str = r#"{"body": "W1tdLCB7fSwge31d", "headers": {"task": "t", "id": "i", "big": 12345678901234567890123, "nan": NaN, "empty": [], "redelivered": true}, "properties": {"delivery_info": {"exchange": "", "routing_key": "q", "redelivered": true}, "delivery_tag": "d", "priority": 4}}"#;

fn outgoing(queue: &str, bytes: &str) -> Outgoing {
    Outgoing { queue: queue.to_owned(), priority: 0, bytes: bytes.into(), not_before: None }
}

async fn claim(backend: &RedisBackend, queue: &str) -> Vec<Delivery> {
    backend.claim(&Claim { queues: &[queue.to_owned()], max: 10, lease: LEASE }).await.unwrap()
}

async fn now(peer: &mut Peer) -> f64 {
    let (seconds, _): (f64, f64) = peer.run(&["TIME"]).await;
    seconds
}

/// Leaves in `unacked` what a Python worker has there while it works, begun so long ago.
async fn held_by_python(peer: &mut Peer, tag: &str, value: &str, ago: Duration) {
    let begun = now(peer).await - ago.as_secs_f64();
    let _: i64 = peer.run(&["HSET", "unacked", tag, value]).await;
    let _: i64 = peer.run(&["ZADD", "unacked_index", &begun.to_string(), tag]).await;
}

#[tokio::test]
async fn queues_are_kombu_lists() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    for priority in [0, 2, 3, 8, 255] {
        backend.publish(&[Outgoing { priority, ..outgoing("q", MESSAGE) }]).await.unwrap();
    }
    let lists = ["q", "q\u{6}\u{16}3", "q\u{6}\u{16}6", "q\u{6}\u{16}9"];
    let mut expected = vec!["_kombu.binding.q", "_kombu.binding_permanent.q", "apium:queues"];
    expected.extend(lists);
    assert_eq!(peer.keys().await, expected);
    for (list, length) in lists.iter().zip([2, 1, 1, 1]) {
        assert_eq!(peer.run::<i64>(&["LLEN", list]).await, length, "{list:?}");
    }
    assert_eq!(peer.run::<String>(&["RPOP", "q"]).await, MESSAGE);
    for table in ["_kombu.binding.q", "_kombu.binding_permanent.q"] {
        assert_eq!(peer.run::<Vec<String>>(&["SMEMBERS", table]).await, ["q\u{6}\u{16}\u{6}\u{16}q"]);
    }
}

#[tokio::test]
async fn a_claim_is_an_unacked_entry() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let queue = "é\"q";
    let _: i64 = peer.run(&["LPUSH", queue, MESSAGE]).await;
    let delivery = claim(&backend, queue).await.remove(0);
    let unacked: HashMap<String, String> = peer.run(&["HGETALL", "unacked"]).await;
    let tag = &delivery.receipt.tag;
    assert!(tag.starts_with("apium:"), "{tag}");
    assert_eq!(unacked[&**tag], format!(r#"[{MESSAGE}, "", "\u00e9\"q"]"#));
    let score: f64 = peer.run(&["ZSCORE", "unacked_index", tag]).await;
    let lease = score - now(&mut peer).await;
    assert!((25.0..=32.0).contains(&lease), "the score is the end of the lease, {lease} s from now");
    assert_eq!(backend.settle(vec![Settlement::ack(delivery.receipt)]).await.unwrap(), [Settled::Done]);
    assert_eq!(peer.run::<i64>(&["EXISTS", "unacked", "unacked_index"]).await, 0);
}

#[tokio::test]
async fn a_peer_may_restore_what_we_hold() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    backend.publish(&[outgoing("q", MESSAGE)]).await.unwrap();
    let delivery = claim(&backend, "q").await.remove(0);
    // What kombu's restore_by_tag does.
    let value: String = peer.run(&["HGET", "unacked", &delivery.receipt.tag]).await;
    let parts = RawJson::parse(&value).unwrap().elements().unwrap();
    assert_eq!(parts.iter().skip(1).map(RawJson::as_str).collect::<Vec<_>>(), [r#""""#, r#""q""#]);
    let _: i64 = peer.run(&["ZREM", "unacked_index", &delivery.receipt.tag]).await;
    let _: i64 = peer.run(&["HDEL", "unacked", &delivery.receipt.tag]).await;
    let _: i64 = peer.run(&["RPUSH", "q", parts[0].as_str()]).await;
    let lost = backend.renew(std::slice::from_ref(&delivery.receipt), LEASE).await.unwrap();
    assert_eq!(lost, std::slice::from_ref(&delivery.receipt));
    let requeue = Settlement::of(delivery.receipt, Disposition::Requeue);
    assert_eq!(backend.settle(vec![requeue]).await.unwrap(), [Settled::Lost]);
    assert_eq!(claim(&backend, "q").await.len(), 1);
}

#[tokio::test]
async fn what_a_python_worker_left_is_restored_as_kombu_would() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    held_by_python(&mut peer, "old", &format!(r#"[{MESSAGE}, "", "q"]"#), 2 * HOUR).await;
    held_by_python(&mut peer, "young", &format!(r#"[{MESSAGE}, "", "q"]"#), HOUR / 2).await;
    assert_eq!(backend.recover().await.unwrap(), 1);
    assert_eq!(peer.run::<Vec<String>>(&["LRANGE", "q\u{6}\u{16}3", "0", "-1"]).await, [MARKED]);
    assert_eq!(peer.run::<Vec<String>>(&["HKEYS", "unacked"]).await, ["young"]);
    assert_eq!(peer.run::<Vec<String>>(&["ZRANGE", "unacked_index", "0", "-1"]).await, ["young"]);
    let again = claim(&backend, "q").await.remove(0);
    assert!(again.redelivered && again.priority == 3 && *again.bytes == *MARKED.as_bytes());
}

#[tokio::test]
async fn a_named_exchange_leads_to_its_queues() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    for (key, queue) in [("red", "r"), ("blue", "b")] {
        let member = format!("{key}\u{6}\u{16}\u{6}\u{16}{queue}");
        let _: i64 = peer.run(&["SADD", "_kombu.binding.colours", &member]).await;
    }
    let _: i64 = peer.run(&["SADD", "_kombu.binding.topics", "log.#\u{6}\u{16}^log\\..*?$\u{6}\u{16}logs"]).await;
    held_by_python(&mut peer, "direct", &format!(r#"[{MESSAGE}, "colours", "red"]"#), 2 * HOUR).await;
    held_by_python(&mut peer, "topic", &format!(r#"[{MESSAGE}, "topics", "log.web"]"#), 2 * HOUR).await;
    held_by_python(&mut peer, "nowhere", &format!(r#"[{MESSAGE}, "colours", "green"]"#), 2 * HOUR).await;
    assert_eq!(backend.recover().await.unwrap(), 2);
    assert_eq!((claim(&backend, "r").await.len(), claim(&backend, "logs").await.len()), (1, 1));
    assert_eq!(peer.run::<i64>(&["HEXISTS", "unacked", "nowhere"]).await, 1, "nothing is thrown away");
    assert_eq!(backend.recover().await.unwrap(), 0);
}

#[tokio::test]
async fn odd_entries_in_unacked_do_no_harm() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    held_by_python(&mut peer, "garbage", "no json", 2 * HOUR).await;
    let _: i64 = peer.run(&["ZADD", "unacked_index", "1", "a score without a message"]).await;
    assert_eq!(backend.recover().await.unwrap(), 0);
    assert_eq!(peer.run::<Vec<String>>(&["ZRANGE", "unacked_index", "0", "-1"]).await, ["garbage"]);
    assert_eq!(peer.run::<String>(&["HGET", "unacked", "garbage"]).await, "no json");
}

#[tokio::test]
async fn ours_are_found_among_many_of_others() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    backend.publish(&[outgoing("q", "first"), outgoing("q", "second")]).await.unwrap();
    assert_eq!(claim(&backend, "q").await.len(), 2);
    for n in 0..1_500 {
        held_by_python(&mut peer, &format!("python-{n}"), &format!(r#"[{MESSAGE}, "", "q"]"#), Duration::ZERO).await;
    }
    server.advance(LEASE * 2).await;
    assert_eq!(backend.recover().await.unwrap(), 2);
    let again: Vec<_> = claim(&backend, "q").await;
    assert_eq!(again.iter().map(|delivery| &*delivery.bytes).collect::<Vec<_>>(), [&b"first"[..], b"second"]);
    assert!(again.iter().all(|delivery| delivery.redelivered));
    assert_eq!(peer.run::<i64>(&["EXISTS", "apium:redelivered"]).await, 0, "the marks are used up");
    let depth = backend.depths(&["q".to_owned()]).await.unwrap().remove(0);
    assert_eq!(depth.claimed, 1_502);
}

#[tokio::test]
async fn what_waits_for_its_time_waits_in_unacked() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let due = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_hours(1)).unwrap();
    let later = Outgoing { priority: 7, not_before: Some(due), ..outgoing("q", MESSAGE) };
    backend.publish(&[later]).await.unwrap();
    let tags: Vec<String> = peer.run(&["ZRANGE", "apium:delayed:q", "0", "-1"]).await;
    let value: String = peer.run(&["HGET", "unacked", &tags[0]]).await;
    assert_eq!(value, format!(r#"[{MESSAGE}, "", "q"]"#));
    let score: f64 = peer.run(&["ZSCORE", "unacked_index", &tags[0]]).await;
    assert!((score - Duration::from_millis(due.as_millisecond().unsigned_abs()).as_secs_f64()).abs() < 1.0);
    server.advance(HOUR + LEASE).await;
    // No Apium worker claims from this queue: whoever recovers moves what is due, so that its workers get it.
    assert_eq!(backend.recover().await.unwrap(), 0, "what came due was not lost");
    assert_eq!(peer.run::<String>(&["RPOP", "q\u{6}\u{16}6"]).await, MESSAGE);
    assert_eq!(peer.run::<i64>(&["EXISTS", "unacked", "unacked_index", "apium:delayed:q"]).await, 0);
}

#[tokio::test]
async fn the_earliest_due_is_served_first() {
    let server = Server::start().await;
    let backend = server.backend().await;
    backend.publish(&[outgoing("q", "waiting")]).await.unwrap();
    for (bytes, minutes) in [("third", 3), ("first", 1), ("second", 2)] {
        let due = jiff::Timestamp::now().saturating_add(jiff::SignedDuration::from_mins(minutes)).unwrap();
        backend.publish(&[Outgoing { not_before: Some(due), ..outgoing("q", bytes) }]).await.unwrap();
    }
    server.advance(HOUR).await;
    let served = claim(&backend, "q").await;
    let served: Vec<_> = served.iter().map(|delivery| String::from_utf8_lossy(&delivery.bytes)).collect();
    assert_eq!(served, ["first", "second", "third", "waiting"]);
}

#[tokio::test]
async fn results_are_stored_and_told_as_celery_does() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let client = redis::Client::open(server.url()).unwrap();
    let mut channel = client.get_async_pubsub().await.unwrap();
    channel.subscribe("celery-task-meta-i").await.unwrap();
    let result = StoredResult::of(&ResultRecord::new("i", "SUCCESS", RawJson::from(&3).unwrap()), Some(24 * HOUR));
    assert!(backend.store(&result).await.unwrap());
    let told: Vec<u8> = channel.on_message().next().await.unwrap().get_payload().unwrap();
    assert_eq!(told, result.record);
    assert_eq!(peer.run::<Vec<u8>>(&["GET", "celery-task-meta-i"]).await, result.record);
    let left: i64 = peer.run(&["TTL", "celery-task-meta-i"]).await;
    assert!((86_000..=86_400).contains(&left), "{left}");
    let for_ever = StoredResult { task_id: "j".to_owned(), expires: None, ..result };
    assert!(backend.store(&for_ever).await.unwrap());
    assert_eq!(peer.run::<i64>(&["TTL", "celery-task-meta-j"]).await, -1);
}

/// As Celery leaves it: the parts of a chord that failed tell what went well, one that went well is forgotten.
#[tokio::test]
async fn the_parts_of_a_failed_chord_are_kept() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    for (group, results) in [("good", Vec::new()), ("bad", vec![ResultRecord::new("b", "FAILURE", RawJson::null())])] {
        backend.chords().announce(group, 1, HOUR).await.unwrap();
        let part = ChordPart { task_id: "a".to_owned(), state: TaskState::Success, result: RawJson::null() };
        backend.chords().count(group, Some(0), &part, "token", HOUR).await.unwrap();
        let results = results.iter().map(|record| StoredResult::of(record, Some(HOUR))).collect();
        let end = ChordEnd { group: group.to_owned(), token: "token".to_owned(), send: Vec::new(), results };
        backend.publish(&[outgoing("q", MESSAGE)]).await.unwrap();
        let receipt = claim(&backend, "q").await.remove(0).receipt;
        let settlement = Settlement { chords: vec![end], ..Settlement::ack(receipt) };
        assert_eq!(backend.settle(vec![settlement]).await.unwrap(), [Settled::Done]);
    }
    let left = async |peer: &mut Peer, key: &str| peer.run::<i64>(&["EXISTS", key]).await == 1;
    assert!(left(&mut peer, "celery-taskset-meta-bad.j").await);
    for gone in ["bad.s", "good.j", "good.s", "good.d"] {
        assert!(!left(&mut peer, &format!("celery-taskset-meta-{gone}")).await, "{gone}");
    }
}

#[tokio::test]
async fn a_success_stored_by_another_is_final() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let failure = StoredResult::of(&ResultRecord::new("i", "FAILURE", RawJson::null()), None);
    for spelt in [r#"{"status": "SUCCESS", "result": 1}"#, r#"{ "status":"SUCCESS","result":1}"#] {
        let () = peer.run(&["SET", "celery-task-meta-i", spelt]).await;
        assert!(!backend.store(&failure).await.unwrap(), "{spelt}");
    }
    for stored in [
        &b"\x88\xa6status\xa7SUCCESS\xa6result\x01"[..],
        b"\xde\x00\x10\xa6status\xa7SUCCESS\xa6result\x01",
        b"children: []\ndate_done: '2026-01-02T03:04:05+00:00'\nresult:\n  status: FAILURE\nstatus: SUCCESS\n",
    ] {
        let () = peer.ask(redis::cmd("SET").arg("celery-task-meta-i").arg(stored)).await;
        assert!(!backend.store(&failure).await.unwrap(), "{stored:?}");
    }
    // What Celery has compressed may be a success: nobody can tell without unpacking it.
    let () = peer.run(&["SET", "celery-task-meta-i", "\0celery-compressed\0zstd\0..."]).await;
    assert!(!backend.store(&failure).await.unwrap());
    let () = peer.run(&["SET", "celery-task-meta-i", r#"{"status": "MINE", "result": "SUCCESS"}"#]).await;
    assert!(backend.store(&failure).await.unwrap());
    for stored in [&b"\x88\xa6status\xa4MINE\xa6result\xa7SUCCESS"[..], b"result:\n  status: SUCCESS\nstatus: MINE\n"] {
        let () = peer.ask(redis::cmd("SET").arg("celery-task-meta-i").arg(stored)).await;
        assert!(backend.store(&failure).await.unwrap(), "{stored:?}");
    }
}

#[tokio::test]
async fn queues_of_python_peers_are_known() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    let _: i64 = peer.run(&["SADD", "_kombu.binding.celery", "celery\u{6}\u{16}\u{6}\u{16}celery"]).await;
    let _: i64 = peer.run(&["SADD", "_kombu.binding.reply.celery.pidbox", "x\u{6}\u{16}\u{6}\u{16}x.pidbox"]).await;
    let _: i64 = peer.run(&["LPUSH", "celery", MESSAGE]).await;
    held_by_python(&mut peer, "held", &format!(r#"[{MESSAGE}, "", "celery"]"#), Duration::ZERO).await;
    backend.publish(&[outgoing("ours", "x")]).await.unwrap();
    let depths = backend.depths(&[]).await.unwrap();
    let seen: Vec<_> = depths.iter().map(|depth| (depth.queue.as_str(), depth.ready, depth.claimed)).collect();
    assert_eq!(seen, [("celery", 1, 1), ("ours", 1, 0)]);
}

#[tokio::test]
async fn settling_survives_a_script_flush() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    backend.publish(&[outgoing("q", "x")]).await.unwrap();
    let delivery = claim(&backend, "q").await.remove(0);
    let () = peer.run(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(backend.settle(vec![Settlement::ack(delivery.receipt)]).await.unwrap(), [Settled::Done]);
}

#[tokio::test]
async fn a_full_redis_can_still_be_drained() {
    let server = Server::with(&["--maxmemory-policy", "noeviction"]).await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    backend.publish(&[outgoing("q", MESSAGE)]).await.unwrap();
    let () = peer.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = backend.publish(&[outgoing("q", MESSAGE)]).await.unwrap_err();
    assert!(refused.is_transient() && refused.to_string().contains("maxmemory"), "{refused}");
    let delivery = claim(&backend, "q").await.remove(0);
    assert_eq!(*delivery.bytes, *MESSAGE.as_bytes());
    assert_eq!(backend.settle(vec![Settlement::ack(delivery.receipt)]).await.unwrap(), [Settled::Done]);
}

#[tokio::test]
async fn a_worker_may_serve_thousands_of_queues() {
    let server = Server::start().await;
    let backend = server.backend().await;
    let queues: Vec<String> = (0..2_500).map(|n| format!("q{n}")).collect();
    let claim = Claim { queues: &queues, max: 10, lease: LEASE };
    assert!(backend.claim(&claim).await.unwrap().is_empty());
    backend.publish(&[outgoing("q0", "first"), outgoing("q2499", "last")]).await.unwrap();
    let claimed = backend.claim(&claim).await.unwrap();
    let from: Vec<_> = claimed.iter().map(|delivery| &*delivery.receipt.queue).collect();
    assert_eq!(from, ["q0", "q2499"]);
    assert_eq!(backend.depths(&queues).await.unwrap().iter().map(|depth| depth.claimed).sum::<u64>(), 2);
    tokio::time::timeout(LEASE, Broker::wait(&backend, &queues, Duration::from_millis(1))).await.unwrap().unwrap();
}
