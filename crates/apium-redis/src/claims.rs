//! Claims: messages taken from the lists of queues, and what is due of the delayed ones first.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::{BackendError, Claim, Delivery, Receipt};
use redis::Value;
use tokio::time::Instant;

use crate::backend::RedisBackend;
use crate::broker::{is_marked, lines};
use crate::keys::{self, STEPS};
use crate::scripts;

/// The keys of `claim.lua` before those of the queues.
const BEFORE_QUEUES: usize = 4;

/// From so many queues on it is worth while to look at the first step's lists alone.
const MANY: usize = 5;

/// How long what becomes due may stay unseen while the first step's lists fill every claim.
const UNSEEN: Duration = Duration::from_millis(50);

/// What the last claims tell of the next one: where the lists of the first step fill a claim, nothing is taken from the
/// others anyway, and of many queues they are most of what a claim costs.
#[derive(Default)]
pub(crate) struct Plenty(Mutex<Option<Instant>>);

impl Plenty {
    /// Whether the first step's lists should do.
    fn expected(&self) -> bool {
        self.open().is_some_and(|whole| whole.elapsed() < UNSEEN)
    }

    /// A claim has come back.
    fn note(&self, filled: bool, whole: bool) {
        let mut seen = self.open();
        if !filled {
            *seen = None;
        } else if whole {
            *seen = Some(Instant::now());
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RedisBackend {
    /// Takes what there is, each step's messages before those of the next.
    pub(crate) async fn pop(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        let plenty = &self.inner.plenty;
        if claim.queues.len() >= MANY && plenty.expected() {
            let taken = self.pop_from(claim, &[], &STEPS[..1]).await?;
            plenty.note(taken.len() == claim.max, false);
            if !taken.is_empty() {
                return Ok(taken);
            }
        }
        let delayed: Vec<_> = claim.queues.iter().map(|queue| keys::delayed(queue)).collect();
        let taken = self.pop_from(claim, &delayed, &STEPS).await?;
        plenty.note(taken.len() == claim.max, true);
        Ok(taken)
    }

    async fn pop_from(
        &self,
        claim: &Claim<'_>,
        delayed: &[String],
        steps: &[u8],
    ) -> Result<Vec<Delivery>, BackendError> {
        let max = u64::try_from(claim.max).unwrap_or(u64::MAX).min(100_000);
        let first = self.inner.numbers.fetch_add(max, Ordering::Relaxed);
        let prefix = self.claim_prefix(claim.lease);
        let places = || steps.iter().flat_map(|step| claim.queues.iter().map(|queue| (queue.as_str(), *step)));
        let lists = places().map(|(queue, step)| keys::list(queue, step));
        let looked_at: Vec<String> = delayed.iter().cloned().chain(lists).collect();
        let places: Vec<Place> = places().map(|(queue, step)| Place::new(queue, step)).collect();
        let mut call = scripts::call(&scripts::CLAIM, BEFORE_QUEUES + looked_at.len());
        call.arg(keys::UNACKED).arg(keys::INDEX).arg(keys::REDELIVERED).arg(keys::DEATHS).arg(&looked_at);
        call.arg(self.offset()).arg(claim.queues.len()).arg(max).arg(claim.lease.as_secs_f64());
        call.arg(&prefix).arg(first);
        for queue in claim.queues {
            call.arg(keys::ending(queue));
        }
        for place in &places {
            call.arg(&place.tag_ending);
        }
        let answer = self.inner.link.call::<Vec<Value>>(&scripts::CLAIM, &call).await;
        if answer.as_ref().is_err_and(BackendError::is_transient) {
            self.inner.unanswered.note(&prefix, first, max, claim.queues);
        }
        let taken = taken(answer?, &places, &prefix, first).ok_or_else(|| self.nonsense("claim"))?;
        let key = |place: usize| looked_at.get(place.checked_sub(BEFORE_QUEUES + 1)?).map(String::as_str);
        let misfits = taken.misfits.into_iter().map(|(place, error)| Some((key(place)?, error)));
        let misfits: Vec<_> = misfits.collect::<Option<_>>().ok_or_else(|| self.nonsense("claim"))?;
        self.inner.misfits.note(&self.inner.home, &looked_at, &misfits);
        match misfits.first() {
            Some((key, error)) if claim.queues.len() == 1 && taken.deliveries.is_empty() => {
                Err(self.misfit(key, error))
            }
            _ => Ok(taken.deliveries),
        }
    }

    /// Only one queue was asked for, and it is none.
    pub(crate) fn misfit(&self, key: &str, error: &str) -> BackendError {
        let home = &self.inner.home;
        BackendError::Broken(format!("the key `{key}` at {home} cannot be served as a queue: {error}"))
    }
}

/// One list that is looked at.
struct Place {
    step: u8,
    queue: Arc<str>,
    tag_ending: String,
}

impl Place {
    fn new(queue: &str, step: u8) -> Self {
        Self { step, queue: queue.into(), tag_ending: format!(":{step}:{queue}") }
    }
}

/// What a claim has brought.
struct Taken {
    deliveries: Vec<Delivery>,
    /// Keys of another type than they should be, by their place among the script's keys, and what Redis says of them.
    misfits: Vec<(usize, String)>,
}

/// Reads what `claim.lua` answers; `None` where that is nonsense.
fn taken(answer: Vec<Value>, places: &[Place], prefix: &str, first: u64) -> Option<Taken> {
    let mut answer = answer.into_iter();
    let (Value::Array(faults), Value::Array(marks)) = (answer.next()?, answer.next()?) else { return None };
    let misfits = faults.chunks_exact(2).map(|fault| match fault {
        [Value::Int(place), Value::BulkString(text)] => {
            Some((usize::try_from(*place).ok()?, String::from_utf8_lossy(text).into_owned()))
        }
        _ => None,
    });
    let misfits = misfits.collect::<Option<_>>()?;
    let mut deliveries = Vec::new();
    while let (Some(place), Some(messages)) = (answer.next(), answer.next()) {
        let (Value::Int(place), Value::Array(messages)) = (place, messages) else { return None };
        let Place { step, queue, tag_ending } = places.get(usize::try_from(place).ok()?.checked_sub(1)?)?;
        deliveries.reserve(messages.len());
        for message in messages {
            let Value::BulkString(bytes) = message else { return None };
            let number = first + u64::try_from(deliveries.len()).ok()?;
            let receipt = Receipt { queue: queue.clone(), tag: format!("{prefix}{number}{tag_ending}").into() };
            let redelivered = is_marked(&bytes);
            deliveries.push(Delivery {
                receipt,
                bytes: bytes.into(),
                priority: *step,
                redelivered,
                deaths: Vec::new(),
            });
        }
    }
    for mark in marks.chunks_exact(3) {
        let [Value::Int(place), Value::Int(before), died] = mark else { return None };
        let delivery = deliveries.get_mut(usize::try_from(*place).ok()?)?;
        delivery.redelivered |= *before == 1;
        delivery.deaths = lines(died.clone());
    }
    Some(Taken { deliveries, misfits })
}
