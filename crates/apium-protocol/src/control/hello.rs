//! What workers tell each other when one starts: the ids that were called off, and the clock.

use super::envelope;
use crate::{RawJson, json::object::ObjectWriter};

/// The reply to hello; a worker that is greeted by itself replies null instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelloReply {
    /// The ids known to be called off, the oldest first.
    pub revoked: Vec<String>,
    /// The Lamport clock, moved forward for this.
    pub clock: u64,
}

impl HelloReply {
    /// Reads the reply of any version of Celery; `None` when it is none.
    pub fn from_json(value: &RawJson) -> Option<Self> {
        let clock = value.member("clock")?.to().ok()?;
        Some(Self { revoked: revoked_ids(&value.member("revoked")?), clock })
    }

    /// The value to reply with.
    pub fn to_json(&self) -> RawJson {
        let ids: Vec<_> = self.revoked.iter().map(|id| RawJson::string(id)).collect();
        let mut object = ObjectWriter::new();
        object.raw("revoked", RawJson::array(&ids).as_str());
        object.display("clock", Some(self.clock));
        RawJson::parse(&object.end()).unwrap_or_default()
    }
}

/// The ids in a list, or in the object by id that workers up to Celery 5.6 send; of anything else none.
pub fn revoked_ids(value: &RawJson) -> Vec<String> {
    if let Some(members) = envelope::once(value) {
        return members.into_iter().map(|(id, _)| id).collect();
    }
    value.elements().unwrap_or_default().iter().filter_map(|id| id.to().ok()).collect()
}
