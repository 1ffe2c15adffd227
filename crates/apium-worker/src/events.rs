//! Events: what this worker tells everybody who listens, in order, through one queue that never holds up a task.
//!
//! What happens is put into the queue and forgotten by whoever puts it there; the loop in `events/sending.rs` publishes.

mod heartbeat;
mod sending;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use apium_core::protocol::control::{Answer, LamportClock};
use apium_core::protocol::event::{BATCH_LIMIT, Event, EventGroups, EventKind};
use jiff::Timestamp;
use tokio::sync::Notify;

pub(crate) use heartbeat::{asked_for, system};
pub(crate) use sending::run;

/// Events kept while the broker takes none; then the oldest are dropped, because news that old serves nobody.
const KEPT: usize = 10_000;

const TASK: &str = "task";

/// What one worker has to tell.
pub(crate) struct Events {
    hostname: String,
    queue: Mutex<Queue>,
    /// Whether events of tasks are wanted; asked before anything is made for them.
    of_tasks: AtomicBool,
    new: Notify,
}

struct Queue {
    groups: EventGroups,
    clock: LamportClock,
    waiting: VecDeque<Event>,
    dropped: u64,
}

impl Events {
    pub(crate) fn new(hostname: &str, task_events: bool) -> Self {
        let groups = if task_events { EventGroups::all() } else { EventGroups::workers() };
        let queue = Queue { groups, clock: LamportClock::default(), waiting: VecDeque::new(), dropped: 0 };
        Self {
            hostname: hostname.to_owned(),
            queue: Mutex::new(queue),
            of_tasks: AtomicBool::new(task_events),
            new: Notify::new(),
        }
    }

    /// Whether somebody wants to hear of tasks.
    pub(crate) fn of_tasks(&self) -> bool {
        self.of_tasks.load(Ordering::Relaxed)
    }

    /// Tells of something, if it is wanted.
    pub(crate) fn say(&self, kind: EventKind, now: Timestamp) {
        let mut queue = self.open();
        if !queue.groups.wants(&kind) {
            return;
        }
        // One that could not be sent is replaced: nobody is served by the heartbeats of an hour ago.
        if matches!(kind, EventKind::WorkerHeartbeat(_)) {
            queue.waiting.retain(|event| !matches!(event.kind, EventKind::WorkerHeartbeat(_)));
        }
        // Numbered where it is queued: its clock must rise from one event to the next.
        let clock = queue.clock.forward();
        let event = Event::new(&self.hostname, std::process::id().into(), clock, seconds(now), kind);
        queue.waiting.push_back(event);
        if queue.waiting.len() > KEPT {
            queue.drop_oldest();
        }
        drop(queue);
        self.new.notify_one();
    }

    /// Obeys enable_events and disable_events.
    pub(crate) fn switch_tasks(&self, on: bool) -> Answer {
        let mut queue = self.open();
        let answer = if on { queue.groups.enable_tasks() } else { queue.groups.disable_tasks() };
        let any = EventKind::TaskStarted(apium_core::protocol::event::TaskStarted::default());
        self.of_tasks.store(queue.groups.wants(&any), Ordering::Relaxed);
        answer
    }

    /// Counts something that happens here; the value goes with it.
    pub(crate) fn forward(&self) -> u64 {
        self.open().clock.forward()
    }

    /// Counts something that came with another's clock.
    pub(crate) fn heard(&self, clock: u64) {
        self.open().clock.adjust(clock);
    }

    /// Where the clock stands.
    pub(crate) fn clock(&self) -> u64 {
        self.open().clock.value()
    }

    /// Resolves when there may be something to publish.
    async fn some(&self) {
        self.new.notified().await;
    }

    /// What is to be published next: one event, or as many of tasks as stand together.
    fn next(&self) -> Vec<Event> {
        let mut queue = self.open();
        let mut batch: Vec<_> = queue.waiting.pop_front().into_iter().collect();
        if batch.first().is_some_and(|event| event.kind.group() == TASK) {
            while batch.len() < BATCH_LIMIT
                && let Some(event) = queue.waiting.pop_front_if(|event| event.kind.group() == TASK)
            {
                batch.push(event);
            }
        }
        batch
    }

    /// Puts back what could not be published.
    fn put_back(&self, batch: Vec<Event>) {
        let mut queue = self.open();
        for event in batch.into_iter().rev() {
            queue.waiting.push_front(event);
        }
        while queue.waiting.len() > KEPT {
            queue.drop_oldest();
        }
    }

    /// How many were dropped since this was last asked.
    fn dropped(&self) -> u64 {
        std::mem::take(&mut self.open().dropped)
    }

    fn open(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn drop_oldest(&mut self) {
        self.waiting.pop_front();
        if self.dropped == 0 {
            tracing::warn!("the broker takes no events; the oldest are dropped");
        }
        self.dropped += 1;
    }
}

/// Seconds since 1970.
#[allow(clippy::cast_precision_loss, reason = "microseconds of this century fit")]
pub(crate) fn seconds(moment: Timestamp) -> f64 {
    moment.as_microsecond() as f64 / 1_000_000.0
}
