//! How a worker is stopped: once for a warm stop, twice for a cold one.

use tokio_util::sync::CancellationToken;

/// The stop signal, shared by every loop of a process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    warm: CancellationToken,
    cold: CancellationToken,
}

impl Stop {
    /// A signal nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop: the first time warm (finish what runs), the second time cold (give everything back now).
    pub fn request(&self) {
        if self.warm.is_cancelled() {
            self.cold.cancel();
        }
        self.warm.cancel();
    }

    /// True once a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.warm.is_cancelled()
    }

    /// Resolves when a stop is asked for.
    pub async fn requested(&self) {
        self.warm.cancelled().await;
    }

    /// Resolves when a cold stop is asked for.
    pub async fn cold(&self) {
        self.cold.cancelled().await;
    }
}
