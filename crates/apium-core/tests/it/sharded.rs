//! Two stores in memory as one broker: it keeps every promise, wherever the queue lives; and what crosses from one to the
//! other arrives once.

use std::sync::Arc;
use std::time::Duration;

use apium_core::conformance::Subject;
use apium_core::fleet::{Fleet, WorkerCard};
use apium_core::limits::{Limit, Limits, Spent};
use apium_core::memory::Memory;
use apium_core::routing::{QueueCycle, QueueOrder};
use apium_core::sharded::{Shard, Sharded};
use apium_core::unique::{UniqueClaim, Uniques};
use apium_core::{
    Broker, Claim, Clock, DeadFilter, DeadLetter, Delivery, Outgoing, Settlement, SystemClock, TestClock,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_util::sync::CancellationToken;

const LEASE: Duration = Duration::from_secs(30);

/// Two stores on one clock, and what is opened over them.
struct Pair {
    clock: Arc<TestClock>,
    home: Memory,
    two: Memory,
    queues: &'static [&'static str],
}

impl Pair {
    /// The further one owns the queues that these patterns cover.
    fn new(queues: &'static [&'static str]) -> Self {
        let clock = Arc::new(TestClock::at(SystemClock.now()));
        let (home, two) = (Memory::with_clock(clock.clone()), Memory::with_clock(clock.clone()));
        Self { clock, home, two, queues }
    }

    fn open(&self) -> Arc<Sharded> {
        opened(&self.home, &self.two, self.queues)
    }

    fn subject(self, results: Memory) -> Subject {
        let (clock, setting) = (self.clock.clone(), self.clock.clone());
        Subject {
            broker: self.open(),
            results: Arc::new(results),
            other: self.open(),
            start: Box::new(move || Box::pin(std::future::ready::<Arc<dyn Broker>>(self.open()))),
            advance: Box::new(move |by| {
                clock.advance(by);
                Box::pin(std::future::ready(()))
            }),
            set: Box::new(move |by| {
                setting.set(by);
                Box::pin(std::future::ready(()))
            }),
            keep: Box::new(()),
        }
    }
}

fn opened(home: &Memory, two: &Memory, queues: &[&str]) -> Arc<Sharded> {
    let queues = queues.iter().map(ToString::to_string).collect();
    Arc::new(Sharded::new(Arc::new(home.clone()), vec![(Shard::new("two", Arc::new(two.clone())), queues)]).unwrap())
}

/// Most promises speak of `q`: it is at home, with the parts of chords and the results, and every other queue elsewhere.
mod others_elsewhere {
    use super::{Pair, Subject};

    async fn subject() -> Subject {
        let pair = Pair::new(&["[!qp]*"]);
        let results = pair.home.clone();
        pair.subject(results)
    }

    apium_core::conformance_tests!(subject);
}

/// Every queue is elsewhere, and so are the results.
mod all_elsewhere {
    use super::{Pair, Subject};

    async fn subject() -> Subject {
        let pair = Pair::new(&["*"]);
        let results = pair.two.clone();
        pair.subject(results)
    }

    apium_core::conformance_tests!(@elsewhere subject);
}

/// `q` is elsewhere, and what it sends to others comes home.
mod one_elsewhere {
    use super::{Pair, Subject};

    async fn subject() -> Subject {
        let pair = Pair::new(&["q"]);
        let results = pair.two.clone();
        std::future::ready(pair.subject(results)).await
    }

    apium_core::conformance_tests!(@suite broker subject: publishes_in_order, claims_from_several_queues,
        settles_with_all_consequences, writes_nothing_when_lost, wakes_on_publish_elsewhere, counts_depths);
    apium_core::conformance_tests!(@suite unique subject: one_of_a_key_is_published, a_settlement_gives_it_back);
    apium_core::conformance_tests!(@suite schedules subject: what_is_decided_is_written_and_sent_in_one_step);
    apium_core::conformance_tests!(@suite shares subject: a_newcomer_waits_for_one, wakes_when_sorted);
}

fn message(queue: &str, text: &str) -> Outgoing {
    Outgoing { queue: queue.to_owned(), priority: 0, bytes: text.as_bytes().to_vec(), not_before: None }
}

/// For `r`, as it waits in a crossing: what another process has put there.
fn crossing(to: &str, key: &str, body: impl AsRef<[u8]>) -> Outgoing {
    let queue = format!("apium.to.{to}");
    let envelope = serde_json::json!({
        "body": STANDARD.encode(body),
        "content-type": "application/data",
        "content-encoding": "binary",
        "headers": {"id": key, "task": queue, "apium_to": {"queue": "r", "priority": 3, "not_before": null}},
        "properties": {
            "delivery_tag": key, "delivery_mode": 2, "body_encoding": "base64", "priority": 3,
            "delivery_info": {"exchange": "", "routing_key": queue},
        },
    });
    message(&queue, &envelope.to_string())
}

/// Carries what waits, as a program does last.
async fn carried(broker: &dyn Broker) {
    let end = CancellationToken::new();
    end.cancel();
    broker.carry(&end).await;
}

async fn claim(broker: &dyn Broker, queues: &[&str], max: usize) -> Vec<Delivery> {
    let queues: Vec<String> = queues.iter().map(ToString::to_string).collect();
    broker.claim(&Claim { queues: &queues, max, lease: LEASE }).await.unwrap()
}

fn texts(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| String::from_utf8(delivery.bytes.to_vec()).unwrap()).collect()
}

/// What waits in a store, queue by queue.
async fn waiting(store: &Memory) -> Vec<(String, u64)> {
    let depths = store.depths(&[]).await.unwrap();
    depths.into_iter().filter(|depth| depth.ready > 0).map(|depth| (depth.queue, depth.ready)).collect()
}

#[tokio::test]
async fn each_queue_lives_in_one_store() {
    let pair = Pair::new(&["r", "s.*"]);
    let broker = pair.open();
    for queue in ["q", "r", "s.1", "s"] {
        broker.publish(&[message(queue, queue)]).await.unwrap();
    }
    assert_eq!(waiting(&pair.home).await, [("q".to_owned(), 1), ("s".to_owned(), 1)]);
    assert_eq!(waiting(&pair.two).await, [("r".to_owned(), 1), ("s.1".to_owned(), 1)]);
    assert_eq!(texts(&claim(&*broker, &["s.1", "q", "s", "r"], 10).await), ["s.1", "r", "q", "s"]);
}

#[tokio::test]
async fn what_goes_to_several_stores_is_published_in_one_step_and_arrives() {
    let pair = Pair::new(&["r"]);
    let broker = pair.open();
    broker.publish(&[message("q", "a"), message("r", "b"), message("q", "c")]).await.unwrap();
    assert_eq!(waiting(&pair.home).await, [("q".to_owned(), 2)]);
    assert_eq!(waiting(&pair.two).await, [("r".to_owned(), 1)]);
    assert_eq!(texts(&claim(&*broker, &["r"], 10).await), ["b"]);
}

#[tokio::test]
async fn a_message_crosses_with_its_settlement_and_leaves_nothing_behind() {
    let pair = Pair::new(&["r"]);
    let broker = pair.open();
    broker.publish(&[message("q", "a")]).await.unwrap();
    let first = claim(&*broker, &["q"], 1).await.remove(0);
    let later = Outgoing { priority: 6, ..message("r", "later") };
    let settlement = Settlement::ack(first.receipt.clone()).sending(later).sending(message("q", "here"));
    broker.settle(vec![settlement.clone()]).await.unwrap();
    assert_eq!(broker.settle(vec![settlement]).await.unwrap(), [apium_core::Settled::Lost]);
    assert_eq!(waiting(&pair.home).await, [("q".to_owned(), 1)]);
    assert_eq!(waiting(&pair.two).await, [("r".to_owned(), 1)]);
    assert_eq!(claim(&*broker, &["r"], 1).await[0].priority, 6);
}

#[tokio::test]
async fn who_dies_between_two_stores_doubles_nothing() {
    let pair = Pair::new(&["r"]);
    let key = "apium.to.8c1d";
    pair.home.publish(&[crossing("two", key, "b")]).await.unwrap();
    assert_eq!(claim(&pair.home, &["apium.to.two"], 1).await.len(), 1, "somebody carries it");
    let (task_id, keep) = (key.to_owned(), LEASE * 100);
    let crossing = UniqueClaim { key: key.to_owned(), task_id, keep, replace: false, over: None };
    pair.two.publish_unique(&[message("r", "b")], &crossing).await.unwrap();
    let broker = pair.open();
    carried(&*broker).await;
    pair.clock.advance(LEASE + LEASE / 2);
    broker.recover().await.unwrap();
    carried(&*broker).await;
    assert_eq!(waiting(&pair.home).await, []);
    assert_eq!(waiting(&pair.two).await, [("r".to_owned(), 1)]);
    assert!(pair.two.holder(key).await.unwrap().is_some(), "and its key is kept for who stood still meanwhile");
}

#[tokio::test]
async fn a_backlog_is_carried_by_the_loop_and_holds_up_nobody_else() {
    let pair = Pair::new(&["r"]);
    let backlog: Vec<_> = (0..450).map(|n| crossing("two", &format!("apium.to.{n}"), "b")).collect();
    pair.home.publish(&backlog).await.unwrap();
    let broker = pair.open();
    assert_eq!(broker.recover().await.unwrap(), 0);
    assert_eq!(waiting(&pair.two).await, [], "recovery carries nothing");
    let end = CancellationToken::new();
    let arrived = async {
        // The loop sleeps for seconds once it has found nothing.
        while waiting(&pair.two).await != [("r".to_owned(), 450)] {
            tokio::task::yield_now().await;
        }
        broker.publish(&[message("q", "here"), message("r", "there")]).await.unwrap();
        while waiting(&pair.two).await != [("r".to_owned(), 451)] {
            tokio::task::yield_now().await;
        }
        end.cancel();
    };
    tokio::join!(broker.carry(&end), arrived);
    assert_eq!(waiting(&pair.home).await, [("q".to_owned(), 1)]);
}

#[tokio::test]
async fn what_cannot_be_read_on_its_way_is_kept() {
    let pair = Pair::new(&["r"]);
    let within = serde_json::json!({
        "body": "W1tdLCB7fSwge31d",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "t.add", "id": "7"},
        "properties": {"delivery_tag": "1", "body_encoding": "base64"},
    });
    let without_address = serde_json::json!({"body": STANDARD.encode(within.to_string())});
    for text in ["nonsense".to_owned(), without_address.to_string()] {
        pair.home.publish(&[message("apium.to.two", &text)]).await.unwrap();
    }
    let broker = pair.open();
    carried(&*broker).await;
    assert_eq!(waiting(&pair.home).await, []);
    let letters = broker.dead_letters(&DeadFilter::default()).await.unwrap();
    let whose = |letter: &DeadLetter| (letter.task.clone(), letter.task_id.clone());
    let plain = letters.iter().find(|letter| letter.message == b"nonsense").unwrap();
    let named = letters.iter().find(|letter| letter.message != b"nonsense").unwrap();
    assert_eq!((whose(plain), whose(named)), ((None, None), (Some("t.add".to_owned()), Some("7".to_owned()))));
}

#[tokio::test]
async fn what_waits_for_a_shard_under_its_own_name_is_carried_and_for_an_unknown_one_kept() {
    let pair = Pair::new(&["r"]);
    pair.two.publish(&[crossing("two", "apium.to.1", "b")]).await.unwrap();
    pair.home.publish(&[crossing("home", "apium.to.2", "b"), crossing("gone", "apium.to.3", "b")]).await.unwrap();
    carried(&*pair.open()).await;
    assert_eq!(waiting(&pair.two).await, [("r".to_owned(), 2)]);
    assert_eq!(waiting(&pair.home).await, [("apium.to.gone".to_owned(), 1)]);
}

#[tokio::test]
async fn a_limit_that_one_store_has_lost_is_back_with_the_next_heartbeat() {
    let pair = Pair::new(&["r"]);
    let (broker, card) = (pair.open(), card());
    broker.set_limit("task:t.a", &Limit { concurrency: Some(2), ..Limit::default() }).await.unwrap();
    broker.beat(&card, LEASE).await.unwrap();
    // As when it is started again with its memory lost, or when somebody has brought what was set before.
    pair.two.drop_limit("task:t.a").await.unwrap();
    pair.two.set_limit("task:t.b", &Limit { concurrency: Some(1), ..Limit::default() }).await.unwrap();
    broker.beat(&card, LEASE).await.unwrap();
    let there = pair.two.limits_set(None, Duration::ZERO).await.unwrap().all;
    let names: Vec<_> = there.iter().map(|definition| definition.name.as_str()).collect();
    assert_eq!(names, ["task:t.a"]);
}

/// What is spent belongs to no queue.
#[tokio::test]
async fn what_is_spent_is_counted_once_over_all_stores() {
    let pair = Pair::new(&["r"]);
    let (broker, other) = (pair.open(), pair.open());
    let names = ["provider=virustotal".to_owned()];
    let pace = Limit { rate: Some("4/1m".parse().unwrap()), ..Limit::default() };
    broker.set_limit(&names[0], &pace).await.unwrap();
    assert_eq!(broker.spend(&names, 3).await.unwrap(), Spent::Now { left: Some(1) });
    assert_eq!(other.spend(&names, 1).await.unwrap(), Spent::Now { left: Some(0) });
    assert_eq!(pair.home.spend(&names, 0).await.unwrap(), Spent::Now { left: Some(0) });
    assert_eq!(pair.two.spend(&names, 0).await.unwrap(), Spent::Now { left: Some(4) });
}

fn card() -> WorkerCard {
    WorkerCard {
        name: "w@h".to_owned(),
        queues: Vec::new(),
        tasks: Vec::new(),
        concurrency: 1,
        active: 0,
        processed: 0,
        pid: 1,
        started: String::new(),
    }
}

#[tokio::test]
async fn no_store_is_starved_by_one_that_always_has_enough() {
    let pair = Pair::new(&["r"]);
    let broker = pair.open();
    let many: Vec<_> = (0..20).map(|_| message("q", "q")).collect();
    broker.publish(&many).await.unwrap();
    broker.publish(&[message("r", "r")]).await.unwrap();
    let mut order = QueueCycle::new(QueueOrder::default(), vec!["q".to_owned(), "r".to_owned()]);
    let mut found = Vec::new();
    for _ in 0..2 {
        found.extend(broker.claim(&Claim { queues: order.queues(), max: 4, lease: LEASE }).await.unwrap());
        order.turn();
    }
    assert!(texts(&found).contains(&"r".to_owned()));
}

#[test]
fn what_would_be_ambiguous_is_refused_in_a_sentence() {
    let home: Arc<dyn Broker> = Arc::new(Memory::default());
    let shard = |name: &str| Shard::new(name, Arc::new(Memory::default()));
    let queues = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    for (further, told) in [
        (vec![(shard("a"), queues(&["x"])), (shard("b"), queues(&["x"]))], "given to a and to b"),
        (vec![(shard("a"), queues(&["x.*"])), (shard("b"), queues(&["x.*"]))], "given to a and to b"),
        (vec![(shard("a"), queues(&["x", "x"]))], "given to a and to a"),
        (vec![(shard("a"), queues(&["x"])), (shard("a"), queues(&["y"]))], "two shards are named a"),
        (vec![(shard("home"), queues(&["x"]))], "two shards are named home"),
        (vec![(Shard::new("a", home.clone()), queues(&["x"]))], "home and a are one store"),
        (vec![(shard("a"), queues(&[]))], "owns no queue"),
        (vec![(shard("a"), queues(&["apium.to.b"]))], "cannot be a queue"),
    ] {
        let refused = Sharded::new(home.clone(), further).err().unwrap().to_string();
        assert!(refused.contains(told), "{refused}");
    }
}
