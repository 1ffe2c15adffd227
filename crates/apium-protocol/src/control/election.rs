//! Who wins an election between workers: the one whose request is the oldest by the Lamport clock.

/// A worker that stands for election, as its `worker-elect` event says. The order is that of the candidates: by
/// clock, and by name where clocks are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Candidate {
    /// The clock of its event.
    pub clock: u64,
    /// The node and its process id, `w1@lab.4711`.
    pub process: String,
}

impl Candidate {
    /// The candidate with the event's `clock`, `hostname` and `pid`.
    pub fn new(clock: u64, hostname: &str, pid: u64) -> Self {
        Self { clock, process: format!("{hostname}.{pid}") }
    }
}

/// The winner: the smallest; `None` when nobody stands.
pub fn leader(candidates: &[Candidate]) -> Option<&Candidate> {
    candidates.iter().min()
}
