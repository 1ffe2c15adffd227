//! The judgement over a world in which nothing is left to do: what was lost, doubled, wrong or left behind.

use std::collections::BTreeSet;

use apium::core::memory::Memory;
use apium::core::protocol::Message;
use apium::core::unique::UniqueMark;
use apium::core::{Broker as _, Claim, DeadFilter, Lookup};
use apium::{App, Client};
use apium_worker::points::Point;

use crate::diary::{self, Note, What};
use crate::kinds::{Attempts, Case, Expected, Kind, QUEUE};
use crate::lives::Fate;
use crate::world::World;

/// Keys of a Redis that may stay for ever, by what they begin with.
const KEPT: [&str; 7] = [
    "_kombu.binding",
    "apium:queues",
    "apium:limits",
    "apium:revoked",
    "apium:workers",
    "apium:worker:cards",
    "apium:dead",
];

/// Every fault that can be found; none, if all was well.
pub(crate) fn judge(world: &World) -> Vec<String> {
    let notes = diary::read(world.folder());
    let mut faults = Vec::new();
    for expected in world.cases.iter().flat_map(Case::expected) {
        ends(world, &expected, &mut faults);
        attempts(world, &notes, &expected, &mut faults);
    }
    errbacks(world, &notes, &mut faults);
    limits(world, &notes, &mut faults);
    world.sender.block_on(async {
        left(world, &mut faults).await;
        keys(world, &mut faults).await;
    });
    redis(world, &mut faults);
    faults
}

/// The record in the end.
fn ends(world: &World, expected: &Expected, faults: &mut Vec<String>) {
    let Expected { id, status: Some(status), value, .. } = expected else { return };
    let found = world.sender.block_on(world.client.results().lookup(id)).unwrap();
    let died_after_ack =
        || world.lives.iter().any(|life| life.fate == Fate::Died && life.reached.contains_key(&Point::BatchWriting));
    match found {
        Lookup::Stored(record) => {
            let right = record.status == *status && value.as_ref().is_none_or(|value| record.result.as_str() == value);
            if !right {
                let (status, result) = (record.status, record.result.as_str());
                faults.push(format!("{id} is {status} with {result}"));
            }
        }
        _ if expected.attempts == Attempts::Early && died_after_ack() => {}
        other => faults.push(format!("{id} has no result: {other:?}")),
    }
}

/// No attempt that nothing explains, and none missing.
fn attempts(world: &World, notes: &[Note], expected: &Expected, faults: &mut Vec<String>) {
    let id = &expected.id;
    let begun: Vec<&Note> = notes.iter().filter(|note| note.what == What::Begun && note.id == *id).collect();
    let most = match expected.attempts {
        Attempts::Never => {
            if !begun.is_empty() {
                faults.push(format!("{id} must not run: {begun:?}"));
            }
            return;
        }
        Attempts::Early => {
            if begun.len() > 1 {
                faults.push(format!("{id} may run once at most: {begun:?}"));
            }
            return;
        }
        Attempts::Repeated => return,
        Attempts::Retries(most) => most,
    };
    if let Some(note) = begun.iter().find(|note| note.retries > most) {
        faults.push(format!("{id} has one retry too many: {note:?}"));
    }
    for retries in 0..=most {
        let tries: Vec<_> = begun.iter().filter(|note| note.retries == retries).collect();
        if tries.is_empty() {
            faults.push(format!("{id} never ran, at {retries} retries"));
        }
        for pair in tries.windows(2) {
            if !explained(world, notes, expected, pair[0]) {
                faults.push(format!("{id} ran again and nothing explains it: {pair:?}, {:?}", world.lives));
            }
        }
    }
}

/// Whether an attempt may have been repeated: its worker died, or was stopped while it ran, and nothing was settled.
fn explained(world: &World, notes: &[Note], expected: &Expected, attempt: &Note) -> bool {
    let Some(life) = world.lives.get(attempt.life - 1) else { return false };
    let settled = match life.status(&expected.id) {
        Some("RETRY") => attempt.retries == 0,
        Some("SUCCESS" | "FAILURE" | "REVOKED") => !expected.told_first,
        _ => false,
    };
    let ended = Note { what: What::Ended, ..attempt.clone() };
    match life.fate {
        Fate::Died => !settled,
        Fate::Stopped => !settled && !notes.contains(&ended),
        Fate::Ended => false,
    }
}

/// Who failed has called its errback.
fn errbacks(world: &World, notes: &[Note], faults: &mut Vec<String>) {
    for case in world.cases.iter().filter(|case| case.kind == Kind::Errbacks) {
        let id = format!("{}.f", case.tag);
        if !notes.iter().any(|note| note.what == What::Errback && note.id == id) {
            faults.push(format!("the errback of {id} was never called"));
        }
    }
}

/// Never more than one at once in one life, of all that are limited.
fn limits(world: &World, notes: &[Note], faults: &mut Vec<String>) {
    let limited = [Kind::Limited, Kind::AdmittedInTrouble, Kind::NeverAdmitted];
    let tags: Vec<_> = world.cases.iter().filter(|case| limited.contains(&case.kind)).map(|case| &case.tag).collect();
    let mut runs: Option<&Note> = None;
    for note in notes.iter().filter(|note| tags.iter().any(|tag| note.id.starts_with(&format!("{tag}.")))) {
        match (note.what, runs) {
            (What::Begun, Some(other)) if other.life == note.life => {
                faults.push(format!("{} and {} ran at once in life {}", other.id, note.id, note.life));
            }
            (What::Begun, _) => runs = Some(note),
            _ => runs = None,
        }
    }
}

/// Nothing waits, is held, or keeps a place; the dead letters are those there must be.
async fn left(world: &World, faults: &mut Vec<String>) {
    let broker = world.client.broker();
    let depths = broker.depths(&[QUEUE.to_owned()]).await.unwrap();
    if depths.iter().any(|depth| (depth.ready, depth.delayed, depth.claimed) != (0, 0, 0)) {
        faults.push(format!("something is left: {depths:?}"));
    }
    for used in broker.limits().limit_uses().await.unwrap() {
        if (used.running, used.waiting) != (0, 0) {
            faults.push(format!("a place is left: {used:?}"));
        }
    }
    let letters = broker.dead_letters(&DeadFilter::default()).await.unwrap();
    let mut dead: Vec<_> = letters.into_iter().filter_map(|letter| letter.task_id).collect();
    let mut expected: Vec<_> = world.cases.iter().filter_map(Case::dead).collect();
    dead.sort();
    expected.sort();
    if dead != expected {
        faults.push(format!("the dead letters are of {dead:?}, not of {expected:?}"));
    }
}

/// Every key of a unique task is free.
async fn keys(world: &World, faults: &mut Vec<String>) {
    for case in world.cases.iter().filter(|case| matches!(case.kind, Kind::Unique | Kind::BegunInTrouble)) {
        let key = key(case).await;
        if let Some(holder) = world.client.broker().uniques().holder(&key).await.unwrap() {
            faults.push(format!("the key of {} is held by {holder:?}", case.tag));
        }
    }
}

/// The key that its sender claimed: found by sending it somewhere else.
async fn key(case: &Case) -> String {
    let memory = Memory::default();
    let backend = apium::Backend {
        broker: std::sync::Arc::new(memory.clone()),
        results: std::sync::Arc::new(memory.clone()),
        bodies: std::sync::Arc::new(apium_bodies::WireBodies::default()),
    };
    let client: Client = App::new("key").client(&backend);
    client.send(&case.unique()).await.unwrap();
    let claim = Claim { queues: &[QUEUE.to_owned()], max: 1, lease: std::time::Duration::from_secs(1) };
    let delivery = memory.claim(&claim).await.unwrap().remove(0);
    UniqueMark::of(&Message::decode(&delivery.bytes).unwrap().headers).unwrap().key
}

/// No claim is left behind, and nothing that would stay for ever.
fn redis(world: &World, faults: &mut Vec<String>) {
    let both = [&world.broker, &world.results];
    for store in both.into_iter().take(if world.setup.elsewhere { 2 } else { 1 }) {
        let Some(mut look) = store.redis() else { continue };
        let all: BTreeSet<String> = redis::cmd("KEYS").arg("*").query(&mut look).unwrap();
        for key in all {
            let stays: i64 = redis::cmd("TTL").arg(&key).query(&mut look).unwrap();
            let known = KEPT.iter().any(|kept| key.starts_with(kept));
            let in_the_way = key.starts_with("celery-task-meta-") && key.contains("Refused");
            if stays == -1 && !known && !in_the_way {
                faults.push(format!("the key {key} stays for ever"));
            }
        }
    }
}
