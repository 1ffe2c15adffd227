//! What is kept in Redis of starts that are spent: as long as they count, and no more than the pace has.

use std::time::Duration;

use apium_core::Broker;
use apium_core::limits::{Limit, Limits, MOST_STARTS, Spent};
use apium_redis::RedisBackend;

use crate::server::Server;

const STARTS: &str = "apium:limits:starts:provider=virustotal";
const DAY: Duration = Duration::from_hours(24);

fn asked() -> [String; 1] {
    ["provider=virustotal".to_owned()]
}

async fn limit(broker: &RedisBackend, rate: &str) {
    broker.set_limit("provider=*", &Limit { rate: rate.parse().ok(), ..Limit::default() }).await.unwrap();
}

#[tokio::test]
async fn what_is_spent_is_kept_for_its_window_and_takes_little_room() {
    let server = Server::start().await;
    let (broker, mut peer) = (server.stepped_backend().await, server.peer().await);
    limit(&broker, &format!("{MOST_STARTS}/31d")).await;
    for _ in 0..3 {
        let spent = broker.spend(&asked(), MOST_STARTS).await.unwrap();
        assert_eq!(spent, Spent::Now { left: Some(0) });
        let (length, left): (u32, u64) = (peer.run(&["LLEN", STARTS]).await, peer.run(&["PTTL", STARTS]).await);
        assert_eq!(length, MOST_STARTS);
        assert!(Duration::from_millis(left) > DAY * 31, "{left} ms");
        server.advance(DAY * 31).await;
    }
    broker.spend(&asked(), 10).await.unwrap();
    server.advance(DAY * 30).await;
    broker.recover().await.unwrap();
    assert_eq!(broker.spend(&asked(), 0).await.unwrap(), Spent::Now { left: Some(MOST_STARTS - 10) });
    server.advance(DAY * 2).await;
    broker.recover().await.unwrap();
    let keys = peer.keys().await;
    let kept = |key: &String| key.contains("provider=v") || key == "apium:limits:used";
    assert!(!keys.iter().any(kept), "what counts no more is forgotten: {keys:?}");
}

#[tokio::test]
async fn who_is_full_counts_nothing_and_grants_nothing() {
    let server = Server::start().await;
    let (broker, mut peer) = (server.backend().await, server.peer().await);
    limit(&broker, "4/1h").await;
    let () = peer.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = broker.spend(&asked(), 1).await.unwrap_err();
    assert!(refused.is_transient() && refused.to_string().contains("maxmemory"), "{refused}");
    let () = peer.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(broker.spend(&asked(), 0).await.unwrap(), Spent::Now { left: Some(4) });
}

#[tokio::test]
async fn a_change_keeps_what_counts_for_longer_now() {
    let server = Server::start().await;
    let (broker, mut peer) = (server.backend().await, server.peer().await);
    let mut ttl = async || -> i64 { peer.run(&["TTL", STARTS]).await };
    let own = |rate: &str| Limit { rate: rate.parse().ok(), ..Limit::default() };
    limit(&broker, "4/1m").await;
    broker.spend(&asked(), 1).await.unwrap();
    assert!((1..=61).contains(&ttl().await));
    limit(&broker, "4/1h").await;
    assert!((3_500..=3_601).contains(&ttl().await));
    broker.set_limit(&asked()[0], &own("4/1d")).await.unwrap();
    assert!((86_000..=86_401).contains(&ttl().await));
    limit(&broker, "4/2m").await;
    assert!((86_000..=86_401).contains(&ttl().await), "its own counts, not that of its kind");
    limit(&broker, "4/2d").await;
    assert!(broker.drop_limit(&asked()[0]).await.unwrap());
    assert!((172_000..=172_801).contains(&ttl().await), "and without its own that of its kind");
}
