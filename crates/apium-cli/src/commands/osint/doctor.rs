//! `osint doctor`: whether the scan service can do its work here, under the five headings of the Python service's own test.

use std::process::ExitCode;

use apium::redact;
use serde::Serialize;
use serde_json::json;
use svc_osint::collectors::COLLECTORS;
use svc_osint::contract::{GATHER, HEALTH_CHECK, HOUSEKEEPING, QUEUE, SCAN};
use svc_osint::providers::PROVIDERS;
use svc_osint::{Osint, sandbox, view};

use super::{Invocation, settings};
use crate::failure::Failure;
use crate::output;

/// The smallest file that the parsers read: a picture of one point.
const SAMPLE: &[u8] = include_bytes!("point.png");

/// One thing that was tried.
#[derive(Debug, Serialize)]
struct Tried {
    heading: &'static str,
    what: String,
    /// `ok`; `aviso`: the service works, and something of it does not; `fallo`: it does not work.
    outcome: &'static str,
    told: String,
}

/// What was tried so far.
#[derive(Default)]
struct Notes(Vec<Tried>);

impl Notes {
    fn note(&mut self, heading: &'static str, what: impl Into<String>, outcome: &'static str, told: impl Into<String>) {
        self.0.push(Tried { heading, what: what.into(), outcome, told: told.into() });
    }

    fn result<T, E: std::fmt::Display>(&mut self, heading: &'static str, what: &str, tried: Result<T, E>) -> Option<T> {
        match tried {
            Ok(value) => {
                self.note(heading, what, "ok", "");
                Some(value)
            }
            Err(error) => {
                self.note(heading, what, "fallo", redact(&error.to_string()));
                None
            }
        }
    }
}

/// Tries everything; exits with 1 when something does not work.
pub(super) async fn doctor(invocation: Invocation) -> Result<ExitCode, Failure> {
    let osint = Osint::new(settings(&invocation)?);
    let mut notes = Notes::default();
    imports(&mut notes, &osint).await;
    configuration(&mut notes, &osint).await;
    let workers = broker(&mut notes, &invocation).await;
    collectors(&mut notes, &osint);
    registration(&mut notes, &invocation, workers);
    let failed = notes.0.iter().any(|tried| tried.outcome == "fallo");
    if invocation.json {
        output::json(&json!({ "ok": !failed, "tried": notes.0 }))?;
    } else {
        let rows = notes
            .0
            .into_iter()
            .map(|tried| vec![tried.heading.to_owned(), tried.what, tried.outcome.to_owned(), tried.told]);
        output::table(&["", "QUÉ", "CÓMO", ""], &rows.collect::<Vec<_>>())?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What a worker needs of this machine.
async fn imports(notes: &mut Notes, osint: &Osint) {
    let heading = "Módulos";
    let parsed = sandbox::parse(SAMPLE, &osint.settings.metadata.sandbox).await;
    notes.result(heading, "lectura de ficheros en un proceso aparte", parsed);
    let sites = osint.settings.username.lists.len();
    notes.note(heading, "listas de sitios", if sites > 0 { "ok" } else { "fallo" }, format!("{sites} sitios"));
}

/// What its operator has set.
async fn configuration(notes: &mut Notes, osint: &Osint) {
    let heading = "Configuración";
    let resolvers: Vec<_> = osint.settings.dns.resolvers.iter().map(ToString::to_string).collect();
    notes.note(heading, "servidores DNS", "ok", resolvers.join(", "));
    notes.result(heading, "historial de escaneos", osint.store.open().await);
    notes.note(heading, "objetivos permitidos", "ok", osint.settings.allowed.to_string());
    for provider in PROVIDERS.iter().filter(|provider| provider.key_env.is_some()) {
        let name = provider.key_env.unwrap_or_default();
        let configured = osint.settings.providers.is_configured(provider);
        let (word, detail) = if configured { ("ok", String::new()) } else { ("aviso", format!("falta {name}")) };
        notes.note(heading, format!("clave de {}", provider.title), word, detail);
    }
}

/// Whether messages and results have a place; gives how many workers take scans, if that can be told.
async fn broker(notes: &mut Notes, invocation: &Invocation) -> Option<usize> {
    let heading = "Broker";
    let backend = notes.result(heading, "conexión", invocation.open().await)?;
    let depths = backend.broker.depths(&[QUEUE.to_owned()]).await;
    notes.result(heading, "cola osint_scans", depths)?;
    let workers = backend.broker.workers().await;
    notes.result(heading, "trabajadores", workers).map(|workers| view::health(workers).workers)
}

/// What can be asked for.
fn collectors(notes: &mut Notes, osint: &Osint) {
    let heading = "Colectores";
    notes.note(heading, "cuántos hay", "ok", COLLECTORS.len().to_string());
    for collector in &COLLECTORS {
        let card = collector.card(&osint.settings.providers);
        let (outcome, told) = if card.configured { ("ok", "") } else { ("aviso", "sin clave") };
        notes.note(heading, collector.name, outcome, told);
    }
}

/// Whether the tasks are known, here and to somebody who works.
fn registration(notes: &mut Notes, invocation: &Invocation, workers: Option<usize>) {
    let heading = "Registro";
    let known = invocation.app.registry().names();
    for task in [SCAN, HEALTH_CHECK, GATHER, HOUSEKEEPING] {
        let outcome = if known.iter().any(|name| *name == task) { "ok" } else { "fallo" };
        notes.note(heading, task, outcome, "");
    }
    match workers {
        Some(0) => notes.note(heading, "trabajadores que escanean", "aviso", "ninguno: apium worker -Q osint_scans"),
        Some(count) => notes.note(heading, "trabajadores que escanean", "ok", count.to_string()),
        None => {}
    }
}
