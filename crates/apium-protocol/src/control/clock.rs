//! Lamport's clock, by which events and elections are put in order across processes.

/// A counter that only rises. Kept by its owner; it knows nothing of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LamportClock {
    value: u64,
}

impl LamportClock {
    /// A clock that stands at `value`; a process begins at 0.
    pub fn new(value: u64) -> Self {
        Self { value }
    }

    /// Where it stands.
    pub fn value(&self) -> u64 {
        self.value
    }

    /// Counts something that happens here, and gives the value to send with it.
    pub fn forward(&mut self) -> u64 {
        // A peer may claim any number: at the end the clock stands still rather than beginning anew.
        self.value = self.value.saturating_add(1);
        self.value
    }

    /// Counts something that came with the clock of another process: from now on later than both.
    pub fn adjust(&mut self, other: u64) -> u64 {
        self.value = self.value.max(other);
        self.forward()
    }
}
