//! `cargo xtask chaos`: `apium verify` on a Redis and on a SQLite of its own, while workers are killed, frozen and cut off.
//!
//! Without a word: a soak of a few minutes, half of them on each, with limits for memory, descriptors and latency; longer
//! with `--minutes`. With `--tasks` and `--kills`: so many tasks as fast as they go, and so many kills among them. With
//! `--celery`, stock Celery is judged by the same checker beside, on fewer tasks, because its workers take a second to
//! start; what it loses does not make the chore fail.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::setup::{self, Machine};
use crate::shell::{Done, Failure, cargo, run};

/// Where the histories are, and the SQLite file.
const FOLDER: &str = "target/chaos";

/// The soak's length in minutes, when nothing is said.
const MINUTES: u32 = 3;
/// Tasks a second in a soak: what two cores have time for beside starting workers.
const RATE: u32 = 100;
/// What a soak does to its workers, and what they may need: one is left alone and watched.
const SOAK: &str = "--workers 6 --spare 1 --lease 2 --task-time 0..100ms --kill-every 1 --freeze-every 7 --rss-limit 100 \
                    --descriptor-limit 64";
/// Workers are cut off where there is a connection to cut.
const ON_REDIS: &str = "--cut-every 5 --pick-up-limit 2";
/// A worker that is frozen in the middle of a write holds up all others until it thaws, four seconds later.
const ON_SQLITE: &str = "--pick-up-limit 5";
/// What a storm is beside its tasks and kills.
const STORM: &str = "--workers 10 --concurrency 4 --lease 2 --task-time 0..200ms";
/// The most tasks and kills that stock Celery is given. Kills come as tasks end, so that what it loses spares it some.
const CELERY_TASKS: u32 = 2_000;
const CELERY_KILLS: u32 = 100;
/// How long a server may take to answer.
const SOON: Duration = Duration::from_secs(20);

/// What was asked for.
struct Asked {
    minutes: u32,
    /// Tasks and kills of a storm.
    storm: Option<(u32, u32)>,
    celery: bool,
    release: bool,
}

/// A Redis of our own, ended when dropped.
struct Server {
    child: Child,
    port: u16,
}

/// One run of the checker: the name of its history, its broker, its words.
struct Run {
    name: &'static str,
    broker: String,
    words: Vec<String>,
    /// Whether it must end well.
    judged: bool,
}

/// Runs what the words ask for, and prints the runs side by side.
///
/// # Errors
/// When one of ours lost or doubled a task without a reason, or exceeded a limit; the checker has told which.
pub fn chaos(root: &Path, words: &[String]) -> Done {
    let asked = Asked::read(words)?;
    let machine = setup::setup(root)?;
    let profile: &[&str] = if asked.release { &["--release"] } else { &[] };
    run(&mut cargo(root, ["build", "--package", "apium-cli", "--bin", "apium"].iter().chain(profile)))?;
    let apium = built(root, if asked.release { "release" } else { "debug" });
    let folder = root.join(FOLDER);
    // The store of an earlier run would be a part of this one.
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| cannot("remove", &folder, &error))?;
    }
    fs::create_dir_all(&folder).map_err(|error| cannot("make", &folder, &error))?;
    let server = Server::start(&machine, &folder)?;
    let (mut verdict, mut histories) = (Ok(()), Vec::new());
    for one in asked.runs(&machine, &server, &folder)? {
        let history = folder.join(format!("{}.jsonl", one.name));
        let mut verify = Command::new(&apium);
        verify.arg("verify").args(&one.words).arg("--history").arg(&history);
        let ended = run(verify.env("APIUM_BROKER", &one.broker).current_dir(&folder).stdin(Stdio::null()));
        if one.judged {
            verdict = verdict.and(ended);
        }
        histories.extend(["--recheck".into(), history.into_os_string()]);
    }
    // Its own verdict is that of all runs together; ours leaves Celery out.
    drop(run(Command::new(&apium).arg("verify").args(&histories).stdin(Stdio::null())));
    verdict
}

impl Asked {
    fn read(words: &[String]) -> Result<Self, Failure> {
        let mut asked = Self { minutes: MINUTES, storm: None, celery: false, release: false };
        let (mut tasks, mut kills) = (None, None);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let number = words.next().and_then(|number| number.parse().ok()).filter(|number: &u32| *number > 0);
                number.ok_or_else(|| Failure::usage(format!("`{word}` needs a whole number above 0.")))
            };
            match word.as_str() {
                "--minutes" => asked.minutes = number()?,
                "--tasks" => tasks = Some(number()?),
                "--kills" => kills = Some(number()?),
                "--celery" => asked.celery = true,
                "--release" => asked.release = true,
                other => {
                    return Err(Failure::usage(format!("`chaos` knows no word `{other}`; see `cargo xtask help`.")));
                }
            }
        }
        asked.storm = match (tasks, kills) {
            (None, None) => None,
            (Some(tasks), Some(kills)) => Some((tasks, kills)),
            _ => return Err(Failure::usage("`--tasks` and `--kills` go together.")),
        };
        Ok(asked)
    }

    fn runs(&self, machine: &Machine, server: &Server, folder: &Path) -> Result<Vec<Run>, Failure> {
        let sqlite = format!("sqlite:{}", folder.join("apium.db").display());
        let load = match self.storm {
            Some((tasks, kills)) => format!("--tasks {tasks} --kills {kills} {STORM}"),
            None => format!("--tasks {} --rate {RATE} {SOAK}", self.minutes.saturating_mul(30 * RATE)),
        };
        let (on_redis, on_sqlite) = if self.storm.is_none() { (ON_REDIS, ON_SQLITE) } else { ("", "") };
        let mut runs = vec![
            Run { name: "redis", broker: server.url(0), words: split(&format!("{load} {on_redis}")), judged: true },
            Run { name: "sqlite", broker: sqlite, words: split(&format!("{load} {on_sqlite}")), judged: true },
        ];
        if self.celery {
            let (tasks, kills) = self.storm.unwrap_or((CELERY_TASKS, CELERY_KILLS));
            let (tasks, kills) = (tasks.min(CELERY_TASKS), kills.min(CELERY_KILLS));
            let (_, python) = machine.pythons.last().ok_or_else(|| Failure::new("there is no Python with Celery."))?;
            let load =
                format!("--tasks {tasks} --kills {kills} --workers 4 --task-time 0..200ms --timeout 45 --worker");
            let worker = format!(
                "{} -m celery -A apium_verify worker -Q {{queue}} -n {{name}}@%h -c 4 -l error",
                python.display()
            );
            let words = split(&load).into_iter().chain([worker]).collect();
            runs.push(Run { name: "celery", broker: server.url(1), words, judged: false });
        }
        Ok(runs)
    }
}

impl Server {
    fn start(machine: &Machine, folder: &Path) -> Result<Self, Failure> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| Failure::new(format!("no port is free: {error}.")))?.port();
        let child = Command::new(&machine.redis_server)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| Failure::new(format!("`redis-server` could not be started: {error}.")))?;
        let server = Self { child, port };
        let until = Instant::now() + SOON;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > until {
                return Err(Failure::new("`redis-server` does not answer."));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn url(&self, database: u32) -> String {
        format!("redis://127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn built(root: &Path, profile: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join(profile).join("apium")
}

fn split(words: &str) -> Vec<String> {
    words.split_whitespace().map(ToOwned::to_owned).collect()
}

fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {error}.", path.display()))
}
