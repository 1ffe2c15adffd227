//! Random histories: a broker is told to do one thing after the other, in any order that workers, frozen ones and
//! rescuers might, and must answer as a book of what it promised would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::{Subject, message};
use crate::broker::{Broker, Claim, Disposition, Outgoing, Receipt, Settled, Settlement};
use crate::clock::{Clock, SystemClock, after};

/// A claim lasts so long; time moves in steps of half of it, and a little is passed by the machine itself.
const LEASE: Duration = Duration::from_mins(1);
const STEP: Duration = Duration::from_secs(40);
const MARGIN: Duration = Duration::from_secs(10);

/// From the seed that `APIUM_SEED` names, or the first: few at a time, because clocks drift apart in a long test.
const HISTORIES: u64 = 12;
const STEPS: usize = 60;

/// Where the book says a message is.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    Ready,
    /// Until this much time has passed.
    Waiting(Duration),
    Held {
        receipt: Receipt,
        ends: Duration,
    },
    Gone,
}

/// What was promised.
struct Book {
    queue: String,
    /// Time that was told to pass.
    now: Duration,
    began: Timestamp,
    messages: BTreeMap<String, Place>,
    /// Receipts that hold nothing any more.
    stale: Vec<Receipt>,
    /// What was done, for whoever must find out why it went wrong.
    told: String,
}

impl Book {
    fn new(queue: String, began: Timestamp) -> Self {
        Self { queue, now: Duration::ZERO, began, messages: BTreeMap::new(), stale: Vec::new(), told: String::new() }
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        writeln!(self.told, "{:>4} s {what}", self.now.as_secs()).unwrap();
    }

    fn is_ready(&self, place: &Place) -> bool {
        match place {
            Place::Ready => true,
            Place::Waiting(due) => *due <= self.now,
            Place::Held { .. } | Place::Gone => false,
        }
    }

    fn held(&self) -> Vec<(String, Receipt, Duration)> {
        let held = self.messages.iter().filter_map(|(name, place)| match place {
            Place::Held { receipt, ends } => Some((name.clone(), receipt.clone(), *ends)),
            _ => None,
        });
        held.collect()
    }

    /// A moment before which so much told time will not have passed, and a moment later it will: clocks may differ a
    /// little.
    fn moment(&self, at: Duration) -> Timestamp {
        after(self.began, at.saturating_sub(MARGIN))
    }
}

fn pick<'a, T>(chance: &mut StdRng, of: &'a [T]) -> Option<&'a T> {
    if of.is_empty() { None } else { of.get(chance.random_range(0..of.len())) }
}

async fn publish(broker: &dyn Broker, book: &mut Book, chance: &mut StdRng) {
    let name = format!("{}-{}", book.queue, book.messages.len());
    let later = chance.random_range(0..4) == 0;
    let due = book.now + STEP * chance.random_range(1..4);
    let not_before = later.then(|| book.moment(due));
    let priority = chance.random_range(0..10);
    let bytes = format!("{{\"body\": \"{name}\", \"properties\": {{\"delivery_tag\": \"{name}\"}}}}");
    let outgoing = Outgoing { priority, not_before, ..message(&book.queue, &bytes) };
    broker.publish(&[outgoing]).await.unwrap();
    book.note(format_args!(
        "publish {name} {}",
        if later { format!("for {} s", due.as_secs()) } else { String::new() }
    ));
    book.messages.insert(name, if later { Place::Waiting(due) } else { Place::Ready });
}

async fn claim(broker: &dyn Broker, book: &mut Book, chance: &mut StdRng) {
    let (max, queues) = (chance.random_range(1..4), [book.queue.clone()]);
    let ready = book.messages.values().filter(|place| book.is_ready(place)).count();
    let deliveries = broker.claim(&Claim { queues: &queues, max, lease: LEASE }).await.unwrap();
    let names: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            let text = String::from_utf8(delivery.bytes.to_vec()).unwrap();
            text.split('"').nth(3).unwrap().to_owned()
        })
        .collect();
    book.note(format_args!("claim {max}: {names:?}"));
    assert_eq!(deliveries.len(), ready.min(max), "so many are ready: {ready}\n{}", book.told);
    for (name, delivery) in names.into_iter().zip(deliveries) {
        assert!(book.is_ready(&book.messages[&name]), "{name} is {:?}\n{}", book.messages[&name], book.told);
        let ends = book.now + LEASE;
        book.messages.insert(name, Place::Held { receipt: delivery.receipt, ends });
    }
}

async fn settle(broker: &dyn Broker, book: &mut Book, chance: &mut StdRng) {
    let held = book.held();
    let Some((name, receipt, _)) = pick(chance, &held).cloned() else { return };
    let due = book.now + STEP * chance.random_range(1..4);
    let (disposition, place) = match chance.random_range(0..5) {
        0 => (Disposition::Requeue, Place::Ready),
        1 => (Disposition::RequeueLast, Place::Ready),
        2 => (Disposition::Defer(book.moment(due)), Place::Waiting(due)),
        _ => (Disposition::Ack, Place::Gone),
    };
    book.note(format_args!("settle {name} to be {place:?}"));
    let settled = broker.settle(vec![Settlement::of(receipt.clone(), disposition)]).await.unwrap();
    assert_eq!(settled, [Settled::Done], "{}", book.told);
    book.messages.insert(name, place);
    book.stale.push(receipt);
}

async fn settle_too_late(broker: &dyn Broker, book: &mut Book, chance: &mut StdRng) {
    let Some(receipt) = pick(chance, &book.stale).cloned() else { return };
    let send = message(&book.queue, "{\"body\": \"never\"}");
    book.note(format_args!("settle what is no longer held"));
    let late = Settlement::ack(receipt).sending(send);
    assert_eq!(broker.settle(vec![late]).await.unwrap(), [Settled::Lost], "{}", book.told);
}

async fn renew(broker: &dyn Broker, book: &mut Book, chance: &mut StdRng) {
    let held = book.held();
    let mut receipts: Vec<_> = held.iter().map(|(_, receipt, _)| receipt.clone()).collect();
    receipts.truncate(chance.random_range(0..4));
    let mine = receipts.clone();
    let lost: Vec<_> = pick(chance, &book.stale).cloned().into_iter().collect();
    receipts.extend(lost.clone());
    book.note(format_args!("renew {} and {} that are lost", mine.len(), lost.len()));
    assert_eq!(broker.renew(&receipts, LEASE).await.unwrap(), lost, "{}", book.told);
    for (name, receipt, _) in held {
        if mine.contains(&receipt) {
            let ends = book.now + LEASE;
            book.messages.insert(name, Place::Held { receipt, ends });
        }
    }
}

async fn recover(broker: &dyn Broker, book: &mut Book) {
    book.note(format_args!("recover"));
    broker.recover().await.unwrap();
    for (name, receipt, ends) in book.held() {
        if ends <= book.now {
            book.note(format_args!("{name} is ready again"));
            book.messages.insert(name, Place::Ready);
            book.stale.push(receipt);
        }
    }
}

async fn depths_agree(broker: &dyn Broker, book: &Book) {
    let depths = broker.depths(std::slice::from_ref(&book.queue)).await.unwrap();
    let told = depths.first().map_or((0, 0, 0), |depth| (depth.ready, depth.delayed, depth.claimed));
    let count = |is: &dyn Fn(&Place) -> bool| book.messages.values().filter(|place| is(place)).count() as u64;
    let ready = count(&|place| book.is_ready(place));
    let delayed = count(&|place| matches!(place, Place::Waiting(_)) && !book.is_ready(place));
    let held = count(&|place| matches!(place, Place::Held { .. }));
    assert_eq!(told, (ready, delayed, held), "ready, delayed, claimed\n{}", book.told);
}

/// Whatever order publishing, claiming, settling, renewing, rescuing and the passing of time come in, and whichever of two
/// processes does it: a message is ready, waits, is held by one claim or is gone, and the broker knows which.
pub async fn answers_as_promised_in_any_order(subject: &Subject) {
    let first = std::env::var("APIUM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0_u64);
    let (start, mut passed) = (SystemClock.now(), Duration::ZERO);
    for seed in first..first + HISTORIES {
        let mut chance = StdRng::seed_from_u64(seed);
        let mut book = Book::new(format!("history{seed}"), after(start, passed));
        for _ in 0..STEPS {
            let broker = if chance.random_bool(0.5) { &*subject.broker } else { &*subject.other };
            match chance.random_range(0..12) {
                0..3 => publish(broker, &mut book, &mut chance).await,
                3..6 => claim(broker, &mut book, &mut chance).await,
                6..8 => settle(broker, &mut book, &mut chance).await,
                8 => settle_too_late(broker, &mut book, &mut chance).await,
                9 => renew(broker, &mut book, &mut chance).await,
                10 => {
                    book.now += STEP;
                    book.note(format_args!("time has passed"));
                    (subject.advance)(STEP).await;
                }
                _ => recover(broker, &mut book).await,
            }
            depths_agree(broker, &book).await;
        }
        passed += book.now;
    }
}
