//! The figures of all rounds: medians with their spread, and what one peer is to another.

use std::collections::BTreeMap;

use super::workloads::Workload;

/// The measure that says what share of the cores went to anything but the bench.
pub const OTHERS: &str = "others %";

/// The measure that says what share of the tasks that may run at once ran, on average.
pub const PLACES: &str = "places %";

/// What several rounds gave for one measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The middle one; of an even number the mean of both.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

/// Everything measured, by workload and peer, in the order it came.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    rows: BTreeMap<Workload, Vec<Row>>,
}

/// One peer at one workload.
#[derive(Debug, Clone)]
pub struct Row {
    /// The peer's name.
    pub peer: String,
    /// Its family.
    pub family: String,
    /// Its rounds, each with its measures by name.
    pub rounds: Vec<Vec<(&'static str, f64)>>,
    /// Why a round gave nothing.
    pub failures: Vec<String>,
}

/// How we stand at one workload. Above 1, Apium is the better one, whichever way the measure goes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Standing {
    /// Against Celery as the list has it first.
    pub ratio_to_celery: Option<f64>,
    /// Against the best of Celery's settings in the list.
    pub ratio_to_best_celery: Option<f64>,
    /// Against the limit.
    pub ratio_to_limit: Option<f64>,
    /// The best of those that are neither Apium nor the limit.
    pub best_peer: Option<String>,
    /// And against that one.
    pub ratio_to_best_peer: Option<f64>,
}

impl Spread {
    /// Of at least one value.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(Self { median: f64::midpoint(lower, upper), min, max })
    }
}

impl Row {
    /// The measures there are, in their order.
    pub fn measures(&self) -> impl Iterator<Item = &'static str> {
        self.rounds.first().into_iter().flatten().map(|(name, _)| *name)
    }

    /// The middle of one measure.
    #[must_use]
    pub fn median(&self, measure: &str) -> Option<f64> {
        self.spread(measure).map(|spread| spread.median)
    }

    /// All rounds of one measure.
    #[must_use]
    pub fn spread(&self, measure: &str) -> Option<Spread> {
        let value = |round: &Vec<(&'static str, f64)>| round.iter().find(|(name, _)| *name == measure).map(|one| one.1);
        Spread::of(&self.rounds.iter().filter_map(value).collect::<Vec<_>>())
    }
}

impl Figures {
    /// Adds one round, or why it gave nothing.
    pub fn add(
        &mut self,
        workload: Workload,
        peer: &str,
        family: &str,
        round: Result<Vec<(&'static str, f64)>, String>,
    ) {
        let rows = self.rows.entry(workload).or_default();
        let place = rows.iter().position(|row| row.peer == peer).unwrap_or_else(|| {
            let (rounds, failures) = (Vec::new(), Vec::new());
            rows.push(Row { peer: peer.to_owned(), family: family.to_owned(), rounds, failures });
            rows.len() - 1
        });
        if let Some(row) = rows.get_mut(place) {
            match round {
                Ok(round) => row.rounds.push(round),
                Err(failure) => row.failures.push(failure),
            }
        }
    }

    /// What was measured, workload by workload.
    pub fn workloads(&self) -> impl Iterator<Item = (Workload, &[Row])> {
        self.rows.iter().map(|(workload, rows)| (*workload, rows.as_slice()))
    }

    /// One peer at one workload.
    #[must_use]
    pub fn row(&self, workload: Workload, peer: &str) -> Option<&Row> {
        self.rows.get(&workload)?.iter().find(|row| row.peer == peer)
    }

    /// The greatest share of the cores that others had in a run, in per cent.
    #[must_use]
    pub fn disturbed(&self) -> Option<f64> {
        let rows = self.rows.values().flatten();
        rows.filter_map(|row| row.spread(OTHERS)).map(|spread| spread.max).max_by(f64::total_cmp)
    }

    /// How we stand.
    #[must_use]
    pub fn standing(&self, workload: Workload) -> Standing {
        let rows = self.rows.get(&workload).map_or(&[][..], Vec::as_slice);
        let median = |row: &Row| row.median(workload.measure());
        // A family's other settings do not speak for it: they have ratios of their own to be read from the table.
        let first = |family: &str| rows.iter().find(|row| row.peer == family).and_then(median);
        let best = |allowed: &dyn Fn(&str) -> bool| {
            let of = rows.iter().filter(|row| allowed(&row.family)).filter_map(|row| Some((row, median(row)?)));
            let order = |left: &(&Row, f64), right: &(&Row, f64)| left.1.total_cmp(&right.1);
            if workload.more_is_better() { of.max_by(order) } else { of.min_by(order) }
        };
        let own = first("apium");
        let ratio = |other: Option<f64>| {
            let (own, other) = own.zip(other)?;
            Some(if workload.more_is_better() { own / other } else { other / own })
        };
        let peer = best(&|family| !["apium", "sqlite", "limit"].contains(&family));
        Standing {
            ratio_to_celery: ratio(first("celery")),
            ratio_to_best_celery: ratio(best(&|family| family == "celery").map(|one| one.1)),
            ratio_to_limit: ratio(first("limit")),
            best_peer: peer.map(|(row, _)| row.peer.clone()),
            ratio_to_best_peer: ratio(peer.map(|one| one.1)),
        }
    }
}
