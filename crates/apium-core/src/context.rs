//! What a running task may know and do beside its arguments: its request, its state, the program's own state.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apium_protocol::canvas::Current;
use apium_protocol::{Embed, ExceptionRecord, Headers, Properties, RawJson, ResultRecord};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Pending, SendError};
use crate::error::{BackendError, TaskError};
use crate::limits::Spent;
use crate::results::StoredResult;
use crate::signature::Signature;

/// The attempt a task runs in. Cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Attempt>);

/// What the worker knows of an attempt when it begins.
pub struct Attempt {
    /// The message's headers, unknown ones included.
    pub headers: Arc<Headers>,
    /// The message's properties, unknown ones included.
    pub properties: Arc<Properties>,
    /// The queue it was claimed from.
    pub queue: Arc<str>,
    /// The worker's node name.
    pub worker: String,
    /// True when the message was handed out before and came back.
    pub redelivered: bool,
    /// Sends further tasks and stores states.
    pub client: Client,
    /// How long a stored state is kept.
    pub result_expires: Option<Duration>,
    /// What the records of this attempt tell besides (see [`apium_protocol::Extended`]); mostly nothing.
    pub extended: Vec<(String, RawJson)>,
    /// Whether states are to be stored at all.
    pub ignore_result: bool,
    /// The program's own state.
    pub states: States,
    /// Fires at the soft time limit.
    pub soft_limit: CancellationToken,
    /// Set once the task has asked for the soft limit, and so ends by itself.
    pub heeds_soft_limit: AtomicBool,
    /// Fires when the attempt is called off: revoked, hard limit, shutdown, lost lease.
    pub cancelled: CancellationToken,
    /// The canvas it is part of.
    pub workflow: Workflow,
}

/// An attempt's place in a canvas.
#[derive(Debug, Default)]
pub struct Workflow {
    /// What is to follow it.
    pub embed: Arc<Embed>,
    /// What it has sent so far, as it stands in its record.
    pub children: Mutex<Vec<RawJson>>,
    /// For an errback: the failure it is called for.
    pub failed: Option<Failed>,
}

/// A failure, as an errback is shown it (Celery's `request, exc, traceback`).
#[derive(Debug, Clone)]
pub struct Failed {
    /// The headers of the task that failed.
    pub request: Headers,
    /// What it failed with.
    pub exception: ExceptionRecord,
    /// The traceback as text.
    pub traceback: String,
}

/// Whatever a task's function takes that is not an argument of the message.
pub trait FromContext: Sized {
    /// Takes it out of the attempt's context.
    fn from_context(context: &Context) -> Result<Self, TaskError>;
}

/// State of the program's own, put in with `App::state` and shared by all tasks.
#[derive(Debug)]
pub struct State<T>(pub Arc<T>);

/// The program's own state, one value a type.
#[derive(Clone, Default)]
pub struct States(Arc<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Context {
    /// The context of an attempt; made by the worker, and by tests that call a task directly.
    pub fn new(attempt: Attempt) -> Self {
        Self(Arc::new(attempt))
    }

    /// The task's id.
    pub fn task_id(&self) -> &str {
        &self.0.headers.id
    }

    /// The message's headers, custom ones in `other`.
    pub fn headers(&self) -> &Headers {
        &self.0.headers
    }

    /// The message's properties, custom ones in `other`.
    pub fn properties(&self) -> &Properties {
        &self.0.properties
    }

    /// The priority it was sent with.
    pub fn priority(&self) -> Option<i64> {
        self.0.properties.priority
    }

    /// Retries made before this attempt.
    pub fn retries(&self) -> u32 {
        self.0.headers.retries
    }

    /// The queue the message came from.
    pub fn queue(&self) -> &str {
        &self.0.queue
    }

    /// The worker's node name.
    pub fn worker(&self) -> &str {
        &self.0.worker
    }

    /// True when the message was handed out before and came back: the work may have been done in part.
    pub fn redelivered(&self) -> bool {
        self.0.redelivered
    }

    /// Sends a task, or a whole canvas, as the child of this one: same root, this parent.
    pub async fn send(&self, signature: Signature) -> Result<Pending, SendError> {
        let sent = self.client().send_within(&signature, Some(Current::of(self.headers()))).await?;
        self.adopt(&sent.children);
        Ok(sent.pending)
    }

    /// Adds a task to the chord this one is a part of, before this one ends: its body then waits for both, and gets
    /// the results of both.
    ///
    /// # Errors
    /// When this task is part of no chord.
    pub async fn add_to_chord(&self, signature: Signature) -> Result<(), SendError> {
        let children = self.client().add_to_chord(self.headers(), &self.0.workflow.embed, &signature).await?;
        self.adopt(&children);
        Ok(())
    }

    fn adopt(&self, children: &RawJson) {
        let mut known = self.0.workflow.children.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(children.elements().unwrap_or_default());
    }

    /// What this task has sent so far, as it stands in its record.
    pub fn children(&self) -> Vec<RawJson> {
        self.0.workflow.children.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The group this task is part of.
    pub fn group(&self) -> Option<&str> {
        self.0.headers.group.as_deref()
    }

    /// Sends tasks that have nothing to do with this one, and reads results.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Takes so many starts out of limits by name (see [`crate::limits::Limits::spend`]), before the task does what
    /// they count; with 0 it only looks.
    ///
    /// ```no_run
    /// # use apium_core::{Context, TaskError, limits::Spent};
    /// # async fn ask(context: Context) -> Result<(), TaskError> {
    /// if let Spent::After { limit, wait } = context.spend(&["provider=virustotal"], 1).await? {
    ///     return Err(TaskError::new("Busy", format!("{limit} has no room")).retry_in(wait));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn spend(&self, limits: &[impl AsRef<str> + Sync], starts: u32) -> Result<Spent, BackendError> {
        let names: Vec<_> = limits.iter().map(|name| name.as_ref().to_owned()).collect();
        self.client().broker().limits().spend(&names, starts).await
    }

    /// Stores a state of the task's own with its metadata, as Celery's `update_state`.
    pub async fn update_state(&self, state: &str, meta: &(impl Serialize + Sync)) -> Result<(), TaskError> {
        let meta = RawJson::from(meta)?;
        self.store_state(state, meta).await?;
        Ok(())
    }

    /// Stores a state whose metadata is JSON already.
    pub async fn store_state(&self, state: &str, meta: RawJson) -> Result<(), BackendError> {
        if self.0.ignore_result {
            return Ok(());
        }
        let mut record = ResultRecord::new(self.task_id(), state, meta);
        record.group_id.clone_from(&self.0.headers.group);
        record.parent_id.clone_from(&self.0.headers.parent_id);
        record.other.clone_from(&self.0.extended);
        self.client().results().store(&StoredResult::of(&record, self.0.result_expires)).await?;
        Ok(())
    }

    /// Resolves at the soft time limit. A task that has asked for it is not cut off there: it may end in
    /// its own way, until the hard limit.
    pub fn soft_time_limit(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.heeds_soft_limit.store(true, Ordering::Relaxed);
        self.0.soft_limit.clone().cancelled_owned()
    }

    /// Fires when the attempt is called off. An async task is simply dropped at its next await; a
    /// blocking one should look at this now and then.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.0.cancelled
    }

    /// The program's own state of this type.
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.states.get::<T>()
    }

    /// What the worker knows of the attempt.
    pub fn attempt(&self) -> &Attempt {
        &self.0
    }
}

impl States {
    /// The same states and one more.
    pub fn with<T: Send + Sync + 'static>(self, value: T) -> Self {
        let mut all = Arc::unwrap_or_clone(self.0);
        all.insert(TypeId::of::<T>(), Arc::new(value));
        Self(Arc::new(all))
    }

    /// The state of this type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>()).cloned().and_then(|any| any.downcast().ok())
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send + Sync + 'static> FromContext for State<T> {
    fn from_context(context: &Context) -> Result<Self, TaskError> {
        let missing = || {
            TaskError::new("RuntimeError", format!("no state of type {} was given to the app", type_name::<T>()))
                .fatal()
        };
        context.state::<T>().map(State).ok_or_else(missing)
    }
}

impl FromContext for Failed {
    fn from_context(context: &Context) -> Result<Self, TaskError> {
        let missing = || TaskError::arguments("an errback is called by the worker when another task fails, not sent");
        context.0.workflow.failed.clone().ok_or_else(missing)
    }
}

impl FromContext for Context {
    fn from_context(context: &Context) -> Result<Self, TaskError> {
        Ok(context.clone())
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("task", &self.0.headers.task)
            .field("id", &self.0.headers.id)
            .finish_non_exhaustive()
    }
}
