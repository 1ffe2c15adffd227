//! What was promised, as figures beside the measured ones: what each mark asks, what was found, whether that is enough.
//! No run fails by them.

use super::figures::{Figures, PLACES};
use super::workloads::Workload::{self, Bulk, Delayed, Idle, Io, Latency, Noop, Results, Stored};

/// One of the marks, and how a run stands to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Of which workload.
    pub workload: Workload,
    /// Of which of our peers.
    pub peer: &'static str,
    /// What is looked at; one of them is enough.
    pub looks: Vec<Look>,
}

/// One thing that is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// What it is, such as `acked/s ÷ celery`.
    pub what: String,
    /// What is asked of it.
    pub asked: Asked,
    /// What was found, as a median; nothing where it was not measured.
    pub found: Option<f64>,
}

/// What is asked of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Asked {
    /// At least so much.
    Least(f64),
    /// At most so much.
    Most(f64),
}

use Asked::{Least, Most};

/// Which figure is meant.
enum Figure {
    /// A measure of the peer's own.
    Own(&'static str),
    /// The deciding measure, divided by that of another peer.
    Times(&'static str),
    /// The deciding measure, divided by the rate at `noop`.
    OfNoop,
}

/// A mark as it was set.
type Set = (Workload, &'static str, &'static [(Figure, Asked)]);

const OURS: &str = "apium";
const DURABLE: &str = "apium-sqlite";

const MARKS: [Set; 17] = [
    (Noop, OURS, &[(Figure::Times("celery"), Least(60.0))]),
    (Noop, OURS, &[(Figure::Times("bullmq"), Least(3.0))]),
    (Noop, OURS, &[(Figure::Own("peak MiB"), Most(40.0))]),
    (Stored, OURS, &[(Figure::Times("limit"), Least(0.6))]),
    (Stored, OURS, &[(Figure::Own("peak MiB"), Most(40.0))]),
    (Results, OURS, &[(Figure::Times("celery"), Least(40.0))]),
    (Results, OURS, &[(Figure::Times("bullmq"), Least(2.0))]),
    (Results, OURS, &[(Figure::Own("peak MiB"), Most(40.0))]),
    (Results, DURABLE, &[(Figure::Own("fetched/s"), Least(10_000.0))]),
    (Latency, OURS, &[(Figure::Own("p50 ms"), Most(1.0))]),
    (Latency, OURS, &[(Figure::Own("p99 ms"), Most(3.0))]),
    (Io, OURS, &[(Figure::OfNoop, Least(0.9)), (Figure::Own(PLACES), Least(90.0))]),
    (Io, OURS, &[(Figure::Own("peak MiB"), Most(30.0))]),
    (Delayed, OURS, &[(Figure::Own("p99 ms"), Most(1_000.0))]),
    (Idle, OURS, &[(Figure::Own("MiB"), Most(15.0))]),
    (Bulk, OURS, &[(Figure::Own("messages/s"), Least(100_000.0)), (Figure::Times("limit"), Least(0.6))]),
    (Bulk, DURABLE, &[(Figure::Own("messages/s"), Least(20_000.0))]),
];

/// How a run stands to each mark.
#[must_use]
pub fn marks(figures: &Figures) -> Vec<Mark> {
    let look = |workload: Workload, peer: &str, figure: &Figure, asked: Asked| {
        let median = |workload: Workload, peer: &str, measure: &str| {
            figures.row(workload, peer).and_then(|row| row.median(measure)).filter(|value| value.is_finite())
        };
        let deciding = workload.measure();
        let own = median(workload, peer, deciding);
        let of = |whole: Option<f64>| Some(own? / whole.filter(|whole| *whole > 0.0)?);
        let (what, found) = match figure {
            Figure::Own(measure) => ((*measure).to_owned(), median(workload, peer, measure)),
            Figure::Times(other) => (format!("{deciding} ÷ {other}"), of(median(workload, other, deciding))),
            Figure::OfNoop => (format!("{deciding} ÷ noop"), of(median(Noop, peer, Noop.measure()))),
        };
        Look { what, asked, found }
    };
    let judged = MARKS.iter().map(|(workload, peer, looks)| {
        let looks = looks.iter().map(|(figure, asked)| look(*workload, peer, figure, *asked)).collect();
        Mark { workload: *workload, peer, looks }
    });
    judged.collect()
}

impl Mark {
    /// Whether it is met; nothing where what it looks at was not measured.
    #[must_use]
    pub fn met(&self) -> Option<bool> {
        let met: Vec<Option<bool>> = self.looks.iter().map(|look| Some(look.asked.is_met(look.found?))).collect();
        if met.contains(&Some(true)) { Some(true) } else { met.into_iter().collect::<Option<Vec<_>>>().map(|_| false) }
    }
}

impl Asked {
    fn is_met(self, found: f64) -> bool {
        match self {
            Least(bound) => found >= bound,
            Most(bound) => found <= bound,
        }
    }

    /// The bound itself.
    #[must_use]
    pub fn bound(self) -> f64 {
        match self {
            Least(bound) | Most(bound) => bound,
        }
    }

    /// How it is told.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Least(_) => "≥",
            Most(_) => "≤",
        }
    }
}
