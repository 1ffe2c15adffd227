//! The settings as a worker shows them, by Celery's names where it has one.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use apium_core::protocol::RawJson;
use apium_core::protocol::control::conf;
use apium_core::task::Rate;
use serde::Serialize;

use crate::events::system;
use crate::options::WorkerOptions;
use crate::station::Station;

/// The reply to conf: everything, asked for defaults or not. There is little of it, and Celery's tools look for names
/// that a Python worker shows because they are set.
pub(super) fn shown(station: &Station) -> RawJson {
    let mut settings = station.client.bodies().told();
    settings.extend(self::settings(&station.options));
    let place = |name: &str, home: &str| (name.to_owned(), RawJson::string(home));
    settings.push(place("broker_url", station.broker().home()));
    settings.push(place("result_backend", station.client.results().home()));
    conf(&settings)
}

/// The reply to report: what runs where, and how it is set.
pub(super) fn report(station: &Station) -> String {
    let (broker, results) = (station.broker().home(), station.client.results().home());
    let mut text = format!(
        "\nsoftware -> celery:5.7 (its protocol) apium:{} rust\nplatform -> system:{} arch:{}\nsettings -> transport:{broker} results:{results}\n\n",
        env!("CARGO_PKG_VERSION"),
        system(),
        std::env::consts::ARCH,
    );
    for (name, value) in shown(station).members().unwrap_or_default() {
        // Nothing can fail that is written into a text.
        let _ = writeln!(text, "{name}: {value}");
    }
    text
}

fn settings(options: &WorkerOptions) -> Vec<(String, RawJson)> {
    let seconds = |span: Duration| span.as_secs_f64();
    vec![
        setting("enable_utc", &true),
        setting("timezone", &"UTC"),
        setting("task_acks_late", &true),
        setting("task_track_started", &options.track_started),
        setting("result_extended", &options.result_extended),
        setting("result_expires", &options.result_expires.map(seconds)),
        setting("task_default_rate_limit", &options.default_rate_limit.as_ref().map(Rate::as_given)),
        setting("worker_concurrency", &options.concurrency),
        setting("worker_enable_remote_control", &options.enable_remote_control),
        setting("worker_send_task_events", &options.task_events),
        setting("worker_soft_shutdown_timeout", &seconds(options.stop_timeout)),
        // Fixed here; Celery's tools look for them.
        setting("broker_heartbeat", &0),
        setting("worker_hijack_root_logger", &false),
        setting("worker_log_color", &std::io::stderr().is_terminal()),
        setting("deprecated_settings", &None::<bool>),
        // Tasks are compiled in, no module is loaded for them.
        setting("include", &[""; 0]),
        setting("apium_lease", &seconds(options.lease)),
        setting("apium_poll_interval", &seconds(options.poll_interval)),
        setting("apium_queues", &options.queues),
    ]
}

fn setting<T: Serialize + ?Sized>(name: &str, value: &T) -> (String, RawJson) {
    (name.to_owned(), RawJson::from(value).unwrap_or_default())
}
