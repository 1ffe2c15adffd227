//! A storm: four worker processes, one of them killed every second, and what may be said of it afterwards.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::diary::{Attempt, attempts};
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
const BETWEEN_KILLS: Duration = Duration::from_secs(1);
/// Much longer than the tasks take, and less than a test may.
const AT_MOST: Duration = Duration::from_mins(4);

/// Works until `done`, killing a worker every second and starting another in its place; returns who was killed.
pub(crate) fn rage(place: &Place, mut done: impl FnMut() -> bool) -> Vec<u32> {
    let mut killed = Vec::new();
    let mut workers: Vec<Running> = (0..WORKERS).map(|number| start(place, number)).collect();
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
        workers[number].kill();
        killed.push(workers[number].id());
        workers[number] = start(place, number);
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

/// Every task ran to its end, and ran again only if it was in flight when its worker was killed.
pub(crate) fn judge(place: &Place, tasks: &[String], killed: &[u32]) {
    let mut by_task: HashMap<String, Vec<Attempt>> = HashMap::new();
    for attempt in attempts(place) {
        by_task.entry(attempt.task.clone()).or_default().push(attempt);
    }
    let lost =
        tasks.iter().filter(|task| by_task.get(*task).is_none_or(|all| all.iter().all(|one| one.ended.is_none())));
    let lost: Vec<&String> = lost.collect();
    let all: usize = by_task.values().map(Vec::len).sum();
    let mut cut: HashMap<u32, Vec<&Attempt>> = HashMap::new();
    for attempts in by_task.values_mut() {
        attempts.sort_by_key(|attempt| attempt.began);
    }
    for repeated in by_task.values() {
        for attempt in &repeated[..repeated.len() - 1] {
            cut.entry(attempt.process).or_default().push(attempt);
        }
    }
    let repeats: Vec<&&Attempt> = cut.values().flatten().collect();
    let unsettled = repeats.iter().filter(|attempt| attempt.ended.is_some()).count();
    eprintln!(
        "{} tasks, {all} attempts, {} lost, {} repeated: {} cut off in the task, {unsettled} between its end and its \
         settlement",
        tasks.len(),
        lost.len(),
        repeats.len(),
        repeats.len() - unsettled,
    );
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert_eq!(by_task.len(), tasks.len(), "nothing ran that nobody sent");
    for (process, attempts) in cut {
        assert!(killed.contains(&process), "{process} was not killed, yet these ran again: {attempts:?}");
        assert!(attempts.len() <= SLOTS, "{process} had {SLOTS} slots, yet these ran again: {attempts:?}");
    }
    let unfinished = by_task.values().flatten().find(|one| one.ended.is_none() && !killed.contains(&one.process));
    assert!(unfinished.is_none(), "cut off without a kill: {unfinished:?}");
}

/// So long the result of each task may be waited for.
pub(crate) fn patience() -> String {
    SOON.as_secs().to_string()
}

fn start(place: &Place, number: usize) -> Running {
    let (name, slots) = (format!("storm{number}@%h"), SLOTS.to_string());
    place.start(Program::Probe, &["worker", "-n", &name, "-c", &slots, "--lease", "2", "-Q", "celery", "-l", "warning"])
}
