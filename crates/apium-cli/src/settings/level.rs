//! Levels of the log, as Celery's users write them.

use tracing_subscriber::EnvFilter;

/// The filter of a level's word, or of directives; `None` when it is neither.
pub(crate) fn filter(level: &str) -> Option<EnvFilter> {
    let level = match level.to_ascii_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        other => other.to_owned(),
    };
    let bare = ["off", "error", "warn", "info", "debug", "trace"].contains(&level.as_str());
    // The filter takes any other word for a crate's name, and then logs nothing.
    let known = bare || level.contains('=') || level.contains(',');
    EnvFilter::try_new(level).ok().filter(|_| known)
}
