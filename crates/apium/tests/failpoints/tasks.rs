//! The tasks that are sent: each notes its attempts, and does one thing.

use std::path::PathBuf;
use std::time::Duration;

use apium::core::context::Failed;
use apium::prelude::*;

use crate::diary::{Diary, What};

/// Every task of this file, noting for one life; the isolated ones only where children can be started.
pub(crate) fn app(diary: Diary, isolated: bool) -> App {
    let app = App::new("failpoints").state(diary).task(note).task(plus).task(early).task(flaky).task(fail).task(reject);
    let app = app.task(hold).task(stay).task(brief).task(limited).task(unique).task(sum).task(called).task(replaced);
    let app = app.task(requeue);
    if !isolated {
        return app;
    }
    app.task(isolated::note).task(isolated::brief).task(isolated::stay).task(isolated::mortal)
}

#[task(name = "f.note", track_started)]
async fn note(diary: State<Diary>, context: Context, value: i64) -> i64 {
    diary.note(What::Begun, &context);
    tokio::task::yield_now().await;
    diary.note(What::Ended, &context);
    value
}

#[task(name = "f.plus")]
async fn plus(diary: State<Diary>, context: Context, value: i64, more: i64) -> i64 {
    diary.note(What::Begun, &context);
    diary.note(What::Ended, &context);
    value + more
}

#[task(name = "f.early", acks_late = false)]
async fn early(diary: State<Diary>, context: Context, value: i64) -> i64 {
    diary.note(What::Begun, &context);
    tokio::task::yield_now().await;
    diary.note(What::Ended, &context);
    value
}

/// Fails once, then gives how often it was retried.
#[task(name = "f.flaky")]
async fn flaky(diary: State<Diary>, context: Context) -> Result<u32, TaskError> {
    diary.note(What::Begun, &context);
    diary.note(What::Ended, &context);
    if context.retries() == 0 {
        return Err(TaskError::new("ConnectionError", "not yet").retry_in(Duration::ZERO));
    }
    Ok(context.retries())
}

#[task(name = "f.fail")]
async fn fail(diary: State<Diary>, context: Context) -> Result<i64, TaskError> {
    diary.note(What::Begun, &context);
    diary.note(What::Ended, &context);
    Err(TaskError::new("ValueError", "no such luck").fatal())
}

#[task(name = "f.reject")]
async fn reject(diary: State<Diary>, context: Context) -> Result<i64, TaskError> {
    diary.note(What::Begun, &context);
    diary.note(What::Ended, &context);
    Err(TaskError::reject("not for us"))
}

/// Runs until the file `go` is there.
#[task(name = "f.hold")]
async fn hold(diary: State<Diary>, context: Context) -> &'static str {
    diary.note(What::Begun, &context);
    until_there(diary.beside("go")).await;
    diary.note(What::Ended, &context);
    "released"
}

/// Runs until it is called off.
#[task(name = "f.stay")]
async fn stay(diary: State<Diary>, context: Context) {
    diary.note(What::Begun, &context);
    std::future::pending::<()>().await;
}

/// Runs into its limit.
#[task(name = "f.brief", time_limit = 0.03)]
async fn brief(diary: State<Diary>, context: Context) {
    diary.note(What::Begun, &context);
    std::future::pending::<()>().await;
}

/// One at once, and each takes a moment.
#[task(name = "f.limited", limit(concurrency = 1))]
async fn limited(diary: State<Diary>, context: Context, value: i64) -> i64 {
    diary.note(What::Begun, &context);
    moment().await;
    diary.note(What::Ended, &context);
    value
}

#[task(name = "f.unique", unique(by = [order]))]
pub(crate) async fn unique(diary: State<Diary>, context: Context, order: String) -> String {
    diary.note(What::Begun, &context);
    diary.note(What::Ended, &context);
    order
}

#[task(name = "f.sum")]
async fn sum(diary: State<Diary>, context: Context, numbers: Vec<i64>) -> i64 {
    diary.note(What::Begun, &context);
    diary.note(What::Ended, &context);
    numbers.into_iter().sum()
}

#[task(name = "f.called", errback)]
async fn called(diary: State<Diary>, context: Context, _failed: Failed) {
    diary.note(What::Errback, &context);
}

#[task(name = "f.replaced")]
async fn replaced(diary: State<Diary>, context: Context, value: i64) -> Result<i64, TaskError> {
    diary.note(What::Begun, &context);
    diary.note(What::Ended, &context);
    Err(TaskError::replace(Signature::new("f.plus").arg(value).arg(100)))
}

/// Puts its message back when it comes for the first time.
#[task(name = "f.requeue")]
async fn requeue(diary: State<Diary>, context: Context) -> Result<&'static str, TaskError> {
    diary.note(What::Begun, &context);
    diary.note(What::Ended, &context);
    if context.redelivered() { Ok("again") } else { Err(TaskError::requeue()) }
}

/// Each in a child of its worker.
mod isolated {
    use super::{Diary, What};
    use apium::prelude::*;

    /// Sends its worker on an errand.
    #[task(name = "f.isolated.note", isolation = "process")]
    pub(super) async fn note(diary: State<Diary>, context: Context, value: i64) -> Result<i64, TaskError> {
        diary.note(What::Begun, &context);
        context.update_state("PROCESSING", &1).await?;
        diary.note(What::Ended, &context);
        Ok(value)
    }

    /// Computes until it is killed.
    #[task(name = "f.isolated.brief", isolation = "process", time_limit = 0.05)]
    pub(super) async fn brief(diary: State<Diary>, context: Context) {
        diary.note(What::Begun, &context);
        loop {
            std::hint::spin_loop();
        }
    }

    /// Runs until it is told to stop.
    #[task(name = "f.isolated.stay", isolation = "process")]
    pub(super) async fn stay(diary: State<Diary>, context: Context) {
        diary.note(What::Begun, &context);
        std::future::pending::<()>().await;
    }

    /// Takes its child with it, once.
    #[task(name = "f.isolated.mortal", isolation = "process")]
    pub(super) async fn mortal(diary: State<Diary>, context: Context) -> &'static str {
        diary.note(What::Begun, &context);
        let died = diary.beside("died");
        if !died.exists() {
            std::fs::write(died, "").unwrap();
            std::process::abort();
        }
        diary.note(What::Ended, &context);
        "lived"
    }
}

async fn until_there(file: PathBuf) {
    let mut look = tokio::time::interval(Duration::from_millis(2));
    while !file.exists() {
        look.tick().await;
    }
}

async fn moment() {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    ticks.tick().await;
    ticks.tick().await;
}
