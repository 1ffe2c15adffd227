//! What a program with a `main` of its own calls so that its tasks can run in child processes.

use std::sync::Arc;

use apium_bodies::WireBodies;
use apium_core::Bodies;

use crate::app::App;
use crate::backend::Backend;

/// To be called first in `main`, as soon as the app is made and before anything is opened: a worker of this program runs
/// tasks with `isolation = "process"` by starting the program once more, and there this runs them and never returns. In
/// every other process it returns at once. `apium_cli::main` does it by itself.
///
/// ```no_run
/// use apium::prelude::*;
///
/// #[task(name = "pdf.render", isolation = "process", max_memory = "512MiB", time_limit = 60)]
/// fn render(page: String) -> usize {
///     page.len()
/// }
///
/// fn main() {
///     let app = App::new("pdf").task(render);
///     apium::isolation::child(&app);
///     // … open a backend and run a worker
/// }
/// ```
pub fn child(app: &App) {
    child_with(app, Arc::new(WireBodies::default()));
}

/// [`child`], for a program whose messages are packed otherwise than by default
/// ([`BackendSettings::bodies`](crate::BackendSettings::bodies)): what its isolated tasks send is packed so too.
pub fn child_with(app: &App, bodies: Arc<dyn Bodies>) {
    apium_worker::isolation::enter(app.registry(), app.states(), |broker, results| {
        app.client(&Backend { broker, results, bodies })
    });
}
