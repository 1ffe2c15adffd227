//! Every point, on each broker, with every kind of task that comes there: the worker dies at it, and another goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::RngExt as _;

use crate::doom::{Death, Reached};
use crate::judge::judge;
use crate::kinds::Kind;
use crate::server::Server;
use crate::store::Which;
use crate::world::World;

/// Runs at once; each mostly waits for its store.
const AT_ONCE: usize = 4;

/// Every so many-th death is had in the suite.
const EACH: u64 = 12;

/// A kind and where it is sent.
pub(crate) type Scene = (Which, Kind);

/// Every kind on each broker that it can be sent to.
pub(crate) fn scenes() -> Vec<Scene> {
    let all =
        [Which::Redis, Which::Sqlite].into_iter().flat_map(|which| Kind::ALL.iter().map(move |kind| (which, *kind)));
    all.filter(|(which, kind)| kind.setup().only.is_none_or(|only| only == *which)).collect()
}

/// Runs each scene that needs no process to its end, with nobody dying, and tells what was reached.
pub(crate) fn census(server: &Server) -> BTreeMap<Scene, Reached> {
    let scenes: Vec<Scene> = scenes().into_iter().filter(|(_, kind)| !kind.setup().isolated).collect();
    let found = Mutex::new(BTreeMap::new());
    side_by_side(&scenes, |scene| {
        let (world, faults) = run(server, scene.0, &[scene.1], 2, &[]);
        let mut reached = Reached::new();
        for (point, times) in world.lives.iter().flat_map(|life| &life.reached) {
            *reached.entry(*point).or_default() += times;
        }
        found.lock().unwrap().insert(*scene, reached);
        faults
    });
    found.into_inner().unwrap()
}

/// Sends, lets worker after worker die, and judges what a last one leaves.
pub(crate) fn run(
    server: &Server,
    which: Which,
    kinds: &[Kind],
    concurrency: usize,
    deaths: &[Death],
) -> (World, Vec<String>) {
    let mut world = World::new(server, which, kinds, concurrency);
    let stops = world.setup.stop.is_some() && deaths.is_empty();
    let lives = deaths.iter().copied().map(Some).chain(stops.then_some(None)).chain([None]);
    for death in lives {
        if let Err(fault) = world.live(death) {
            return (world, vec![fault]);
        }
        // It has survived its death, and there is nothing left for another.
        if world.lives.last().unwrap().fate == crate::lives::Fate::Ended {
            break;
        }
    }
    let faults = judge(&world);
    (world, faults)
}

/// Does it for all, some at once; fails with everything that was found.
pub(crate) fn side_by_side<T: Sync + std::fmt::Debug>(all: &[T], one: impl Fn(&T) -> Vec<String> + Sync) {
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(all.len()) {
            scope.spawn(|| {
                while let Some(each) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = one(each);
                    faults.lock().unwrap().extend(found.into_iter().map(|fault| format!("{each:?}: {fault}")));
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A number from the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a whole number"))
}

#[test]
fn a_worker_may_die_at_any_point() {
    let server = Server::start();
    let census = census(&server);
    let mut deaths: Vec<(Scene, Death)> = Vec::new();
    for (scene, reached) in &census {
        for (point, times) in reached {
            let nths = BTreeSet::from([1, *times]);
            deaths.extend(nths.into_iter().map(|nth| (*scene, Death { at: *point, nth })));
        }
    }
    let all = deaths.len();
    // Each takes little, and together they take minutes: the suite takes other ones each time.
    if number("APIUM_SEEDS").is_none() {
        let first = number("APIUM_SEED").unwrap_or_else(|| rand::rng().random_range(1..=EACH));
        eprintln!("APIUM_SEED={first}");
        let mut place = first;
        deaths.retain(|_| {
            place += 1;
            place.is_multiple_of(EACH)
        });
    }
    let struck = AtomicUsize::new(0);
    side_by_side(&deaths, |((which, kind), death)| {
        let (world, faults) = run(&server, *which, &[*kind], 2, &[*death]);
        struck.fetch_add(usize::from(world.lives[0].fate == crate::lives::Fate::Died), Ordering::Relaxed);
        faults
    });
    eprintln!("{} of {all} runs, {} workers died", deaths.len(), struck.into_inner());
}
