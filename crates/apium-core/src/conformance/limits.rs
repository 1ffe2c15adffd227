//! What a broker promises of shared limits: never more than allowed, nobody forgotten in a line, and nothing taken by
//! halves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::{Subject, message};
use crate::broker::{Broker, Claim, Delivery, Disposition, Settled, Settlement};
use crate::limits::{Admission, Admitted, BreakerState, Limit, LimitEnd, LimitUse, Origin, PlaceEnd};

const LEASE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn at_once(concurrency: u32) -> Limit {
    Limit { concurrency: Some(concurrency), ..Limit::default() }
}

pub(super) fn rate(text: &str) -> Limit {
    Limit { rate: Some(text.parse().unwrap()), ..Limit::default() }
}

fn breaker(text: &str) -> Limit {
    Limit { breaker: Some(text.parse().unwrap()), ..Limit::default() }
}

pub(super) async fn set(subject: &Subject, name: &str, limit: Limit) {
    subject.broker.limits().set_limit(name, &limit).await.unwrap();
}

async fn publish(subject: &Subject, ids: &[&str]) {
    let messages: Vec<_> = ids.iter().map(|id| message("q", id)).collect();
    subject.broker.publish(&messages).await.unwrap();
}

/// Claims what is due, at most so many.
async fn take(subject: &Subject, max: usize) -> Vec<Delivery> {
    subject.broker.claim(&Claim { queues: &["q".to_owned()], max, lease: LEASE }).await.unwrap()
}

pub(super) async fn take_one(subject: &Subject) -> Delivery {
    take(subject, 1).await.pop().expect("nothing is due")
}

fn id_of(delivery: &Delivery) -> String {
    String::from_utf8(delivery.bytes.to_vec()).unwrap()
}

fn ask(delivery: &Delivery, limits: &[&str]) -> Admission {
    let limits = limits.iter().map(|name| (*name).to_owned()).collect();
    Admission { receipt: delivery.receipt.clone(), task_id: id_of(delivery), limits, unique: None }
}

async fn admit_on(broker: &dyn Broker, delivery: &Delivery, limits: &[&str]) -> Admitted {
    broker.limits().admit(&ask(delivery, limits)).await.unwrap()
}

/// In which line it stands; `None`: it was admitted.
pub(super) async fn admit(subject: &Subject, delivery: &Delivery, limits: &[&str]) -> Option<String> {
    match admit_on(&*subject.broker, delivery, limits).await {
        Admitted::Now => None,
        Admitted::Waits { limit, .. } => Some(limit),
        Admitted::Lost => panic!("the claim on {} was lost", id_of(delivery)),
    }
}

/// Publishes one, takes it and asks for its admission.
pub(super) async fn arrive(subject: &Subject, id: &str, limits: &[&str]) -> Option<Delivery> {
    publish(subject, &[id]).await;
    let delivery = take_one(subject).await;
    assert_eq!(id_of(&delivery), id);
    admit(subject, &delivery, limits).await.is_none().then_some(delivery)
}

async fn settle(subject: &Subject, delivery: Delivery, limits: &[&str], place: PlaceEnd) -> Settled {
    let names = limits.iter().map(|name| (*name).to_owned()).collect();
    let end = LimitEnd { limits: names, holder: delivery.receipt.tag.to_string(), place };
    let settlement = Settlement { limits: Some(end), ..Settlement::ack(delivery.receipt) };
    subject.other.settle(vec![settlement]).await.unwrap()[0]
}

pub(super) async fn end(subject: &Subject, delivery: Delivery, limits: &[&str], place: PlaceEnd) {
    assert_eq!(settle(subject, delivery, limits, place).await, Settled::Done);
}

/// Takes the one that was called, which is admitted.
pub(super) async fn comes(subject: &Subject, id: &str, limits: &[&str]) -> Delivery {
    let delivery = take_one(subject).await;
    assert_eq!(id_of(&delivery), id);
    assert_eq!(admit(subject, &delivery, limits).await, None, "{id} was called");
    delivery
}

async fn nobody_comes(subject: &Subject) {
    let due: Vec<_> = take(subject, 10).await.iter().map(id_of).collect();
    assert!(due.is_empty(), "{due:?} are due");
}

pub(super) async fn used(subject: &Subject, name: &str) -> LimitUse {
    let uses = subject.other.limits().limit_uses().await.unwrap();
    uses.into_iter().find(|used| used.name == name).unwrap()
}

pub async fn what_is_not_limited_is_admitted(subject: &Subject) {
    let first = arrive(subject, "a", &["task:t", "queue:q", "tenant=acme"]).await.unwrap();
    end(subject, first, &["task:t", "queue:q", "tenant=acme"], PlaceEnd::Bad).await;
    assert!(subject.broker.limits().limit_uses().await.unwrap().is_empty());
    nobody_comes(subject).await;
}

pub async fn no_more_run_at_once(subject: &Subject) {
    set(subject, "task:t", at_once(2)).await;
    let (a, b) = (arrive(subject, "a", &["task:t"]).await, arrive(subject, "b", &["task:t"]).await);
    assert!(a.is_some() && b.is_some());
    assert!(arrive(subject, "c", &["task:t"]).await.is_none());
    assert!(arrive(subject, "d", &["task:u"]).await.is_some(), "another is not limited");
    let task = used(subject, "task:t").await;
    assert_eq!((task.running, task.waiting, task.origin), (2, 1, Origin::Operator));
    nobody_comes(subject).await;
}

pub async fn asked_twice_it_has_one_place(subject: &Subject) {
    set(subject, "task:t", Limit { rate: Some("2/h".parse().unwrap()), ..at_once(2) }).await;
    let a = arrive(subject, "a", &["task:t"]).await.unwrap();
    assert_eq!(admit(subject, &a, &["task:t"]).await, None, "asked again because the answer was lost");
    assert!(arrive(subject, "b", &["task:t"]).await.is_some());
    assert_eq!(used(subject, "task:t").await.running, 2);
}

pub async fn a_free_place_calls_the_first_in_line(subject: &Subject) {
    set(subject, "task:t", at_once(1)).await;
    let mut runs = arrive(subject, "a", &["task:t"]).await.unwrap();
    for id in ["b", "c", "d"] {
        assert!(arrive(subject, id, &["task:t"]).await.is_none());
        (subject.advance)(Duration::from_millis(5)).await;
    }
    for id in ["b", "c", "d"] {
        nobody_comes(subject).await;
        let queues = ["q".to_owned()];
        let began = Instant::now();
        let woken = subject.broker.wait(&queues, SECOND * 10);
        let (woken, ()) = tokio::join!(woken, end(subject, runs, &["task:t"], PlaceEnd::Good));
        woken.unwrap();
        assert!(began.elapsed() < SECOND * 5, "who waits for messages is woken");
        runs = comes(subject, id, &["task:t"]).await;
    }
    end(subject, runs, &["task:t"], PlaceEnd::Good).await;
    assert_eq!(used(subject, "task:t").await.waiting, 0);
}

pub async fn who_is_called_is_not_overtaken(subject: &Subject) {
    set(subject, "task:t", at_once(1)).await;
    let a = arrive(subject, "a", &["task:t"]).await.unwrap();
    assert!(arrive(subject, "b", &["task:t"]).await.is_none());
    end(subject, a, &["task:t"], PlaceEnd::Good).await;
    let b = take_one(subject).await;
    assert!(arrive(subject, "c", &["task:t"]).await.is_none(), "the place is kept for the one that was called");
    assert_eq!(admit(subject, &b, &["task:t"]).await, None);
    end(subject, b, &["task:t"], PlaceEnd::Good).await;
    comes(subject, "c", &["task:t"]).await;
}

pub async fn who_is_called_and_gone_is_not_waited_for(subject: &Subject) {
    set(subject, "task:t", at_once(1)).await;
    let a = arrive(subject, "a", &["task:t"]).await.unwrap();
    assert!(arrive(subject, "b", &["task:t"]).await.is_none());
    assert!(arrive(subject, "c", &["task:t"]).await.is_none());
    end(subject, a, &["task:t"], PlaceEnd::Good).await;
    // Called, taken, and never asked for again.
    let _gone = take_one(subject).await;
    nobody_comes(subject).await;
    (subject.advance)(SECOND * 11).await;
    subject.broker.recover().await.unwrap();
    comes(subject, "c", &["task:t"]).await;
}

pub async fn purged_ones_hold_up_nobody(subject: &Subject) {
    set(subject, "task:t", at_once(1)).await;
    let a = arrive(subject, "a", &["task:t"]).await.unwrap();
    assert!(arrive(subject, "b", &["task:t"]).await.is_none());
    assert_eq!(subject.broker.purge("q").await.unwrap(), 1);
    assert!(arrive(subject, "c", &["task:t"]).await.is_none());
    end(subject, a, &["task:t"], PlaceEnd::Good).await;
    comes(subject, "c", &["task:t"]).await;
}

pub async fn who_will_not_come_keeps_nobody_waiting(subject: &Subject) {
    set(subject, "task:t", at_once(1)).await;
    let a = arrive(subject, "a", &["task:t"]).await.unwrap();
    assert!(arrive(subject, "b", &["task:t"]).await.is_none());
    assert!(arrive(subject, "c", &["task:t"]).await.is_none());
    end(subject, a, &["task:t"], PlaceEnd::Good).await;
    let revoked = take_one(subject).await;
    nobody_comes(subject).await;
    let gone = LimitEnd { limits: vec!["task:t".to_owned()], holder: id_of(&revoked), place: PlaceEnd::Gone };
    let settlement = Settlement { limits: Some(gone), ..Settlement::ack(revoked.receipt) };
    assert_eq!(subject.broker.settle(vec![settlement]).await.unwrap(), [Settled::Done]);
    comes(subject, "c", &["task:t"]).await;
}

pub async fn a_place_ends_with_its_lease(subject: &Subject) {
    set(subject, "task:t", at_once(1)).await;
    let late = arrive(subject, "a", &["task:t"]).await.unwrap();
    assert!(arrive(subject, "b", &["task:t"]).await.is_none());
    (subject.advance)(LEASE / 2).await;
    subject.broker.renew(std::slice::from_ref(&late.receipt), LEASE).await.unwrap();
    (subject.advance)(SECOND * 29).await;
    subject.broker.recover().await.unwrap();
    nobody_comes(subject).await;
    (subject.advance)(SECOND * 2).await;
    while subject.broker.recover().await.unwrap() > 0 {}
    let mut came = HashMap::new();
    for delivery in take(subject, 10).await {
        came.insert(id_of(&delivery), admit(subject, &delivery, &["task:t"]).await.is_none());
    }
    assert_eq!(came.len(), 2, "the one that was lost, and the one that waited");
    assert_eq!(came.values().filter(|admitted| **admitted).count(), 1);
    assert_eq!(settle(subject, late, &["task:t"], PlaceEnd::Good).await, Settled::Lost);
    assert_eq!(used(subject, "task:t").await.running, 1, "who comes too late frees nobody else's place");
}

pub async fn a_place_may_be_kept_without_the_claim(subject: &Subject) {
    set(subject, "task:t", at_once(1)).await;
    let early = arrive(subject, "a", &["task:t"]).await.unwrap();
    let (holder, queue) = (early.receipt.tag.clone(), early.receipt.queue.clone());
    end(subject, early, &["task:t"], PlaceEnd::Keep(SECOND * 60)).await;
    assert!(arrive(subject, "b", &["task:t"]).await.is_none());
    (subject.advance)(SECOND * 45).await;
    assert_eq!(used(subject, "task:t").await.running, 1);
    let over = LimitEnd { limits: vec!["task:t".to_owned()], holder: holder.to_string(), place: PlaceEnd::Good };
    let early = Settlement { queue: Some(queue), ..Settlement::without_delivery(Disposition::Ack) };
    let settlement = Settlement { limits: Some(over), ..early };
    assert_eq!(subject.broker.settle(vec![settlement]).await.unwrap(), [Settled::Done]);
    let again = comes(subject, "b", &["task:t"]).await;
    end(subject, again, &["task:t"], PlaceEnd::Keep(SECOND * 60)).await;
    (subject.advance)(SECOND * 61).await;
    assert_eq!(used(subject, "task:t").await.running, 0, "nothing is kept for ever");
}

pub async fn a_lost_claim_is_not_admitted(subject: &Subject) {
    set(subject, "task:t", at_once(1)).await;
    publish(subject, &["a"]).await;
    let late = take_one(subject).await;
    (subject.advance)(LEASE * 2).await;
    subject.broker.recover().await.unwrap();
    assert_eq!(admit_on(&*subject.broker, &late, &["task:t"]).await, Admitted::Lost);
    assert_eq!(used(subject, "task:t").await.running, 0);
}

pub async fn no_window_sees_more_starts(subject: &Subject) {
    set(subject, "task:t", rate("3/10s")).await;
    let (mut stepped, began) = (Duration::ZERO, Instant::now());
    let mut starts: Vec<Duration> = Vec::new();
    let (mut sent, mut seed) = (0_u64, 7_u64);
    while starts.len() < 60 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if sent < 60 && seed >> 60 < 12 {
            let ids: Vec<_> = (sent..(sent + 4).min(60)).map(|id| id.to_string()).collect();
            publish(subject, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
            sent = (sent + 4).min(60);
        }
        for delivery in take(subject, usize::try_from(seed >> 62).unwrap() + 1).await {
            if admit(subject, &delivery, &["task:t"]).await.is_none() {
                starts.push(stepped + began.elapsed());
                end(subject, delivery, &["task:t"], PlaceEnd::Good).await;
            }
        }
        let step = Duration::from_millis(seed >> 53);
        (subject.advance)(step).await;
        stepped += step;
        assert!(stepped < SECOND * 400, "only {} of 60 have started", starts.len());
    }
    for (at, first) in starts.iter().enumerate() {
        let within = starts[at..].iter().filter(|start| **start < *first + SECOND * 10).count();
        assert!(within <= 3, "{within} starts in ten seconds: {starts:?}");
    }
}

pub async fn who_waits_for_the_rate_is_due_at_its_time(subject: &Subject) {
    set(subject, "task:t", rate("2/10s")).await;
    for id in ["a", "b"] {
        let delivery = arrive(subject, id, &["task:t"]).await.unwrap();
        end(subject, delivery, &["task:t"], PlaceEnd::Good).await;
        (subject.advance)(SECOND * 2).await;
    }
    for id in ["c", "d", "e"] {
        assert!(arrive(subject, id, &["task:t"]).await.is_none());
        (subject.advance)(SECOND / 10).await;
    }
    nobody_comes(subject).await;
    for (id, later) in [("c", 6), ("d", 2), ("e", 8)] {
        (subject.advance)(SECOND * later).await;
        let delivery = comes(subject, id, &["task:t"]).await;
        end(subject, delivery, &["task:t"], PlaceEnd::Good).await;
        nobody_comes(subject).await;
    }
}

pub async fn a_long_line_costs_few_looks(subject: &Subject) {
    set(subject, "task:t", at_once(2)).await;
    let ids: Vec<_> = (0..300).map(|id| format!("{id:03}")).collect();
    publish(subject, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (mut looks, mut done) = (0, HashSet::new());
    loop {
        let mut running = Vec::new();
        for delivery in take(subject, 50).await {
            looks += 1;
            if admit(subject, &delivery, &["task:t"]).await.is_none() {
                running.push(delivery);
            }
        }
        assert!(running.len() <= 2);
        if running.is_empty() {
            break;
        }
        for delivery in running {
            assert!(done.insert(id_of(&delivery)));
            end(subject, delivery, &["task:t"], PlaceEnd::Good).await;
        }
    }
    assert_eq!(done.len(), 300);
    assert!(looks <= 600, "{looks} looks for 300 messages");
}

pub async fn of_several_limits_all_or_none(subject: &Subject) {
    set(subject, "queue:q", at_once(2)).await;
    set(subject, "tenant=*", at_once(1)).await;
    let (acme, bolt) = (["queue:q", "tenant=acme"], ["queue:q", "tenant=bolt"]);
    let first = arrive(subject, "a", &acme).await.unwrap();
    publish(subject, &["b"]).await;
    let second = take_one(subject).await;
    assert_eq!(admit(subject, &second, &acme).await.as_deref(), Some("tenant=acme"));
    assert_eq!(used(subject, "queue:q").await.running, 1, "it has taken nothing of the other limit");
    let other = arrive(subject, "c", &bolt).await.unwrap();
    publish(subject, &["d"]).await;
    let fourth = take_one(subject).await;
    assert_eq!(admit(subject, &fourth, &acme).await.as_deref(), Some("queue:q"));
    publish(subject, &["e"]).await;
    let fifth = take_one(subject).await;
    assert_eq!(admit(subject, &fifth, &["queue:q"]).await.as_deref(), Some("queue:q"));
    // The place of the queue goes to `d`, whose tenant has none; so it goes on to `e`.
    end(subject, other, &bolt, PlaceEnd::Good).await;
    let fourth = take_one(subject).await;
    assert_eq!((id_of(&fourth).as_str(), admit(subject, &fourth, &acme).await.as_deref()), ("d", Some("tenant=acme")));
    let fifth = comes(subject, "e", &["queue:q"]).await;
    end(subject, fifth, &["queue:q"], PlaceEnd::Good).await;
    end(subject, first, &acme, PlaceEnd::Good).await;
    let second = comes(subject, "b", &acme).await;
    end(subject, second, &acme, PlaceEnd::Good).await;
    comes(subject, "d", &acme).await;
}

pub async fn each_value_has_a_limit_of_its_own(subject: &Subject) {
    set(subject, "tenant=*", at_once(1)).await;
    set(subject, "tenant=acme", at_once(2)).await;
    assert!(arrive(subject, "a", &["tenant=acme"]).await.is_some());
    assert!(arrive(subject, "b", &["tenant=acme"]).await.is_some(), "its own beats the one for all");
    assert!(arrive(subject, "c", &["tenant=bolt"]).await.is_some());
    assert!(arrive(subject, "d", &["tenant=bolt"]).await.is_none());
    assert_eq!(used(subject, "tenant=bolt").await.waiting, 1);
}

pub async fn a_change_counts_at_once(subject: &Subject) {
    set(subject, "task:t", at_once(1)).await;
    let a = arrive(subject, "a", &["task:t"]).await.unwrap();
    for id in ["b", "c", "d", "e"] {
        assert!(arrive(subject, id, &["task:t"]).await.is_none());
        (subject.advance)(Duration::from_millis(5)).await;
    }
    set(subject, "task:t", at_once(2)).await;
    comes(subject, "b", &["task:t"]).await;
    nobody_comes(subject).await;
    set(subject, "task:t", at_once(1)).await;
    end(subject, a, &["task:t"], PlaceEnd::Good).await;
    nobody_comes(subject).await;
    assert!(subject.other.limits().drop_limit("task:t").await.unwrap());
    let freed: HashSet<_> = take(subject, 10).await.iter().map(id_of).collect();
    assert_eq!(freed, HashSet::from(["c", "d", "e"].map(str::to_owned)));
    assert!(!subject.broker.limits().drop_limit("task:t").await.unwrap());
}

pub async fn changes_are_told(subject: &Subject) {
    let limits = subject.broker.limits();
    let before = limits.limits_set(None, Duration::ZERO).await.unwrap();
    assert!(before.all.is_empty());
    let same = limits.limits_set(Some(before.version), Duration::ZERO).await.unwrap();
    assert_eq!(same.version, before.version);
    let began = Instant::now();
    let change = async {
        subject.other.limits().set_limit("task:t", &breaker("5/1m:30s")).await.unwrap();
    };
    let (told, ()) = tokio::join!(limits.limits_set(Some(before.version), SECOND * 10), change);
    let told = told.unwrap();
    assert!(began.elapsed() < SECOND * 5);
    assert_ne!(told.version, before.version);
    assert_eq!(told.of("task:t").unwrap().limit.clone(), breaker("5/1m:30s"));
}

pub async fn what_an_operator_has_set_stays(subject: &Subject) {
    let limits = subject.broker.limits();
    let declared = [("task:t".to_owned(), at_once(4)), ("task:u".to_owned(), at_once(4))];
    limits.declare(&declared).await.unwrap();
    set(subject, "task:t", at_once(1)).await;
    let before = limits.limits_set(None, Duration::ZERO).await.unwrap();
    limits.declare(&declared).await.unwrap();
    let told = limits.limits_set(None, Duration::ZERO).await.unwrap();
    assert_eq!(told, before, "nothing changes when the same is declared again");
    assert_eq!(
        (told.of("task:t").unwrap().limit.clone(), told.of("task:t").unwrap().origin),
        (at_once(1), Origin::Operator)
    );
    assert_eq!(
        (told.of("task:u").unwrap().limit.clone(), told.of("task:u").unwrap().origin),
        (at_once(4), Origin::Code)
    );
    limits.declare(&[("task:u".to_owned(), at_once(8))]).await.unwrap();
    assert_eq!(limits.limits_set(None, Duration::ZERO).await.unwrap().of("task:u").unwrap().limit, at_once(8));
    assert!(limits.drop_limit("task:t").await.unwrap());
    limits.declare(&declared).await.unwrap();
    assert_eq!(limits.limits_set(None, Duration::ZERO).await.unwrap().of("task:t").unwrap().limit, at_once(4));
}

async fn state(subject: &Subject) -> Option<BreakerState> {
    used(subject, "task:t").await.state
}

/// Two failures open it.
async fn opened(subject: &Subject) {
    set(subject, "task:t", breaker("2/1m:30s")).await;
    for id in ["x", "y"] {
        assert_eq!(state(subject).await, Some(BreakerState::Closed));
        let delivery = arrive(subject, id, &["task:t"]).await.unwrap();
        end(subject, delivery, &["task:t"], PlaceEnd::Bad).await;
    }
    assert_eq!(state(subject).await, Some(BreakerState::Open));
}

pub async fn a_breaker_opens_and_closes(subject: &Subject) {
    opened(subject).await;
    for id in ["a", "b", "c", "d"] {
        assert!(arrive(subject, id, &["task:t"]).await.is_none(), "it waits");
        (subject.advance)(SECOND).await;
    }
    nobody_comes(subject).await;
    (subject.advance)(SECOND * 27).await;
    assert_eq!(state(subject).await, Some(BreakerState::HalfOpen));
    let probe = comes(subject, "a", &["task:t"]).await;
    nobody_comes(subject).await;
    assert!(arrive(subject, "e", &["task:t"]).await.is_none(), "one probe at a time");
    end(subject, probe, &["task:t"], PlaceEnd::Bad).await;
    assert_eq!(state(subject).await, Some(BreakerState::Open), "it does not go well yet");
    nobody_comes(subject).await;
    (subject.advance)(SECOND * 31).await;
    let probe = comes(subject, "b", &["task:t"]).await;
    end(subject, probe, &["task:t"], PlaceEnd::Good).await;
    assert_eq!(state(subject).await, Some(BreakerState::Closed));
    let mut came = HashSet::new();
    for delivery in take(subject, 10).await {
        assert_eq!(admit(subject, &delivery, &["task:t"]).await, None);
        came.insert(id_of(&delivery));
    }
    assert_eq!(came, HashSet::from(["c", "d", "e"].map(str::to_owned)));
}

pub async fn a_probe_that_tells_nothing_is_followed_by_another(subject: &Subject) {
    opened(subject).await;
    (subject.advance)(SECOND * 31).await;
    let probe = arrive(subject, "a", &["task:t"]).await.expect("the first that comes is the probe");
    assert!(arrive(subject, "b", &["task:t"]).await.is_none());
    assert!(arrive(subject, "c", &["task:t"]).await.is_none());
    end(subject, probe, &["task:t"], PlaceEnd::Neither).await;
    let _died = comes(subject, "b", &["task:t"]).await;
    nobody_comes(subject).await;
    (subject.advance)(LEASE + SECOND).await;
    subject.broker.recover().await.unwrap();
    let came = take(subject, 10).await;
    assert!(!came.is_empty());
    let mut admitted = 0;
    for delivery in &came {
        admitted += u32::from(admit(subject, delivery, &["task:t"]).await.is_none());
    }
    assert_eq!(admitted, 1, "the lease of the probe that died was its last word");
}

pub async fn failures_far_apart_open_no_breaker(subject: &Subject) {
    set(subject, "task:t", breaker("2/10s:30s")).await;
    for id in ["a", "b", "c"] {
        let delivery = arrive(subject, id, &["task:t"]).await.unwrap();
        end(subject, delivery, &["task:t"], PlaceEnd::Bad).await;
        (subject.advance)(SECOND * 11).await;
    }
    assert_eq!(state(subject).await, Some(BreakerState::Closed));
}

pub async fn late_failures_change_nothing(subject: &Subject) {
    set(subject, "task:t", breaker("2/1m:30s")).await;
    let mut running = Vec::new();
    for id in ["a", "b", "c", "d"] {
        running.push(arrive(subject, id, &["task:t"]).await.unwrap());
    }
    for delivery in running.drain(..2) {
        end(subject, delivery, &["task:t"], PlaceEnd::Bad).await;
    }
    (subject.advance)(SECOND * 20).await;
    for delivery in running {
        end(subject, delivery, &["task:t"], PlaceEnd::Bad).await;
    }
    (subject.advance)(SECOND * 11).await;
    assert_eq!(state(subject).await, Some(BreakerState::HalfOpen), "what began before tells nothing new");
}
