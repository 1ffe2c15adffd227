//! A storm: four worker processes, one of them killed every second, and what may be said of it afterwards.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::diary::attempts;
use crate::place::{Place, Program};
use crate::poll::{SOON, pause};
use crate::running::Running;

/// How many tasks.
pub(crate) const TASKS: usize = 20_000;
/// How long each takes, in seconds: so that some are in flight at any moment.
pub(crate) const EACH: f64 = 0.004;
const WORKERS: usize = 4;
/// Attempts at once in each worker: so many can be in flight when it is killed.
const SLOTS: usize = 8;
/// In seconds.
const LEASE: u32 = 2;
const BETWEEN_KILLS: Duration = Duration::from_secs(1);
/// Much longer than the tasks take, and less than a test may.
pub(crate) const AT_MOST: Duration = Duration::from_mins(4);

/// A worker that was killed, between these moments in microseconds since 1970.
pub(crate) struct Killed {
    process: u32,
    since: u64,
    gone: u64,
}

/// Works on these queues until `done`, killing a worker every second and starting another in its place; returns who was killed.
pub(crate) fn rage(place: &Place, queues: &str, mut done: impl FnMut() -> bool) -> Vec<Killed> {
    let mut killed = Vec::new();
    let mut workers: Vec<Running> = (0..WORKERS).map(|number| start(place, queues, number)).collect();
    let (began, mut last) = (Instant::now(), Instant::now());
    for number in (0..WORKERS).cycle() {
        while last.elapsed() < BETWEEN_KILLS && !done() {
            assert!(began.elapsed() < AT_MOST, "not done after {AT_MOST:?}; killed {}", killed.len());
            pause(Duration::from_millis(10));
        }
        if done() {
            break;
        }
        last = Instant::now();
        let since = micros();
        workers[number].kill();
        killed.push(Killed { process: workers[number].id(), since, gone: micros() });
        workers[number] = start(place, queues, number);
    }
    eprintln!("done {:.1} s after the workers started; {} workers killed", began.elapsed().as_secs_f64(), killed.len());
    for mut worker in workers {
        // The last of them may have only just been started: before that, a signal would end it as any process.
        worker.until_says("Ctrl-C stops.");
        let ended = worker.stop();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    killed
}

/// Every task ran to its end, and ran again only if it was in flight when its worker was killed: `apium verify` judges it,
/// by a history of its own kind.
pub(crate) fn judge(place: &Place, tasks: &[&str], killed: &[Killed]) {
    let numbers: HashMap<&str, usize> = tasks.iter().enumerate().map(|(number, task)| (*task, number)).collect();
    let mut events = vec![json!({
        "at": 0, "what": "run", "run": "storm", "broker": "redis", "workers": [], "tasks": tasks.len(), "rate": null,
        "seed": 0, "lease": LEASE, "bound": LEASE, "ledger": true,
    })];
    let attempts = attempts(place);
    let first = attempts.iter().map(|attempt| attempt.began).min();
    let sent = |task| json!({"at": first, "what": "sent", "task": task, "since": first, "answer": "confirmed"});
    events.extend((0..tasks.len()).map(sent));
    for (at, attempt) in attempts.iter().enumerate() {
        let number = numbers.get(attempt.task.as_str()).expect("nothing runs that nobody sent");
        let event = |what, when: u64| {
            let (worker, attempt, pid) = (attempt.process.to_string(), at.to_string(), attempt.process);
            json!({"at": when, "what": what, "task": number, "attempt": attempt, "worker": worker, "pid": pid})
        };
        events.push(event("begin", attempt.began));
        events.extend(attempt.ended.map(|ended| event("end", ended)));
    }
    let death = |killed: &Killed| json!({"at": killed.gone, "what": "killed", "worker": killed.process.to_string(), "since": killed.since});
    events.extend(killed.iter().map(death));
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    place.file("storm.jsonl", lines.join("\n"));
    eprintln!("{}", place.run(Program::Apium, &["verify", "--recheck", "storm.jsonl"]).printed());
}

/// So long the result of each task may be waited for.
pub(crate) fn patience() -> String {
    SOON.as_secs().to_string()
}

fn start(place: &Place, queues: &str, number: usize) -> Running {
    let (name, slots, lease) = (format!("storm{number}@%h"), SLOTS.to_string(), LEASE.to_string());
    let words = ["worker", "-n", &name, "-c", &slots, "--lease", &lease, "-Q", queues, "-l", "warning"];
    place.start(Program::Probe, &words)
}

fn micros() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}
