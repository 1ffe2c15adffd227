//! The ready services: what each adds to the app, and the routes it serves.

use apium::{App, Client, redact};
use axum::Router;
use prometheus_client::registry::Registry;
use svc_osint::settings::{Declaration, SETTINGS};

use crate::failure::Failure;

/// The value of a setting by its environment name, wherever it was set.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// One service, as the executable sees it.
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// What can be set about it.
    pub settings: &'static [Declaration],
    /// Adds its tasks and state to the app; reads its settings by their environment names.
    pub register: fn(App, &Lookup<'_>) -> Result<App, Failure>,
    /// Its routes; reads its settings like `register`.
    pub router: fn(Client, &Lookup<'_>) -> Result<Router, Failure>,
    /// Whether its own settings ask that its tasks run in the process that sends them, such as a mode of that name:
    /// `|setting| setting("IMPORTS_RUNNER_MODE").as_deref() == Some("inline")`.
    pub inline: fn(&Lookup<'_>) -> bool,
    /// Names its metrics.
    pub metrics: fn(&mut Registry),
    /// A command to try it with, at this base URL.
    pub try_it: fn(&str) -> String,
}

/// Every service there is.
pub const ALL: &[Service] = &[OSINT];

/// OSINT scans.
const OSINT: Service = Service {
    name: "osint",
    settings: SETTINGS,
    register: |app, setting| {
        let osint = svc_osint::Osint::new(osint_settings(setting)?);
        Ok(app.tasks(svc_osint::register).state(osint))
    },
    router: |client, setting| {
        let settings = osint_settings(setting)?;
        let store = svc_osint::store::Store::at(settings.database);
        let api = svc_osint::OsintApi::new(client, store).with_upload_room(settings.upload_room);
        let api = api.with_providers(settings.providers).with_allowed(settings.allowed);
        Ok(svc_osint::router(api.open_history()))
    },
    inline: |_| false,
    metrics: svc_osint::metrics::register,
    try_it: |base| {
        format!(
            "curl -s -X POST {base}/api/v1/scan -H 'Content-Type: application/json' -d '{{\"target\": \"example.com\", \"type\": \"dns\"}}'"
        )
    },
};

/// The table has checked each value by itself; what is left quotes pieces of them.
fn osint_settings(setting: &Lookup<'_>) -> Result<svc_osint::OsintSettings, Failure> {
    svc_osint::OsintSettings::from_lookup(setting).map_err(|sentence| Failure::usage(redact(&sentence)))
}
