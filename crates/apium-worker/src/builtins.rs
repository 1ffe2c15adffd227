//! Celery's own tasks that travel as messages: what a map, a replacement by a group or a chunk comes to.

use apium_core::protocol::RawJson;
use apium_core::protocol::canvas::Signature;
use apium_core::task::BoxFuture;
use apium_core::{Call, Registry, Task, TaskError, TaskResult};

use crate::chord_unlock::ChordUnlock;

/// The same tasks and Celery's own; one that the program has registered under such a name stays.
pub(crate) fn beside(mut registry: Registry) -> Registry {
    let known = registry.clone();
    let over = |name, spread| Over { name, spread, known: known.clone() };
    add(&mut registry, Accumulate);
    add(&mut registry, BackendCleanup);
    add(&mut registry, ChordUnlock);
    add(&mut registry, over("celery.map", false));
    add(&mut registry, over("celery.starmap", true));
    registry
}

fn add(registry: &mut Registry, task: impl Task) {
    if registry.get(task.name()).is_none() {
        registry.register(task);
    }
}

/// `celery.accumulate`: its arguments, or one of them.
struct Accumulate;

impl Task for Accumulate {
    fn name(&self) -> &'static str {
        "celery.accumulate"
    }

    fn call(&self, call: Call) -> BoxFuture<'static, TaskResult> {
        Box::pin(async move {
            let index = call.kwargs.iter().find(|(name, _)| name == "index").map(|(_, index)| index);
            let Some(index) = index.filter(|index| !index.is_null()) else { return Ok(RawJson::array(&call.args)) };
            let at: usize = index.to()?;
            call.args.get(at).cloned().ok_or_else(|| TaskError::new("IndexError", "tuple index out of range"))
        })
    }
}

/// `celery.backend_cleanup`, which Celery's beat sends every day: there is nothing to clean up, because what has expired
/// goes by itself in every store.
struct BackendCleanup;

impl Task for BackendCleanup {
    fn name(&self) -> &'static str {
        "celery.backend_cleanup"
    }

    fn call(&self, _call: Call) -> BoxFuture<'static, TaskResult> {
        Box::pin(async { Ok(RawJson::null()) })
    }
}

/// `celery.map` and `celery.starmap`: one task over many elements.
struct Over {
    name: &'static str,
    /// Whether each element is the list of all arguments.
    spread: bool,
    known: Registry,
}

impl Task for Over {
    fn name(&self) -> &str {
        self.name
    }

    fn call(&self, call: Call) -> BoxFuture<'static, TaskResult> {
        let (known, spread, name) = (self.known.clone(), self.spread, self.name);
        Box::pin(async move {
            let argument = |at: usize, wanted: &str| {
                let named = call.kwargs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
                let missing = || TaskError::arguments(format!("{name}() missing 1 required argument: '{wanted}'"));
                named.or_else(|| call.args.get(at)).cloned().ok_or_else(missing)
            };
            let signature =
                Signature::decode(&argument(0, "task")?).map_err(|e| TaskError::arguments(e.to_string()))?;
            let elements = argument(1, "it")?.elements().map_err(|e| TaskError::arguments(e.to_string()))?;
            let unknown = || TaskError::exception("celery.exceptions", "NotRegistered", &signature.task);
            let task = known.get(&signature.task).ok_or_else(unknown)?;
            let mut values = Vec::with_capacity(elements.len());
            for element in elements {
                let args = if spread { element.elements()? } else { vec![element] };
                let one = Call { args, kwargs: Vec::new(), context: call.context.clone() };
                values.push(task.call(one).await?);
            }
            Ok(RawJson::array(&values))
        })
    }
}
