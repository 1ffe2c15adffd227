//! Signals: the first SIGINT, SIGTERM or SIGHUP (a terminal that is closed) stops warm, the second cold; SIGQUIT stops
//! cold at once, as in Celery.

use apium::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Listens for as long as the process lives.
pub(crate) fn listen(stop: Stop) -> Result<(), Failure> {
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut terminate = on(SignalKind::terminate())?;
    let mut hangup = on(SignalKind::hangup())?;
    let mut quit = on(SignalKind::quit())?;
    // Heard and left alone: a file that may not grow is then an error of the write, and not the end of the process.
    let _too_large = on(SignalKind::from_raw(nix::libc::SIGXFSZ))?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
                _ = quit.recv() => stop.request(),
            }
            if stop.is_requested() {
                tracing::warn!("stopping at once");
            } else {
                tracing::info!("stopping; once more stops at once");
            }
            stop.request();
        }
    });
    Ok(())
}

fn on(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::new(format!("signals cannot be listened for: {error}")))
}
