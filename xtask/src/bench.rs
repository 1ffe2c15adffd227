//! `cargo xtask bench`: the same work done by Apium, by its peers and by a bare client in turn, measured from outside.
//!
//! `bench/peers.toml` says who, `bench/workloads.rs` what. Every run has a Redis of its own; what is started stands in
//! process groups that a guardian ends with the bench.

pub mod figures;
pub(crate) mod guardian;
mod install;
pub mod json;
pub mod ledger;
pub(crate) mod machine;
pub mod marks;
pub mod peers;
pub mod redis;
pub mod report;
mod run;
mod stage;
pub(crate) mod watch;
pub mod workloads;

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use self::figures::Figures;
use self::guardian::{Group, Guardian};
use self::install::Programs;
use self::marks::{Mark, marks};
use self::peers::{LIST, Peer};
use self::report::{Circumstances, Told};
use self::run::Run;
use self::watch::Neighbours;
use self::workloads::Workload;
use crate::shell::{Done, Failure, find};

/// The page that `--write` makes.
const PAGE: &str = "docs/BENCHMARKS.md";
/// Rounds where nothing is said, and in a quick run.
const ROUNDS: usize = 3;
const QUICK_ROUNDS: usize = 1;
/// A quick run ends within ten minutes: what would begin later than this is left out, and said; what has begun is given up
/// when the time is over.
const QUICK_BEGIN: Duration = Duration::from_secs(550);
const QUICK_END: Duration = Duration::from_secs(590);
/// Where JSON goes that no file is named for: to the standard output.
const PRINTED: &str = "-";
/// Memory that is no disk, where there is some: a ledger on a disk would measure that.
const MEMORY: &str = "/dev/shm";

/// What was asked for.
#[derive(Debug, Default)]
struct Asked {
    peers: Vec<String>,
    workloads: Vec<Workload>,
    rounds: Option<usize>,
    /// Where JSON is wanted; `-` prints it, and the tables beside it.
    json: Option<PathBuf>,
    quick: bool,
    write: bool,
    command: String,
}

/// What every run needs.
struct Hall<'a> {
    programs: &'a Programs,
    guardian: &'a Guardian,
    server: &'a Path,
    /// What the bench itself has started besides.
    beside: Vec<u32>,
    began: Instant,
}

/// Runs what the words ask for, and prints it as tables.
///
/// # Errors
/// When something needed is missing, or Apium itself did not get through. What another peer does not get through, and one
/// that cannot be built, is told in the tables.
pub fn bench(root: &Path, words: &[String]) -> Done {
    let asked = Asked::read(words)?;
    let list =
        fs::read_to_string(root.join(LIST)).map_err(|error| Failure::new(format!("cannot read {LIST}: {error}.")))?;
    let peers = Peer::read_all(&list)?;
    let chosen = asked.chosen(&peers)?;
    let server = find("redis-server").ok_or_else(|| {
        Failure::new("`redis-server` is missing: `apt-get install redis-server`, or `cargo xtask setup`.")
    })?;
    let programs = install::install(root, &chosen)?;
    let folder = format!("apium-bench-{}", std::process::id());
    let memory = Path::new(MEMORY);
    let memory = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let guardian = Guardian::new(memory.join(&folder), install::cache(root).join(&folder))?;
    let spinners = machine::spinners(&guardian);
    if spinners.is_empty() {
        eprintln!("The cores are not kept awake (no `chrt -i`): what waits for an idle one looks slower.");
    }
    let beside: Vec<u32> = spinners.iter().map(Group::id).collect();
    let (load, neighbours) = (machine::load(), Neighbours::begin());
    let hall = Hall { programs: &programs, guardian: &guardian, server: &server, beside, began: Instant::now() };
    let figures = asked.measure(&hall, &chosen)?;
    let mut facts = machine::described();
    facts.push(("rounds", asked.rounds().to_string()));
    facts.push(("cores kept awake", (!hall.beside.is_empty()).to_string()));
    facts.push(("load before", format!("{load:.1}")));
    facts.push(("busiest beside it", neighbours.busiest(&hall.beside)));
    facts.push(("seconds", hall.began.elapsed().as_secs().to_string()));
    drop(spinners);
    let marks = marks(&figures);
    let peers = chosen.iter().map(|peer| told_of(peer, &programs)).collect::<Result<_, _>>()?;
    let circumstances = Circumstances { facts, peers, command: asked.command.clone() };
    asked.publish(root, &figures, &marks, &circumstances)
}

fn told_of(peer: &Peer, programs: &Programs) -> Result<Told, Failure> {
    let versions = programs.get(peer.build()).and_then(|program| Some(program.as_ref().ok()?.versions.clone()));
    Ok(Told {
        name: peer.name.clone(),
        title: peer.title().to_owned(),
        versions: versions.unwrap_or_default(),
        settings: peer.settings()?,
        about: peer.about().to_owned(),
    })
}

impl Asked {
    fn read(words: &[String]) -> Result<Self, Failure> {
        let mut asked = Self { command: format!("cargo xtask bench {}", words.join(" ")), ..Self::default() };
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| Failure::usage(format!("`{word}` needs a word after it.")));
            match word.as_str() {
                "--peer" => asked.peers.push(value()?.clone()),
                "--workload" => asked.workloads.push(Workload::from_str(value()?)?),
                "--rounds" => {
                    let rounds = value()?.parse().ok().filter(|rounds: &usize| *rounds > 0);
                    asked.rounds =
                        Some(rounds.ok_or_else(|| Failure::usage("`--rounds` needs a whole number above 0."))?);
                }
                "--json" => {
                    let file = words.next_if(|next| !next.starts_with("--"));
                    asked.json = Some(file.map_or_else(|| PRINTED.into(), PathBuf::from));
                }
                "--quick" => asked.quick = true,
                "--write" => asked.write = true,
                other => {
                    return Err(Failure::usage(format!("`bench` knows no word `{other}`; see `cargo xtask help`.")));
                }
            }
        }
        Ok(asked)
    }

    /// Workload by workload, round by round, each peer in turn.
    fn measure(&self, hall: &Hall<'_>, chosen: &[&Peer]) -> Result<Figures, Failure> {
        let mut figures = Figures::default();
        for workload in Workload::all().filter(|one| self.workloads.is_empty() || self.workloads.contains(one)) {
            for round in 1..=self.rounds() {
                for peer in chosen.iter().filter(|peer| peer.workloads().is_ok_and(|can| can.contains(&workload))) {
                    let measured = self.run(hall, peer, workload)?;
                    tell(workload, round, peer, &measured);
                    figures.add(workload, &peer.name, peer.family(), measured);
                }
            }
        }
        Ok(figures)
    }

    /// One run of one peer, or why there is none.
    fn run(&self, hall: &Hall<'_>, peer: &Peer, workload: Workload) -> Result<Result<run::Measures, String>, Failure> {
        if self.quick && hall.began.elapsed() > QUICK_BEGIN {
            return Ok(Err("left out: the ten minutes are over.".to_owned()));
        }
        let program = match hall.programs.get(peer.build()) {
            Some(Ok(program)) => program,
            Some(Err(why)) => return Ok(Err(why.clone())),
            None => return Ok(Err("it was not built.".to_owned())),
        };
        let part = peer.part(workload)?;
        let run = Run {
            workload,
            part: &part,
            program,
            guardian: hall.guardian,
            server: hall.server,
            beside: &hall.beside,
            until: self.quick.then(|| hall.began + QUICK_END),
        };
        Ok(run.play().map_err(|failure| failure.sentence))
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { QUICK_ROUNDS } else { ROUNDS })
    }

    /// Those who are named, or all, or all that have a place in a quick run.
    fn chosen<'a>(&self, peers: &'a [Peer]) -> Result<Vec<&'a Peer>, Failure> {
        if let Some(unknown) = self.peers.iter().find(|name| peers.iter().all(|peer| peer.name != **name)) {
            let known: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
            return Err(Failure::usage(format!("there is no peer `{unknown}`; {LIST} has {}.", known.join(", "))));
        }
        let named = |peer: &&Peer| {
            if self.peers.is_empty() { !self.quick || peer.is_quick() } else { self.peers.contains(&peer.name) }
        };
        Ok(peers.iter().filter(named).collect())
    }

    /// Prints the tables, and writes what was asked for besides.
    fn publish(&self, root: &Path, figures: &Figures, marks: &[Mark], circumstances: &Circumstances) -> Done {
        let json = self.json.as_ref().map(|place| (place, json::json(figures, marks, circumstances)));
        let mut tables = report::text(figures, marks);
        for (name, value) in &circumstances.facts {
            tables.extend([name, ": ", value, "\n"]);
        }
        let page = root.join(PAGE);
        let page = self.write.then(|| (&page, report::page(figures, marks, circumstances)));
        match &json {
            Some((place, json)) if *place == Path::new(PRINTED) => {
                eprint!("{tables}");
                print!("{json}");
            }
            _ => print!("{tables}"),
        }
        for (path, text) in page.into_iter().chain(json).filter(|(path, _)| *path != Path::new(PRINTED)) {
            fs::write(path, text)
                .map_err(|error| Failure::new(format!("cannot write {}: {error}.", path.display())))?;
        }
        let own = figures.workloads().flat_map(|(_, rows)| rows).filter(|row| row.family == "apium");
        let failed: usize = own.map(|row| row.failures.len()).sum();
        match failed {
            0 => Ok(()),
            _ => Err(Failure::new("Apium itself did not get through; the lines that begin with `!` say why.")),
        }
    }
}

/// One line a run, while they go on.
fn tell(workload: Workload, round: usize, peer: &Peer, measured: &Result<run::Measures, String>) {
    let told = match measured {
        Ok(measures) => {
            measures.iter().take(4).map(|(name, value)| format!("{value:.1} {name}")).collect::<Vec<_>>().join(", ")
        }
        Err(sentence) => sentence.clone(),
    };
    eprintln!("{workload} {round} {}: {told}", peer.name);
}
