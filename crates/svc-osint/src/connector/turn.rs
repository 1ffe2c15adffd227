//! The turn of a request at the host it is sent to, given up when a redirect leads to another.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;
use url::Url;

use crate::turns::Turns;

/// The turn one fetch holds, if it takes any.
pub(super) struct Turn {
    turns: Option<Arc<Turns>>,
    held: Option<(String, OwnedMutexGuard<()>)>,
}

impl Turn {
    pub(super) fn new(turns: Option<Arc<Turns>>) -> Self {
        Self { turns, held: None }
    }

    /// Waits until nobody else is at the host of `url`.
    pub(super) async fn at(&mut self, url: &Url) {
        let Some(turns) = &self.turns else { return };
        let host = url.host_str().unwrap_or_default();
        if self.held.as_ref().is_some_and(|(at, _)| at == host) {
            return;
        }
        // Given up first: two that went to each other's host would otherwise wait for ever.
        self.held = None;
        let turn = turns.take(host).await;
        self.held = Some((host.to_owned(), turn));
    }
}
