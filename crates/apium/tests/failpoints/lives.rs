//! What is remembered of a worker that has lived.

use std::sync::Arc;

use apium::core::{Broker, ResultStore};

use crate::doom::Reached;

/// What a worker held open.
pub(crate) type Ports = (Arc<dyn Broker>, Arc<dyn ResultStore>);

/// One worker's life.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) fate: Fate,
    pub(crate) reached: Reached,
    /// The status of each id, as the store had it when this life was over.
    pub(crate) known: Vec<(String, String)>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// At the point it was to die at.
    Died,
    /// It was asked to, with work left.
    Stopped,
    /// It was asked to, with nothing left.
    Ended,
}

impl Life {
    /// What the store knew of an id.
    pub(crate) fn status(&self, id: &str) -> Option<&str> {
        self.known.iter().find(|(known, _)| known == id).map(|(_, status)| status.as_str())
    }
}
