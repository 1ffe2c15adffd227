//! Signals: the first SIGINT or SIGTERM stops warm, the second cold.

use apium::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Listens for as long as the process lives.
pub(crate) fn listen(stop: Stop) -> Result<(), Failure> {
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut terminate = on(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
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
