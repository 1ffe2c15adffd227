//! `cargo xtask scale`: whether a task costs the same, however much else there is.
//!
//! One thing grows at a time (`scale/rungs.rs`). Time on the cores is measured, of the workers and of Redis, because it is
//! the same on a machine that is busy; the rate stands beside.

pub mod rungs;
pub mod table;
pub mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Instant;

use self::rungs::{Axis, Rung};
use self::table::Ladder;
use self::trial::{Took, Trial, real};
use crate::bench::guardian::Guardian;
use crate::bench::machine;
use crate::lean;
use crate::shell::{Done, Failure, find};

/// Rounds where nothing is said, and in a quick run.
const ROUNDS: usize = 3;
const QUICK_ROUNDS: usize = 1;
/// What a waiting message takes in Redis, and one that waits for its time, in bytes; a little more, to be safe.
const WAITING: u64 = 1_000;
const DELAYED: u64 = 2_000;

/// What was asked for.
#[derive(Debug, Default)]
struct Asked {
    axes: Vec<Axis>,
    rounds: Option<usize>,
    json: Option<PathBuf>,
    quick: bool,
}

/// Measures what the words ask for, and prints it as tables.
///
/// # Errors
/// When something needed is missing, or a rung was not got through.
pub fn scale(root: &Path, words: &[String]) -> Done {
    let asked = Asked::read(words)?;
    let server = find("redis-server").ok_or_else(|| {
        Failure::new("`redis-server` is missing: `apt-get install redis-server`, or `cargo xtask setup`.")
    })?;
    let program = lean::example(root, "scale")?;
    let folder = std::env::temp_dir().join(format!("apium-scale-{}", std::process::id()));
    let guardian = Guardian::new(folder.clone(), folder)?;
    let spinners = machine::spinners(&guardian);
    let (began, load) = (Instant::now(), machine::load());
    let mut ladders = Vec::new();
    for axis in Axis::ALL.into_iter().filter(|axis| asked.axes.is_empty() || asked.axes.contains(axis)) {
        let mut rungs: Vec<(Rung, Result<Took, String>)> =
            axis.rungs(asked.quick).into_iter().map(|rung| (rung, Ok(Took::default()))).collect();
        for round in 1..=asked.rounds() {
            for (rung, all) in &mut rungs {
                let trial = Trial { rung, program: &program, guardian: &guardian, server: &server };
                let took = room(rung).and_then(|()| trial.play().map_err(|failure| failure.sentence));
                tell(axis, rung, round, took.as_ref());
                match (all.as_mut(), took) {
                    (Ok(all), Ok(took)) => all.extend(took),
                    (Ok(_), Err(why)) => *all = Err(why),
                    (Err(_), _) => {}
                }
            }
        }
        ladders.push(Ladder { axis, rungs });
    }
    drop(spinners);
    print!("{}", table::text(&ladders));
    for (name, value) in machine::described() {
        println!("{name}: {value}");
    }
    println!("load before: {load:.1}\nseconds: {}", began.elapsed().as_secs());
    if let Some(path) = &asked.json {
        fs::write(path, table::json(&ladders))
            .map_err(|error| Failure::new(format!("cannot write {}: {error}.", path.display())))?;
    }
    match ladders.iter().flat_map(|ladder| &ladder.rungs).filter(|(_, took)| took.is_err()).count() {
        0 => Ok(()),
        _ => Err(Failure::new("not every rung was got through; the lines that begin with `!` say why.")),
    }
}

impl Asked {
    fn read(words: &[String]) -> Result<Self, Failure> {
        let mut asked = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| Failure::usage(format!("`{word}` needs a word after it.")));
            match word.as_str() {
                "--axis" => asked.axes.push(Axis::from_str(value()?)?),
                "--rounds" => {
                    let rounds = value()?.parse().ok().filter(|rounds: &usize| *rounds > 0);
                    asked.rounds =
                        Some(rounds.ok_or_else(|| Failure::usage("`--rounds` needs a whole number above 0."))?);
                }
                "--json" => asked.json = Some(value()?.into()),
                "--quick" => asked.quick = true,
                other => {
                    return Err(Failure::usage(format!("`scale` knows no word `{other}`; see `cargo xtask help`.")));
                }
            }
        }
        Ok(asked)
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { QUICK_ROUNDS } else { ROUNDS })
    }
}

/// Whether all of it has room in memory.
fn room(rung: &Rung) -> Result<(), String> {
    let needed = (rung.waiting * WAITING + rung.delayed * DELAYED) / 1_024;
    let told = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    match line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()) {
        Some(free) if free < needed => Err(format!(
            "left out: it needs {:.1} GiB, and {:.1} GiB are free.",
            real(needed) / 1_048_576.0,
            real(free) / 1_048_576.0
        )),
        _ => Ok(()),
    }
}

/// One line a run, while they go on.
fn tell(axis: Axis, rung: &Rung, round: usize, took: Result<&Took, &String>) {
    let figures = |values: &[f64]| values.iter().map(|value| format!("{value:.1}")).collect::<Vec<_>>().join(" ");
    let told = match took {
        Ok(took) => format!(
            "worker {} µs, Redis {} µs, {} commands, peak {} MiB",
            figures(&took.worker),
            figures(&took.redis),
            figures(&took.commands),
            figures(&took.peak)
        ),
        Err(why) => why.clone(),
    };
    eprintln!("{axis} {} {round}: {told}", axis.size(rung));
}
