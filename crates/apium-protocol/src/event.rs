//! Events as Celery's workers and clients publish them: one by one or in batches, on channels named after their type.

mod exception;
mod fields;
mod groups;
mod kind;
mod message;
mod names;
mod single;
mod task;
mod worker;

pub use exception::exception_repr;
pub use groups::EventGroups;
pub use kind::EventKind;
pub use message::{BATCH_LIMIT, EventMessage};
pub use names::EventNames;
pub use single::Event;
pub use task::{
    TaskCancelled, TaskFailed, TaskReceived, TaskRejected, TaskRetried, TaskRevoked, TaskSent, TaskStarted,
    TaskSucceeded,
};
pub use worker::{Ballot, Elect, Heartbeat};
