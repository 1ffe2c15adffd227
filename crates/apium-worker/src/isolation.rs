//! Isolation: a task that asks for it runs in a child process of the same program, which can be killed.
//!
//! The worker starts its own executable once more, with the same arguments, and gives it one end of a socket as its
//! standard input. A child runs one attempt at a time and is kept for the next. It has no connection of its own to the
//! broker: what its task sends, stores or looks up goes through the worker (`ports.rs`), so that nothing is written for
//! an attempt that is over. What it prints goes to the worker's standard error.
//!
//! A child leads a process group of its own, and the whole group is killed where one is: what left the group (by
//! `setsid`) is not. A thread of the child ends it as soon as the worker is gone, however that came.

mod child;
mod errand;
mod frame;
mod inside;
mod pool;
mod ports;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use apium_core::context::States;
use apium_core::{Broker, Client, Registry, ResultStore};
use nix::sys::socket::{UnixAddr, getpeername};

use crate::alarm::WorkerError;

pub(crate) use pool::Children;

/// Set for a child, and for whatever it starts; only a child has the socket too.
const VARIABLE: &str = "APIUM_ISOLATED_CHILD";

/// How this program is started once more.
#[derive(Debug, Clone)]
struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
}

static PREPARED: OnceLock<Launch> = OnceLock::new();

/// To be called first in `main`, before anything is opened or started: a process that a worker of this program has started
/// as its child runs that worker's isolated tasks here, and never returns. In any other process it notes that this program
/// can be started so, and returns.
///
/// `clients` makes the client that tasks send with. `apium::isolation::child` and `apium_cli::main` call this.
pub fn enter(
    registry: &Registry,
    states: &States,
    clients: impl FnOnce(Arc<dyn Broker>, Arc<dyn ResultStore>) -> Client,
) {
    if std::env::var_os(VARIABLE).is_some() && getpeername::<UnixAddr>(0).is_ok() {
        inside::run(registry, states, clients);
    }
    if let Some(program) = program() {
        // A second call has nothing else to tell.
        let _ = PREPARED.set(Launch { program, arguments: std::env::args_os().skip(1).collect() });
    }
}

/// A worker with tasks that it cannot run as they ask for must not begin.
pub(crate) fn check(isolated: Option<&str>) -> Result<(), WorkerError> {
    match isolated {
        Some(task) if PREPARED.get().is_none() => Err(WorkerError::Unprepared(task.to_owned())),
        _ => Ok(()),
    }
}

/// This very executable, also when another has taken its place on the disk.
fn program() -> Option<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { Some(running) } else { std::env::current_exe().ok() }
}
