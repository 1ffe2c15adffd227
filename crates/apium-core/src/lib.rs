//! The words of the house and the promises between its rooms.
//!
//! Read in this order: [`state`] (where a task may stand), [`signature`] and [`task`] (what is sent, what is run),
//! [`unique`] (at most one of a key), [`limits`] (how often), [`shares`] (whose turn), [`schedules`] (when), [`client`] (who sends), [`outbox`] (what is sent once a transaction is committed), [`pending`] (what comes back), [`routing`] (where to), [`bodies`] (in which form),
//! [`broker`], [`results`], [`chords`], [`fleet`] with [`revocation`] and [`dead`] (the ports every backend keeps),
//! [`inspection`] (what a store tells of itself), [`replay`] (how a dead letter goes back), [`memory`], [`sharded`] (past one store), `conformance`.

pub mod argument;
pub mod context;
pub mod error;
pub mod retry;
pub mod signature;
pub mod state;
pub mod task;
pub mod unique;

pub mod client;
pub mod outbox;
pub mod pending;
pub mod routing;

pub mod bodies;
pub mod broadcast;
pub mod broker;
pub mod chords;
pub mod clock;
pub mod dead;
pub mod fleet;
pub mod inspection;
pub mod limits;
pub mod replay;
pub mod results;
pub mod revocation;
pub mod schedules;
pub mod sharded;
pub mod shares;

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod memory;

pub use apium_protocol as protocol;

pub use bodies::Bodies;
pub use broker::{Broker, Claim, Delivery, Disposition, Outgoing, Receipt, Settled, Settlement};
pub use client::{Client, SendError};
pub use clock::{Clock, SystemClock, TestClock};
pub use context::{Context, FromContext, State};
pub use dead::{DeadFilter, DeadLetter, DeadReason};
pub use error::{BackendError, TaskError};
pub use fleet::{Fleet, Revocation, WorkerCard};
pub use outbox::OutboxRow;
pub use pending::{Pending, ResultError};
pub use results::{Lookup, ResultStore, StoredResult};
pub use retry::Retry;
pub use routing::Routes;
pub use signature::Signature;
pub use state::TaskState;
pub use task::{Call, Registry, Task, TaskOptions, TaskResult};
pub use unique::Unique;
