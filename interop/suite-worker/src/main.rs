//! A worker with the tasks of Celery's own integration suite, written as anybody would write theirs: the suite, run
//! against it, says how much of Celery the engine is.

#![allow(clippy::disallowed_names, reason = "the suite passes arguments by the names foo and bar")]

mod arithmetic;
mod canvas;
mod echo;
mod failing;
mod number;
mod request;
mod retrying;
mod trees;

use std::env::var;
use std::process::ExitCode;

use apium::core::Registry;
use apium::prelude::*;
use tokio::signal::unix::{SignalKind, signal};

type Mishap = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_ansi(false).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the worker did not run");
            ExitCode::FAILURE
        }
    }
}

/// Works with the settings that the suite gives in the environment, until it is told to stop.
async fn run() -> Result<(), Mishap> {
    let setting = |name: &str| var(name).map_err(|error| format!("{name}: {error}"));
    let results = var("RESULT_URL").ok();
    let backend = apium::open(&setting("BROKER_URL")?, results.as_deref()).await?;
    let options = WorkerOptions {
        name: setting("WORKER_NODENAME")?,
        concurrency: var("WORKER_CONCURRENCY").map_or(Ok(1), |number| number.parse())?,
        ..WorkerOptions::default()
    };
    let redis = echo::Redis::new(&setting("REDIS_HOST")?, &setting("REDIS_PORT")?);
    let app = App::new("suite").state(redis).state(retrying::Tries::default()).tasks(register);
    let stop = Stop::new();
    let asked = stop.clone();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            asked.request();
        }
    });
    Ok(app.worker(&backend, options).run(stop).await?)
}

fn register(registry: &mut Registry) {
    registry.register(ping);
    arithmetic::register(registry);
    canvas::register(registry);
    echo::register(registry);
    failing::register(registry);
    request::register(registry);
    retrying::register(registry);
    trees::register(registry);
}

/// What the suite asks to see that somebody works.
#[task(name = "celery.ping")]
async fn ping() -> &'static str {
    "pong"
}
