//! Tasks that wait for their time do so in the store: a worker's memory does not grow with them, a kill of every worker
//! loses none, and they start when they are due.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apium::{App, Signature};
use jiff::Timestamp;

use crate::diary::attempts;
use crate::idle::resident_kib;
use crate::peer::our_worker;
use crate::place::Place;
use crate::poll::{alone, pause, until_within};
use crate::server::Server;
use crate::size::size;

/// Sends in flight at once.
const AT_ONCE: usize = 200;
/// From the sending of the last to the time of the first.
const BEFORE: Duration = Duration::from_secs(3);
/// Their times lie so far apart: half of what one worker of a debug build can begin, so that none waits for another.
const APART: Duration = Duration::from_millis(2);
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// After the time of the last, for all that came between: a worker was killed, another one started.
const AT_MOST: Duration = Duration::from_mins(1);

fn wait_for_their_time(place: &Place, url: &str) {
    let _alone = alone();
    let tasks = size("APIUM_ETA", 2_000);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut first = our_worker(place, &["-n", "first@%h", "--lease", "1"]);
    let empty = resident_kib(first.id());
    // Known only when all are sent: how long that takes depends on the machine.
    let pace = Duration::from_micros(400) * u32::try_from(tasks).unwrap();
    let begin = Timestamp::now() + pace + BEFORE;
    runtime.block_on(send(url, tasks, begin));
    assert!(Timestamp::now() < begin, "sent too late");
    let full = resident_kib(first.id());
    first.kill();
    drop(first);
    let _second = our_worker(place, &["-n", "second@%h", "--lease", "1"]);
    let their_times = (pace + BEFORE) + APART * u32::try_from(tasks).unwrap();
    let began = until_within(their_times + AT_MOST, "all tasks to run", || {
        // To read all the diaries again and again would itself hold the tasks up.
        pause(BETWEEN_LOOKS);
        let attempts = attempts(place);
        (attempts.len() >= tasks).then_some(attempts)
    });
    let mut late: Vec<i128> = began.iter().map(|one| lateness(&one.task, one.began, begin)).collect();
    late.sort_unstable();
    let p99 = late[late.len() * 99 / 100];
    eprintln!(
        "{tasks} tasks waited in the store; a worker's memory: {empty:.0} KiB before, {full:.0} KiB with them; \
         late at the p99: {} ms, at most {} ms",
        p99 / 1_000,
        late[late.len() - 1] / 1_000,
    );
    assert_eq!(began.len(), tasks, "each ran once");
    assert!(late[0] >= 0, "one was {} ms early", -late[0] / 1_000);
    assert!(full < empty + 50.0 * 1_024.0, "{empty} KiB, then {full} KiB");
    assert!(p99 < 1_000_000, "{} ms late at the p99", p99 / 1_000);
}

async fn send(url: &str, tasks: usize, begin: Timestamp) {
    let backend = apium::open(url, None).await.unwrap();
    let client = App::new("eta").client(&backend);
    for part in (0..tasks).collect::<Vec<_>>().chunks(AT_ONCE) {
        let mut sends = tokio::task::JoinSet::new();
        for number in part {
            let signature = Signature::new("probe.note").arg(number).task_id(number.to_string());
            let (client, signature) = (client.clone(), signature.eta(due(*number, begin)));
            sends.spawn(async move { client.send(&signature).await.map(drop) });
        }
        sends.join_all().await.into_iter().for_each(Result::unwrap);
    }
}

/// When a task is due.
fn due(number: usize, begin: Timestamp) -> Timestamp {
    begin + APART * u32::try_from(number).unwrap()
}

/// How long after its time a task began, in microseconds.
fn lateness(task: &str, began: u64, begin: Timestamp) -> i128 {
    let due = SystemTime::from(due(task.parse().unwrap(), begin));
    let due = due.duration_since(UNIX_EPOCH).unwrap().as_micros();
    i128::from(began) - i128::try_from(due).unwrap()
}

#[test]
fn on_redis() {
    let server = Server::start();
    wait_for_their_time(&Place::on(&server.url()), &server.url());
}

#[test]
fn on_sqlite() {
    let place = Place::new();
    let url = format!("sqlite:{}", place.path("apium-data/apium.db").display());
    wait_for_their_time(&place, &url);
}
