//! One event: who says it and when, what it says, and whatever else its sender put in.

use super::{
    EventKind,
    fields::{Field, take},
};
use crate::{
    DecodeError, RawJson,
    control::{
        Candidate,
        envelope::{Members, once, wrong},
    },
};

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The worker, or `gen<pid>@<host>` for a client.
    pub hostname: String,
    /// Its time zone, in hours behind UTC.
    pub utcoffset: f64,
    /// Its process id.
    pub pid: Option<u64>,
    /// Its Lamport clock, which must rise from one event to the next.
    pub clock: Option<u64>,
    /// When it happened, in seconds since 1970; 0 when it does not say.
    pub timestamp: f64,
    /// What happened.
    pub kind: EventKind,
    /// All other fields in their order.
    pub other: Vec<(String, RawJson)>,
}

impl Event {
    /// An event of the process `pid` of the node `hostname`, in UTC.
    pub fn new(hostname: impl Into<String>, pid: u64, clock: u64, timestamp: f64, kind: EventKind) -> Self {
        Self {
            hostname: hostname.into(),
            utcoffset: 0.0,
            pid: Some(pid),
            clock: Some(clock),
            timestamp,
            kind,
            other: Vec::new(),
        }
    }

    /// Reads one object.
    ///
    /// # Errors
    /// When it is none, has no type, or a field that every event has is of the wrong type.
    pub fn from_json(value: &RawJson) -> Result<Self, DecodeError> {
        let mut members =
            once(value).ok_or_else(|| wrong("body", "should be an event, an object, or a list of these"))?;
        let name = field(&mut members, "type")?.ok_or_else(|| wrong("body.type", "is missing"))?;
        Ok(Self {
            hostname: field(&mut members, "hostname")?.unwrap_or_default(),
            utcoffset: field(&mut members, "utcoffset")?.unwrap_or_default(),
            pid: field(&mut members, "pid")?,
            clock: field(&mut members, "clock")?,
            timestamp: field(&mut members, "timestamp")?.unwrap_or_default(),
            kind: EventKind::read(name, &mut members),
            other: members,
        })
    }

    /// The object, with the fields in the order of a Python worker.
    pub fn to_json(&self) -> RawJson {
        let mut members = Members::with_capacity(20);
        let mut add = |name: &str, value: RawJson| members.push((name.to_owned(), value));
        add("hostname", self.hostname.write());
        add("utcoffset", self.utcoffset.write());
        add("pid", self.pid.write());
        add("clock", self.clock.write());
        self.kind.write(&mut members);
        members.extend(self.other.iter().cloned());
        members.push(("timestamp".to_owned(), self.timestamp.write()));
        members.push(("type".to_owned(), RawJson::string(self.kind.name())));
        RawJson::object(&members)
    }

    /// The candidate whom a `worker-elect` event puts up; `None` for another event.
    pub fn candidate(&self) -> Option<Candidate> {
        match self.kind {
            EventKind::WorkerElect(_) => Some(Candidate::new(self.clock?, &self.hostname, self.pid?)),
            _ => None,
        }
    }
}

/// Takes out a field that every event has; null counts as left out.
fn field<T: Field>(members: &mut Members, name: &str) -> Result<Option<T>, DecodeError> {
    take(members, name).ok_or_else(|| wrong(&format!("body.{name}"), "is of the wrong type"))
}
