//! The ready services: what each adds to the app, and the routes it serves.

use apium::{App, Client, redact};
use axum::Router;
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
    /// Its routes.
    pub router: fn(Client) -> Router,
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
        // The table has checked each value by itself; what is left quotes pieces of them.
        let read = svc_osint::OsintSettings::from_lookup(setting);
        let settings = read.map_err(|sentence| Failure::usage(redact(&sentence)))?;
        Ok(app.tasks(svc_osint::register).state(svc_osint::Osint::new(settings)))
    },
    router: |client| svc_osint::router(svc_osint::OsintApi::new(client)),
    try_it: |base| {
        format!(
            "curl -s -X POST {base}/api/v1/scan -H 'Content-Type: application/json' -d '{{\"target\": \"example.com\", \"type\": \"dns\"}}'"
        )
    },
};
