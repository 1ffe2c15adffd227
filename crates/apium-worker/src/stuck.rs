//! Stuck: what becomes of a task that was called off, or ran into its limit, and does not let go.
//!
//! No thread can be ended from outside. Its attempt is settled without it and its slot is free; it is told, counted, and
//! its thread replaced. A worker that has too many of them leaves: only the end of its process frees them.

use std::fmt;

use apium_core::task::grip::Grip;
use tokio::time::Instant;

use crate::alarm::WorkerError;
use crate::handover::Running;
use crate::station::Station;
use crate::threads::Seat;

/// An attempt that has not let go.
pub(crate) struct Stuck {
    running: Running,
    grip: Grip,
    held: Held,
    since: Instant,
}

/// What it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// A thread that other tasks need.
    Thread,
    /// A thread of the pool for blocking work.
    Pool,
}

impl Stuck {
    /// Whether an attempt that was dropped still holds something.
    pub(crate) fn find(running: Running, grip: Grip) -> Option<Self> {
        let held = match () {
            () if grip.computes() => Held::Thread,
            () if grip.blocks() => Held::Pool,
            // It waits for a thread, and ends where it would get one.
            () => return None,
        };
        Some(Self { running, grip, held, since: Instant::now() })
    }

    async fn ended(mut self) -> Instant {
        // However it ends, nobody hears it.
        let _ = self.running.ended().await;
        self.grip.unblocked().await;
        self.since
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Thread => "the task does not let go of its thread",
            Self::Pool => "the task's blocking work goes on unheard",
        })
    }
}

/// Tells and counts a stuck attempt, makes its thread good, and lets the worker leave if it is one too many.
pub(crate) fn note(station: &Station, task: &str, id: &str, stuck: Stuck, seat: Seat) {
    let (task, id, held) = (task.to_owned(), id.to_owned(), stuck.held);
    let one = station.vitals.stuck(&task);
    let (now, most) = (station.vitals.stuck_now(), station.options.max_stuck);
    tracing::error!(task, id, now, "stuck: {held}");
    if held == Held::Thread && station.threads.make_good(&seat) {
        tokio::spawn(async move {
            if seat.sound_out().await {
                tracing::warn!("stuck tasks hold every thread of their runtime; what waited there is given back");
            }
        });
    }
    tokio::spawn(async move {
        let since = stuck.ended().await;
        drop(one);
        tracing::warn!(task, id, seconds = since.elapsed().as_secs_f64(), "no longer stuck: the task has let go");
    });
    if most > 0 && now >= most && station.at_once.is_none() {
        station.alarm.leave(WorkerError::Stuck(now));
    }
}
