//! The record a worker stores for the caller of a task, in every state, with the fields and the order of Celery.

use crate::{
    DecodeError, RawJson, Subject,
    json::{
        fields::Wrong,
        object::ObjectWriter,
        split::{self, Part},
    },
};

/// What a compressed record begins with; the content type follows.
const COMPRESSED: &[u8] = b"\0celery-compressed\0";

/// What Celery 5.7 has stored compressed: the content type of the compression, and the bytes; `None` when it is as it
/// always was. Results are so marked, the parts of chords, and groups.
pub fn compressed(stored: &[u8]) -> Option<(String, &[u8])> {
    let rest = stored.strip_prefix(COMPRESSED)?;
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    Some((String::from_utf8_lossy(&rest[..end]).into_owned(), rest.get(end + 1..).unwrap_or_default()))
}

/// Compressed bytes with the mark by which Celery 5.7 knows them.
pub fn mark_compressed(content_type: &str, bytes: &[u8]) -> Vec<u8> {
    [COMPRESSED, content_type.as_bytes(), b"\0", bytes].concat()
}

/// The stored state and result of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultRecord {
    /// The state: `STARTED`, `SUCCESS`, `FAILURE`, `RETRY`, `REVOKED` or a task's own.
    pub status: String,
    /// What the task returned; the exception for `FAILURE`, `RETRY` and `REVOKED`, see [`crate::ExceptionRecord`].
    pub result: RawJson,
    /// The traceback as text.
    pub traceback: Option<String>,
    /// The results of the tasks this one has sent, as nested arrays of ids; null when it is not known.
    pub children: RawJson,
    /// When the task came into a final state, ISO 8601 with an offset.
    pub date_done: Option<String>,
    /// The group of the task.
    pub group_id: Option<String>,
    /// The task that sent this one.
    pub parent_id: Option<String>,
    /// The task id.
    pub task_id: String,
    /// Everything else in its order. An extended record has `name`, `args`, `kwargs`, `worker`, `retries`, `queue`
    /// here, and the stamps of the task.
    pub other: Vec<(String, RawJson)>,
}

impl ResultRecord {
    /// A record without children, done-date and family.
    pub fn new(task_id: impl Into<String>, status: impl Into<String>, result: RawJson) -> Self {
        Self {
            status: status.into(),
            result,
            traceback: None,
            children: RawJson::empty_array(),
            date_done: None,
            group_id: None,
            parent_id: None,
            task_id: task_id.into(),
            other: Vec::new(),
        }
    }

    /// Reads a stored record.
    ///
    /// # Errors
    /// When the bytes are compressed, are no object with a `status`, or a known field is of the wrong type.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if let Some((content_type, _)) = compressed(bytes) {
            return Err(DecodeError::Compressed { content_type, subject: Subject::default() });
        }
        let plain = |reason: String| DecodeError::Result { reason, subject: Subject::default() };
        let text = std::str::from_utf8(bytes).map_err(|error| plain(error.to_string()))?;
        let members = split::members(text).map_err(|error| plain(error.to_string()))?;
        let find = |name: &str| {
            let found = members.iter().rev().find(|(key, _)| key == name)?;
            found.1.string().ok().flatten()
        };
        let subject = Subject { id: find("task_id"), task: find("name") };
        let mut record = Self::new("", "", RawJson::null());
        record.children = RawJson::null();
        for (key, part) in &members {
            record.set(key, part).map_err(|reason| DecodeError::Result {
                reason: format!("its field {key} {reason}"),
                subject: subject.clone(),
            })?;
        }
        if record.status.is_empty() {
            return Err(DecodeError::Result { reason: "it has no status".to_owned(), subject });
        }
        Ok(record)
    }

    /// Writes the record; it always begins with `{"status": "`, so that the state can be told without parsing.
    pub fn encode(&self) -> Vec<u8> {
        let mut object = ObjectWriter::new();
        object.string("status", &self.status);
        object.raw("result", self.result.as_str());
        object.nullable("traceback", self.traceback.as_deref());
        object.raw("children", self.children.as_str());
        object.nullable("date_done", self.date_done.as_deref());
        object.optional("group_id", self.group_id.as_deref());
        object.optional("parent_id", self.parent_id.as_deref());
        object.members(&self.other);
        object.string("task_id", &self.task_id);
        object.end().into_bytes()
    }

    fn set(&mut self, key: &str, part: &Part<'_>) -> Result<(), Wrong> {
        match key {
            "status" => self.status = part.string()?.unwrap_or_default(),
            "result" => self.result = part.raw(),
            "traceback" => self.traceback = part.string()?,
            "children" => self.children = part.raw(),
            "date_done" => self.date_done = part.string()?,
            "group_id" => self.group_id = part.string()?,
            "parent_id" => self.parent_id = part.string()?,
            "task_id" => self.task_id = part.string()?.unwrap_or_default(),
            _ => self.other.push((key.to_owned(), part.raw())),
        }
        Ok(())
    }
}
