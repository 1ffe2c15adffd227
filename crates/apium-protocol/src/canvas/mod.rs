//! Canvas: signatures put together, and what sending them comes to, as Celery 5.7 does it.
//!
//! [`Signature`] is the object on the wire. [`plan`] turns one into what a client sends; [`on_success`],
//! [`on_failure`], [`chord_done`], [`chord_failed`], [`replace`] and [`add_to_chord`] are what a worker does with the
//! signatures in a message. All of it is data and law: no clock, and no chance but the ids that are passed in.
//! `interop/capture/canvas.py` captures what Celery does; the tests compare, up to a renaming of ids.
//!
//! Where it differs from Celery, on purpose:
//! - A signature is a value. Where Celery lets one object stand in two places, a change of one shows in the other.
//!   So a stamp appended to an errback that the steps of a chain share is appended once here, and a list given as a
//!   stamp never grows.
//! - Two links are the same when their JSON is. Celery takes lists and tuples of arguments for different, so that a
//!   callback that came over the wire may be linked twice.
//! - The body in the header of a chord that is still to come is left out at once, not only when a message is written.
//! - A single errback of a body (not in a list) is called when the chord fails; Celery sends tasks named after the
//!   members of its object.
//! - A callback that came over the wire can be linked to a group (by [`replace`], or by the chain it is linked to);
//!   Celery fails to. A `link` of null counts as no links; Celery keeps the null among them.
//! - A chain or a map as errback is sent if the caller does not call it new style; Celery calls it in the worker with
//!   arguments that it then cannot send.
//! - A stamp that is named but not there is left out; Celery refuses to send the task.
//! - A `chain` option of null counts as none in a chain; Celery fails.
//! - Options that only mean something inside a Python process (`producer`, `router` …) are not passed on.
//! - A chord without a body is refused when it is sent or given ids; Celery fails in various ways.
//! - Priorities are not inherited (Celery's default), and errbacks are not put on the header of a chord (its default).
//!
//! Peers of 5.4 to 5.6 write the same signatures, and what they send is read here as by a 5.7 worker. They act
//! otherwise on some: they leave the body in every task of a pending header, put a whole chain into the body of a
//! chord, link a group followed by an empty group as a chord, fail on empty chains in groups, on `link` given to a
//! chord and on chords that fail before they have an id, delay the body instead of the header by `countdown`, and
//! pass the arguments of a chain to an empty group at its head.

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
mod saved;
mod send;
mod send_chord;
mod signature;
mod stamp;
mod steps;
mod success;

pub use completion::{ChordFailure, FailedBody, chord_done, chord_error, chord_failed};
pub use compose::chain;
pub use error::CanvasError;
pub use failure::{ChordPart, Errbacks, FailedTask, Failure, IsNewStyle, chain_failed, on_failure};
pub use message::PlannedMessage;
pub use options::Options;
pub use plan::{Act, Call, Current, Plan, Sender, plan};
pub use replace::{add_to_chord, replace};
pub use results::PlannedResult;
pub use saved::SavedGroup;
pub use signature::{Chord, Shape, Signature};
pub use success::on_success;
