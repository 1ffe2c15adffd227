//! A real Redis of a test's own, with a database for each world: killed when dropped.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::store::Store;

const DATABASES: usize = 512;

pub(crate) struct Server {
    child: Child,
    port: u16,
    next: AtomicUsize,
    _folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let program = std::env::var("APIUM_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let child = Command::new(&program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder.path())
            .args(["--databases", &DATABASES.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("these tests need a Redis server, and `{program}` is none: {error}"));
        let server = Self { child, port, next: AtomicUsize::new(0), _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the Redis server does not answer");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        server
    }

    /// An empty database; they come round again after some hundred.
    pub(crate) fn database(&self) -> Store {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % DATABASES;
        let store = Store::Redis(format!("redis://127.0.0.1:{}/{number}", self.port));
        redis::cmd("FLUSHDB").exec(&mut store.redis().unwrap()).unwrap();
        store
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
