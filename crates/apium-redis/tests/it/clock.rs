//! The server's clock is set: what Python holds, and how much work it is to bring far leases down.

use std::time::Duration;

use apium_core::{Broker, Claim, Outgoing};
use jiff::SignedDuration;

use crate::server::Server;

const LEASE: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Ten thousand messages that wait for their time, as the scripts leave them.
const MANY_DELAYED: &str = "
    local now = tonumber(redis.call('TIME')[1])
    for number = tonumber(ARGV[1]), tonumber(ARGV[1]) + 9999 do
        local tag = 'apium-delayed:x:' .. number .. ':0:q'
        redis.call('HSET', 'unacked', tag, '[{}, \"\", \"q\"]')
        redis.call('ZADD', 'unacked_index', now + number, tag)
    end";

/// How they lie there, in short.
const DELAYED: &str = "
    local delayed = {}
    local all = redis.call('ZRANGE', 'unacked_index', 0, -1, 'WITHSCORES')
    for at = 1, #all, 2 do
        if string.sub(all[at], 1, 14) == 'apium-delayed:' then delayed[#delayed + 1] = all[at] .. ' ' .. all[at + 1] end
    end
    return #delayed .. ' ' .. redis.sha1hex(table.concat(delayed, ','))";

#[tokio::test]
async fn set_forward_what_a_python_worker_holds_is_left_to_it_until_its_time_is_over() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    assert_eq!(backend.recover().await.unwrap(), 0);
    let (now, _): (f64, f64) = peer.run(&["TIME"]).await;
    let _: i64 = peer.run(&["HSET", "unacked", "tag", r#"[{"headers": {}, "properties": {}}, "", "q"]"#]).await;
    let _: i64 = peer.run(&["ZADD", "unacked_index", &(now - 600.0).to_string(), "tag"]).await;
    server.set(HOUR).await;
    assert_eq!(backend.recover().await.unwrap(), 0, "it holds it for ten minutes, whatever the clock says");
    for _ in 0..49 {
        server.advance(MINUTE).await;
        assert_eq!(backend.recover().await.unwrap(), 0);
    }
    server.advance(MINUTE * 2).await;
    assert_eq!(backend.recover().await.unwrap(), 1);
}

#[tokio::test]
async fn set_back_a_hundred_thousand_that_wait_hold_nobody_up_and_stay_as_they_are() {
    let server = Server::start().await;
    let (backend, mut peer) = (server.backend().await, server.peer().await);
    assert_eq!(backend.recover().await.unwrap(), 0);
    for thousands in (0..100).step_by(10) {
        let () = peer.run(&["EVAL", MANY_DELAYED, "0", &(thousands * 1_000).to_string()]).await;
    }
    let messages: Vec<_> = ["a", "b", "c"].map(String::from).map(message).into();
    backend.publish(&messages).await.unwrap();
    let claim = Claim { queues: &["served".to_owned()], max: 3, lease: LEASE };
    assert_eq!(backend.claim(&claim).await.unwrap().len(), 3);
    let before: String = peer.run(&["EVAL", DELAYED, "0"]).await;
    let () = peer.run(&["CONFIG", "SET", "slowlog-log-slower-than", "100000"]).await;
    let () = peer.run(&["SLOWLOG", "RESET"]).await;
    server.set(-HOUR).await;
    let began = std::time::Instant::now();
    assert_eq!(backend.recover().await.unwrap(), 0);
    eprintln!("passed over in {:?}", began.elapsed());
    assert_eq!(peer.run::<i64>(&["SLOWLOG", "LEN"]).await, 0, "no step keeps Redis for a tenth of a second");
    let after: String = peer.run(&["EVAL", DELAYED, "0"]).await;
    assert_eq!(before, after, "what waits for its time stays as it is");
    server.advance(LEASE + Duration::from_secs(1)).await;
    assert_eq!(backend.recover().await.unwrap(), 3);
}

fn message(bytes: String) -> Outgoing {
    Outgoing { queue: "served".to_owned(), priority: 0, bytes: bytes.into_bytes(), not_before: None }
}
