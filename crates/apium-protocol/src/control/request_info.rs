//! A task in a worker's hands as it shows it to whoever asks.

use serde::{Deserialize, Serialize};

use crate::{RawJson, python_repr};

/// One task that runs or waits in a worker; the entry of active and reserved.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestInfo {
    /// The task id.
    pub id: String,
    /// The name to show: the task's, or its shadow.
    pub name: String,
    /// The positional arguments; their text when asked to be safe.
    pub args: RawJson,
    /// The keyword arguments; their text when asked to be safe.
    pub kwargs: RawJson,
    /// The name of the task.
    #[serde(rename = "type")]
    pub task: String,
    /// The worker.
    pub hostname: String,
    /// When it began to run, in seconds since 1970.
    pub time_start: Option<f64>,
    /// Whether its message is acknowledged.
    pub acknowledged: bool,
    /// Where its message came from.
    pub delivery_info: DeliveryShown,
    /// The process it runs in.
    pub worker_pid: Option<u64>,
}

/// Where a message came from, as workers show it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliveryShown {
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// The priority, 0 when the sender gave none.
    pub priority: Option<i64>,
    /// Whether it was given back before.
    pub redelivered: Option<bool>,
}

/// A task that waits for its time; the entry of scheduled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduledTask {
    /// Its time, ISO 8601.
    pub eta: Option<String>,
    /// The priority of the worker's own timer, 6 in Celery.
    pub priority: i64,
    /// The task.
    pub request: RequestInfo,
}

/// Where in a worker a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskPlace {
    /// It runs.
    Active,
    /// It was taken and does not run yet.
    Reserved,
    /// It waits for its time; workers before Celery 5.7 do not tell it apart.
    Scheduled,
    /// It is none of these.
    Ready,
}

impl RequestInfo {
    /// The same with its arguments as texts, as asked for with `safe`.
    pub fn safe(mut self) -> Self {
        self.args = RawJson::string(&python_repr::args(&self.args));
        self.kwargs = RawJson::string(&python_repr::kwargs(&self.kwargs));
        self
    }
}

impl ScheduledTask {
    /// A task that waits for `eta`, ISO 8601.
    pub fn new(eta: impl Into<String>, request: RequestInfo) -> Self {
        Self { eta: Some(eta.into()), priority: 6, request }
    }
}

/// The reply to query_task: each known id with its place. Unknown ids are left out.
pub fn query_task(found: &[(TaskPlace, RequestInfo)]) -> RawJson {
    let entry =
        |(place, info): &(TaskPlace, RequestInfo)| (info.id.clone(), RawJson::from(&(place, info)).unwrap_or_default());
    RawJson::object(&found.iter().map(entry).collect::<Vec<_>>())
}
