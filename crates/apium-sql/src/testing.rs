//! A Postgres server for tests: its own folder and port, gone when dropped.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};
use tempfile::TempDir;

/// How long it may take to come up.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that listens on 127.0.0.1 and trusts everyone there.
pub struct Postgres {
    server: Child,
    port: u16,
    _folder: TempDir,
}

impl Postgres {
    /// Starts one; as the user `postgres` when we are root, whom it refuses.
    ///
    /// # Errors
    /// A sentence that says what is missing or failed.
    pub fn start() -> Result<Self, String> {
        let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
        let folder = tempfile::Builder::new().prefix("apium-postgres-").tempdir();
        let folder = folder.map_err(|error| failed("no folder for Postgres", &error))?;
        let user = if nix::unistd::geteuid().is_root() { User::from_name("postgres").ok().flatten() } else { None };
        if let Some(user) = &user {
            let owned = std::os::unix::fs::chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw()));
            owned.map_err(|error| failed("the folder cannot be given to the user postgres", &error))?;
        }
        let program = |name: &str| {
            let mut command = Command::new(programs().join(name));
            command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
            if let Some(user) = &user {
                command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
            }
            command
        };
        let data = folder.path().join("data");
        let made = program("initdb")
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .map_err(|error| failed("initdb cannot be started (the Debian package is postgresql)", &error))?;
        if !made.status.success() {
            return Err(failed("initdb", &String::from_utf8_lossy(&made.stderr)));
        }
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr());
        let port = port.map_err(|error| failed("no free port", &error))?.port();
        let server = program("postgres")
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-c", "fsync=off", "-c", "unix_socket_directories="])
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed("postgres cannot be started", &error))?;
        let mut postgres = Self { server, port, _folder: folder };
        postgres.wait()?;
        Ok(postgres)
    }

    /// Where its first database is.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let mut ready = Command::new(programs().join("pg_isready"));
            ready.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-t", "1"]).stdout(Stdio::null());
            if ready.status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.server.try_wait() {
                return Err(format!("postgres ended: {status}"));
            }
            std::thread::yield_now();
        }
        Err("postgres does not answer".to_owned())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An immediate shutdown, which takes its children along.
        if let Ok(pid) = i32::try_from(self.server.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGQUIT);
        }
        let _ = self.server.wait();
    }
}

/// Where Debian puts the programs that no search path names; the newest version.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> =
        versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).collect();
    versions.sort();
    versions.pop().unwrap_or_else(|| Path::new("").to_owned())
}
