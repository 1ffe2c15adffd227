//! Real processes: this binary, started once more as a worker, ends itself at a point; another goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use apium::Stop;
use apium_worker::points::Point;
use tokio::runtime::Builder;

use crate::clock::Stepped;
use crate::diary::Diary;
use crate::doom::{self, Death, Doom, Reached};
use crate::every_point::{Scene, census, scenes, side_by_side};
use crate::judge::judge;
use crate::kinds::Kind;
use crate::lives::{Fate, Life};
use crate::server::Server;
use crate::store::{Store, Which};
use crate::trouble::Trouble;
use crate::world::{World, open, options, watch_for_long};

/// What the process is told, one variable each: the kind decides the rest.
const ROLE: &str = "FAILPOINTS_KIND";
const LIFE: &str = "FAILPOINTS_LIFE";
const FOLDER: &str = "FAILPOINTS_FOLDER";
const BROKER: &str = "FAILPOINTS_BROKER";
const RESULTS: &str = "FAILPOINTS_RESULTS";
const AHEAD: &str = "FAILPOINTS_AHEAD";
const DIES_AT: &str = "FAILPOINTS_DIES_AT";
const DIES_AT_TURN: &str = "FAILPOINTS_DIES_AT_TURN";

/// How long a process may take to come to its point.
const SOON: Duration = Duration::from_secs(40);

/// How often trouble is made until it comes to the point.
const TRIES: usize = 10;

/// Attempts at once.
const CONCURRENCY: usize = 2;

/// A worker's process, killed when dropped.
struct Process(Child);

impl Process {
    fn start(world: &World, death: Option<Death>) -> Self {
        let life = world.lives.len() + 1;
        let mut command = Command::new(std::env::current_exe().unwrap());
        // Its children are started with the same words.
        command.args(["killed::worker", "--exact", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, format!("{:?}", world.cases[0].kind)).env(LIFE, life.to_string());
        command.env(FOLDER, world.folder()).env(AHEAD, world.clock.millis().to_string());
        command.env(BROKER, world.broker.word()).env(RESULTS, world.results.word());
        if let Some(Death { at, nth }) = death {
            command.env(DIES_AT, at.name()).env(DIES_AT_TURN, nth.to_string());
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Waits for its end; false if it died.
    fn ends_well(&mut self) -> bool {
        let deadline = Instant::now() + SOON;
        while !self.has_ended() {
            assert!(Instant::now() < deadline, "a process does not end");
            std::thread::park_timeout(Duration::from_millis(3));
        }
        self.0.wait().unwrap().success()
    }

    /// Whether it has ended.
    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Does nothing unless this process was started as a worker.
#[test]
fn worker() {
    let Some(kind) = std::env::var(ROLE).ok().and_then(|name| Kind::named(&name)) else { return };
    let told = |name: &str| std::env::var(name).unwrap();
    let life: usize = told(LIFE).parse().unwrap();
    let folder = told(FOLDER);
    let app = crate::tasks::app(Diary::new(Path::new(&folder), life), true);
    apium::isolation::child(&app);
    let (broker, results) = (Store::of_word(&told(BROKER)), Store::of_word(&told(RESULTS)));
    let (clock, setup) = (Stepped::ahead(told(AHEAD).parse().unwrap()), kind.setup());
    let death = std::env::var(DIES_AT)
        .ok()
        .map(|point| Death { at: Point::named(&point).unwrap(), nth: told(DIES_AT_TURN).parse().unwrap() });
    let trouble = setup.trouble.filter(|_| life == 1).map(|span| Trouble::new(span, broker.clone()));
    doom::of_this_process(Doom::new(death, trouble).leaving(reached_in(Path::new(&folder), life)));
    // On one thread nobody mends a connection that was cut before something is asked through it.
    let mut threads = if setup.trouble.is_some() { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    threads.enable_all().build().unwrap().block_on(async {
        let backend = open(&broker, &results, &clock, &setup).await;
        watch_for_long(life, &clock, &setup);
        // As the executable runs them.
        let worker = app.worker(&backend, options(&setup, CONCURRENCY, life)).with_own_threads(1).unwrap();
        let stop = Stop::new();
        let running = tokio::spawn(worker.with_clock(std::sync::Arc::new(clock)).run(stop.clone()));
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !Path::new(&folder).join(format!("stop {life}")).exists() {
            look.tick().await;
        }
        stop.request();
        running.await.unwrap().unwrap();
    });
    doom::survived();
}

fn reached_in(folder: &Path, life: usize) -> PathBuf {
    folder.join(format!("reached {life}"))
}

/// A process lives in this world until it has nothing more to do, or dies.
fn live(world: &mut World, death: Option<Death>) -> Result<(), String> {
    let number = world.lives.len() + 1;
    let mut process = Process::start(world, death);
    let ended = async {
        let mut look = tokio::time::interval(Duration::from_millis(3));
        while !process.has_ended() {
            look.tick().await;
        }
    };
    let watched = world.sender.block_on(async {
        tokio::select! {
            () = ended => None,
            fate = world.watch(&world.client, number) => Some(fate),
        }
    });
    let fate = match watched {
        Some(fate) => {
            let fate = fate?;
            std::fs::write(world.folder().join(format!("stop {number}")), "").unwrap();
            // It may die even now.
            if process.ends_well() { fate } else { Fate::Died }
        }
        None if death.is_none() => return Err(format!("the process of life {number} ended by itself")),
        None => Fate::Died,
    };
    if fate == Fate::Died && death.is_none() {
        return Err(format!("the process of life {number} died of itself"));
    }
    let reached = doom::left_in(&reached_in(world.folder(), number));
    world.over(Life { fate, reached, known: Vec::new() });
    Ok(())
}

/// Lives in processes where the kind needs that, and else only to die: whoever goes on is as real in this one.
fn run(server: &Server, (which, kind): Scene, death: Option<Death>) -> (World, Vec<String>) {
    let mut world = World::new(server, which, &[kind], CONCURRENCY);
    let mut lived = live(&mut world, death);
    while lived.is_ok() && world.lives.last().is_some_and(|life| life.fate != Fate::Ended) {
        lived = if kind.setup().isolated { live(&mut world, None) } else { world.live(None) };
    }
    let faults = lived.map_or_else(|fault| vec![fault], |()| judge(&world));
    (world, faults)
}

#[test]
fn every_point_ends_a_process() {
    let server = Server::start();
    let isolated = |scene: &Scene| scene.1.setup().isolated;
    let alone: Vec<Scene> = scenes().into_iter().filter(isolated).collect();
    let census = Mutex::new(census(&server));
    side_by_side(&alone, |scene| {
        let (world, faults) = run(&server, *scene, None);
        census.lock().unwrap().insert(*scene, world.lives.iter().flat_map(|life| life.reached.clone()).collect());
        faults
    });
    let census: BTreeMap<Scene, Reached> = census.into_inner().unwrap();
    let reached: BTreeSet<Point> = census.values().flat_map(|reached| reached.keys().copied()).collect();
    let missed: Vec<_> = Point::ALL.iter().filter(|point| !reached.contains(point)).collect();
    assert!(
        missed.is_empty(),
        "no kind of task comes to {missed:?}: take them out of the table, or find one that does"
    );
    let mut deaths: Vec<(Scene, Point)> = Vec::new();
    for which in [Which::Redis, Which::Sqlite] {
        for (number, point) in Point::ALL.iter().enumerate() {
            // Another kind for each, so that all have their turn. Some come to these two as well, if time wants it.
            let timed = [Point::RenewAsked, Point::Renewed].contains(point);
            let comers: Vec<_> = census
                .iter()
                .filter(|(scene, reached)| scene.0 == which && reached.contains_key(point))
                .filter(|(scene, _)| !timed || scene.1 == Kind::Long)
                .collect();
            if let Some((scene, _)) = comers.get(number % comers.len().max(1)) {
                deaths.push((**scene, *point));
            }
        }
    }
    side_by_side(&deaths, |(scene, point)| {
        let death = Death { at: *point, nth: 1 };
        let (mut world, mut faults) = run(&server, *scene, Some(death));
        // A connection that was cut may be mended sooner than it is missed.
        let mut tries = if world.setup.trouble.is_some() { TRIES } else { 0 };
        while faults.is_empty() && world.lives[0].fate != Fate::Died && tries > 0 {
            tries -= 1;
            (world, faults) = run(&server, *scene, Some(death));
        }
        if faults.is_empty() && world.lives[0].fate != Fate::Died {
            faults.push(format!("{point:?} was not reached: {}", point.told()));
        }
        faults
    });
    eprintln!("{} processes ended themselves, at {} points", deaths.len(), reached.len());
}
