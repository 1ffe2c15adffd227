//! What a task took on every rung, and whether that is flat: as a table, and for programs.

use std::fmt::Write as _;

use super::rungs::{Axis, Rung};
use super::trial::Took;
use crate::bench::figures::Spread;

/// What is flat takes at most so much more at its largest than at its smallest.
pub const FLAT: f64 = 1.15;

/// The rungs of one axis that were measured, or why one was not, from the smallest on.
#[derive(Debug, Clone)]
pub struct Ladder {
    /// What grew.
    pub axis: Axis,
    /// How it went.
    pub rungs: Vec<(Rung, Result<Took, String>)>,
}

/// One rung in figures. Of times on the cores and of the rate the best: whatever else the machine does only adds to them.
struct Line {
    size: u64,
    worker: f64,
    redis: f64,
    commands: f64,
    rate: f64,
    peak: f64,
}

impl Line {
    fn of(axis: Axis, rung: &Rung, took: &Took) -> Option<Self> {
        let least = |values: &[f64]| Spread::of(values).map(|spread| spread.min);
        let median = |values: &[f64]| Spread::of(values).map(|spread| spread.median);
        let most = |values: &[f64]| Spread::of(values).map(|spread| spread.max);
        Some(Self {
            size: axis.size(rung),
            worker: least(&took.worker)?,
            redis: least(&took.redis)?,
            commands: median(&took.commands)?,
            rate: most(&took.rate)?,
            peak: most(&took.peak)?,
        })
    }

    fn cost(&self) -> f64 {
        self.worker + self.redis
    }
}

impl Ladder {
    fn lines(&self) -> Vec<Line> {
        let line = |(rung, took): &(Rung, Result<Took, String>)| Line::of(self.axis, rung, took.as_ref().ok()?);
        self.rungs.iter().filter_map(line).collect()
    }

    /// How much more time a task takes, and a worker memory, where that is most, than on the smallest rung.
    #[must_use]
    pub fn ratios(&self) -> Option<(f64, f64)> {
        let lines = self.lines();
        let first = lines.first()?;
        let most = |of: &dyn Fn(&Line) -> f64| lines.iter().map(|line| of(line) / of(first)).fold(0.0, f64::max);
        Some((most(&Line::cost), most(&|line| line.peak)))
    }

    /// Whether both are flat. Nothing is known of fewer than two rungs.
    #[must_use]
    pub fn is_flat(&self) -> Option<bool> {
        let (cost, memory) = self.ratios().filter(|_| self.lines().len() > 1)?;
        Some(cost <= FLAT && memory <= FLAT)
    }
}

/// The tables for a terminal.
#[must_use]
pub fn text(ladders: &[Ladder]) -> String {
    let mut page = String::new();
    for ladder in ladders {
        let _ = writeln!(page, "\n{}: {}", ladder.axis, ladder.axis.about());
        let _ = writeln!(
            page,
            "{:>12} {:>10} {:>9} {:>9} {:>9} {:>9} {:>6} {:>7}",
            ladder.axis, "worker µs", "Redis µs", "commands", "tasks/s", "peak MiB", "cost", "memory"
        );
        let lines = ladder.lines();
        for line in &lines {
            let (cost, memory) =
                lines.first().map_or((1.0, 1.0), |first| (line.cost() / first.cost(), line.peak / first.peak));
            let Line { size, worker, redis, commands, rate, peak } = line;
            let _ = writeln!(
                page,
                "{size:>12} {worker:>10.1} {redis:>9.1} {commands:>9.2} {rate:>9.0} {peak:>9.1} {cost:>6.2} {memory:>7.2}"
            );
        }
        for (rung, why) in ladder.rungs.iter().filter_map(|(rung, took)| Some((rung, took.as_ref().err()?))) {
            let _ = writeln!(page, "! {}: {why}", ladder.axis.size(rung));
        }
        let said = match ladder.is_flat() {
            Some(true) => "flat",
            Some(false) => "not flat",
            None => "too few rungs to tell",
        };
        let (cost, memory) = ladder.ratios().unwrap_or((f64::NAN, f64::NAN));
        let _ = writeln!(page, "{said}: at most {cost:.2} × the time and {memory:.2} × the memory of the smallest");
    }
    page
}

/// The same for programs.
#[must_use]
pub fn json(ladders: &[Ladder]) -> String {
    let ladder = |ladder: &Ladder| {
        let rung = |line: Line| {
            let Line { size, worker, redis, commands, rate, peak } = line;
            format!(
                "{{\"size\": {size}, \"worker_us\": {worker:.3}, \"redis_us\": {redis:.3}, \"commands\": {commands:.4}, \
                 \"tasks_per_second\": {rate:.0}, \"peak_mib\": {peak:.2}}}"
            )
        };
        let rungs: Vec<String> = ladder.lines().into_iter().map(rung).collect();
        let number = |number: Option<f64>| number.map_or_else(|| "null".to_owned(), |number| format!("{number:.4}"));
        let flat = ladder.is_flat().map_or_else(|| "null".to_owned(), |flat| flat.to_string());
        let ratios = ladder.ratios();
        format!(
            "\"{}\": {{\"flat\": {flat}, \"cost_ratio\": {}, \"memory_ratio\": {}, \"rungs\": [{}]}}",
            ladder.axis,
            number(ratios.map(|ratios| ratios.0)),
            number(ratios.map(|ratios| ratios.1)),
            rungs.join(", ")
        )
    };
    format!("{{{}}}\n", ladders.iter().map(ladder).collect::<Vec<_>>().join(", "))
}
