//! A real Redis of a test's own: on a free port, in a temporary folder, killed when dropped.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use apium_core::{Clock, SystemClock};
use apium_redis::{RedisBackend, RedisSettings};
use jiff::{SignedDuration, Timestamp};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;

/// What the server writes when it has loaded its data and listens.
const READY: &str = "Ready to accept connections";

pub(crate) struct Server {
    running: Running,
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    /// What moves the time of every backend opened with [`Server::backend`].
    pub(crate) stepped: Steps,
}

/// In milliseconds: how far the server's clock was moved, and how much time has passed.
#[derive(Clone, Default)]
pub(crate) struct Steps {
    shown: Arc<AtomicI64>,
    passed: Arc<AtomicI64>,
}

/// The server's process; its output is held open, so that it has somewhere to write.
struct Running {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A server with further options, e.g. `["--requirepass", "secret"]`.
    pub(crate) async fn with(arguments: &[&str]) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let running = Running::start(port, &folder, &arguments).await;
        Self { running, port, folder, arguments, stepped: Steps::default() }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.child.id()
    }

    pub(crate) async fn backend(&self) -> RedisBackend {
        open(self.url(), self.stepped.clone(), false).await
    }

    /// The same on a machine whose clock is stepped along with the server's.
    pub(crate) async fn stepped_backend(&self) -> RedisBackend {
        open(self.url(), self.stepped.clone(), true).await
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.running.child.kill().unwrap();
        self.running.child.wait().unwrap();
    }

    /// Starts it again on the same port and folder.
    pub(crate) async fn start_again(&mut self) {
        self.running = Running::start(self.port, &self.folder, &self.arguments).await;
    }

    /// A plain connection, to look at Redis as a peer sees it.
    pub(crate) async fn peer(&self) -> Peer {
        let client = redis::Client::open(self.url()).unwrap();
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
        Peer(client.get_multiplexed_async_connection_with_config(&patient).await.unwrap())
    }

    /// Steps time: the clock the scripts read, and the expiry of what real Redis expires by itself.
    pub(crate) async fn advance(&self, by: Duration) {
        advance(self.url(), self.stepped.clone(), by).await;
    }

    /// Sets the server's clock, as somebody sets that of a machine.
    pub(crate) async fn set(&self, by: SignedDuration) {
        set(self.url(), self.stepped.clone(), by).await;
    }
}

/// The machine's clock; what it shows is moved with the server's, or is not.
struct Stepped {
    steps: Steps,
    machine_too: bool,
}

impl Clock for Stepped {
    fn now(&self) -> Timestamp {
        let ahead = if self.machine_too { self.steps.shown.load(Ordering::SeqCst) } else { 0 };
        SystemClock.now() + SignedDuration::from_millis(ahead)
    }

    fn steady(&self) -> Duration {
        SystemClock.steady() + Duration::from_millis(self.steps.passed.load(Ordering::SeqCst).unsigned_abs())
    }
}

impl Running {
    /// Starts a server and waits until it says that it is ready.
    async fn start(port: u16, folder: &TempDir, arguments: &[String]) -> Self {
        let program = std::env::var("APIUM_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let mut child = Command::new(&program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .arg("--dir")
            .arg(folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "these tests need a Redis server, but `{program}` cannot be started ({error}): \
                     run `apt-get install redis-server`, or name one in APIUM_REDIS_SERVER"
                )
            });
        let output = ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        let mut running = Self { child, output: BufReader::new(output).lines() };
        let mut told = String::new();
        while let Some(line) = running.output.next_line().await.unwrap() {
            if line.contains(READY) {
                return running;
            }
            told.push_str(&line);
            told.push('\n');
        }
        panic!("{program} did not come up on port {port}:\n{told}")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks Redis directly.
pub(crate) struct Peer(MultiplexedConnection);

impl Peer {
    pub(crate) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> T {
        command.query_async(&mut self.0).await.unwrap()
    }

    pub(crate) async fn run<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        self.ask(&command).await
    }

    pub(crate) async fn keys(&mut self) -> Vec<String> {
        let mut keys: Vec<String> = self.run(&["KEYS", "*"]).await;
        keys.sort();
        keys
    }
}

pub(crate) async fn open(url: String, steps: Steps, machine_too: bool) -> RedisBackend {
    let clock_offset = steps.shown.clone();
    let clock = Arc::new(Stepped { steps, machine_too });
    RedisBackend::connect(&url, RedisSettings { clock_offset, clock, ..RedisSettings::default() }).await.unwrap()
}

pub(crate) async fn advance(url: String, steps: Steps, by: Duration) {
    steps.passed.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    set(url, steps, by.try_into().unwrap()).await;
}

pub(crate) async fn set(url: String, steps: Steps, by: SignedDuration) {
    let by = i64::try_from(by.as_millis()).unwrap();
    steps.shown.fetch_add(by, Ordering::SeqCst);
    let client = redis::Client::open(url).unwrap();
    let mut peer = Peer(client.get_multiplexed_async_connection().await.unwrap());
    for key in peer.keys().await {
        let left: i64 = peer.run(&["PTTL", &key]).await;
        if left >= 0 {
            // A PEXPIRE into the past deletes the key.
            let () = peer.ask(redis::cmd("PEXPIRE").arg(&key).arg(left - by)).await;
        }
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
