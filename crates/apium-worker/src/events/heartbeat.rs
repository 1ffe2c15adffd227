//! What a worker says of itself when it comes, every two seconds, and when it goes.

use apium_core::protocol::event::Heartbeat;

use crate::station::Station;

/// How often, in seconds: Celery's.
pub(super) const EVERY: u64 = 2;

/// How often according to a heartbeat that remote control asked for.
const ASKED: f64 = 5.0;

/// The state of the worker now.
pub(super) fn now(station: &Station) -> Heartbeat {
    Heartbeat {
        freq: 2.0,
        active: Some(station.vitals.active().into()),
        processed: Some(station.vitals.taken()),
        loadavg: Some(load()),
        ..software()
    }
}

/// The shorter one that a Celery worker sends when it is asked to.
pub(crate) fn asked_for() -> Heartbeat {
    Heartbeat { freq: ASKED, ..software() }
}

fn software() -> Heartbeat {
    Heartbeat {
        sw_ident: Some("apium".to_owned()),
        sw_ver: Some(env!("CARGO_PKG_VERSION").to_owned()),
        sw_sys: Some(system().to_owned()),
        ..Heartbeat::default()
    }
}

/// The system by the name that Python has for it.
pub(crate) fn system() -> &'static str {
    match std::env::consts::OS {
        "linux" => "Linux",
        "macos" => "Darwin",
        other => other,
    }
}

/// The load over 1, 5 and 15 minutes; zeros where the system does not tell.
fn load() -> [f64; 3] {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut figures = text.split_ascii_whitespace().map(|figure| figure.parse().unwrap_or(0.0));
    std::array::from_fn(|_| figures.next().unwrap_or(0.0))
}
