//! The commands: each role of the executable in a file of its own; here they are only told apart.

pub(crate) mod beat;
mod call;
pub(crate) mod dead;
pub(crate) mod doctor;
mod eager;
mod greeting;
pub(crate) mod limits;
pub(crate) mod osint;
pub(crate) mod outbox;
mod queues;
mod ready;
pub(crate) mod remote;
mod result;
mod roles;
mod routes;
pub(crate) mod verify;

use std::path::Path;
use std::process::ExitCode;

use apium::{App, Backend, BackendSettings, Client};
use clap::ArgMatches;
use serde_json::json;
use tokio::runtime::{Handle, Runtime};

use crate::failure::Failure;
use crate::services::Service;
use crate::settings::{Scope, Setting, Settings, Told, resolve, table};
use crate::stderr::say;
use crate::{arguments, logging, output};

/// What a command works with.
pub(crate) struct Invocation {
    pub(crate) app: App,
    pub(crate) services: &'static [Service],
    pub(crate) settings: Settings,
    pub(crate) matches: ArgMatches,
    pub(crate) json: bool,
    /// Where tasks run that run where they are sent: one that computes without awaiting must not hold up the sender. A
    /// worker has threads of its own.
    pub(crate) tasks: Option<Handle>,
}

/// Reads the command line and runs the command.
pub(crate) fn run(app: App, services: &'static [Service]) -> ExitCode {
    // Before anything else, settings included: this child reads an untrusted file and must know nothing.
    if std::env::args_os().nth(1).is_some_and(|first| first == svc_osint::sandbox::ARGUMENT) {
        return svc_osint::sandbox::child_main();
    }
    let table = table(services);
    let matches = match arguments::read(app.name(), &table) {
        Ok(matches) => matches,
        Err(code) => return code,
    };
    match start(app, services, table, &matches) {
        Ok(code) => code,
        Err(failure) => {
            say(&format!("error: {failure}"));
            failure.code()
        }
    }
}

fn start(
    app: App,
    services: &'static [Service],
    table: Vec<Setting>,
    matches: &ArgMatches,
) -> Result<ExitCode, Failure> {
    let Some((name, own)) = matches.subcommand() else { return Ok(ExitCode::FAILURE) };
    let (name, own) = match own.subcommand() {
        Some((inner, innermost)) => (format!("{name} {inner}"), innermost),
        None => (name.to_owned(), own),
    };
    let file = own.get_one::<String>("config").map(Path::new);
    let settings = resolve(table, |key| arguments::flag(own, key), |name| std::env::var(name).ok(), file)?;
    match name.as_str() {
        "settings" => return show_settings(&settings, own),
        "ready" => return ready::ready(&settings),
        _ => {}
    }
    let eager = settings.switch("task_always_eager") && matches!(name.as_str(), "serve" | "call");
    if name != "up" && name != "routes explain" && !eager {
        settings.shared()?;
    }
    let _log = logging::start(settings.filter()?, settings.text("log_format").unwrap_or("text"));
    let register = |app, service: &Service| (service.register)(app, &|name: &str| settings.of_service(name));
    let app = settings.scheduled(settings.routed(services.iter().try_fold(app, register)?)?)?;
    // A worker's child has the worker's own command line, and goes no further than here.
    apium::isolation::child_with(&app, settings.backend()?.bodies);
    let json = own.get_flag("json");
    let (runtime, senders) = match name.as_str() {
        // What it does for a task is little, and waking a second thread for it would cost more; its tasks have their own.
        "worker" => (one_thread()?, None),
        _ => (threads()?, Some(threads()?)),
    };
    let tasks = senders.as_ref().map(|runtime| runtime.handle().clone());
    let invocation = Invocation { app, services, settings, matches: own.clone(), json, tasks };
    let code = runtime.block_on(async {
        match name.as_str() {
            "up" => roles::up(invocation).await,
            "serve" => roles::serve(invocation).await,
            "worker" => roles::worker(invocation).await,
            "beat" => roles::beat(invocation).await,
            other if other.starts_with("beat ") => beat::beat(invocation, &other["beat ".len()..]).await,
            "call" => call::call(invocation).await,
            "result" => result::result(invocation).await,
            "queues" => queues::queues(invocation).await,
            "purge" => queues::purge(invocation).await,
            "routes explain" => routes::explain(&invocation),
            "routes check" => routes::check(invocation).await,
            "dead list" => dead::list(invocation).await,
            "dead show" => dead::show(invocation).await,
            "dead replay" => dead::replay(invocation).await,
            "dead drop" => dead::discard(invocation).await,
            "outbox relay" => outbox::relay(invocation).await,
            "outbox init" => outbox::init(invocation).await,
            "outbox status" => outbox::status(invocation).await,
            "outbox retry" => outbox::retry(invocation).await,
            "outbox sql" => outbox::sql(&invocation),
            other if other.starts_with("osint ") => osint::osint(invocation, &other["osint ".len()..]).await,
            "limits list" => limits::list(invocation).await,
            "limits set" => limits::set(invocation).await,
            "limits drop" => limits::discard(invocation).await,
            "doctor" => doctor::doctor(invocation).await,
            "verify" => verify::verify(invocation).await,
            "status" => remote::status(invocation).await,
            "events" => remote::events(invocation).await,
            other if other.starts_with("inspect ") => remote::inspect(invocation, &other["inspect ".len()..]).await,
            other if other.starts_with("control ") => remote::control(invocation, &other["control ".len()..]).await,
            other => Err(Failure::new(format!("{other} is not a command"))),
        }
    });
    // Blocking work that ignores its limits must not keep the process from ending.
    senders.into_iter().for_each(Runtime::shutdown_background);
    runtime.shutdown_background();
    code
}

fn threads() -> Result<Runtime, Failure> {
    let started = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    started.map_err(|error| no_threads(&error))
}

fn one_thread() -> Result<Runtime, Failure> {
    let started = tokio::runtime::Builder::new_current_thread().enable_all().build();
    started.map_err(|error| no_threads(&error))
}

fn no_threads(error: &std::io::Error) -> Failure {
    Failure::new(format!("threads cannot be started: {error}"))
}

fn show_settings(settings: &Settings, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let all = settings.told(&[Scope::All, Scope::Listen, Scope::Work, Scope::Outbox, Scope::Beat, Scope::Services]);
    if matches.get_flag("manual") {
        output::line(settings.manual().trim_end())?;
    } else if matches.get_flag("json") {
        let entry = |told: Told| (told.key.to_owned(), json!({"value": told.value, "origin": told.origin}));
        output::json(&all.into_iter().map(entry).collect::<serde_json::Map<_, _>>())?;
    } else {
        all.iter().try_for_each(|told| output::line(&told.to_string()))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Invocation {
    /// Opens the broker and the result store the settings name; without a broker where tasks run as they are sent.
    pub(crate) async fn open(&self) -> Result<Backend, Failure> {
        if self.is_eager() { self.without_broker().await } else { self.connect().await }
    }

    async fn connect(&self) -> Result<Backend, Failure> {
        self.open_with(self.settings.backend()?).await
    }

    /// The same for a command that only looks: it makes no store where there is none.
    pub(crate) async fn look(&self) -> Result<Backend, Failure> {
        self.open_with(BackendSettings { create: false, ..self.settings.backend()? }).await
    }

    async fn open_with(&self, settings: BackendSettings) -> Result<Backend, Failure> {
        let (broker, results) = (self.settings.broker(), self.settings.text("result_backend"));
        Ok(apium::open_with(&broker, results, settings).await?)
    }

    /// A client on it.
    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        Ok(self.app.client(&self.open().await?))
    }

    /// The words given for an argument that takes several.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        self.matches.get_many::<String>(name).map(|words| words.cloned().collect()).unwrap_or_default()
    }
}
