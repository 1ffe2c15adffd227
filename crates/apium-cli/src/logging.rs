//! Logs: one line an event on standard error, as text or JSON.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;
use crate::stderr::Stderr;

/// Starts logging; `level` is a word Celery's users know, or directives of the filter's own.
pub(crate) fn start(level: &str, format: &str) -> Result<(), Failure> {
    let level = match level.to_ascii_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        other => other.to_owned(),
    };
    let unknown = |error| Failure::new(format!("loglevel {level:?} is not a level or filter: {error}"));
    let bare = ["off", "error", "warn", "info", "debug", "trace"].contains(&level.as_str());
    if !bare && !level.contains('=') && !level.contains(',') {
        return Err(Failure::new(format!("loglevel must be error, warning, info, debug or trace, not {level:?}")));
    }
    let filter = EnvFilter::try_new(&level).map_err(unknown)?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Stderr);
    if format == "json" {
        subscriber.json().flatten_event(true).init();
    } else {
        subscriber.with_ansi(std::io::stderr().is_terminal()).init();
    }
    Ok(())
}
