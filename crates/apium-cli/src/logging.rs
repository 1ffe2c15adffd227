//! Logs: one line an event on standard error, as text or JSON.

use std::io::IsTerminal as _;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::stderr::Stderr;

/// Lines that may wait for a reader who has stopped reading; what comes after them is not told.
const WAITING: usize = 20_000;

/// Starts logging, until what is returned is dropped: then what still waits is written, for at most a second.
///
/// A thread of its own writes: a terminal that stands still (Ctrl-S), or a pipe nobody reads, must not hold up leases.
pub(crate) fn start(filter: EnvFilter, format: &str) -> WorkerGuard {
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING).thread_name("log");
    let (writer, guard) = builder.finish(Stderr);
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    if format == "json" {
        subscriber.json().flatten_event(true).init();
    } else {
        subscriber.with_ansi(std::io::stderr().is_terminal()).init();
    }
    guard
}
