//! Errbacks of this program's own: called in the worker that saw the failure, once the failure is stored.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use apium_core::context::{Attempt, Failed, Workflow};
use apium_core::protocol::Properties;
use apium_core::protocol::canvas::Signature;
use apium_core::{Call, Context};
use tokio_util::sync::CancellationToken;

use crate::job::CallOff;
use crate::limits::{self, Ending, Limits};
use crate::points::point;
use crate::station::Station;
use crate::stuck;

/// So many names are remembered at most; beyond that a warning may come again.
const REMEMBERED: usize = 1_000;

/// Errbacks of other programs, by task, each warned of once.
#[derive(Default)]
pub(crate) struct Foreign(Mutex<HashSet<String>>);

impl Foreign {
    /// Warns of an errback that is sent because its task is not known here.
    pub(crate) fn warn(&self, task: &str) {
        let mut warned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() >= REMEMBERED {
            warned.clear();
        }
        if warned.insert(task.to_owned()) {
            tracing::warn!(
                task,
                "an errback of another program is sent with the id of the failed task, as the wire has it: one of the                  new style, f(request, exc, traceback), fails there with a TypeError"
            );
        }
    }
}

/// Calls them one after the other. What they make of it goes to the log: their caller has failed already.
pub(crate) async fn call(station: &Station, errbacks: Vec<(Signature, Failed)>) {
    for (errback, failed) in errbacks {
        let (task, id) = (errback.task.clone(), failed.request.id.clone());
        let Some(code) = station.registry.get(&task).cloned() else { continue };
        let limits = Limits::of(&failed.request, &code.options());
        let context = context(station, failed);
        let call = Call { args: errback.args, kwargs: errback.kwargs, context };
        let seat = station.threads.seat();
        point!(ErrbackCalling);
        let (ending, stuck) = limits::run(&seat, code, call, limits, &CallOff::default()).await;
        point!(ErrbackCalled);
        if let Some(stuck) = stuck {
            stuck::note(station, &task, &id, stuck, seat);
        }
        match ending {
            Ending::Returned(Ok(_)) => tracing::info!(task, id, "errback called"),
            Ending::Returned(Err(error)) => tracing::error!(task, id, %error, "errback failed"),
            Ending::Panicked(error) => tracing::error!(task, id, error, "errback panicked"),
            Ending::SoftLimit | Ending::HardLimit(_) | Ending::CalledOff(_) | Ending::Stranded | Ending::Died(_) => {
                tracing::error!(task, id, "errback took too long");
            }
        }
    }
}

fn context(station: &Station, failed: Failed) -> Context {
    Context::new(Attempt {
        headers: Arc::new(failed.request.clone()),
        properties: Arc::new(Properties::default()),
        queue: "".into(),
        worker: station.options.name.clone(),
        redelivered: false,
        client: station.client.clone(),
        result_expires: station.options.result_expires,
        extended: Vec::new(),
        ignore_result: true,
        states: station.states.clone(),
        soft_limit: CancellationToken::new(),
        heeds_soft_limit: AtomicBool::new(false),
        cancelled: CancellationToken::new(),
        workflow: Workflow { failed: Some(failed), ..Workflow::default() },
    })
}
