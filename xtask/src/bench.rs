//! `cargo xtask bench`: the same work done by Apium, by its peers and by a bare client in turn, measured from outside.
//!
//! `bench/peers.toml` says who, `bench/workloads.rs` what. Every run has a Redis of its own; what is started stands in
//! process groups that a guardian ends with the bench.

pub mod figures;
mod guardian;
mod install;
pub mod ledger;
mod machine;
pub mod peers;
pub mod redis;
pub mod report;
mod run;
mod stage;
mod watch;
pub mod workloads;

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Instant;

use self::figures::Figures;
use self::guardian::Guardian;
use self::peers::{LIST, Peer};
use self::report::Circumstances;
use self::run::Run;
use self::workloads::Workload;
use crate::shell::{Done, Failure, find};

/// The page that `--write` makes.
const PAGE: &str = "docs/BENCHMARKS.md";
/// Rounds where nothing is said, and in a quick run.
const ROUNDS: usize = 3;
const QUICK_ROUNDS: usize = 1;
/// A quick run ends within ten minutes: what would begin later than this is left out, and said.
const QUICK_UNTIL: u64 = 540;
/// Memory that is no disk, where there is some: a ledger on a disk would measure that.
const MEMORY: &str = "/dev/shm";

/// What was asked for.
#[derive(Debug, Default)]
struct Asked {
    peers: Vec<String>,
    workloads: Vec<Workload>,
    rounds: Option<usize>,
    json: Option<PathBuf>,
    quick: bool,
    write: bool,
    command: String,
}

/// Runs what the words ask for, and prints it as tables.
///
/// # Errors
/// When something needed is missing or cannot be built, or Apium itself did not get through. What another peer does not
/// get through is told in the tables.
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
    let guardian = Guardian::new(if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }.join(folder))?;
    let spinners = machine::spinners(&guardian);
    if spinners.is_empty() {
        eprintln!("The cores are not kept awake (no `chrt -i`): what waits for an idle one looks slower.");
    }
    let beside: Vec<u32> = spinners.iter().map(guardian::Group::id).collect();
    let (began, load, mut figures) = (Instant::now(), machine::load(), Figures::default());
    for workload in Workload::all().filter(|one| asked.workloads.is_empty() || asked.workloads.contains(one)) {
        for round in 1..=asked.rounds() {
            for peer in chosen.iter().filter(|peer| peer.workloads().is_ok_and(|can| can.contains(&workload))) {
                if asked.quick && began.elapsed().as_secs() > QUICK_UNTIL {
                    figures.add(
                        workload,
                        &peer.name,
                        peer.family(),
                        Err("left out: the ten minutes are over.".to_owned()),
                    );
                    continue;
                }
                let Some(program) = programs.get(peer.build()) else { continue };
                let part = peer.part(workload)?;
                let run = Run { workload, part: &part, program, guardian: &guardian, server: &server, beside: &beside };
                let measured = run.play().map_err(|failure| failure.sentence);
                tell(workload, round, peer, &measured);
                figures.add(workload, &peer.name, peer.family(), measured);
            }
        }
    }
    drop(spinners);
    let mut facts = machine::described();
    facts.push(("rounds", asked.rounds().to_string()));
    facts.push(("cores kept awake", (!beside.is_empty()).to_string()));
    facts.push(("load before", format!("{load:.1}")));
    facts.push(("seconds", began.elapsed().as_secs().to_string()));
    let about = |peer: &&Peer| {
        let versions = programs.get(peer.build()).map(|program| program.versions.clone()).unwrap_or_default();
        [peer.name.clone(), peer.title().to_owned(), versions, peer.about().to_owned()]
    };
    let circumstances =
        Circumstances { facts, peers: chosen.iter().map(about).collect(), command: asked.command.clone() };
    asked.publish(root, &figures, &circumstances)
}

impl Asked {
    fn read(words: &[String]) -> Result<Self, Failure> {
        let mut asked = Self { command: format!("cargo xtask bench {}", words.join(" ")), ..Self::default() };
        let mut words = words.iter();
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
                "--json" => asked.json = Some(value()?.into()),
                "--quick" => asked.quick = true,
                "--write" => asked.write = true,
                other => {
                    return Err(Failure::usage(format!("`bench` knows no word `{other}`; see `cargo xtask help`.")));
                }
            }
        }
        Ok(asked)
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
    fn publish(&self, root: &Path, figures: &Figures, circumstances: &Circumstances) -> Done {
        print!("{}", report::text(figures));
        for (name, value) in &circumstances.facts {
            println!("{name}: {value}");
        }
        let page = self.write.then(|| (root.join(PAGE), report::page(figures, circumstances)));
        let json = self.json.clone().map(|path| (path, report::json(figures, circumstances)));
        for (path, text) in page.into_iter().chain(json) {
            fs::write(&path, text)
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
