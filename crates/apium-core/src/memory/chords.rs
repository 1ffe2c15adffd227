//! Chords and groups in memory.

use std::collections::HashMap;
use std::time::Duration;

use apium_protocol::RawJson;
use async_trait::async_trait;
use jiff::Timestamp;

use super::Memory;
use crate::chords::{CLAIM, ChordClaim, ChordPart, Chords, Counted};
use crate::clock::after;
use crate::error::BackendError;

/// Every chord and group that is known.
#[derive(Default)]
pub(super) struct Shelf {
    chords: HashMap<String, Chord>,
    groups: HashMap<String, (RawJson, Option<Timestamp>)>,
}

struct Chord {
    size: Option<u64>,
    added: u64,
    /// In the order of their places; those of one place as they came.
    parts: Vec<(u64, ChordPart)>,
    body: Body,
    expires: Timestamp,
}

enum Body {
    Awaited,
    Claimed { token: String, until: Timestamp },
    Sent,
}

impl Shelf {
    /// Forgets the parts of a chord whose body is sent now; false when the claim is another's.
    pub(super) fn end(&mut self, group: &str, token: &str) -> bool {
        let Some(chord) = self.chords.get_mut(group) else { return false };
        let held = matches!(&chord.body, Body::Claimed { token: held, .. } if held == token);
        if held {
            chord.body = Body::Sent;
            chord.parts = Vec::new();
        }
        held
    }

    fn chord(&mut self, group: &str, now: Timestamp, keep: Duration) -> &mut Chord {
        self.chords.retain(|_, chord| chord.expires > now);
        let expires = after(now, keep);
        let fresh = || Chord { size: None, added: 0, parts: Vec::new(), body: Body::Awaited, expires };
        let chord = self.chords.entry(group.to_owned()).or_insert_with(fresh);
        chord.expires = expires;
        chord
    }
}

impl Chord {
    fn count(&mut self, group: &str, place: u64, part: &ChordPart, token: &str, now: Timestamp) -> Counted {
        if matches!(self.body, Body::Sent) {
            return Counted::Sent;
        }
        if !self.parts.iter().any(|(at, told)| *at == place && told.task_id == part.task_id) {
            let behind = self.parts.partition_point(|(at, _)| *at <= place);
            self.parts.insert(behind, (place, part.clone()));
        }
        if self.size.is_none_or(|size| size + self.added != self.parts.len() as u64) {
            return Counted::Waiting;
        }
        if matches!(&self.body, Body::Claimed { token: held, until } if *until > now && held != token) {
            return Counted::Claimed;
        }
        let token = token.to_owned();
        self.body = Body::Claimed { token: token.clone(), until: after(now, CLAIM) };
        let parts = self.parts.iter().map(|(_, part)| part.clone()).collect();
        Counted::Complete(ChordClaim { group: group.to_owned(), token, parts })
    }
}

#[async_trait]
impl Chords for Memory {
    async fn announce(&self, group: &str, size: u64, keep: Duration) -> Result<(), BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        let chord = shelves.chords.chord(group, now, keep);
        if matches!(chord.body, Body::Sent) {
            chord.added = 0;
        }
        (chord.size, chord.body) = (Some(size), Body::Awaited);
        Ok(())
    }

    async fn grow(&self, group: &str, by: u64, keep: Duration) -> Result<(), BackendError> {
        let now = self.clock.now();
        self.open().chords.chord(group, now, keep).added += by;
        Ok(())
    }

    async fn count(
        &self,
        group: &str,
        place: Option<u64>,
        part: &ChordPart,
        token: &str,
        keep: Duration,
    ) -> Result<Counted, BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        let chord = shelves.chords.chord(group, now, keep);
        Ok(chord.count(group, place.unwrap_or(u64::MAX), part, token, now))
    }

    async fn end(&self, group: &str, token: &str) -> Result<bool, BackendError> {
        Ok(self.open().chords.end(group, token))
    }

    async fn save_group(&self, group: &str, record: &RawJson, keep: Option<Duration>) -> Result<(), BackendError> {
        let until = keep.map(|keep| after(self.clock.now(), keep));
        self.open().chords.groups.insert(group.to_owned(), (record.clone(), until));
        Ok(())
    }

    async fn group(&self, group: &str) -> Result<Option<RawJson>, BackendError> {
        let now = self.clock.now();
        let mut shelves = self.open();
        shelves.chords.groups.retain(|_, (_, until)| until.is_none_or(|until| until > now));
        Ok(shelves.chords.groups.get(group).map(|(record, _)| record.clone()))
    }

    async fn forget_group(&self, group: &str) -> Result<(), BackendError> {
        self.open().chords.groups.remove(group);
        Ok(())
    }
}
