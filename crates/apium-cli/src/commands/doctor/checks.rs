//! The table of what is looked for, in three parts: the store, the queues, the workers.

use super::{Check, peers, queues, store};

/// Every check.
pub(super) fn all() -> impl Iterator<Item = &'static Check> {
    store::CHECKS.iter().chain(queues::CHECKS).chain(peers::CHECKS)
}
