//! A real Redis of a test's own: on a free port, in a temporary folder, killed when dropped.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use redis::{Connection, FromRedisValue};
use tempfile::TempDir;

use crate::poll::until;

pub(crate) struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// A server with further options, e.g. `["--requirepass", "secret"]`.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let child = spawn(port, &folder, &arguments);
        Self { child, port, folder, arguments }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port and folder.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.arguments);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps what it keeps.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A plain connection, to look at Redis as a peer sees it.
    pub(crate) fn look(&self) -> Look {
        Look(redis::Client::open(self.url()).unwrap().get_connection().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asks Redis directly.
pub(crate) struct Look(Connection);

impl Look {
    pub(crate) fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        redis::cmd(words[0]).arg(&words[1..]).query(&mut self.0).unwrap()
    }

    /// One field of `INFO`.
    pub(crate) fn info(&mut self, field: &str) -> u64 {
        let info: String = self.ask(&["INFO", "stats"]);
        let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap().trim().parse().unwrap()
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a server and waits until it answers.
fn spawn(port: u16, folder: &TempDir, arguments: &[String]) -> Child {
    let program = std::env::var("APIUM_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    let child = Command::new(&program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(folder.path())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "these tests need a Redis server, but `{program}` cannot be started ({error}): run `cargo xtask \
                 setup`, or name one in APIUM_REDIS_SERVER"
            )
        });
    until("redis-server to accept connections", || TcpStream::connect(("127.0.0.1", port)).ok());
    child
}
