//! Nobody can write for longer than a lease, as when a process stands still in the middle of it: the living keep what they
//! hold, whoever looks first afterwards, and what the dead held comes back all the same.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use apium_core::{Broker, Claim, Clock, Delivery, Settled, Settlement, TestClock};
use apium_sqlite::{SqliteBackend, SqliteSettings};
use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::mpsc as signals;

use crate::child::say;
#[cfg(target_os = "linux")]
use crate::faults::{give_room, on_a_small_disk};
use crate::{SOON, message, text};

/// How long a call waits for the file.
const PATIENCE: Duration = Duration::from_millis(200);

/// A call that waits in vain takes a third of it; for all else time is stepped.
const LEASE: Duration = Duration::from_millis(600);

/// A store in which one message is held by the living, and one by the dead.
struct Scene {
    file: PathBuf,
    clock: Arc<TestClock>,
    worker: SqliteBackend,
    living: Delivery,
    /// Unless the file is another's.
    _folder: Option<TempDir>,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scene = Self::at(folder.path().join("apium.db")).await;
        Self { _folder: Some(folder), ..scene }
    }

    async fn at(file: PathBuf) -> Self {
        let clock = Arc::new(TestClock::default());
        let worker = open(&file, clock.clone());
        worker.publish(&[message("q", "living"), message("q", "dead")]).await.unwrap();
        let living = claim(&worker, 2).await.remove(0);
        Self { file, clock, worker, living, _folder: None }
    }

    fn open(&self) -> SqliteBackend {
        open(&self.file, self.clock.clone())
    }

    /// One that has looked before, and has watched the clock for long enough to judge.
    async fn neighbour(&self) -> SqliteBackend {
        let neighbour = self.open();
        self.watched_by(&neighbour).await;
        neighbour
    }

    async fn watched_by(&self, neighbour: &SqliteBackend) {
        self.clock.advance(LEASE / 2);
        self.renew().await;
        assert_eq!(neighbour.recover().await.unwrap(), 0);
    }

    /// Somebody holds the file, until both leases have run out.
    fn hold(&self) -> Connection {
        let other = Connection::open(&self.file).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        other
    }

    async fn let_leases_run_out(&self) {
        self.worker.publish(&[message("q", "refused")]).await.unwrap_err();
        self.clock.advance(LEASE);
    }

    async fn renew(&self) {
        let lost = self.worker.renew(std::slice::from_ref(&self.living.receipt), LEASE).await.unwrap();
        assert!(lost.is_empty(), "the living lost what they held");
    }

    /// By who cannot know what others were able to do meanwhile.
    async fn survives(self, judge: &SqliteBackend) {
        assert_eq!(judge.recover().await.unwrap(), 0, "who could not renew is waited for");
        self.ends_well(judge).await;
    }

    async fn ends_well(self, judge: &SqliteBackend) {
        self.renew().await;
        let deadline = Instant::now() + SOON;
        while judge.recover().await.unwrap() == 0 {
            assert!(Instant::now() < deadline, "who does not renew is dead");
        }
        let back: Vec<_> = claim(judge, 9).await.iter().map(text).collect();
        assert_eq!(back, ["dead"]);
        let settled = self.worker.settle(vec![Settlement::ack(self.living.receipt)]).await.unwrap();
        assert_eq!(settled, [Settled::Done]);
    }
}

/// A clock at which the writer of one store stands still once, in the middle of its transaction.
#[derive(Default)]
struct Halt {
    clock: Arc<TestClock>,
    set: Mutex<Option<(signals::UnboundedSender<()>, mpsc::Receiver<()>)>>,
}

impl Clock for Halt {
    fn now(&self) -> Timestamp {
        if thread::current().name() == Some("sqlite-write")
            && let Some((halted, go_on)) = self.set.lock().unwrap().take()
        {
            halted.send(()).unwrap();
            go_on.recv().unwrap();
        }
        self.clock.now()
    }

    fn steady(&self) -> Duration {
        self.clock.steady()
    }
}

fn open(file: &std::path::Path, clock: Arc<dyn Clock>) -> SqliteBackend {
    let settings = SqliteSettings { busy_timeout: PATIENCE, clock, ..SqliteSettings::default() };
    SqliteBackend::open(file, settings).unwrap()
}

async fn claim(store: &SqliteBackend, max: usize) -> Vec<Delivery> {
    store.claim(&Claim { queues: &["q".to_owned()], max, lease: LEASE }).await.unwrap()
}

#[tokio::test]
async fn who_waited_for_the_file_judges_nobody() {
    let scene = Scene::new().await;
    let neighbour = scene.neighbour().await;
    let held = scene.hold();
    neighbour.recover().await.unwrap_err();
    scene.let_leases_run_out().await;
    held.execute_batch("COMMIT").unwrap();
    scene.survives(&neighbour).await;
}

#[tokio::test]
async fn who_asked_for_nothing_meanwhile_judges_nobody() {
    let scene = Scene::new().await;
    let neighbour = scene.neighbour().await;
    let held = scene.hold();
    scene.let_leases_run_out().await;
    held.execute_batch("COMMIT").unwrap();
    scene.survives(&neighbour).await;
}

#[tokio::test]
async fn who_was_started_meanwhile_judges_nobody() {
    let scene = Scene::new().await;
    let held = scene.hold();
    let neighbour = scene.open();
    scene.let_leases_run_out().await;
    held.execute_batch("COMMIT").unwrap();
    scene.survives(&neighbour).await;
}

/// It has waited for nothing, and is the first to write when it goes on.
#[tokio::test]
async fn who_stood_still_in_the_middle_of_its_write_judges_nobody() {
    let scene = Scene::new().await;
    let halt = Arc::new(Halt { clock: scene.clock.clone(), ..Halt::default() });
    let neighbour = open(&scene.file, halt.clone());
    scene.watched_by(&neighbour).await;
    let ((halted, mut stands), (go_on, told)) = (signals::unbounded_channel(), mpsc::channel());
    *halt.set.lock().unwrap() = Some((halted, told));
    let looking = tokio::spawn({
        let neighbour = neighbour.clone();
        async move { neighbour.recover().await }
    });
    stands.recv().await.unwrap();
    scene.let_leases_run_out().await;
    go_on.send(()).unwrap();
    assert_eq!(looking.await.unwrap().unwrap(), 0, "by a time that it slept through");
    scene.ends_well(&neighbour).await;
}

#[tokio::test]
async fn who_looks_too_seldom_gives_back_at_the_second_look() {
    let scene = Scene::new().await;
    let neighbour = scene.neighbour().await;
    let look = async || {
        let held = scene.hold();
        scene.let_leases_run_out().await;
        held.execute_batch("COMMIT").unwrap();
        neighbour.recover().await.unwrap()
    };
    assert_eq!(look().await, 0);
    let deadline = Instant::now() + SOON;
    // At the second, but for one that has to wait for its turn on a busy machine.
    while look().await == 0 {
        assert!(Instant::now() < deadline, "who does not renew is dead");
    }
    assert_eq!(claim(&neighbour, 9).await.len(), 2);
}

/// On a full disk everybody gets a turn to write, and nobody can.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_had_no_room_to_write_judges_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = on_a_small_disk("starve", &folder.path().join("apium.db"));
    assert_eq!(child.says().as_deref(), Some("full"));
    give_room(&child);
    assert_eq!(child.says().as_deref(), Some("the living kept what they held"));
}

/// The same in a process whose files do not grow any more, until it is given room.
pub(crate) async fn starve(file: PathBuf) {
    let scene = Scene::at(file).await;
    let neighbour = scene.neighbour().await;
    let written = async |size: usize| scene.worker.publish(&[message("other", &"x".repeat(size))]).await.is_ok();
    for size in [100_000, 1_000, 1] {
        while written(size).await {}
    }
    let full = Instant::now();
    while full.elapsed() < LEASE {
        neighbour.recover().await.unwrap_err();
    }
    scene.clock.advance(LEASE);
    say("full");
    while !written(1).await {}
    scene.survives(&neighbour).await;
    say("the living kept what they held");
}
