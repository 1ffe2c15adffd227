//! Pickle, read as data: a machine of its own, in which nothing can be called.
//!
//! A pickle is a program. Of what it may ask to be called, the handful of types that kombu writes into JSON too are
//! built here (datetimes, Decimal, UUID, bytes, sets, signatures); everything else is refused by its name. The pickled
//! objects live in one flat list, so that neither shared nor nested ones cost more than they take on the wire.
//!
//! Why not `serde-pickle` (1.2, tried on kombu's bodies and on hostile ones): it forgets the name of whatever a pickle
//! calls, so that a datetime, a Decimal and `os.system("ls")` all come out as bare tuples of their arguments, which
//! can neither be built nor refused by name. It also reads to any depth by recursion, so that a hundred kilobytes of
//! nested lists abort the whole process, and has no limit on what shared objects grow to.

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
