//! The tasks these tests send: each does one thing a worker must cope with.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apium_core::protocol::RawJson;
use apium_core::task::BoxFuture;
use apium_core::{Call, Context, Registry, Retry, State, Task, TaskError, TaskOptions, TaskResult};
use apium_macros::task;
use serde_json::json;

use crate::kit::Stage;

/// Every task of this file.
pub(crate) fn all() -> Registry {
    let mut registry = Registry::default();
    registry.register(add);
    registry.register(nothing);
    registry.register(brief);
    registry.register(request);
    registry.register(unnamed);
    registry.register(odd_names);
    registry.register(blocking);
    registry.register(stateless);
    registry.register(ByHand);
    registry.register(PanicsEarly);
    registry.register(end);
    registry.register(again);
    registry.register(auto);
    registry.register(steady);
    registry.register(jittery);
    registry.register(hold);
    registry.register(noted);
    registry.register(seldom);
    registry.register(early);
    registry.register(early_end);
    registry.register(heedful);
    registry.register(limited);
    registry.register(spin);
    registry.register(idle_thread);
    registry.register(deaf);
    registry.register(progress);
    registry.register(announced);
    registry.register(quiet);
    registry
}

#[task(crate = apium_core, name = "t.add")]
pub(crate) async fn add(x: i64, #[default(1)] y: i64, z: Option<i64>) -> i64 {
    x + y + z.unwrap_or_default()
}

#[task(crate = apium_core, name = "t.brief", expires = 5)]
pub(crate) async fn brief() {}

#[task(crate = apium_core, name = "t.nothing")]
pub(crate) async fn nothing() {}

/// Asks to be tried again, each time in another way.
#[task(crate = apium_core, name = "t.again")]
pub(crate) async fn again(
    stage: State<Stage>,
    context: Context,
    x: i64,
    y: i64,
    how: String,
) -> Result<(i64, i64, String, u32), TaskError> {
    stage.note(format!("attempt {}", context.retries()));
    let retry = Retry::new();
    let retry = match how.as_str() {
        "args" => retry.arg(x + 1).arg(y + 1).countdown(Duration::ZERO),
        "kwargs" => retry.kwarg("x", x + 1),
        "never" => retry.max_retries(0),
        _ => retry.countdown(Duration::from_secs(10)).expires_in(Duration::from_secs(5)),
    };
    if context.retries() == 0 { Err(TaskError::retry(retry)) } else { Ok((x, y, how, context.retries())) }
}

/// What an attempt knows of itself.
#[task(crate = apium_core, name = "t.request")]
pub(crate) async fn request(context: Context, #[default] echo: Vec<u8>) -> serde_json::Value {
    let tenant = context.headers().other.iter().find(|(name, _)| name == "x-tenant");
    json!({
        "id": context.task_id(),
        "queue": context.queue(),
        "worker": context.worker(),
        "retries": context.retries(),
        "redelivered": context.redelivered(),
        "tenant": tenant.map(|(_, value)| value.as_str()),
        "echo": echo,
    })
}

#[task(crate = apium_core)]
pub(crate) async fn unnamed() -> TaskResult {
    RawJson::from(&"named by its place").map_err(TaskError::from)
}

/// Parameters named like the variables of the code the attribute writes.
#[task(crate = apium_core, name = "t.odd_names")]
#[allow(clippy::too_many_arguments)]
pub(crate) async fn odd_names(
    r#type: i64,
    bound: i64,
    args: i64,
    kwargs: i64,
    context: i64,
    call: i64,
    value: i64,
    attempt: Context,
) -> Vec<i64> {
    vec![r#type, bound, args, kwargs, context, call, value, attempt.retries().into()]
}

#[task(crate = apium_core, name = "t.blocking")]
pub(crate) fn blocking(text: String, stage: State<Stage>) -> Result<String, TaskError> {
    stage.note(format!("{:?}", std::thread::current().id()));
    if text.is_empty() { Err(TaskError::new("ValueError", "no text")) } else { Ok(text.to_uppercase()) }
}

#[task(crate = apium_core, name = "t.stateless")]
pub(crate) async fn stateless(missing: State<Vec<u8>>) -> usize {
    missing.len()
}

/// A task without the attribute.
pub(crate) struct ByHand;

impl Task for ByHand {
    fn name(&self) -> &'static str {
        "t.by_hand"
    }

    fn call(&self, call: Call) -> BoxFuture<'static, TaskResult> {
        Box::pin(async move { Ok(RawJson::from(&(call.args.len(), call.kwargs.len()))?) })
    }
}

/// A task that panics before there is a future to poll.
struct PanicsEarly;

impl Task for PanicsEarly {
    fn name(&self) -> &'static str {
        "t.panics_early"
    }

    fn call(&self, _: Call) -> BoxFuture<'static, TaskResult> {
        panic!("no future at all")
    }
}

/// Ends in the way it is told.
#[task(crate = apium_core, name = "t.end", max_retries = 2)]
pub(crate) async fn end(how: String, context: Context, stage: State<Stage>) -> Result<u32, TaskError> {
    ending(&how, &context, &stage)
}

#[task(crate = apium_core, name = "t.auto", autoretry, max_retries = 1)]
pub(crate) async fn auto(how: String, context: Context, stage: State<Stage>) -> Result<u32, TaskError> {
    ending(&how, &context, &stage)
}

fn ending(how: &str, context: &Context, stage: &Stage) -> Result<u32, TaskError> {
    stage.note(format!("attempt {}", context.retries()));
    let error = TaskError::new("ValueError", how);
    match how {
        "plain" => Err(error),
        "fatal" => Err(error.fatal()),
        "retryable" => Err(error.retryable()),
        "in 30 s" => Err(error.retry_in(Duration::from_secs(30))),
        "once" if context.retries() == 0 => Err(error.retryable()),
        "reject" => Err(TaskError::reject("not mine")),
        "requeue" if !context.redelivered() => Err(TaskError::requeue()),
        "ignore" => Err(TaskError::ignore()),
        "panic" => panic!("out of order"),
        "io" => Err(std::io::Error::other("disk full"))?,
        _ => Ok(context.retries()),
    }
}

/// Fails every time, and waits exactly 1, 2, 4, 4, 4 seconds in between.
#[task(crate = apium_core, name = "t.steady", autoretry, max_retries = 5, retry_backoff_max = 4, retry_jitter = false)]
pub(crate) async fn steady(stage: State<Stage>) -> Result<(), TaskError> {
    stage.note("steady");
    Err(TaskError::new("OSError", "no luck"))
}

/// Fails every time, and waits at most 10, 20, 20 seconds in between.
#[task(crate = apium_core, name = "t.jittery", autoretry, retry_backoff = 10, retry_backoff_max = 20)]
pub(crate) async fn jittery(stage: State<Stage>) -> Result<(), TaskError> {
    stage.note("jittery");
    Err(TaskError::new("OSError", "no luck"))
}

/// Tells when an attempt is let go of before its end.
struct Curtain(Stage, String);

impl Drop for Curtain {
    fn drop(&mut self) {
        self.0.note(format!("{} dropped", self.1));
    }
}

/// Notes that it has begun, and ends on cue.
#[task(crate = apium_core, name = "t.hold")]
pub(crate) async fn hold(name: String, stage: State<Stage>) -> String {
    on_cue(&name, &stage).await;
    name
}

#[task(crate = apium_core, name = "t.noted")]
pub(crate) async fn noted(name: String, stage: State<Stage>) {
    stage.note(name);
}

#[task(crate = apium_core, name = "t.seldom", rate_limit = "10/m")]
pub(crate) async fn seldom(name: String, stage: State<Stage>) {
    stage.note(name);
}

#[task(crate = apium_core, name = "t.early", acks_late = false)]
pub(crate) async fn early(name: String, stage: State<Stage>) -> String {
    on_cue(&name, &stage).await;
    name
}

async fn on_cue(name: &str, stage: &Stage) {
    let curtain = Curtain(stage.clone(), name.to_owned());
    stage.note(format!("{name} begun"));
    stage.await_cue().await;
    stage.note(format!("{name} ended"));
    std::mem::forget(curtain);
}

#[task(crate = apium_core, name = "t.early_end", acks_late = false, max_retries = 1, retry_jitter = false)]
pub(crate) async fn early_end(how: String, context: Context, stage: State<Stage>) -> Result<u32, TaskError> {
    let already = stage.notes().len();
    match how.as_str() {
        // An acknowledged message comes back as a new one, without the mark.
        "requeue" => {
            stage.note(context.properties().delivery_tag.clone());
            if already == 2 { Ok(99) } else { Err(TaskError::requeue()) }
        }
        _ => ending(&how, &context, &stage),
    }
}

/// Asks for its soft limit, and ends by itself there.
#[task(crate = apium_core, name = "t.heedful", soft_time_limit = 3, time_limit = 5)]
pub(crate) async fn heedful(stubborn: bool, context: Context, stage: State<Stage>) -> &'static str {
    context.soft_time_limit().await;
    stage.note("soft limit");
    if stubborn {
        stage.await_cue().await;
    }
    "what was done in time"
}

#[task(crate = apium_core, name = "t.limited", soft_time_limit = 3, time_limit = 5)]
pub(crate) async fn limited(name: String, stage: State<Stage>) {
    on_cue(&name, &stage).await;
}

/// Holds its thread until the cue, and never awaits.
#[task(crate = apium_core, name = "t.spin", time_limit = 0.2)]
pub(crate) async fn spin(stage: State<Stage>) {
    stage.note("spinning");
    while !stage.cued() {
        std::thread::yield_now();
    }
    stage.note("spun");
}

/// Blocks a thread of the pool until it is called off.
#[task(crate = apium_core, name = "t.idle_thread", time_limit = 2)]
pub(crate) fn idle_thread(context: Context, stage: State<Stage>) {
    stage.note("blocking");
    while !context.cancelled().is_cancelled() {
        std::thread::yield_now();
    }
    stage.note("told");
}

/// Blocks a thread of the pool until the cue, whatever it is told.
#[task(crate = apium_core, name = "t.deaf", time_limit = 0.1)]
pub(crate) fn deaf(stage: State<Stage>) {
    while !stage.cued() {
        std::thread::yield_now();
    }
    stage.note("heard");
}

/// Stores states of its own.
#[task(crate = apium_core, name = "t.progress")]
pub(crate) async fn progress(context: Context, stage: State<Stage>) -> Result<&'static str, TaskError> {
    context.update_state("PROCESSING", &json!({"done": 50})).await?;
    stage.note("half");
    stage.await_cue().await;
    Ok("all")
}

#[task(crate = apium_core, name = "t.announced", track_started, result_expires = 60)]
pub(crate) async fn announced(name: String, stage: State<Stage>) {
    on_cue(&name, &stage).await;
}

#[task(crate = apium_core, name = "t.quiet", ignore_result, track_started)]
pub(crate) async fn quiet(how: String, context: Context, stage: State<Stage>) -> Result<u32, TaskError> {
    context.update_state("PROCESSING", &0).await?;
    ending(&how, &context, &stage)
}

/// Waits, when its options are asked for, until the test lets it go on: a worker caught between judging a
/// delivery and holding it.
pub(crate) struct Reluctant {
    pub(crate) stage: Stage,
    pub(crate) gate: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
    /// The worker asks twice when it is made, for the rate limit and for the shared ones.
    pub(crate) asked: AtomicUsize,
}

impl Task for Reluctant {
    fn name(&self) -> &'static str {
        "t.reluctant"
    }

    fn options(&self) -> TaskOptions {
        if self.asked.fetch_add(1, Ordering::Relaxed) < 2 {
            return TaskOptions::default();
        }
        self.stage.note("judged");
        self.gate.lock().unwrap().recv().unwrap();
        TaskOptions::default()
    }

    fn call(&self, call: Call) -> BoxFuture<'static, TaskResult> {
        let stage = self.stage.clone();
        Box::pin(async move {
            stage.note("ran");
            Ok(RawJson::from(call.context.task_id())?)
        })
    }
}
