//! The settings as a worker shows them, by Celery's names where it has one.

use std::fmt::Write as _;
use std::time::Duration;

use apium_core::protocol::RawJson;
use apium_core::protocol::control::conf;
use serde::Serialize;

use crate::events::system;
use crate::options::WorkerOptions;
use crate::station::Station;

/// The reply to conf: what is set otherwise than by default, or all.
pub(super) fn shown(station: &Station, with_defaults: bool) -> RawJson {
    let mut settings = settings(&station.options);
    let usual = self::settings(&WorkerOptions::default());
    if !with_defaults {
        // The number of slots differs from machine to machine even when nobody has set it.
        let said = |name: &str| name == "worker_concurrency";
        let changed = |name: &str, value: &RawJson| usual.iter().all(|(other, usual)| name != other || value != usual);
        settings.retain(|(name, value)| said(name) || changed(name, value));
    }
    let place = |name: &str, home: &str| (name.to_owned(), RawJson::string(home));
    settings.push(place("broker_url", station.broker().home()));
    settings.push(place("result_backend", station.client.results().home()));
    conf(&settings)
}

/// The reply to report: what runs where, and how it is set.
pub(super) fn report(station: &Station) -> String {
    let (broker, results) = (station.broker().home(), station.client.results().home());
    let mut text = format!(
        "\nsoftware -> apium:{} rust\nplatform -> system:{} arch:{}\nsettings -> transport:{broker} results:{results}\n\n",
        env!("CARGO_PKG_VERSION"),
        system(),
        std::env::consts::ARCH,
    );
    for (name, value) in shown(station, true).members().unwrap_or_default() {
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
        setting("accept_content", &["json"]),
        setting("task_serializer", &"json"),
        setting("result_serializer", &"json"),
        setting("task_acks_late", &true),
        setting("task_track_started", &options.track_started),
        setting("result_expires", &options.result_expires.map(seconds)),
        setting("worker_concurrency", &options.concurrency),
        setting("worker_enable_remote_control", &options.enable_remote_control),
        setting("worker_send_task_events", &options.task_events),
        setting("worker_soft_shutdown_timeout", &seconds(options.stop_timeout)),
        setting("apium_lease", &seconds(options.lease)),
        setting("apium_poll_interval", &seconds(options.poll_interval)),
        setting("apium_queues", &options.queues),
    ]
}

fn setting<T: Serialize + ?Sized>(name: &str, value: &T) -> (String, RawJson) {
    (name.to_owned(), RawJson::from(value).unwrap_or_default())
}
