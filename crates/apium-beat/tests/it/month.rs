//! A simulated month: three schedulers that are killed, frozen and have their clocks set, two hundred entries, and each due
//! time is sent exactly once.

use std::collections::BTreeMap;
use std::time::Duration;

use apium_beat::{Entry, Pace};
use apium_core::Fleet as _;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::kit::{Process, World, card};

const BEGIN: &str = "2026-03-15T00:00:00Z";
const ENTRIES: usize = 200;
const MINUTE: u64 = 60;
/// Slower than in earnest, so that a month passes in seconds.
const PACE: Pace = Pace { renew: Duration::from_secs(20), lease: Duration::from_mins(1) };

/// What happens to one of the three.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// It is killed, and started again after so many minutes.
    Kill(u64),
    /// It stops, and is started again at once.
    Restart,
    /// It stands still for so many minutes.
    Freeze(u64),
    /// Its clock is set ahead by so many minutes, or behind, and set right an hour later.
    Clock(i64),
}

/// Entries of every kind, in several zones; what is missed is made up for, so that nothing may be left out.
fn entries() -> Vec<Entry> {
    let kinds = [
        r#"{"crontab": "MINUTE * * * *"}"#,
        r#"{"crontab": "MINUTE HOUR * * *"}"#,
        r#"{"crontab": "MINUTE 2 * * *"}"#,
        r#"{"crontab": "*/20 8-18 * * mon-fri"}"#,
        r#"{"interval": 2700}"#,
        r#"{"crontab": "30 2 29,15 * *"}"#,
        r#"{"solar": {"event": "sunset", "lat": 40.4, "lon": -3.7}}"#,
    ];
    let zones = ["Europe/Madrid", "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"];
    let entry = |number: usize| {
        let schedule = kinds[number % kinds.len()]
            .replace("MINUTE", &(number * 7 % 60).to_string())
            .replace("HOUR", &(number % 24).to_string());
        let (zone, jitter) = (zones[number % zones.len()], number % 4 * 10);
        let json = format!(
            r#"{{"name": "e{number}", "task": "t", "schedule": {schedule}, "zone": "{zone}", "missed": "all", "jitter": {jitter}}}"#
        );
        Entry::parse(&json).unwrap_or_else(|error| panic!("{json}: {error}"))
    };
    (0..ENTRIES).map(entry).collect()
}

fn blow() -> impl Strategy<Value = (usize, u64, Blow)> {
    let what = prop_oneof![
        (0..180_u64).prop_map(Blow::Kill),
        Just(Blow::Restart),
        (0..30_u64).prop_map(Blow::Freeze),
        (-60..60_i64).prop_map(Blow::Clock),
    ];
    // Which of the three, and how many minutes after the blow before.
    (0..3_usize, 5..240_u64, what)
}

/// Deals one blow, and passes as much time as it takes.
async fn deal(world: &World, schedulers: &mut [Option<Process>; 3], at: usize, blow: Blow) {
    let start = || world.start("beat", PACE);
    match blow {
        Blow::Kill(minutes) => {
            schedulers[at].take().unwrap().kill().await;
            world.pass(minutes * MINUTE).await;
            schedulers[at] = Some(start());
        }
        Blow::Restart => {
            schedulers[at].take().unwrap().stop().await;
            schedulers[at] = Some(start());
        }
        Blow::Freeze(minutes) => {
            let frozen = schedulers[at].as_ref().unwrap();
            frozen.freeze(true);
            world.pass(minutes * MINUTE).await;
            frozen.freeze(false);
        }
        Blow::Clock(minutes) => {
            let clock = schedulers[at].as_ref().unwrap().clock.clone();
            clock.set_ahead(minutes * 60);
            world.pass(60 * MINUTE).await;
            clock.set_ahead(0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_due_time_of_a_month_is_sent_once() {
    let begin: Timestamp = BEGIN.parse().unwrap();
    let world = World::at(BEGIN);
    let entries = entries();
    for entry in &entries {
        world.catalogue().put(entry).await.unwrap();
    }
    let seed = std::env::var("APIUM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_123_u64);
    eprintln!("APIUM_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    // A worker is there: without one the leader asks for others every minute.
    world.memory.beat(&card(&["t"]), Duration::from_hours(24)).await.unwrap();
    let mut schedulers = [0, 1, 2].map(|_| Some(world.start("beat", PACE)));
    // So that all are begun before the first is due.
    world.pass(1).await;
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    let end = begin + jiff::SignedDuration::from_hours(24 * 30);
    let mut blows = 0;
    while world.now() < end {
        let (at, minutes, blow) = blow().new_tree(&mut runner).unwrap().current();
        world.pass(minutes * MINUTE).await;
        deal(&world, &mut schedulers, at, blow).await;
        blows += 1;
        for message in world.sent().await {
            *sent.entry(message.headers.id).or_default() += 1;
        }
    }
    for scheduler in schedulers.into_iter().flatten() {
        scheduler.stop().await;
    }
    let until = world.now();
    let mut due = 0;
    for entry in &entries {
        for time in entry.upcoming(begin).take_while(|time| entry.release(*time) < until - PACE_AND_MORE) {
            due += 1;
            let times = sent.remove(&entry.task_id(time)).unwrap_or(0);
            assert_eq!(times, 1, "{} was due at {time}", entry.name);
        }
    }
    // What is left was due in the last minutes, or within the hour by a clock that was ahead.
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
    assert!(sent.len() < ENTRIES * 4, "{} sent that were not due", sent.len());
    eprintln!("{due} due times of {ENTRIES} entries, {blows} blows: each sent once");
    assert!(due > 60_000 && blows > 100, "{due} {blows}");
}

/// In which the last blow may have left nobody to send.
const PACE_AND_MORE: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);
