//! The long-running roles: `up`, `serve`, `worker`, `beat`. Each only wires.

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;

use apium::{Backend, Stop, Vitals, Worker};
use apium_core::sharded::while_carrying;
use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use tokio::net::TcpListener;

use super::{Invocation, no_threads, outbox, verify};
use crate::failure::Failure;
use crate::http::{self, Health};
use crate::services::Service;
use crate::settings::Scope;
use crate::signals;

/// The API and a worker in one process; no worker where tasks run as they are sent.
pub(crate) async fn up(invocation: Invocation) -> Result<ExitCode, Failure> {
    if invocation.is_eager() {
        return serve(invocation).await;
    }
    let stop = stop_on_signals()?;
    let listener = listen(&invocation).await?;
    let backend = invocation.open().await?;
    let worker = worker_on(&invocation, &backend)?;
    let relay = outbox::beside(&invocation, &backend, &stop).await?;
    let schedules = schedules_beside(&invocation, &backend, &stop);
    let router = invocation.router(&backend, Some(worker.vitals()))?;
    let scopes = [Scope::All, Scope::Listen, Scope::Work, Scope::Outbox, Scope::Beat, Scope::Services];
    invocation.greet(Some(&listener), &scopes, true);
    let patience = invocation.settings.stop_timeout();
    let serving = http::serve(listener, router, stop.clone(), patience);
    let ((), (), (), worked) = tokio::join!(serving, relay, schedules, worker.run(stop.clone()));
    worked?;
    Ok(goodbye())
}

/// The API alone.
pub(crate) async fn serve(invocation: Invocation) -> Result<ExitCode, Failure> {
    let stop = stop_on_signals()?;
    let listener = listen(&invocation).await?;
    let backend = invocation.open().await?;
    let router = invocation.router(&backend, None)?;
    invocation.greet(Some(&listener), &[Scope::All, Scope::Listen, Scope::Services], false);
    let serving = http::serve(listener, router, stop, invocation.settings.stop_timeout());
    while_carrying(&*backend.broker, serving).await;
    Ok(goodbye())
}

/// A worker alone; it answers health checks where it is told to listen.
pub(crate) async fn worker(invocation: Invocation) -> Result<ExitCode, Failure> {
    invocation.needs_broker("worker")?;
    let stop = stop_on_signals()?;
    let listener = if invocation.settings.is_set("listen") { Some(listen(&invocation).await?) } else { None };
    let backend = invocation.open().await?;
    let worker = worker_on(&invocation, &backend)?;
    let relay = outbox::beside(&invocation, &backend, &stop).await?;
    let health = Health::new(backend, Some(worker.vitals()), invocation.services).router();
    invocation.greet(listener.as_ref(), &[Scope::All, Scope::Work, Scope::Outbox, Scope::Services], true);
    let patience = invocation.settings.stop_timeout();
    let serving = async {
        if let Some(listener) = listener {
            http::serve(listener, apium_web::manners(health), stop.clone(), patience).await;
        }
    };
    let ((), (), worked) = tokio::join!(serving, relay, worker.run(stop.clone()));
    worked?;
    Ok(goodbye())
}

/// A scheduler alone.
pub(crate) async fn beat(invocation: Invocation) -> Result<ExitCode, Failure> {
    invocation.needs_broker("beat")?;
    let stop = stop_on_signals()?;
    let backend = invocation.open().await?;
    invocation.greet(None, &[Scope::All, Scope::Beat], false);
    invocation.app.scheduler(&backend).run(stop.requested()).await;
    Ok(goodbye())
}

/// The scheduler beside a worker, unless it is left to others.
async fn schedules_beside(invocation: &Invocation, backend: &Backend, stop: &Stop) {
    if !invocation.settings.switch("without_beat") {
        invocation.app.scheduler(backend).run(stop.requested()).await;
    }
}

fn stop_on_signals() -> Result<Stop, Failure> {
    let stop = Stop::new();
    signals::listen(stop.clone())?;
    Ok(stop)
}

async fn listen(invocation: &Invocation) -> Result<TcpListener, Failure> {
    http::bind(invocation.settings.text("listen").unwrap_or_default()).await
}

/// With as many threads for tasks as the machine has cores: a task that computes without awaiting must not hold up the
/// engine.
fn worker_on(invocation: &Invocation, backend: &Backend) -> Result<Worker, Failure> {
    let options = invocation.settings.worker(invocation.app.queues());
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let worker = verify::with_task(invocation.app.clone()).worker(backend, options);
    worker.with_own_threads(cores).map_err(|error| no_threads(&error))
}

fn goodbye() -> ExitCode {
    tracing::info!("stopped");
    ExitCode::SUCCESS
}

impl Invocation {
    fn router(&self, backend: &Backend, vitals: Option<Arc<Vitals>>) -> Result<Router, Failure> {
        let client = self.app.client(backend);
        let health = Health::new(backend.clone(), vitals, self.services).router();
        let lookup = |name: &str| self.settings.of_service(name);
        let add = |router: Router, service: &Service| {
            let inline = (service.inline)(&lookup).then(|| self.inline(backend).client());
            (service.router)(inline.unwrap_or_else(|| client.clone()), &lookup).map(|routes| router.merge(routes))
        };
        let token = self.settings.text("api_token").filter(|_| !self.is_eager());
        let health = health.merge(http::schedules(token, &client));
        let mut routes = self.services.iter().try_fold(health, add)?;
        if !self.services.is_empty() {
            // Who types the address into a browser wants to know what there is.
            routes = routes.route("/", get(|| async { Redirect::to("/docs") }));
        }
        Ok(apium_web::manners(routes))
    }
}
