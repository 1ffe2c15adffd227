//! Why a signature cannot be read, combined or sent.

use std::fmt;

use crate::JsonError;

/// What is wrong with a canvas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CanvasError {
    /// The JSON is no signature.
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// What would be written nests deeper than any peer reads.
    Json(JsonError),
    /// A group was called with `link` or `link_error`: link to its members, or make it a chord.
    GroupLinked,
    /// A chord has no body.
    NoBody,
    /// A chain without steps where a result is needed.
    EmptyChain,
    /// A group without members cannot carry a callback.
    EmptyGroup,
    /// The same id stands twice in the results of a chord, so its result would be its own parent.
    Recursive,
    /// A task is to be replaced by a signature that is a part of a chord already.
    ReplacementInChord,
    /// A signature is to be added to a chord by a task that is a part of none.
    NotInChord,
    /// Chunks of no elements.
    EmptyChunks,
}

impl CanvasError {
    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed { reason: reason.into() }
    }
}

impl From<JsonError> for CanvasError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl fmt::Display for CanvasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { reason } => write!(f, "not a signature: {reason}"),
            Self::Json(error) => write!(f, "the signature cannot be written: {error}"),
            Self::GroupLinked => {
                f.write_str("a group cannot be linked to: link to its members, or follow it by a task as a chord")
            }
            Self::NoBody => f.write_str("the chord has no body"),
            Self::EmptyChain => f.write_str("the chain has no steps"),
            Self::EmptyGroup => f.write_str("the group has no member to link a callback to"),
            Self::Recursive => f.write_str("the same task id stands twice in one chord"),
            Self::ReplacementInChord => f.write_str("a signature that replaces a task must not be part of a chord"),
            Self::NotInChord => f.write_str("the current task is not part of a chord"),
            Self::EmptyChunks => f.write_str("chunks must have at least one element each"),
        }
    }
}

impl std::error::Error for CanvasError {}
