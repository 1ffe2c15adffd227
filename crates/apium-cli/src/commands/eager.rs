//! Tasks that run where they are sent (`task_always_eager`): this program stands in the broker's place.

use std::sync::Arc;

use apium::{Backend, BackendSettings, Inline};

use super::Invocation;
use crate::failure::Failure;

impl Invocation {
    /// Whether all tasks run in the process that sends them.
    pub(super) fn is_eager(&self) -> bool {
        self.settings.switch("task_always_eager")
    }

    /// A backend without a broker; results are in memory, unless they are to be stored where they would be otherwise.
    pub(super) async fn without_broker(&self) -> Result<Backend, Failure> {
        let stored = if self.settings.switch("task_store_eager_result") {
            self.connect().await?
        } else {
            apium::open_with("memory://", None, BackendSettings { shards: Vec::new(), ..self.settings.backend()? })
                .await?
        };
        Ok(Backend { broker: Arc::new(self.inline(&stored)), ..stored })
    }

    /// Runs what is sent here, with its results in this backend.
    pub(super) fn inline(&self, backend: &Backend) -> Inline {
        let options = self.settings.worker(self.app.queues());
        let mut inline = self.app.inline(backend).with_options(options);
        if let Some(tasks) = &self.tasks {
            inline = inline.with_task_runtime(tasks.clone());
        }
        if self.settings.switch("task_eager_propagates") { inline.propagating() } else { inline }
    }

    /// Refuses what makes no sense without a broker.
    pub(super) fn needs_broker(&self, command: &str) -> Result<(), Failure> {
        if !self.is_eager() {
            return Ok(());
        }
        Err(Failure::usage(format!(
            "task_always_eager leaves nothing for `{command}` to do: tasks run in the process that sends them; use `up`, \
             `serve` or `call`, or set it to false"
        )))
    }
}
