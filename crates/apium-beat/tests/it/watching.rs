//! What a leader tells of beside its work: schedules that nobody would run, and Celery's own beats.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apium_beat::{Pace, roll};
use apium_core::Fleet as _;
use apium_core::broadcast::{Broadcast as _, Topic};
use apium_core::inspection::{Facts, Held, Sample};
use apium_core::memory::Memory;
use apium_core::protocol::RawJson;
use apium_core::protocol::control::{Reply, Request};
use tracing::subscriber::DefaultGuard;

use crate::kit::{World, card};

const BEGIN: &str = "2026-06-01T08:00:00Z";
const HOURLY: &str = r#"{"name": "hourly", "task": "t.hourly", "schedule": {"crontab": "0 * * * *"}}"#;
const NOBODY: &str = "no worker that answers registers the task";
const BACK: &str = "a worker registers the task of these schedules now";
const BEAT: &str = "a Celery beat runs beside this scheduler";

/// What was logged in this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn open() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self, words: &str) -> Vec<String> {
        let said = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        said.lines().filter(|line| line.contains(words)).map(ToOwned::to_owned).collect()
    }

    fn count(&self, words: &str) -> usize {
        self.lines(words).len()
    }
}

/// A node of Celery's that answers to one command.
async fn node(memory: Memory, name: &str, method: &str, answer: &str) {
    let mut ear = memory.listen(&[Topic::Control]).await.unwrap();
    let (name, method, answer) = (name.to_owned(), method.to_owned(), RawJson::parse(answer).unwrap());
    tokio::spawn(async move {
        loop {
            let Some(heard) = ear.next(Duration::from_hours(1)).await.unwrap() else { continue };
            let request = Request::decode(&heard.bytes).unwrap();
            if request.method == method && request.is_for(&name).unwrap() {
                let reply = Reply::to(&request, &*name, answer.clone(), 1, "tag").unwrap();
                memory.answer(&request.reply_to.unwrap(), &reply.encode()).await.unwrap();
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_nobody_would_run_is_told_of_once_before_its_time_and_again_when_that_is_so_again() {
    let (log, _guard) = Log::open();
    let world = World::at(BEGIN);
    world.put(HOURLY).await;
    world.put(r#"{"name": "off", "task": "t.off", "schedule": {"crontab": "0 * * * *"}, "paused": true}"#).await;
    let _beat = world.start("beat", Pace::default());
    world.pass(48 * 60).await;
    assert_eq!(log.count(NOBODY), 0, "it is not due soon");
    world.pass(4 * 60).await;
    let told = log.lines(NOBODY);
    let [line] = &told[..] else { panic!("{told:?}") };
    assert!(line.contains("t.hourly") && line.contains("schedules=\"hourly\"") && line.contains("WARN"), "{line}");
    world.pass(90 * 60).await;
    assert_eq!(log.count(NOBODY), 1, "once");

    let day = Duration::from_hours(24);
    world.memory.beat(&card(&["t.hourly"]), day).await.unwrap();
    world.pass(60 * 60).await;
    assert_eq!((log.count(NOBODY), log.count(BACK)), (1, 1));
    world.memory.leave(&card(&["t.hourly"])).await.unwrap();
    world.pass(60 * 60).await;
    assert_eq!((log.count(NOBODY), log.count(BACK)), (2, 1));
    assert_eq!(log.count("t.off"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_python_workers_register_is_asked_for() {
    let (log, _guard) = Log::open();
    let world = World::at(BEGIN);
    node(world.memory.clone(), "python@here", "registered", r#"["t.hourly [rate_limit=1/m]", "t.other"]"#).await;
    node(world.memory.clone(), "broken@here", "registered", r#"{"error": "no"}"#).await;
    world.memory.beat(&card(&["t.ours"]), Duration::from_hours(24)).await.unwrap();
    world.put(HOURLY).await;
    let _beat = world.start("beat", Pace::default());
    world.pass(2 * 60 * 60).await;
    assert_eq!(log.count(NOBODY), 0);
    world.put(r#"{"name": "new", "task": "t.new", "schedule": 60}"#).await;
    world.pass(2 * 60).await;
    assert_eq!(log.count(NOBODY), 1);

    let roll = roll::call(&world.memory, Duration::from_secs(1)).await.unwrap();
    let tasks: Vec<_> = roll.tasks.iter().map(String::as_str).collect();
    assert_eq!((tasks, roll.workers, roll.beats), (vec!["t.hourly", "t.other", "t.ours"], 2, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_beat_of_celerys_that_answers_is_told_of_every_hour() {
    let (log, _guard) = Log::open();
    let world = World::at(BEGIN);
    let _beat = world.start("beat", Pace::default());
    world.pass(5 * 60).await;
    assert_eq!(log.count(BEAT), 0);
    node(world.memory.clone(), "celerybeat@here", "ping", r#"{"ok": "pong"}"#).await;
    node(world.memory.clone(), "python@here", "ping", r#"{"ok": "pong"}"#).await;
    world.pass(2 * 60).await;
    let told = log.lines(BEAT);
    let [line] = &told[..] else { panic!("{told:?}") };
    assert!(line.contains("celerybeat@here") && line.contains("ERROR"), "{line}");
    world.pass(50 * 60).await;
    assert_eq!(log.count(BEAT), 1);
    world.pass(70 * 60).await;
    assert_eq!(log.count(BEAT), 2);
    let roll = roll::call(&world.memory, Duration::from_secs(1)).await.unwrap();
    assert_eq!(roll.beats, ["celerybeat@here"]);
}

/// What our own schedulers send has the same header; its ids tell them apart.
#[tokio::test(start_paused = true)]
async fn a_beat_that_keeps_silent_is_known_by_what_it_sends() {
    let world = World::at(BEGIN);
    world.put(r#"{"name": "s", "task": "t", "schedule": 1}"#).await;
    let _beat = world.start("beat", Pace::default());
    world.pass(2).await;
    let ours = world.sent().await.remove(0);
    let mut theirs = ours.clone();
    theirs.headers.id = "7c2c7f0e-8f0b-4d52-9d5e-0a1b2c3d4e5f".to_owned();
    theirs.headers.origin = Some("gen42@there".to_owned());
    let mut unmarked = theirs.clone();
    unmarked.headers.other.clear();
    let mut again = theirs.clone();
    again.headers.retries = 1;
    let sample = |queue: &str, held, message: &apium_core::protocol::Message| Sample {
        queue: queue.to_owned(),
        bytes: 1,
        envelope: Some(message.encode()),
        held,
    };
    let messages = vec![
        sample("celery", Held::Waiting, &ours),
        sample("celery", Held::Waiting, &theirs),
        sample("celery", Held::Waiting, &unmarked),
        sample("celery", Held::Waiting, &again),
        sample("celery", Held::Taken { since: 0.0 }, &theirs),
        sample("long", Held::Waiting, &theirs),
    ];
    let queues = vec![("celery".to_owned(), 4), ("long".to_owned(), 1_000)];
    let found = roll::foreign(&Facts { messages, queues: queues.clone(), ..Facts::default() });
    let found: Vec<_> = found.into_iter().map(|foreign| foreign.origin).collect();
    assert_eq!(found, ["gen42@there"]);
    let long = vec![sample("long", Held::Waiting, &theirs)];
    assert!(roll::foreign(&Facts { messages: long, queues, ..Facts::default() }).is_empty(), "not seen whole");
}
