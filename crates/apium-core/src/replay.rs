//! What a replay sends: the message of a dead letter, begun afresh, with other arguments if they are named.

use apium_protocol::{Message, RawJson};

use crate::bodies::{Asked, Bodies};
use crate::dead::{DeadLetter, DeadReason};

/// Other arguments for what is replayed; the default is none.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Instead of the positional arguments: a JSON list.
    pub args: Option<RawJson>,
    /// Instead of the arguments by name: a JSON object.
    pub kwargs: Option<RawJson>,
}

impl Edit {
    /// True when the arguments stay as they are.
    pub fn is_empty(&self) -> bool {
        self.args.is_none() && self.kwargs.is_none()
    }
}

/// The message to send instead of a letter's own: the same task under the same id, with no retries made yet and with
/// the arguments of `edit`; one that had expired expires no more. `None` where the original bytes are that already, and where they cannot be read: these are
/// replayed as they are.
///
/// # Errors
/// One sentence: the arguments are to be replaced, and the message cannot be read or packed.
pub fn instead(letter: &DeadLetter, edit: &Edit, bodies: &dyn Bodies) -> Result<Option<Vec<u8>>, String> {
    let mut message = match Message::decode(&letter.message) {
        Ok(message) => message,
        Err(_) if edit.is_empty() => return Ok(None),
        Err(error) => return Err(unreadable(letter, &error)),
    };
    let expired = letter.reason == DeadReason::Expired;
    if edit.is_empty() && message.headers.retries == 0 && !expired {
        return Ok(None);
    }
    message.headers.retries = 0;
    if expired {
        message.headers.expires = None;
        message.properties.expiration = None;
    }
    // Protocol 1 keeps the retries in the body.
    if !edit.is_empty() || message.protocol == 1 {
        let mut payload = match bodies.open(&message) {
            Ok(payload) => payload,
            Err(_) if edit.is_empty() => return Ok(None),
            Err(error) => return Err(unreadable(letter, &error)),
        };
        if let Some(args) = &edit.args {
            payload.args = args.clone();
            message.headers.argsrepr = None;
        }
        if let Some(kwargs) = &edit.kwargs {
            payload.kwargs = kwargs.clone();
            message.headers.kwargsrepr = None;
        }
        let packed = bodies.pack(message.headers, &payload, message.properties, &Asked::default());
        message = packed.map_err(|error| format!("the dead letter {} cannot be packed again: {error}", letter.id))?;
    }
    Ok(Some(message.encode()))
}

fn unreadable(letter: &DeadLetter, error: &dyn std::fmt::Display) -> String {
    format!("the arguments of the dead letter {} cannot be replaced, for it cannot be read: {error}", letter.id)
}
