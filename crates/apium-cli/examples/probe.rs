//! The program the tests drive: a task for each way a task can behave, and a diary of every attempt.
//!
//! With `PROBE_DIARY=folder` each process appends `begin ID MICROS` and `end ID MICROS` to a file of its own in that
//! folder, one write a line, so that a killed process leaves what it had begun.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use apium::prelude::*;
use apium_core::limits::Spent;
use apium_protocol::{ExceptionRecord, RawJson};

/// What this process did, for the tests to read.
struct Diary(Option<File>);

/// Gives back what it is given, untouched.
#[task(name = "probe.echo")]
async fn echo(value: RawJson) -> RawJson {
    value
}

/// Two arguments, one of which may be left out.
#[task(name = "probe.greet")]
async fn greet(name: String, #[default("Hello".to_owned())] greeting: String) -> String {
    format!("{greeting}, {name}!")
}

/// An error a Python caller can catch by type.
#[task(name = "probe.divide")]
async fn divide(x: f64, by: f64) -> Result<f64, TaskError> {
    if by == 0.0 { Err(TaskError::new("ZeroDivisionError", "division by zero")) } else { Ok(x / by) }
}

/// Takes its time, and writes it down.
#[task(name = "probe.note")]
async fn note(diary: State<Diary>, context: Context, number: i64, #[default] seconds: f64) -> i64 {
    diary.begin(&context);
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    diary.end(&context);
    number
}

/// Runs until the file is there.
#[task(name = "probe.hold")]
async fn hold(diary: State<Diary>, context: Context, until: PathBuf) -> &'static str {
    diary.begin(&context);
    await_file(&until).await;
    diary.end(&context);
    "released"
}

/// The same, acknowledged before it begins.
#[task(name = "probe.early", acks_late = false)]
async fn early(diary: State<Diary>, context: Context, until: PathBuf) -> &'static str {
    diary.begin(&context);
    await_file(&until).await;
    diary.end(&context);
    "released"
}

/// The same, computing all the while, so that it never lets go of its thread.
#[task(name = "probe.spin")]
async fn spin(diary: State<Diary>, context: Context, until: PathBuf) -> &'static str {
    diary.begin(&context);
    while !until.exists() {
        std::hint::spin_loop();
    }
    diary.end(&context);
    "released"
}

/// The same, without ever awaiting.
#[task(name = "probe.block")]
fn block(diary: State<Diary>, context: Context, until: PathBuf) -> &'static str {
    diary.begin(&context);
    while !until.exists() && !context.cancelled().is_cancelled() {
        std::thread::sleep(Duration::from_millis(5));
    }
    diary.end(&context);
    "released"
}

/// A state of its own, then runs until the file is there.
#[task(name = "probe.progress")]
async fn progress(context: Context, until: PathBuf) -> Result<&'static str, TaskError> {
    context.update_state("PROCESSING", &serde_json::json!({"done": 3, "of": 10})).await?;
    await_file(&until).await;
    Ok("done")
}

/// Fails so many times, then succeeds; says how often it was retried.
#[task(name = "probe.flaky")]
async fn flaky(context: Context, failures: u32) -> Result<u32, TaskError> {
    if context.retries() < failures {
        return Err(TaskError::new("ConnectionError", "not yet").retry_in(Duration::from_millis(50)));
    }
    Ok(context.retries())
}

/// Asks a provider once, which all share, or comes back when that has room.
#[task(name = "probe.ask", max_retries = 1000)]
async fn ask(diary: State<Diary>, context: Context) -> Result<(), TaskError> {
    if let Spent::After { wait, .. } = context.spend(&["provider=probe"], 1).await? {
        return Err(TaskError::new("Busy", "the provider has had enough").retry_in(wait));
    }
    diary.begin(&context);
    diary.end(&context);
    Ok(())
}

/// Cannot go well until the file is there.
#[task(name = "probe.fragile")]
async fn fragile(diary: State<Diary>, context: Context, until: PathBuf) -> Result<&'static str, TaskError> {
    diary.begin(&context);
    diary.end(&context);
    if !until.exists() {
        return Err(TaskError::new("ConnectionError", "out of order").retry_in(Duration::from_millis(50)));
    }
    Ok("mended")
}

/// Fails for good after one retry.
#[task(name = "probe.stubborn", autoretry, max_retries = 1, retry_backoff = 0.05)]
async fn stubborn() -> Result<(), TaskError> {
    Err(TaskError::exception("redis.exceptions", "TimeoutError", "nobody there"))
}

/// Fails with the exception it is told, for good.
#[task(name = "probe.raise")]
async fn raise(exception: RawJson) -> Result<(), TaskError> {
    let told = ExceptionRecord::from_result(&exception).ok_or_else(|| TaskError::arguments("that is no exception"))?;
    Err(TaskError::from_exception(told).fatal())
}

/// Gives its message up.
#[task(name = "probe.reject")]
async fn reject() -> Result<(), TaskError> {
    Err(TaskError::reject("not for us"))
}

/// Takes its whole process with it.
#[task(name = "probe.abort")]
async fn abort(diary: State<Diary>, context: Context) {
    diary.begin(&context);
    std::process::abort();
}

/// The isolated ones: each in a child of the worker.
mod isolated {
    use std::path::PathBuf;

    use apium::prelude::*;
    use apium_protocol::RawJson;

    use super::{Diary, await_file};

    /// Which process it runs in.
    #[task(name = "isolated.pid", isolation = "process", max_tasks_per_child = 3)]
    async fn pid() -> u32 {
        println!("printed by {}", std::process::id());
        std::process::id()
    }

    /// Computes for ever, beside a program that it has started.
    #[task(name = "isolated.spin", isolation = "process", time_limit = 1)]
    async fn spin(pids: PathBuf) {
        // Not waited for: what becomes of it is what the tests look at.
        let sleeper = std::process::Command::new("sleep").arg("1000").spawn();
        let sleeper = sleeper.map(|child| child.id()).unwrap_or_default();
        drop(std::fs::write(pids, format!("{} {sleeper}", std::process::id())));
        loop {
            std::hint::spin_loop();
        }
    }

    /// Runs until the file is there, or it is told to stop.
    #[task(name = "isolated.hold", isolation = "process")]
    async fn hold(diary: State<Diary>, context: Context, until: PathBuf) -> u32 {
        diary.begin(&context);
        await_file(&until).await;
        std::process::id()
    }

    /// Takes more and more memory, as many MiB.
    #[task(name = "isolated.hog", isolation = "process", max_memory = "64MiB")]
    fn hog(mebibytes: usize) -> usize {
        let mut all = Vec::new();
        for _ in 0..mebibytes {
            all.push(vec![1_u8; 1 << 20]);
        }
        all.iter().map(Vec::len).sum()
    }

    /// Takes its child with it.
    #[task(name = "isolated.abort", isolation = "process")]
    async fn abort(diary: State<Diary>, context: Context) {
        diary.begin(&context);
        std::process::abort();
    }

    /// The same, acknowledged before it begins.
    #[task(name = "isolated.early_abort", isolation = "process", acks_late = false)]
    async fn early_abort() {
        std::process::abort();
    }

    /// Nothing.
    #[task(name = "isolated.nothing", isolation = "process")]
    async fn nothing() {}

    /// Cut off at its soft limit, or ends in its own way there.
    #[task(name = "isolated.soft", isolation = "process", soft_time_limit = 0.5, time_limit = 20)]
    async fn soft(context: Context, heeds: bool) -> &'static str {
        if heeds {
            context.soft_time_limit().await;
            return "what was done in time";
        }
        std::future::pending().await
    }

    /// All a task can do with its context, for [`super::both`] to be compared with.
    #[task(name = "isolated.both", isolation = "process", max_retries = 1, retry_backoff = 0.05, retry_jitter = false)]
    async fn both(context: Context, how: String) -> Result<RawJson, TaskError> {
        super::every_way(&context, &how).await
    }

    pub(super) fn register(app: App) -> App {
        let app = app.task(pid).task(spin).task(hold).task(hog).task(abort).task(early_abort);
        app.task(nothing).task(soft).task(both)
    }
}

/// The same as `isolated.both`, in the worker's process.
#[task(name = "probe.both", max_retries = 1, retry_backoff = 0.05, retry_jitter = false)]
async fn both(context: Context, how: String) -> Result<RawJson, TaskError> {
    every_way(&context, &how).await
}

/// Every way a task can end, and all it can do before.
async fn every_way(context: &Context, how: &str) -> Result<RawJson, TaskError> {
    match how {
        "states" => {
            context.update_state("PROCESSING", &serde_json::json!({"done": 1})).await?;
            let seen = context.client().pending(context.task_id()).lookup().await?;
            Ok(RawJson::from(&format!("{seen:?}").contains("PROCESSING"))?)
        }
        "child" => {
            let child = context.send(Signature::new("mix.add").arg(1).arg(2)).await?;
            Ok(RawJson::from(&child.get::<i64>(Duration::from_secs(20)).await?)?)
        }
        "chord" => {
            let parts = [Signature::new("mix.add").arg(1).arg(2), Signature::new("mix.add").arg(3).arg(4)];
            let sent = context.send(apium_core::signature::chord(parts, Signature::new("mix.total"))).await?;
            Ok(RawJson::from(&sent.get::<i64>(Duration::from_secs(20)).await?)?)
        }
        "retry" if context.retries() == 0 => {
            Err(TaskError::retry(apium_core::Retry::new().countdown(Duration::ZERO).kwarg("how", "retried")))
        }
        "retried" => Ok(RawJson::from(&context.retries())?),
        "spends" => {
            let own = [format!("provider={}", context.headers().task)];
            let (one, many) = (context.spend(&own, 1).await?, context.spend(&own, 9).await?);
            Ok(RawJson::from(&format!("{one:?} {many:?}"))?)
        }
        "fails" => Err(TaskError::exception("redis.exceptions", "TimeoutError", "nobody there").retryable()),
        "raises" => Err(TaskError::new("ValueError", "no such thing").with_traceback("Traceback: here\n")),
        "rejects" => Err(TaskError::reject("not for us")),
        "ignores" => Err(TaskError::ignore()),
        "panics" => panic!("no way"),
        "replaced" => Err(TaskError::replace(Signature::new("mix.add").arg(20).arg(1))),
        "nan" => Ok(RawJson::parse("[NaN, Infinity, 123456789012345678901234567890]").map_err(TaskError::from)?),
        _ => Ok(RawJson::from(&(
            context.queue(),
            context.worker(),
            context.redelivered(),
            context.headers().argsrepr.is_some(),
        ))?),
    }
}

/// Stores nothing.
#[task(name = "probe.quiet", ignore_result)]
async fn quiet(diary: State<Diary>, context: Context) {
    diary.begin(&context);
    diary.end(&context);
}

/// When it ran, in microseconds since 1970.
#[task(name = "probe.now")]
async fn clock() -> u64 {
    micros()
}

/// The steps of `interop/canvases.py`, which Python's workers know too.
#[task(name = "mix.add")]
async fn mix_add(x: i64, y: i64) -> i64 {
    x + y
}

#[task(name = "mix.total")]
async fn mix_total(diary: State<Diary>, context: Context, numbers: Vec<i64>) -> i64 {
    diary.begin(&context);
    diary.end(&context);
    numbers.into_iter().sum()
}

#[task(name = "mix.fail")]
async fn mix_fail(value: RawJson) -> Result<i64, TaskError> {
    Err(TaskError::new("ValueError", format!("no such luck with {value}")))
}

fn main() -> std::process::ExitCode {
    let app = App::new("probe").state(Diary::open());
    let app = app.task(echo).task(greet).task(divide).task(note).task(hold).task(early).task(block).task(progress);
    let app = app.task(raise).task(ask).task(fragile).task(mix_add).task(mix_total).task(mix_fail);
    let app = isolated::register(app.task(both));
    apium_cli::main(app.task(flaky).task(stubborn).task(reject).task(quiet).task(spin).task(clock).task(abort))
}

impl Diary {
    fn open() -> Self {
        let path = std::env::var_os("PROBE_DIARY")
            .map(|folder| PathBuf::from(folder).join(format!("{}.diary", std::process::id())));
        Self(path.and_then(|path| File::options().create(true).append(true).open(path).ok()))
    }

    fn begin(&self, context: &Context) {
        self.write("begin", context);
    }

    fn end(&self, context: &Context) {
        self.write("end", context);
    }

    fn write(&self, what: &str, context: &Context) {
        let line = format!("{what} {} {}\n", context.task_id(), micros());
        if let Some(mut file) = self.0.as_ref()
            && let Err(error) = file.write_all(line.as_bytes())
        {
            eprintln!("the diary cannot be written: {error}");
        }
    }
}

async fn await_file(path: &std::path::Path) {
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn micros() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}
