//! `apium.verify`, the task that `verify` sends: its first act and its last are a line each in a ledger.
//!
//! Every worker of this executable knows it. It writes to the one file that its worker was started with, in
//! `APIUM_VERIFY_LEDGER`, and to no other, whatever a message may ask for. `apium_verify.py` is the same for Celery.

use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apium::{App, Context, State, TaskError, task};

use super::events::micros;

/// The task's name.
pub(crate) const TASK: &str = "apium.verify";

/// Names the ledger a worker may write.
pub(super) const LEDGER: &str = "APIUM_VERIFY_LEDGER";

/// Names the worker in the ledger; else its node name does.
pub(super) const WORKER: &str = "APIUM_VERIFY_WORKER";

/// The ledger this worker may write, if any.
struct Ledger {
    path: Option<String>,
    worker: Option<String>,
    attempts: AtomicU64,
}

/// One attempt's lines.
struct Entry {
    file: File,
    words: String,
}

/// The app with the task.
pub(crate) fn with_task(app: App) -> App {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let ledger = Ledger { path: set(LEDGER), worker: set(WORKER), attempts: AtomicU64::new(0) };
    app.task(marked).state(ledger)
}

/// Takes its time and gives its number back; with a ledger, tells there that it begins and that it ends.
#[task(name = "apium.verify")]
async fn marked(
    ledger: State<Ledger>,
    context: Context,
    run: String,
    number: u32,
    path: Option<String>,
    #[default] seconds: f64,
) -> Result<u32, TaskError> {
    let entry = path.map(|path| ledger.entry(&path, &run, number, context.worker())).transpose()?;
    entry.as_ref().map(|entry| entry.write("begin")).transpose()?;
    tokio::time::sleep(Duration::try_from_secs_f64(seconds)?).await;
    entry.as_ref().map(|entry| entry.write("end")).transpose()?;
    Ok(number)
}

impl Ledger {
    fn entry(&self, path: &str, run: &str, number: u32, node: &str) -> Result<Entry, TaskError> {
        if self.path.as_deref() != Some(path) {
            let sentence = format!("this worker may not write {path}: start it with {LEDGER}={path}");
            return Err(TaskError::reject(sentence));
        }
        let (pid, count) = (std::process::id(), self.attempts.fetch_add(1, Ordering::Relaxed));
        let worker = self.worker.as_deref().unwrap_or(node);
        let file = File::options().append(true).open(path)?;
        Ok(Entry { file, words: format!("{run} {number} {pid}.{count} {pid} {worker}") })
    }
}

impl Entry {
    /// One write a line, at the end of the file whoever else writes. A process that is killed in the middle of it leaves
    /// a piece: so that a piece swallows nothing, each line begins with its own newline, and ends with a mark.
    fn write(&self, what: &str) -> std::io::Result<()> {
        let line = format!("\n{what} {} {} .\n", self.words, micros());
        (&self.file).write_all(line.as_bytes())
    }
}
