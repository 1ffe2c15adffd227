//! Canvas: signatures put together, and what sending them comes to, exactly as Celery 5.7 does it.
//!
//! [`Signature`] is the object on the wire; [`plan`] turns one into the messages of a client; [`on_success`],
//! [`on_failure`], [`chord_done`], [`chord_failed`], [`replace`] and [`add_to_chord`] are what a worker does with the
//! signatures in a message. All of it is data and law: no clock, no randomness but the ids that are passed in.
//!
//! Where it differs from Celery, deliberately:
//! - A signature is a value. Where Celery lets one object stand in two places, a change of one of them (an id given,
//!   a stamp appended) shows in the other; here it does not. In particular stamps appended to an errback that all
//!   steps of a chain share are appended once for each step, and a list given as a stamp never grows.
//! - Two links are the same when their JSON is; Celery also takes lists and tuples of arguments for different, so that
//!   one that came over the wire may be linked twice.
//! - A body in the header of a pending chord is left out at once, not only when the message is written.
//! - A stamp that is named but not there is left out; Celery refuses to send the task.
//! - A chain whose own `chain` option is null is sent; Celery fails.
//! - Names of options that only mean something inside a Python process (`producer`, `router` …) are dropped.
//! - A chord without a body is refused when it is sent or given ids; Celery fails in various ways.

mod codec;
mod completion;
mod compose;
mod error;
mod failure;
mod freeze;
mod link;
mod message;
mod options;
mod plan;
mod replace;
mod results;
mod same;
mod send;
mod signature;
mod stamp;
mod steps;
mod success;

pub use completion::{ChordFailure, FailedBody, chord_done, chord_failed};
pub use compose::chain;
pub use error::CanvasError;
pub use failure::{ChordPart, Errbacks, FailedTask, Failure, IsNewStyle, chain_failed, on_failure};
pub use message::PlannedMessage;
pub use options::Options;
pub use plan::{Act, Call, Current, Plan, Sender, plan};
pub use replace::{add_to_chord, replace};
pub use results::PlannedResult;
pub use signature::{Chord, Shape, Signature};
pub use success::on_success;
