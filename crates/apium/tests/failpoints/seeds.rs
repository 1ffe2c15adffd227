//! Deaths drawn by lot: some kinds of task at once, one death after the other, at points and turns that a seed decides.
//!
//! `APIUM_SEEDS=5000` runs so many, `APIUM_SEED=17` that one alone, or from there on.

use std::time::{Duration, Instant};

use apium_worker::points::Point;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::doom::Death;
use crate::every_point::{number, run, side_by_side};
use crate::kinds::Kind;
use crate::lives::Fate;
use crate::server::Server;
use crate::store::Which;

/// Seeds in the ordinary suite.
const FEW: u64 = 60;

/// What a seed decides.
#[derive(Debug)]
struct Lot {
    which: Which,
    kinds: Vec<Kind>,
    concurrency: usize,
    deaths: Vec<Death>,
}

impl Lot {
    fn draw(seed: u64) -> Self {
        let mut lot = StdRng::seed_from_u64(seed);
        let all: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| kind.mixes()).collect();
        let points: Vec<Point> = Point::ALL.iter().copied().filter(|point| !ELSEWHERE.contains(point)).collect();
        let which = *[Which::Redis, Which::Sqlite].choose(&mut lot).unwrap();
        let kinds = (0..lot.random_range(1..=5)).map(|_| *all.choose(&mut lot).unwrap()).collect();
        // Where every task passes, and else anywhere: who never comes to a point does not die there.
        let death = |lot: &mut StdRng| {
            let often = lot.random_bool(0.5);
            let at = if often { *OFTEN.choose(lot).unwrap() } else { *points.choose(lot).unwrap() };
            Death { at, nth: lot.random_range(1..=if often { 4 } else { 2 }) }
        };
        let deaths = (0..lot.random_range(1..=3)).map(|_| death(&mut lot)).collect();
        Self { which, kinds, concurrency: lot.random_range(1..=3), deaths }
    }
}

/// Points every task passes.
const OFTEN: [Point; 8] = [
    Point::Claimed,
    Point::HandedOn,
    Point::Starting,
    Point::Performed,
    Point::Followed,
    Point::BatchWriting,
    Point::BatchWritten,
    Point::Settled,
];

/// Points to which no kind comes that can be mixed with others.
const ELSEWHERE: [Point; 33] = [
    Point::Draining,
    Point::CalledAllOff,
    Point::Drained,
    Point::AdmitAgain,
    Point::AdmitGivenUp,
    Point::BeginAgain,
    Point::ChildAsked,
    Point::ChildAgain,
    Point::ChildTaken,
    Point::ChildTold,
    Point::ErrandAsked,
    Point::ErrandRun,
    Point::ErrandTold,
    Point::ChildCalledOff,
    Point::ChildToldOff,
    Point::ChildPutBack,
    Point::ChildBack,
    Point::ChildKilling,
    Point::ChildKilled,
    Point::ChildDying,
    Point::ChildDied,
    Point::Refused,
    Point::RefusedAgain,
    Point::FollowAgain,
    Point::ResultStoring,
    Point::ResultStored,
    Point::ChordEnding,
    Point::ChordEnded,
    Point::SettleAgain,
    Point::SettleAloneAgain,
    Point::RenewAsked,
    Point::Renewed,
    Point::RecoverAsked,
];

#[test]
fn whatever_dies_in_any_order_nothing_is_lost_or_doubled() {
    let (first, many) = match (number("APIUM_SEED"), number("APIUM_SEEDS")) {
        (Some(seed), many) => (seed, many.unwrap_or(1)),
        (None, Some(many)) => (1, many),
        // Each run of the suite has its own, and tells which.
        (None, None) => (rand::rng().random_range(0..1 << 32), FEW),
    };
    let server = Server::start();
    let (began, died, served) = (Instant::now(), std::sync::Mutex::new([0_usize; 4]), std::sync::Mutex::new(0_usize));
    let seeds: Vec<u64> = (first..first + many).collect();
    side_by_side(&seeds, |seed| {
        let lot = Lot::draw(*seed);
        let (world, faults) = run(&server, lot.which, &lot.kinds, lot.concurrency, &lot.deaths);
        let deaths = world.lives.iter().filter(|life| life.fate == Fate::Died).count();
        died.lock().unwrap()[deaths] += 1;
        *served.lock().unwrap() += lot.kinds.len();
        faults.into_iter().map(|fault| format!("APIUM_SEED={seed}, {lot:?}: {fault}")).collect()
    });
    let [none, one, two, three] = died.into_inner().unwrap();
    let took = Duration::from_secs(began.elapsed().as_secs());
    eprintln!(
        "{many} seeds from {first} on in {took:?}: {} cases; {none} without a death, {one} with one, {two} with two, {three} with three",
        served.into_inner().unwrap()
    );
}
