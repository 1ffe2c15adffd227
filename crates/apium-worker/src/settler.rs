//! The settling loop: verdicts from all attempts, written in batches, each batch one round trip. Where queues are sharded
//! over several stores there is one for each, so that one that is down holds up nobody else's.
//!
//! What cannot be written with its batch goes on alone, in its own time: one bad outcome holds up no other.

use std::pin::Pin;
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apium_core::{BackendError, Broker, ResultStore, Settled, Settlement};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::alarm::Alarm;
use crate::leases::Leases;
use crate::outcome::NO_LONGER_KNOWN;
use crate::points::point;
use crate::retry::Backoff;
use crate::trouble::Errand;
use crate::vitals::Vitals;

/// More than this in one batch buys nothing on Redis (measured) and would make others wait.
const BATCH: usize = 100;

/// So often a batch is tried while the backend cannot be reached, before each of it goes on alone.
const TOGETHER: u32 = 3;

/// So often an outcome may break its own connection, while the backend takes other writes, before it counts as refused.
const IN_VAIN: u32 = 10;

/// The way into the loops. They end when every settler is dropped.
#[derive(Clone)]
pub(crate) struct Settler {
    /// One for each store.
    orders: Arc<[mpsc::Sender<Order>]>,
    broker: Arc<dyn Broker>,
    vitals: Arc<Vitals>,
    lease: Duration,
    pub(crate) leases: Leases,
}

/// One loop's own end.
pub(crate) struct SettlerLoop {
    orders: mpsc::Receiver<Order>,
    pen: Arc<Pen>,
    /// What goes on alone. No more than there are attempts: each waits for its answer.
    alone: JoinSet<()>,
}

/// What came of one settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Written.
    Written,
    /// The broker no longer knows the delivery, and nothing was written.
    Lost,
    /// There is no such lease now, and an earlier try was not answered: written by that try, or lost.
    Unclear,
    /// The backend will not have it, for this reason.
    Refused(String),
    /// Its store, one of several, has not answered for as long as the lease: it is still tried, but nobody waits for it.
    Overdue,
    /// The worker left before it could be written.
    Abandoned,
}

struct Order {
    settlement: Settlement,
    answer: oneshot::Sender<Answer>,
    /// True once a try has failed: it may have been written, and only the answer lost.
    tried: bool,
    /// Chords counted in another store, to be ended there once this is settled: group and token.
    ended: Vec<(String, String)>,
}

/// What writes.
struct Pen {
    broker: Arc<dyn Broker>,
    results: Arc<dyn ResultStore>,
    /// Whether results live in another store than what is settled here.
    apart: bool,
    vitals: Arc<Vitals>,
    /// When this store last took a write.
    wrote: Mutex<Option<Instant>>,
}

impl Settler {
    /// A settler and its loops, for deliveries with such leases.
    pub(crate) fn new(
        broker: Arc<dyn Broker>,
        results: &Arc<dyn ResultStore>,
        vitals: Arc<Vitals>,
        lease: Duration,
    ) -> (Self, Vec<SettlerLoop>) {
        let homes: Vec<_> = match broker.shards() {
            [] => vec![broker.home()],
            shards => shards.iter().map(|shard| shard.broker().home()).collect(),
        };
        let one = |home: &str| {
            let (sender, orders) = mpsc::channel(BATCH);
            let (apart, vitals) = (home != results.home(), vitals.clone());
            let (broker, results, wrote) = (broker.clone(), results.clone(), Mutex::default());
            let pen = Arc::new(Pen { broker, results, apart, vitals, wrote });
            (sender, SettlerLoop { orders, pen, alone: JoinSet::new() })
        };
        let (orders, loops): (Vec<_>, Vec<_>) = homes.into_iter().map(one).unzip();
        (Self { orders: orders.into(), broker, vitals, lease, leases: Leases::default() }, loops)
    }

    /// Settles for the task `id`; returns when it is written, or when it no longer can be.
    pub(crate) async fn settle(&self, id: &str, settlement: Settlement) -> Answer {
        let (answer, written) = oneshot::channel();
        point!(SettleAsked);
        // First a place, then the order: it need not be carried through the wait for one.
        let answer = match self.orders[self.store_of(&settlement)].reserve().await {
            Ok(place) => {
                let overdue = self.overdue(&settlement);
                place.send(Order { settlement, answer, tried: false, ended: Vec::new() });
                match overdue {
                    None => written.await.unwrap_or(Answer::Abandoned),
                    Some(overdue) => tokio::select! {
                        biased;
                        written = written => written.unwrap_or(Answer::Abandoned),
                        () = overdue => Answer::Overdue,
                    },
                }
            }
            Err(_) => Answer::Abandoned,
        };
        point!(SettleAnswered);
        match &answer {
            Answer::Written => {}
            Answer::Lost => {
                self.vitals.lost();
                tracing::warn!(id, "not written: {NO_LONGER_KNOWN}");
            }
            Answer::Unclear => {
                tracing::warn!(id, "written or lost: the broker did not answer at first, and knows no such lease now");
            }
            Answer::Overdue => {
                tracing::warn!(
                    id,
                    "not written yet: its shard has not answered for a whole lease, and may deliver the message again"
                );
            }
            Answer::Refused(error) => tracing::error!(id, error, "not written: the outcome is refused"),
            Answer::Abandoned => tracing::error!(id, "not written: the message will be delivered again"),
        }
        answer
    }

    /// Returns once the lease must have run out: while one of several stores is down, what was claimed there must not keep
    /// its slots from the others. With one store nobody has anything else to do.
    fn overdue(&self, settlement: &Settlement) -> Option<Pin<Box<impl Future<Output = ()> + use<>>>> {
        if self.orders.len() == 1 {
            return None;
        }
        let (leases, lease, receipt) = (self.leases.clone(), self.lease, settlement.receipt.clone());
        Some(Box::pin(async move {
            let mut given = Instant::now();
            loop {
                tokio::time::sleep_until(given + lease).await;
                match receipt.as_ref().and_then(|receipt| leases.renewed(receipt)) {
                    Some(renewed) if renewed > given => given = renewed,
                    _ => return,
                }
            }
        }))
    }

    /// Which store it is written in; mostly there is one.
    fn store_of(&self, settlement: &Settlement) -> usize {
        match settlement.came_from() {
            Some(queue) if self.orders.len() > 1 => self.broker.shard_of(queue),
            _ => 0,
        }
    }
}

impl SettlerLoop {
    /// Settles until every [`Settler`] is gone and all they ordered is answered. After a panic the worker ends, but
    /// until it has, the next order is taken up: what is given back must be written too.
    pub(crate) async fn run(mut self, alarm: Alarm) {
        while !alarm.guard("the settling loop", self.settle_all(&alarm)).await {}
    }

    async fn settle_all(&mut self, alarm: &Alarm) {
        let mut orders = Vec::with_capacity(BATCH);
        while self.orders.recv_many(&mut orders, BATCH).await > 0 {
            while self.alone.try_join_next().is_some() {}
            point!(BatchTaken);
            if let Err(error) = self.pen.write_together(&mut orders).await {
                tracing::debug!(%error, outcomes = orders.len(), "a batch was not written; writing its outcomes one by one");
                for order in orders.drain(..) {
                    let (alarm, pen) = (alarm.clone(), self.pen.clone());
                    self.alone.spawn(async move {
                        alarm.guard("the settling loop", pen.write_alone(order)).await;
                    });
                }
            }
        }
        while self.alone.join_next().await.is_some() {}
    }
}

impl Pen {
    /// Writes and answers a whole batch; after an error all of it is still to be written.
    async fn write_together(&self, orders: &mut Vec<Order>) -> Result<(), BackendError> {
        let mut trouble = Backoff::reconnecting();
        let mut tries = 0;
        loop {
            let error = match self.try_write(orders).await {
                Ok(settled) => {
                    let mut settled = settled.into_iter();
                    orders.drain(..).for_each(|order| order.settled(settled.next()));
                    return Ok(());
                }
                Err(error) => error,
            };
            if !error.is_transient() && orders.len() == 1 {
                orders.drain(..).for_each(|order| order.refused(&error));
                return Ok(());
            }
            tries += 1;
            if !error.is_transient() || tries == TOGETHER {
                return Err(error);
            }
            point!(SettleAgain);
            tokio::time::sleep(trouble.next_delay()).await;
        }
    }

    /// Tries again while the backend cannot be reached: the message is ours as long as its lease holds, and when that
    /// is lost the backend says so and writes nothing. It says so too when an earlier try was written and only its
    /// answer got lost, which is why nothing is settled twice.
    async fn write_alone(self: Arc<Self>, mut order: Order) {
        let mut trouble = Backoff::reconnecting();
        let mut in_vain = 0;
        let mut failed = None;
        loop {
            match self.try_write(slice::from_mut(&mut order)).await {
                Ok(settled) => return order.settled(settled.first().copied()),
                Err(error) => {
                    // In an outage nobody is answered, and it is not this outcome's fault.
                    if failed.replace(Instant::now()).is_some_and(|failed| self.wrote_since(failed)) {
                        in_vain += 1;
                    }
                    if !error.is_transient() || in_vain == IN_VAIN {
                        return order.refused(&error);
                    }
                    point!(SettleAloneAgain);
                    tokio::time::sleep(trouble.next_delay()).await;
                }
            }
        }
    }

    /// Claims do not count: one that finds nothing is answered by a store whose disk is full. Of several stores each
    /// counts for itself.
    fn wrote_since(&self, moment: Instant) -> bool {
        if self.broker.shards().is_empty() {
            return self.vitals.last_write_age().is_some_and(|age| age < moment.elapsed());
        }
        self.wrote.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|wrote| wrote > moment)
    }

    async fn try_write(&self, orders: &mut [Order]) -> Result<Vec<Settled>, BackendError> {
        let written = self.write(orders).await;
        match &written {
            Ok(_) => {
                self.vitals.wrote();
                *self.wrote.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                self.vitals.troubles.well(Errand::Settle);
            }
            Err(error) => {
                self.vitals.troubles.failed(Errand::Settle, error);
                for order in orders {
                    order.tried = true;
                }
            }
        }
        written
    }

    /// Results that live elsewhere are stored first: a crash in between repeats the attempt, but never loses its result.
    async fn write(&self, orders: &mut [Order]) -> Result<Vec<Settled>, BackendError> {
        if self.apart {
            for order in orders.iter_mut() {
                order.part_from_chords();
                while let Some(result) = order.settlement.results.last() {
                    point!(ResultStoring);
                    self.results.store(result).await?;
                    point!(ResultStored);
                    order.settlement.results.pop();
                }
            }
        }
        point!(BatchWriting);
        let settled = self.broker.settle(orders.iter().map(|order| order.settlement.clone()).collect()).await?;
        point!(BatchWritten);
        for (order, settled) in orders.iter().zip(&settled) {
            for (group, token) in order.ended.iter().filter(|_| *settled == Settled::Done) {
                point!(ChordEnding);
                // The body is sent: what is left of the chord would only expire.
                if let Err(error) = self.results.chords().end(group, token).await {
                    tracing::warn!(group, %error, "what is left of a chord was not cleared away");
                }
                point!(ChordEnded);
            }
        }
        Ok(settled)
    }
}

impl Order {
    /// Where chords are counted elsewhere, their bodies are sent with the settlement, and ended after it.
    fn part_from_chords(&mut self) {
        for chord in std::mem::take(&mut self.settlement.chords) {
            self.settlement.send.extend(chord.send);
            self.settlement.results.extend(chord.results);
            self.ended.push((chord.group, chord.token));
        }
    }

    fn settled(self, settled: Option<Settled>) {
        let answer = match settled {
            Some(Settled::Done) => Answer::Written,
            Some(Settled::Lost) if self.tried => Answer::Unclear,
            Some(Settled::Lost) => Answer::Lost,
            None => Answer::Abandoned,
        };
        self.tell(answer);
    }

    fn refused(self, error: &BackendError) {
        self.tell(Answer::Refused(error.to_string()));
    }

    fn tell(self, answer: Answer) {
        // The attempt may have been given up meanwhile.
        let _ = self.answer.send(answer);
    }
}
