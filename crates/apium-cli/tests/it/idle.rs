//! What a worker costs while there is nothing to do, and how soon it is there when there is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use apium::{App, Client, Signature};

use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::{SOON, alone, pause};
use crate::running::Running;
use crate::server::Server;

/// Over this long what an idle worker costs is counted: several times the five seconds after which it looks again.
const WINDOW: Duration = Duration::from_secs(12);
/// Messages whose way to an idle worker is timed.
const ROUNDS: usize = 51;
/// The promises are made for the optimised program; the one for debugging gets some slack.
const SLACK: f64 = if cfg!(debug_assertions) { 10.0 } else { 1.0 };

#[test]
fn an_idle_worker_on_redis_is_cheap_and_awake() {
    let _alone = alone();
    let server = Server::start();
    let place = Place::on(&server.url());
    let worker = our_worker(&place, &["-Q", "osint_scans,celery"]);
    let (runtime, client) = client(&server.url());
    runtime.block_on(pick_up(&client));

    let mut look = server.look();
    let (before, began) = (look.info("total_commands_processed"), Instant::now());
    costs_little(&worker);
    // Less the one command that asks.
    let commands = look.info("total_commands_processed") - before - 1;
    let rate = to_f64(commands) / began.elapsed().as_secs_f64();
    // Redis counts what a script does, too: an idle worker sends about a third of this, most of it heartbeats.
    eprintln!("idle on Redis: {rate:.2} commands a second");
    assert!(rate < 6.0, "{rate} commands a second");

    let latency = latencies(&runtime, &client);
    eprintln!("idle on Redis: sent to begun in {latency:?} at the median");
    assert!(latency < Duration::from_millis(5).mul_f64(SLACK), "{latency:?}");
}

#[test]
fn an_idle_worker_on_sqlite_is_cheap_and_awake() {
    let _alone = alone();
    let place = Place::new();
    let worker = our_worker(&place, &[]);
    let (runtime, client) = client(&format!("sqlite:{}", place.path("apium-data/apium.db").display()));
    runtime.block_on(pick_up(&client));
    costs_little(&worker);
    let latency = latencies(&runtime, &client);
    eprintln!("idle on SQLite: sent in one process to begun in another in {latency:?} at the median");
    assert!(latency < Duration::from_millis(5).mul_f64(SLACK), "{latency:?}");
}

#[test]
fn a_worker_is_at_work_a_moment_after_its_start() {
    let _alone = alone();
    let server = Server::start();
    for (store, place) in [("SQLite", Place::new()), ("Redis", Place::on(&server.url()))] {
        let mut spans = Vec::new();
        for _ in 0..5 {
            let id = place.run(Program::Probe, &["call", "probe.now"]).printed();
            let started = micros();
            let worker = place.start(Program::Probe, &["worker"]);
            let ran: u64 = place.run(Program::Probe, &["result", &id, "--wait"]).printed().parse().unwrap();
            spans.push(Duration::from_micros(ran - started));
            assert_eq!(worker.stop().code, Some(0));
        }
        let span = median(spans);
        eprintln!("start on {store}: from exec to the first task begun in {span:?} at the median");
        assert!(span < Duration::from_millis(100).mul_f64(SLACK), "{span:?}");
    }
}

/// Counts processor time and memory over the window.
fn costs_little(worker: &Running) {
    let (before, began) = (processor_time(worker.id()), Instant::now());
    // What is measured is doing nothing.
    pause(WINDOW);
    let share = processor_time(worker.id()).saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
    let memory = resident_kib(worker.id());
    eprintln!("idle: {:.3} % of a core, {:.1} MiB resident", share * 100.0, memory / 1024.0);
    assert!(share < 0.01 * SLACK.min(3.0), "{share} of a core");
    assert!(memory < 40.0 * 1024.0 * SLACK.min(2.0), "{memory} KiB");
}

/// The median time from before a send to the first line of the task, by an idle worker in another process.
fn latencies(runtime: &tokio::runtime::Runtime, client: &Client) -> Duration {
    let rounds = (0..ROUNDS).map(|_| {
        // The worker goes back to sleep.
        pause(Duration::from_millis(20));
        runtime.block_on(pick_up(client))
    });
    median(rounds.collect())
}

async fn pick_up(client: &Client) -> Duration {
    let sent = micros();
    let pending = client.send(&Signature::new("probe.now")).await.unwrap();
    let ran: u64 = pending.get(SOON).await.unwrap();
    Duration::from_micros(ran.saturating_sub(sent))
}

fn client(url: &str) -> (tokio::runtime::Runtime, Client) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let backend = runtime.block_on(apium::open(url, None)).unwrap();
    let client = App::new("idle").client(&backend);
    (runtime, client)
}

fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort();
    spans[spans.len() / 2]
}

/// Processor time of all its threads, those that have ended included, to a hundredth of a second.
fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // After the name, which may hold anything, the eleventh and twelfth are user and system time.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks: u64 = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

pub(crate) fn resident_kib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn to_f64(count: u64) -> f64 {
    u32::try_from(count).unwrap().into()
}

fn micros() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}
