//! The revocation loop: what is called off anywhere in the fleet does not start here, and stops if it runs.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::BackendError;
use apium_core::argument::Parameter;
use apium_core::protocol::{Headers, Message, Payload};
use apium_core::revocation::{Revocation, stamps};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::job::Reason;
use crate::retry::Backoff;
use crate::station::Station;
use crate::trouble::Errand;

/// As many ids as a Celery worker keeps (`REVOKES_MAX`).
const KEPT: usize = 50_000;

/// Names and arguments, and stamps that count for a time: more than these nobody asks for at once.
const RULES: usize = 1_000;

/// How long one question to the backend stays open.
const LISTEN: Duration = Duration::from_secs(20);

/// The ids called off, oldest forgotten first. Forgotten by number and not by age: the backend tells a worker that
/// starts only of the last day, but one that runs on goes by what it was told for longer.
#[derive(Default)]
pub(crate) struct Revoked(Mutex<Known>);

#[derive(Default)]
struct Known {
    ids: HashSet<String>,
    order: VecDeque<String>,
    /// Values by the name of the stamp.
    stamps: HashMap<String, HashSet<String>>,
    /// What was called off otherwise, oldest forgotten first.
    rules: VecDeque<Revocation>,
}

impl Revoked {
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.open().ids.contains(id)
    }

    /// Whether a call was called off: by its id, by a stamp it carries, or by its task and arguments.
    pub(crate) fn reaches(
        &self,
        headers: &Headers,
        payload: &Payload,
        parameters: &[Parameter],
        now: Timestamp,
    ) -> bool {
        let known = self.open();
        let stamped = |(name, values): (&String, &HashSet<String>)| {
            stamps(headers, name).iter().any(|stamp| values.contains(stamp))
        };
        known.ids.contains(&headers.id)
            || known.stamps.iter().any(stamped)
            || known.rules.iter().any(|rule| rule.counts(now) && rule.reaches(headers, payload, parameters))
    }

    /// Keeps in mind what was called off; what of it was not known yet, if anything.
    pub(crate) fn learn(&self, what: &Revocation, now: Timestamp) -> Option<Revocation> {
        let ids: Vec<String> = what.ids.iter().filter(|id| !self.contains(id)).cloned().collect();
        for id in &ids {
            self.insert(id.clone());
        }
        let mut news = Revocation { ids, ..what.clone() };
        if news.task.is_none() && news.until.is_none() {
            news.stamps = self.insert_stamps(&what.stamps);
            return (!news.ids.is_empty() || !news.stamps.is_empty()).then_some(news);
        }
        let mut known = self.open();
        known.rules.retain(|rule| rule.counts(now));
        let rule = Revocation { ids: Vec::new(), ..what.clone() };
        let new = rule.counts(now) && !known.rules.contains(&rule);
        if new {
            known.rules.push_back(rule);
        }
        if known.rules.len() > RULES {
            known.rules.pop_front();
        }
        (new || !news.ids.is_empty()).then_some(news)
    }

    /// The ids, the oldest first.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.open().order.iter().cloned().collect()
    }

    /// What carries one of these stamps, for as long as the worker lives, as in Celery; those that were not known.
    fn insert_stamps(&self, stamps: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
        let (mut known, mut news) = (self.open(), BTreeMap::<String, Vec<String>>::new());
        let mut room = KEPT.saturating_sub(known.stamps.values().map(HashSet::len).sum());
        for (name, value) in stamps.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value))) {
            if room > 0 && known.stamps.entry(name.clone()).or_default().insert(value.clone()) {
                news.entry(name.clone()).or_default().push(value.clone());
                room -= 1;
            }
        }
        news
    }

    fn open(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, id: String) {
        let mut known = self.open();
        if known.ids.insert(id.clone()) {
            known.order.push_back(id);
        }
        if known.order.len() > KEPT
            && let Some(oldest) = known.order.pop_front()
        {
            known.ids.remove(&oldest);
        }
    }
}

/// Learns what was called off before this worker began; returns from where to listen on.
pub(crate) async fn catch_up(station: &Station) -> Result<u64, BackendError> {
    let known = station.broker().revocations(0, Duration::ZERO).await?;
    known.ids.into_iter().for_each(|id| station.revoked.insert(id));
    for rule in &known.rules {
        station.revoked.learn(rule, station.now());
    }
    Ok(known.cursor)
}

/// Listens until told to end.
pub(crate) async fn run(station: Arc<Station>, mut cursor: u64, end: CancellationToken) {
    let mut trouble = Backoff::reconnecting();
    loop {
        let Some(told) = end.run_until_cancelled(station.broker().revocations(cursor, LISTEN)).await else { return };
        match told {
            Ok(told) => {
                trouble.over();
                station.vitals.troubles.well(Errand::Revocations);
                cursor = told.cursor;
                told.ids.iter().for_each(|id| revoke(&station, id));
                told.rules.iter().for_each(|rule| call_off(&station, rule));
            }
            Err(error) => {
                let delay = trouble.next_delay();
                station.vitals.troubles.failed(Errand::Revocations, &error);
                if end.run_until_cancelled(tokio::time::sleep(delay)).await.is_none() {
                    return;
                }
            }
        }
    }
}

/// Remembered first, called off second: an attempt that begins in between looks in what is remembered.
pub(crate) fn revoke(station: &Station, id: &str) {
    station.revoked.insert(id.to_owned());
    station.leases.call_off(id, Reason::Revoked);
}

/// The same, for what was called off otherwise; what runs goes on unless it is to be ended too.
fn call_off(station: &Station, what: &Revocation) {
    station.revoked.learn(what, station.now());
    if !what.terminate || !what.counts(station.now()) {
        return;
    }
    for held in station.leases.in_hand() {
        let Ok(message) = Message::decode(&held.delivery.bytes) else { continue };
        let payload = station.client.bodies().open(&message).unwrap_or_default();
        let task = station.registry.get(&message.headers.task);
        if what.reaches(&message.headers, &payload, task.map_or(&[], |task| task.parameters())) {
            station.revoked.insert(message.headers.id);
            held.call_off.because(Reason::Revoked);
        }
    }
}
