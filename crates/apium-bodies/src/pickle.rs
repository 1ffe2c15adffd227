//! Pickle, read as data: a machine of its own, in which nothing can be called.
//!
//! A pickle is a program. Of what it may ask to be called, the handful of types that kombu writes into JSON too are
//! built here (datetimes, Decimal, UUID, bytes, sets, signatures); everything else is refused by its name. The pickled
//! objects live in one flat list, so that neither shared nor nested ones cost more than they take on the wire.

mod called;
mod machine;
mod moments;
mod node;
mod opcodes;
mod write;

pub(crate) use write::from_json;

/// Reads a pickle as the JSON kombu would have written.
pub(crate) fn to_json(bytes: &[u8], most: usize) -> Result<String, String> {
    machine::Machine::run(bytes, most)?.into_json(most)
}
