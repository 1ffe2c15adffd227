//! The course of a run: send, strike, listen to the ledger, wait for the end, ask the store, and leave nothing behind.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use apium::{Backend, Client, Stop};
use apium_core::DeadFilter;
use tokio::sync::mpsc;

use super::asked::Asked;
use super::crew::{Crew, Fitting};
use super::events::{Answer, Event, History, Terms, What};
use super::harm::Harm;
use super::ledger::Ledger;
use super::marked::TASK;
use super::need;
use super::send::{self, Plan, Sent};
use super::tasks::{Tasks, Told, tell};
use super::wire::Server;
use crate::commands::Invocation;
use crate::failure::Failure;
use crate::stderr::say;

/// How often everything is looked at.
const TICK: Duration = Duration::from_millis(20);
/// How often those that are spared are watched, and the store is asked what became of tasks nobody hears of.
const LOOK: Duration = Duration::from_secs(2);
/// The same without a ledger, where only the store can tell.
const ASK: Duration = Duration::from_millis(200);
/// How often the person in front of the terminal is told how far it is.
const TELL: Duration = Duration::from_secs(10);
/// The most tasks that the store is asked about at once.
const ASKED_AT_ONCE: usize = 1_000;

/// A run under way.
pub(super) struct Course<'a> {
    asked: &'a Asked,
    backend: &'a Backend,
    client: Client,
    history: History,
    /// As it travels in the arguments, and as it is read.
    path: Option<String>,
    ledger: Option<Ledger>,
    crew: Option<Crew>,
    harm: Harm,
    tasks: Tasks,
    /// When a task was last sent or ended.
    last: Instant,
    looked: Instant,
    told: Instant,
    _folder: Folder,
}

/// A folder of the run's own, gone with it.
struct Folder(PathBuf);

impl<'a> Course<'a> {
    /// Makes everything ready: the ledger, the workers.
    pub(super) async fn begin(
        invocation: &Invocation,
        asked: &'a Asked,
        backend: &'a Backend,
    ) -> Result<Course<'a>, Failure> {
        let mut history = History::begin(asked.history.as_deref())?;
        let folder = Folder::make(&asked.run)?;
        let ledger = (asked.workers > 0).then(|| folder.0.join("ledger")).or_else(|| asked.ledger.clone());
        let commands = if asked.commands.is_empty() { vec![own_worker(asked)?] } else { asked.commands.clone() };
        history.add(Event::now(What::Run(Terms {
            run: asked.run.clone(),
            broker: apium::redact(&invocation.settings.broker()),
            workers: if asked.workers > 0 { commands.iter().map(|words| shown(words)).collect() } else { Vec::new() },
            tasks: asked.tasks,
            rate: asked.rate,
            seed: asked.seed,
            lease: asked.lease.as_secs_f64(),
            bound: asked.bound.as_secs_f64(),
            ledger: ledger.is_some(),
        })))?;
        let crew = match &ledger {
            Some(path) if asked.workers > 0 => {
                let fitting = fitting(invocation, asked, commands, path, &folder.0)?;
                let (crew, started) = Crew::start(fitting).await?;
                started.into_iter().try_for_each(|event| history.add(event))?;
                Some(crew)
            }
            _ => None,
        };
        let now = Instant::now();
        Ok(Self {
            asked,
            backend,
            client: invocation.app.client(backend),
            history,
            path: ledger.as_ref().map(|path| path.display().to_string()),
            ledger: ledger.map(|path| Ledger::open(&path, &asked.run)).transpose()?,
            crew,
            harm: Harm::new(&asked.wishes, asked.tasks, asked.seed, now),
            tasks: Tasks::new(asked.tasks),
            last: now,
            looked: now,
            told: now,
            _folder: folder,
        })
    }

    /// From the first send to the last word of the store; what happened.
    pub(super) async fn run(mut self, stop: &Stop) -> Result<Vec<Event>, Failure> {
        let plan = Plan {
            run: self.asked.run.clone(),
            tasks: self.asked.tasks,
            rate: self.asked.rate,
            task_time: self.asked.task_time,
            queue: self.asked.queue.clone(),
            ledger: self.path.take(),
            seed: self.asked.seed,
        };
        let (tell, mut sent) = mpsc::unbounded_channel();
        let sending = tokio::spawn(send::send(self.client.clone(), plan, stop.clone(), tell));
        let worked = self.work(&mut sent, stop).await;
        sending.abort();
        if let Some(crew) = self.crew.take() {
            for event in crew.stop().await {
                self.history.add(event)?;
            }
        }
        if let Err(failure) = worked {
            // That nothing came of it is told; what cannot be taken away then stays.
            drop(self.leave().await);
            return Err(failure);
        }
        self.read_ledger()?;
        if self.asked.results && !stop.is_requested() {
            self.ask_at_last().await?;
            self.check_results().await?;
        }
        self.leave().await?;
        self.history.end()
    }

    /// What has its result has run to its end, even if the line in the ledger that says so was torn.
    async fn ask_at_last(&mut self) -> Result<(), Failure> {
        let open = self.tasks.oldest_open(usize::MAX);
        for (task, told) in tell(&self.client, &self.asked.run, open).await? {
            if told == Told::Right && self.tasks.end(task) {
                self.history.add(Event::now(What::Done { task }))?;
            }
        }
        Ok(())
    }

    async fn work(&mut self, sent: &mut mpsc::UnboundedReceiver<Sent>, stop: &Stop) -> Result<(), Failure> {
        self.until_all_ended(sent, stop).await?;
        self.until_settled(stop).await?;
        if stop.is_requested() {
            self.history.add(Event::now(What::Interrupted))?;
        }
        Ok(())
    }

    async fn until_all_ended(&mut self, sent: &mut mpsc::UnboundedReceiver<Sent>, stop: &Stop) -> Result<(), Failure> {
        while !stop.is_requested() {
            self.hear_sender(sent)?;
            self.look().await?;
            self.strike().await?;
            let all_sent = sent.is_closed() && sent.is_empty();
            if (all_sent && self.tasks.open() == 0) || self.last.elapsed() > self.asked.timeout {
                break;
            }
            rest(stop).await;
        }
        self.hear_sender(sent)
    }

    /// Until nothing is left in the queue: a message that was run and not settled comes again.
    async fn until_settled(&mut self, stop: &Stop) -> Result<(), Failure> {
        let began = Instant::now();
        while !stop.is_requested() && began.elapsed() < self.asked.timeout {
            self.look().await?;
            let left = self.left().await?;
            if left.is_some_and(|(ready, delayed, claimed)| !self.asked.own_queue || ready + delayed + claimed == 0) {
                break;
            }
            rest(stop).await;
        }
        Ok(())
    }

    fn hear_sender(&mut self, sent: &mut mpsc::UnboundedReceiver<Sent>) -> Result<(), Failure> {
        while let Ok((event, refusal)) = sent.try_recv() {
            if let Some(why) = refusal.filter(|_| self.tasks.confirmed() == 0) {
                return Err(Failure::new(why));
            }
            if let What::Sent { task, answer: Answer::Confirmed, .. } = event.what {
                self.tasks.sent(task);
            }
            self.last = Instant::now();
            self.history.add(event)?;
        }
        Ok(())
    }

    /// Hears the ledger, looks after the workers, and asks the store about tasks nobody hears of.
    async fn look(&mut self) -> Result<(), Failure> {
        self.read_ledger()?;
        let now = Instant::now();
        if let Some(crew) = &mut self.crew {
            for event in crew.tend(now, self.tasks.ended() > 0)? {
                self.history.add(event)?;
            }
        }
        if self.looked.elapsed() >= if self.ledger.is_some() { LOOK } else { ASK } {
            self.watch()?;
            if self.ledger.is_none() || self.last.elapsed() >= LOOK {
                self.ask().await?;
            }
            self.looked = Instant::now();
        }
        if self.told.elapsed() >= TELL {
            self.told = now;
            let (ended, confirmed) = (self.tasks.ended(), self.tasks.confirmed());
            say(&format!("{ended} of {confirmed} tasks sent have ended"));
        }
        Ok(())
    }

    fn read_ledger(&mut self) -> Result<(), Failure> {
        let Some(ledger) = &mut self.ledger else { return Ok(()) };
        for event in ledger.news()? {
            if let What::End { task, .. } = event.what
                && self.tasks.end(task)
            {
                self.last = Instant::now();
            }
            self.history.add(event)?;
        }
        Ok(())
    }

    async fn strike(&mut self) -> Result<(), Failure> {
        let Some(crew) = &mut self.crew else { return Ok(()) };
        let now = Instant::now();
        // What does not get on under blows gets half its time without.
        if self.last.elapsed() > self.asked.timeout / 2 {
            return Ok(());
        }
        for (place, blow) in self.harm.due(now, self.tasks.ended(), crew.within_reach()) {
            for event in crew.suffer(place, blow, now).await? {
                self.history.add(event)?;
            }
        }
        Ok(())
    }

    fn watch(&mut self) -> Result<(), Failure> {
        let Some(crew) = &self.crew else { return Ok(()) };
        for (worker, pid) in crew.spared() {
            if let Some((rss_kib, descriptors)) = need::of_process(pid) {
                let worker = worker.to_owned();
                self.history.add(Event::now(What::Watched { worker, rss_kib, descriptors }))?;
            }
        }
        Ok(())
    }

    /// Asks for dead letters, and for the results of tasks that have not ended. A store that is away is asked later.
    async fn ask(&mut self) -> Result<(), Failure> {
        let limit = Some(usize::try_from(self.asked.tasks).unwrap_or(usize::MAX));
        let filter = DeadFilter { task: Some(TASK.to_owned()), limit, ..DeadFilter::default() };
        let Ok(letters) = self.backend.broker.dead_letters(&filter).await else { return Ok(()) };
        for letter in letters {
            let id = letter.task_id.unwrap_or_default();
            if let Some(task) = send::number(&self.asked.run, &id).filter(|task| self.tasks.end_without(*task)) {
                let reason = letter.reason.word().to_owned();
                say(&format!("task {task} was given up: {}", letter.error));
                self.history.add(Event::now(What::GivenUp { task, reason }))?;
            }
        }
        if !self.asked.results {
            return Ok(());
        }
        let open = self.tasks.oldest_open(ASKED_AT_ONCE);
        let Ok(told) = tell(&self.client, &self.asked.run, open).await else { return Ok(()) };
        for (task, told) in told {
            let what = match told {
                Told::Right if self.ledger.is_none() => What::Done { task },
                Told::Failed(reason) => What::GivenUp { task, reason },
                // With a ledger it is the ledger that counts.
                Told::Right | Told::Nothing | Told::Wrong(_) => continue,
            };
            let news =
                if matches!(what, What::Done { .. }) { self.tasks.end(task) } else { self.tasks.end_without(task) };
            if news {
                self.last = Instant::now();
                self.history.add(Event::now(what))?;
            }
        }
        Ok(())
    }

    async fn check_results(&mut self) -> Result<(), Failure> {
        for part in self.tasks.all_ended().chunks(ASKED_AT_ONCE) {
            for (task, told) in tell(&self.client, &self.asked.run, part.to_vec()).await? {
                let instead = match told {
                    Told::Right => continue,
                    Told::Nothing => "nothing is stored".to_owned(),
                    Told::Failed(error) | Told::Wrong(error) => error,
                };
                self.history.add(Event::now(What::Result { task, instead }))?;
            }
        }
        Ok(())
    }

    /// Messages of the queue: waiting, delayed, claimed; `None` while the broker does not answer.
    async fn left(&self) -> Result<Option<(u64, u64, u64)>, Failure> {
        match self.backend.broker.depths(std::slice::from_ref(&self.asked.queue)).await {
            Ok(depths) => Ok(Some(depths.iter().fold((0, 0, 0), |(ready, delayed, claimed), depth| {
                (ready + depth.ready, delayed + depth.delayed, claimed + depth.claimed)
            }))),
            Err(error) if error.is_transient() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Says what is left in the broker, and takes away what is the run's own: waiting messages, dead letters, results.
    async fn leave(&mut self) -> Result<(), Failure> {
        let (ready, delayed, claimed) = self.left().await?.unwrap_or_default();
        self.history.add(Event::now(What::Left { ready, delayed, claimed }))?;
        if self.asked.own_queue {
            self.backend.broker.purge(&self.asked.queue).await?;
            if claimed > 0 {
                let queue = &self.asked.queue;
                say(&format!(
                    "{claimed} messages are in the hands of workers that are gone, and will return to {queue}"
                ));
            }
        }
        let filter = DeadFilter { task: Some(TASK.to_owned()), limit: Some(usize::MAX), ..DeadFilter::default() };
        let letters = self.backend.broker.dead_letters(&filter).await?;
        let own = |id: &Option<String>| id.as_ref().is_some_and(|id| send::number(&self.asked.run, id).is_some());
        let letters: Vec<String> =
            letters.into_iter().filter(|letter| own(&letter.task_id)).map(|letter| letter.id).collect();
        self.backend.broker.drop_dead(&letters).await?;
        if self.asked.results {
            self.tasks.forget(&self.client, &self.asked.run).await?;
        }
        Ok(())
    }
}

impl Folder {
    fn make(run: &str) -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("apium-{run}"));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        let written = made.and_then(|()| std::fs::write(path.join("apium_verify.py"), super::PYTHON));
        written.map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

async fn rest(stop: &Stop) {
    tokio::select! {
        () = stop.requested() => {}
        () = tokio::time::sleep(TICK) => {}
    }
}

/// This program's own worker. Deaths are not counted: here they are the workers' doing, and never a message's.
fn own_worker(asked: &Asked) -> Result<Vec<String>, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(format!("this program cannot be found to start workers: {error}")))?;
    let (slots, lease) = (asked.slots.to_string(), asked.lease.as_secs_f64().to_string());
    let words = ["worker", "-Q", "{queue}", "-n", "{name}@%h", "-c", &slots, "--lease", &lease];
    let further = ["--max-deaths", "0", "--without-mingle", "-l", "error"];
    let words = words.iter().chain(&further).map(ToString::to_string);
    Ok(std::iter::once(program.display().to_string()).chain(words).collect())
}

/// A command without what could be a password in it.
fn shown(words: &[String]) -> String {
    let shown = |word: &String| if apium::holds_login(word) { apium::redact(word) } else { word.clone() };
    words.iter().map(shown).collect::<Vec<_>>().join(" ")
}

fn fitting(
    invocation: &Invocation,
    asked: &Asked,
    commands: Vec<Vec<String>>,
    ledger: &Path,
    folder: &Path,
) -> Result<Fitting, Failure> {
    let broker = invocation.settings.broker();
    let server = asked.wishes.cut.map(|_| Server::of(&broker)).transpose()?;
    Ok(Fitting {
        commands,
        places: asked.workers,
        spared: asked.spared,
        results: invocation.settings.text("result_backend").map(ToOwned::to_owned),
        broker,
        queue: asked.queue.clone(),
        server,
        ledger: ledger.to_owned(),
        folder: folder.to_owned(),
    })
}
