//! The workers that `verify` starts itself: each in a process group of its own, started again when it ends, until the run
//! is over.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;

use super::events::{Event, What, micros};
use super::marked::{LEDGER, WORKER};
use super::wire::{Flow, Server, Wire};
use crate::failure::Failure;

/// How long a worker that ends by itself is left alone before it is started again.
const AGAIN: Duration = Duration::from_secs(1);

/// So often one place's worker may end by itself, without a single attempt by anybody, before nothing will come of it.
const HOPELESS: u32 = 5;

/// How long workers get to stop at the end, before they are killed.
const GOODBYE: Duration = Duration::from_secs(20);

/// Lines of a worker's own words that are quoted.
const QUOTED: usize = 5;

/// What the workers are to be like.
pub(super) struct Fitting {
    /// Their commands, word by word; the places take turns.
    pub(super) commands: Vec<Vec<String>>,
    /// How many.
    pub(super) places: usize,
    /// How many of them are never killed, frozen or cut off.
    pub(super) spared: usize,
    pub(super) broker: String,
    pub(super) results: Option<String>,
    pub(super) queue: String,
    /// The broker's server, when the workers are to be cut off from it.
    pub(super) server: Option<Server>,
    pub(super) ledger: PathBuf,
    /// A folder of the run's own, in which the task for Celery stands.
    pub(super) folder: PathBuf,
}

/// All of them.
pub(super) struct Crew {
    fitting: Fitting,
    places: Vec<Place>,
}

/// Where one worker after the other is started.
struct Place {
    number: usize,
    /// How many were started here.
    lives: u32,
    worker: Option<Worker>,
    wire: Option<Wire>,
    /// Not started again before then.
    rest_until: Option<Instant>,
    /// Frozen until then.
    frozen: Option<Instant>,
    /// Cut off until then.
    cut: Option<Instant>,
    /// How often its worker ended by itself.
    ended: u32,
}

/// A process group.
struct Worker {
    name: String,
    child: Child,
    group: Pid,
}

/// What is done to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    Kill,
    /// It stands still for so long.
    Freeze(Duration),
    /// It is cut off for so long; `true`: in silence.
    Cut(Duration, bool),
}

impl Crew {
    /// Starts all of them.
    pub(super) async fn start(fitting: Fitting) -> Result<(Self, Vec<Event>), Failure> {
        let (mut places, mut events) = (Vec::new(), Vec::new());
        for number in 0..fitting.places {
            let wire = match &fitting.server {
                Some(server) if number >= fitting.spared => Some(Wire::lay(server).await?),
                _ => None,
            };
            let mut place =
                Place { number, lives: 0, worker: None, wire, rest_until: None, frozen: None, cut: None, ended: 0 };
            events.push(place.start(&fitting)?);
            places.push(place);
        }
        Ok((Self { fitting, places }, events))
    }

    /// Sees who has ended, starts them again, and lets go on who has stood still or been away for long enough.
    pub(super) fn tend(&mut self, now: Instant, heard: bool) -> Result<Vec<Event>, Failure> {
        let mut events = Vec::new();
        for place in &mut self.places {
            if place.frozen.is_some_and(|until| now >= until) {
                events.extend(place.thaw());
            }
            if place.cut.is_some_and(|until| now >= until) {
                events.extend(place.join());
            }
            if let Some(status) = place.ended() {
                let name = place.worker.take().map(|worker| worker.name.clone()).unwrap_or_default();
                place.rest_until = Some(now + AGAIN);
                place.ended += 1;
                if place.ended >= HOPELESS && !heard {
                    return Err(hopeless(&self.fitting, status));
                }
                events.push(Event::now(What::Ended { worker: name, status: status.to_string() }));
            }
            if place.worker.is_none() && place.rest_until.is_none_or(|until| now >= until) {
                events.push(place.start(&self.fitting)?);
            }
        }
        Ok(events)
    }

    /// The places of those that can be struck: not spared, and up.
    pub(super) fn within_reach(&self) -> Vec<usize> {
        let up = |place: &&Place| place.worker.is_some() && place.frozen.is_none() && place.cut.is_none();
        self.places.iter().skip(self.fitting.spared).filter(up).map(|place| place.number).collect()
    }

    /// Strikes the worker of a place.
    pub(super) async fn suffer(&mut self, place: usize, blow: Blow, now: Instant) -> Result<Vec<Event>, Failure> {
        let Some(place) = self.places.get_mut(place) else { return Ok(Vec::new()) };
        let Some(worker) = &mut place.worker else { return Ok(Vec::new()) };
        let name = worker.name.clone();
        match blow {
            Blow::Kill => {
                let killed = worker.kill().await;
                place.worker = None;
                Ok(vec![killed, place.start(&self.fitting)?])
            }
            Blow::Freeze(span) => {
                let frozen = Event::now(What::Frozen { worker: name });
                worker.signal(Signal::SIGSTOP);
                place.frozen = Some(now + span);
                Ok(vec![frozen])
            }
            Blow::Cut(span, silent) => {
                let Some(wire) = &place.wire else { return Ok(Vec::new()) };
                let cut = Event::now(What::Cut { worker: name, silent });
                wire.set(if silent { Flow::Silent } else { Flow::Closed });
                place.cut = Some(now + span);
                Ok(vec![cut])
            }
        }
    }

    /// The processes of those that are spared, by name.
    pub(super) fn spared(&self) -> impl Iterator<Item = (&str, u32)> {
        let spared = self.places.iter().take(self.fitting.spared).filter_map(|place| place.worker.as_ref());
        spared.map(|worker| (worker.name.as_str(), worker.group.as_raw().unsigned_abs()))
    }

    /// Lets everyone go on, and tells them to stop; who does not is killed.
    pub(super) async fn stop(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        for place in &mut self.places {
            events.extend(place.thaw());
            events.extend(place.join());
            if let Some(worker) = &place.worker {
                events.push(Event::now(What::Stopped { worker: worker.name.clone() }));
                worker.signal(Signal::SIGTERM);
            }
        }
        let until = tokio::time::Instant::now() + GOODBYE;
        for mut worker in self.places.iter_mut().filter_map(|place| place.worker.take()) {
            if tokio::time::timeout_at(until, worker.child.wait()).await.is_err() {
                events.push(worker.kill().await);
            }
        }
        events
    }
}

impl Place {
    fn start(&mut self, fitting: &Fitting) -> Result<Event, Failure> {
        self.lives += 1;
        self.rest_until = None;
        let name = format!("w{}.{}", self.number, self.lives);
        let mut command = fitting.command(self.number, &name, self.wire.as_ref())?;
        let child = tokio::process::Command::from(command_in_group(&mut command)).kill_on_drop(true).spawn();
        let program = &fitting.commands[self.number % fitting.commands.len()][0];
        let child =
            child.map_err(|error| Failure::usage(format!("the worker {program} cannot be started: {error}")))?;
        let pid = child.id().unwrap_or_default();
        let group = Pid::from_raw(i32::try_from(pid).unwrap_or_default());
        self.worker = Some(Worker { name: name.clone(), child, group });
        Ok(Event::now(What::Started { worker: name, pid }))
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.worker.as_mut()?.child.try_wait().ok().flatten()
    }

    fn thaw(&mut self) -> Option<Event> {
        self.frozen.take()?;
        let worker = self.worker.as_ref()?;
        worker.signal(Signal::SIGCONT);
        Some(Event::now(What::Thawed { worker: worker.name.clone() }))
    }

    fn join(&mut self) -> Option<Event> {
        self.cut.take()?;
        self.wire.as_ref()?.set(Flow::Open);
        let worker = self.worker.as_ref()?;
        Some(Event::now(What::Joined { worker: worker.name.clone() }))
    }
}

impl Worker {
    /// To the whole group; who has ended does not hear it.
    fn signal(&self, signal: Signal) {
        killpg(self.group, signal).unwrap_or_default();
    }

    /// Ends it as `kill -9` does, and returns once it is gone.
    async fn kill(&mut self) -> Event {
        let since = micros();
        self.signal(Signal::SIGKILL);
        drop(self.child.wait().await);
        Event::now(What::Killed { worker: self.name.clone(), since })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has been waited for has no group any more, and its number may be another's.
        if self.child.id().is_some() {
            self.signal(Signal::SIGKILL);
        }
    }
}

impl Fitting {
    fn command(&self, place: usize, name: &str, wire: Option<&Wire>) -> Result<Command, Failure> {
        let broker = match (&self.server, wire) {
            (Some(server), Some(wire)) => server.at(wire.address()),
            _ => self.broker.clone(),
        };
        let fit = |word: &String| {
            let word = word.replace("{broker}", &broker).replace("{queue}", &self.queue);
            word.replace("{name}", name)
        };
        let mut words = self.commands[place % self.commands.len()].iter().map(fit);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env("APIUM_BROKER", &broker).env("CELERY_BROKER_URL", &broker);
        if let Some(results) = &self.results {
            command.env("APIUM_RESULT_BACKEND", results).env("CELERY_RESULT_BACKEND", results);
        }
        // Several copies cannot listen on one address.
        for name in ["APIUM_LISTEN", "HOST", "PORT"] {
            command.env_remove(name);
        }
        command.env(LEDGER, &self.ledger).env(WORKER, name).env("PYTHONPATH", python_path(&self.folder));
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = log.map_err(|error| Failure::new(format!("the workers' words cannot be kept: {error}")))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        Ok(command)
    }

    /// Where the workers' own words are.
    fn log(&self) -> PathBuf {
        self.folder.join("workers.log")
    }
}

fn command_in_group(command: &mut Command) -> Command {
    command.process_group(0);
    std::mem::replace(command, Command::new(""))
}

fn python_path(folder: &Path) -> std::ffi::OsString {
    let mut path = folder.as_os_str().to_owned();
    if let Some(further) = std::env::var_os("PYTHONPATH").filter(|further| !further.is_empty()) {
        path.push(":");
        path.push(further);
    }
    path
}

fn hopeless(fitting: &Fitting, status: ExitStatus) -> Failure {
    let words = std::fs::read_to_string(fitting.log()).unwrap_or_default();
    let lines: Vec<&str> = words.lines().rev().take(QUOTED).collect();
    let last: Vec<&str> = lines.into_iter().rev().collect();
    Failure::new(format!("the workers end by themselves ({status}) and run nothing; they said: {}", last.join(" / ")))
}
