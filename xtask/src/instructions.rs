//! `cargo xtask instructions`: counts what a task takes on each path, in instructions, and holds it to a bound.
//!
//! Seconds depend on the machine and on who else is on it; instructions, counted by callgrind, hardly. Each path is gone with
//! few tasks and with more, and the difference is divided by theirs, so that start and end do not count. What does the work
//! is `crates/apium/examples/instructions.rs`, built for release; it has one thread and the system's allocator, where the
//! executable has threads of their own for tasks, and mimalloc.

pub mod bounds;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use self::bounds::{Bounds, LIST, Verdict};
use crate::bench::figures::Spread;
use crate::bench::guardian::Guardian;
use crate::bench::redis::Redis;
use crate::lean;
use crate::setup;
use crate::shell::{Done, Failure, find};

/// Where profiles are left for who wants to look.
const FOLDER: &str = "target/instructions";
/// Tasks of the two runs. The first has to be enough for what happens once, such as memory that grows to its size.
const FEW: u32 = 300;
const MANY: u32 = 1_000;

/// A path, and what it needs.
struct Way {
    name: &'static str,
    /// Whether its tasks' results are stored.
    stored: bool,
    store: Store,
    verb: Verb,
}

#[derive(Clone, Copy, PartialEq)]
enum Store {
    Memory,
    Sqlite,
    Redis,
}

#[derive(Clone, Copy, PartialEq)]
enum Verb {
    Read,
    Send,
    Run,
}

const WAYS: [Way; 7] = [
    Way { name: "read", stored: true, store: Store::Memory, verb: Verb::Read },
    Way { name: "send", stored: true, store: Store::Memory, verb: Verb::Send },
    Way { name: "acknowledged", stored: false, store: Store::Memory, verb: Verb::Run },
    Way { name: "stored", stored: true, store: Store::Memory, verb: Verb::Run },
    Way { name: "sqlite-stored", stored: true, store: Store::Sqlite, verb: Verb::Run },
    Way { name: "redis-send", stored: true, store: Store::Redis, verb: Verb::Send },
    Way { name: "redis-stored", stored: true, store: Store::Redis, verb: Verb::Run },
];

/// What was asked for.
#[derive(Debug)]
struct Asked {
    paths: Vec<String>,
    rounds: usize,
    write: bool,
}

/// The program, and where it is played.
struct Counter {
    program: PathBuf,
    valgrind: PathBuf,
    /// Where profiles stay.
    profiles: PathBuf,
    guardian: Guardian,
    redis: Option<Redis>,
}

/// Counts what the words ask for, prints it beside the bounds, and judges it; with `--write` makes it the bounds.
///
/// # Errors
/// When something needed is missing or cannot be built, or a path takes more than its bound allows.
pub fn instructions(root: &Path, words: &[String]) -> Done {
    let asked = Asked::read(words)?;
    let began = Instant::now();
    let list = root.join(LIST);
    let text = fs::read_to_string(&list).map_err(|error| cannot("read", &list, &error))?;
    let bounds = Bounds::read(&text)?;
    let mut counter = Counter::ready(root)?;
    let (mut figures, built) = (Vec::new(), began.elapsed());
    for way in WAYS.iter().filter(|way| asked.paths.is_empty() || asked.paths.iter().any(|path| path == way.name)) {
        let counted = (0..asked.rounds).map(|_| counter.count(way)).collect::<Result<Vec<_>, _>>()?;
        let spread = Spread::of(&counted).ok_or_else(|| Failure::usage("`--rounds` needs a whole number above 0."))?;
        tell(way.name, spread, &bounds);
        figures.push((way.name, spread.median));
    }
    let counted = began.elapsed().saturating_sub(built);
    eprintln!("xtask instructions: built in {} s, counted in {} s", built.as_secs(), counted.as_secs());
    if asked.write {
        let text = Bounds::rewritten(&text, &compiler(), &figures);
        return fs::write(&list, text).map_err(|error| cannot("write", &list, &error));
    }
    judge(&bounds, &figures)
}

/// One line a path.
fn tell(name: &str, spread: Spread, bounds: &Bounds) {
    let Spread { median, min, max } = spread;
    let beside = bounds.of(name).map_or_else(
        || "no bound".to_owned(),
        |bound| format!("bound {:.0}, {:+.1} %", bound.bound, bound.beyond(median)),
    );
    let varies = 100.0 * (max - min) / median;
    println!("{name:<14} {median:>8.0} instructions a task ({min:.0}..{max:.0}, {varies:.2} %), {beside}");
}

fn judge(bounds: &Bounds, figures: &[(&str, f64)]) -> Done {
    let mut more = Vec::new();
    for (name, figure) in figures {
        let Some(bound) = bounds.of(name) else {
            more.push(format!("`{name}` has no bound in {LIST}; add `[{name}]` with `bound` and `tolerance`."));
            continue;
        };
        match bound.judge(*figure, &format!("{FOLDER}/{name}.out")) {
            Verdict::Good => {}
            Verdict::Fewer(sentence) => eprintln!("{sentence}"),
            Verdict::More(sentence) => more.push(sentence),
        }
    }
    if more.is_empty() {
        return Ok(());
    }
    let ours = compiler();
    if ours != bounds.compiler {
        more.push(format!("(The bounds were taken with {}, this is {ours}.)", bounds.compiler));
    }
    Err(Failure::new(more.join("\n")))
}

impl Asked {
    fn read(words: &[String]) -> Result<Self, Failure> {
        let mut asked = Self { paths: Vec::new(), rounds: 1, write: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--write" => asked.write = true,
                "--rounds" => {
                    let rounds = words.next().and_then(|rounds| rounds.parse().ok()).filter(|rounds| *rounds > 0);
                    asked.rounds = rounds.ok_or_else(|| Failure::usage("`--rounds` needs a whole number above 0."))?;
                }
                path if WAYS.iter().any(|way| way.name == path) => asked.paths.push(path.to_owned()),
                other => {
                    let known = WAYS.map(|way| way.name).join(", ");
                    return Err(Failure::usage(format!("`instructions` knows no path `{other}`; there are {known}.")));
                }
            }
        }
        Ok(asked)
    }
}

impl Counter {
    /// Everything there: the programs, the example, folders.
    fn ready(root: &Path) -> Result<Self, Failure> {
        let valgrind = setup::valgrind()?;
        let profiles = root.join(FOLDER);
        fs::create_dir_all(&profiles).map_err(|error| cannot("make", &profiles, &error))?;
        let program = lean::example(root, "instructions")?;
        let folder = std::env::temp_dir().join(format!("apium-instructions-{}", std::process::id()));
        Ok(Self { program, valgrind, profiles, guardian: Guardian::new(folder.clone(), folder)?, redis: None })
    }

    /// Instructions a task.
    fn count(&mut self, way: &Way) -> Result<f64, Failure> {
        let (few, many) = (self.total(way, FEW)?, self.total(way, MANY)?);
        Ok((many - few) / f64::from(MANY - FEW))
    }

    /// All instructions of one run.
    fn total(&mut self, way: &Way, tasks: u32) -> Result<f64, Failure> {
        let tasks = tasks.to_string();
        let url = self.url(way.store)?;
        let messages = self.guardian.folder().join("messages");
        let file = messages.display().to_string();
        if way.verb != Verb::Send {
            let made = File::create(&messages).map_err(|error| cannot("make", &messages, &error))?;
            let kind = if way.stored { "stored" } else { "noop" };
            silently(self.plain().args(["write", &tasks, kind]).stdout(made))?;
        }
        if way.verb == Verb::Run && way.store != Store::Memory {
            silently(self.plain().args(["fill", &url, &file]))?;
        }
        let words: &[&str] = match way.verb {
            Verb::Read => &["read", &file],
            Verb::Send => &["send", &url, &tasks],
            Verb::Run => &["run", &url, &file],
        };
        let profile = self.profiles.join(format!("{}.out", way.name));
        let mut counted = Command::new(&self.valgrind);
        counted.args(["--tool=callgrind", "--quiet"]).arg(format!("--callgrind-out-file={}", profile.display()));
        // Which of the C library's ways to copy memory is taken depends on the processor, unless it is told.
        counted.env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1000000000");
        silently(counted.arg(&self.program).args(words))?;
        let text = fs::read_to_string(&profile).map_err(|error| cannot("read", &profile, &error))?;
        let summary = text.lines().find_map(|line| line.strip_prefix("summary: ")?.trim().parse().ok());
        summary.ok_or_else(|| Failure::new(format!("{} has no `summary:`.", profile.display())))
    }

    /// A store with nothing in it.
    fn url(&mut self, store: Store) -> Result<String, Failure> {
        match store {
            Store::Memory => Ok("memory://".to_owned()),
            Store::Sqlite => {
                let file = self.guardian.folder().join("tasks.db");
                for ending in ["", "-wal", "-shm"] {
                    drop(fs::remove_file(format!("{}{ending}", file.display())));
                }
                Ok(format!("sqlite:{}", file.display()))
            }
            Store::Redis => {
                if self.redis.is_none() {
                    let server = find("redis-server").ok_or_else(|| {
                        let sentence =
                            "`redis-server` is missing: `apt-get install redis-server`, or `cargo xtask setup`.";
                        Failure::new(sentence)
                    })?;
                    self.redis = Some(Redis::start(&server, &self.guardian)?);
                }
                let redis = self.redis.as_mut().ok_or_else(|| Failure::new("there is no Redis."))?;
                redis.ask(&["FLUSHALL"])?;
                Ok(format!("redis://127.0.0.1:{}/0", redis.port))
            }
        }
    }

    fn plain(&self) -> Command {
        Command::new(&self.program)
    }
}

/// Runs a program that has nothing to say when all is well.
fn silently(command: &mut Command) -> Done {
    let status = command.stdin(Stdio::null()).status();
    let status = status.map_err(|error| {
        Failure::new(format!("`{}` could not be started: {error}.", command.get_program().display()))
    })?;
    if status.success() {
        return Ok(());
    }
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    Err(Failure::new(format!("`{} {}` failed ({status}).", command.get_program().display(), words.join(" "))))
}

/// What builds here.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").stdin(Stdio::null()).output();
    let told = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    told.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {error}.", path.display()))
}
