//! Tasks that fail, each in its way.

use apium::core::Registry;
use apium::core::protocol::{ExceptionRecord, RawJson, python_repr};
use apium::prelude::*;

/// The Python module whose exceptions the suite expects.
const MODULE: &str = "t.integration.tasks";

pub(crate) fn register(registry: &mut Registry) {
    registry.register(raise_error);
    registry.register(fail);
    registry.register(fail_unpickleable);
    registry.register(fail_replaced);
    registry.register(reject_then_succeed);
    registry.register(reject_without_requeue);
    registry.register(store_success_then_reject);
    registry.register(soft_time_limit_must_exceed_time_limit);
}

#[task(name = "t.integration.tasks.raise_error")]
pub(crate) async fn raise_error(#[args] _args: Vec<RawJson>) -> Result<(), TaskError> {
    Err(TaskError::new("ValueError", "deliberate error"))
}

#[task(name = "t.integration.tasks.fail")]
async fn fail(#[args] args: Vec<RawJson>) -> Result<(), TaskError> {
    let first = RawJson::string("Task expected to fail");
    Err(expected(&[[first].as_slice(), &args].concat()))
}

#[task(name = "t.integration.tasks.fail_unpickleable")]
async fn fail_unpickleable(foo: RawJson, bar: RawJson) -> Result<(), TaskError> {
    drop(bar);
    Err(unpickleable(&foo))
}

#[task(name = "t.integration.tasks.fail_replaced")]
async fn fail_replaced(#[args] args: Vec<RawJson>) -> Result<(), TaskError> {
    Err(TaskError::replace(fail::s(args).immutable()))
}

#[task(name = "t.integration.tasks.reject_then_succeed", acks_late)]
async fn reject_then_succeed(context: Context) -> Result<&'static str, TaskError> {
    if context.redelivered() { Ok("second-pass") } else { Err(TaskError::requeue()) }
}

#[task(name = "t.integration.tasks.reject_without_requeue")]
async fn reject_without_requeue() -> Result<(), TaskError> {
    Err(TaskError::reject("rejected"))
}

#[task(name = "t.integration.tasks.store_success_then_reject", acks_late)]
async fn store_success_then_reject(context: Context) -> Result<&'static str, TaskError> {
    if context.redelivered() {
        return Ok("dedup-pass");
    }
    context.update_state("SUCCESS", &"first-pass").await?;
    Err(TaskError::requeue())
}

/// The suite's client refuses to send it.
#[task(name = "t.integration.tasks.soft_time_limit_must_exceed_time_limit", soft_time_limit = 2, time_limit = 1)]
async fn soft_time_limit_must_exceed_time_limit() {}

/// The suite's `ExpectedException`.
pub(crate) fn expected(args: &[RawJson]) -> TaskError {
    exception("ExpectedException", args)
}

/// The suite's `UnpickleableException`, of whose two arguments only the first is told: as a Python worker stores what
/// it cannot pickle.
pub(crate) fn unpickleable(foo: &RawJson) -> TaskError {
    let shown = RawJson::string(&format!("UnpickleableException({})", python_repr::value(foo)));
    let (module, name) = (RawJson::string(MODULE), RawJson::string("UnpickleableException"));
    TaskError::from_exception(ExceptionRecord {
        exc_type: "UnpickleableExceptionWrapper".to_owned(),
        exc_message: RawJson::array(&[module, name, RawJson::array(std::slice::from_ref(foo)), shown]),
        exc_module: Some("celery.utils.serialization".to_owned()),
    })
}

fn exception(exc_type: &str, args: &[RawJson]) -> TaskError {
    TaskError::from_exception(ExceptionRecord {
        exc_type: exc_type.to_owned(),
        exc_message: RawJson::array(args),
        exc_module: Some(MODULE.to_owned()),
    })
}
