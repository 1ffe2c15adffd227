//! The types of event, and which fields each has.

use super::{
    task::{
        TaskCancelled, TaskFailed, TaskReceived, TaskRejected, TaskRetried, TaskRevoked, TaskSent, TaskStarted,
        TaskSucceeded,
    },
    worker::{Ballot, Elect, Heartbeat},
};
use crate::control::envelope::Members;

macro_rules! kinds {
    ($( $(#[$doc:meta])* $name:ident($fields:ty) = $text:literal, )*) => {
        /// What an event says.
        #[derive(Debug, Clone, PartialEq)]
        pub enum EventKind {
            $( $(#[$doc])* $name($fields), )*
            /// An event of another type, or one that lacks a field of its own or has it of another type: its fields
            /// are all among [`super::Event::other`].
            Other(String),
        }

        impl EventKind {
            /// The type, such as `task-received`.
            pub fn name(&self) -> &str {
                match self {
                    $( Self::$name(_) => $text, )*
                    Self::Other(name) => name,
                }
            }

            /// Takes the fields of an event out of `members`, or leaves them all.
            pub(super) fn read(name: String, members: &mut Members) -> Self {
                let mut taken = members.clone();
                let kind = match name.as_str() {
                    $( $text => <$fields>::read(&mut taken).map(Self::$name), )*
                    _ => None,
                };
                let Some(kind) = kind else {
                    return Self::Other(name);
                };
                *members = taken;
                kind
            }

            pub(super) fn write(&self, members: &mut Members) {
                match self {
                    $( Self::$name(fields) => fields.write(members), )*
                    Self::Other(_) => {}
                }
            }
        }
    };
}

kinds! {
    /// A worker is there.
    WorkerOnline(Heartbeat) = "worker-online",
    /// A worker is still there.
    WorkerHeartbeat(Heartbeat) = "worker-heartbeat",
    /// A worker goes.
    WorkerOffline(Heartbeat) = "worker-offline",
    /// A worker stands for election.
    WorkerElect(Elect) = "worker-elect",
    /// A worker has seen that another stands for election.
    WorkerElectAck(Ballot) = "worker-elect-ack",
    /// A client has sent a task.
    TaskSent(TaskSent) = "task-sent",
    /// A worker has taken a task.
    TaskReceived(TaskReceived) = "task-received",
    /// A task has begun to run.
    TaskStarted(TaskStarted) = "task-started",
    /// A task has come to its end.
    TaskSucceeded(TaskSucceeded) = "task-succeeded",
    /// A task has failed.
    TaskFailed(TaskFailed) = "task-failed",
    /// A task is to be tried again.
    TaskRetried(TaskRetried) = "task-retried",
    /// A task was called off.
    TaskRevoked(TaskRevoked) = "task-revoked",
    /// A task's message was rejected.
    TaskRejected(TaskRejected) = "task-rejected",
    /// A task that ran was broken off because the connection was lost.
    TaskCancelled(TaskCancelled) = "task-cancelled",
}

impl EventKind {
    /// The group the type belongs to: what stands before its first dash, `task` or `worker`.
    pub fn group(&self) -> &str {
        let name = self.name();
        name.split_once('-').map_or(name, |(group, _)| group)
    }

    /// The routing key of the event when it is published alone, such as `task.received`.
    pub fn routing_key(&self) -> String {
        self.name().replace('-', ".")
    }
}
