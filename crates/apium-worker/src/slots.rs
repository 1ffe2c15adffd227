//! The slots attempts run in: as many as the worker runs at once, more or fewer at the word of remote control.
//!
//! A task that has ended needs its slot no more while its outcome is written, and so the next one can be claimed meanwhile.
//! But no more outcomes are written beside running tasks than the worker began with slots: where the store takes no
//! writes, what has ended must not pile up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The slots of one worker. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    /// Places for outcomes that are written while their slots are others'.
    writing: Arc<Semaphore>,
    size: Arc<Mutex<Size>>,
}

struct Size {
    /// How many there are to be.
    wanted: usize,
    /// How many are taken beyond that: each goes when its attempt ends, none before.
    surplus: usize,
}

/// One slot, taken; free again when dropped.
pub(crate) struct Slot {
    permit: Option<OwnedSemaphorePermit>,
    slots: Slots,
    /// Held once the slot itself is free.
    writing: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        let size = Size { wanted: count, surplus: 0 };
        let semaphore = || Arc::new(Semaphore::new(count));
        Self { free: semaphore(), writing: semaphore(), size: Arc::new(Mutex::new(size)) }
    }

    /// Waits for a free slot and takes it.
    pub(crate) async fn take(&self) -> Option<Slot> {
        let permit = self.free.clone().acquire_owned().await.ok()?;
        Some(self.taken(permit))
    }

    /// Takes a slot if one is free.
    pub(crate) fn take_now(&self) -> Option<Slot> {
        let permit = self.free.clone().try_acquire_owned().ok()?;
        Some(self.taken(permit))
    }

    fn taken(&self, permit: OwnedSemaphorePermit) -> Slot {
        Slot { permit: Some(permit), slots: self.clone(), writing: None }
    }

    /// How many there are; more may be taken for as long as attempts run that began when there were more.
    pub(crate) fn count(&self) -> usize {
        open(&self.size).wanted
    }

    /// Adds slots, as far as there can be so many.
    pub(crate) fn grow(&self, by: usize) {
        let mut size = open(&self.size);
        let by = by.min(Semaphore::MAX_PERMITS.saturating_sub(size.wanted + size.surplus));
        let kept = by.min(size.surplus);
        size.surplus -= kept;
        size.wanted += by;
        self.free.add_permits(by - kept);
    }

    /// Takes slots away, free ones at once, others when their attempts end. False when none would be left.
    pub(crate) fn shrink(&self, by: usize) -> bool {
        let mut size = open(&self.size);
        if by >= size.wanted {
            return false;
        }
        size.wanted -= by;
        size.surplus += by - self.free.forget_permits(by);
        true
    }
}

impl Slot {
    /// The task has ended: the slot is free, if there is a place to have the outcome written from.
    pub(crate) fn ended(&mut self) {
        if let Ok(place) = self.slots.writing.clone().try_acquire_owned() {
            self.writing = Some(place);
            self.free();
        }
    }

    fn free(&mut self) {
        let mut size = open(&self.slots.size);
        if size.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            size.surplus -= 1;
            permit.forget();
        }
        // Still under the lock, or a shrink in between would miss it.
        self.permit = None;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.free();
    }
}

fn open(size: &Mutex<Size>) -> MutexGuard<'_, Size> {
    size.lock().unwrap_or_else(PoisonError::into_inner)
}
