//! Chords and groups in the keys of Celery 5.7, so that parts may end on its workers and on ours.

use std::time::Duration;

use apium_core::chords::{CLAIM, ChordClaim, ChordPart, Chords, Counted};
use apium_core::{BackendError, TaskState};
use apium_protocol::RawJson;
use async_trait::async_trait;

use crate::backend::{RedisBackend, millis};
use crate::keys;
use crate::scripts;

/// How long late copies of a part are told that the body was sent: Celery's own span.
pub(crate) const DONE: Duration = Duration::from_mins(5);

#[async_trait]
impl Chords for RedisBackend {
    async fn announce(&self, group: &str, size: u64, keep: Duration) -> Result<(), BackendError> {
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("DEL").arg(keys::chord(group, 'c')).ignore();
        pipe.cmd("SET").arg(keys::chord(group, 's')).arg(size).arg("PX").arg(millis(keep)).ignore();
        self.inner.link.pipeline(&pipe).await
    }

    async fn grow(&self, group: &str, by: u64, keep: Duration) -> Result<(), BackendError> {
        let added = keys::chord(group, 't');
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("INCRBY").arg(&added).arg(by).ignore();
        pipe.cmd("PEXPIRE").arg(&added).arg(millis(keep)).ignore();
        self.inner.link.pipeline(&pipe).await
    }

    async fn count(
        &self,
        group: &str,
        place: Option<u64>,
        part: &ChordPart,
        token: &str,
        keep: Duration,
    ) -> Result<Counted, BackendError> {
        let place = place.map_or_else(|| "+inf".to_owned(), |place| place.to_string());
        let mut script = scripts::CHORD_PART.key(keys::chord(group, 'j'));
        script.key(keys::chord(group, 't')).key(keys::chord(group, 's')).key(keys::chord(group, 'd'));
        script.key(keys::group(group)).key(keys::chord(group, 'c'));
        let member = member(part);
        script
            .arg(&place)
            .arg(&*self.bodies().pack_stored(member.as_bytes(), true))
            .arg(format!("{}:{place}", part.task_id));
        script.arg(keep.as_secs().max(1)).arg(CLAIM.as_secs()).arg(token);
        let answer: Vec<Vec<u8>> = self.inner.link.script(&script).await?;
        match answer.split_first() {
            Some((word, _)) if word == b"waiting" => Ok(Counted::Waiting),
            Some((word, _)) if word == b"claimed" => Ok(Counted::Claimed),
            Some((word, _)) if word == b"sent" => Ok(Counted::Sent),
            Some((word, parts)) if word == b"complete" => {
                let read = |member: &Vec<u8>| self.part(group, member);
                let parts = parts.iter().map(read).collect::<Result<_, _>>()?;
                Ok(Counted::Complete(ChordClaim { group: group.to_owned(), token: token.to_owned(), parts }))
            }
            _ => Err(self.nonsense("chord_part")),
        }
    }

    async fn end(&self, group: &str, token: &str) -> Result<bool, BackendError> {
        let mut script = scripts::CHORD_END.key(keys::chord(group, 'c'));
        for suffix in ['j', 't', 's', 'd'] {
            script.key(keys::chord(group, suffix));
        }
        script.arg(token).arg(DONE.as_secs());
        self.inner.link.script(&script).await
    }

    async fn save_group(&self, group: &str, record: &RawJson, keep: Option<Duration>) -> Result<(), BackendError> {
        let mut set = redis::cmd("SET");
        set.arg(keys::group(group)).arg(&*self.bodies().pack_stored(record.as_str().as_bytes(), true));
        if let Some(keep) = keep {
            set.arg("PX").arg(millis(keep));
        }
        self.inner.link.command(&set).await
    }

    async fn group(&self, group: &str) -> Result<Option<RawJson>, BackendError> {
        let record: Option<Vec<u8>> = self.inner.link.command(redis::cmd("GET").arg(keys::group(group))).await?;
        let Some(record) = record else { return Ok(None) };
        let unreadable =
            |why: &str| BackendError::Broken(format!("what is stored of the group {group} cannot be read: {why}"));
        let record = self.bodies().open_stored(&record).map_err(|why| unreadable(&why))?;
        let text = std::str::from_utf8(&record).map_err(|_| unreadable("it is no JSON"))?;
        RawJson::parse(text).map(Some).map_err(|_| unreadable("it is no JSON"))
    }

    async fn forget_group(&self, group: &str) -> Result<(), BackendError> {
        self.inner.link.command(redis::cmd("DEL").arg(keys::group(group))).await
    }
}

/// A part as Celery writes it: `[1, id, state, result]`.
fn member(part: &ChordPart) -> String {
    let (id, state) = (RawJson::string(&part.task_id), RawJson::string(part.state.name()));
    RawJson::array(&[RawJson::from(&1).unwrap_or_default(), id, state, part.result.clone()]).to_string()
}

impl RedisBackend {
    /// The same back.
    fn part(&self, group: &str, member: &[u8]) -> Result<ChordPart, BackendError> {
        let unreadable = |why: &str| BackendError::Broken(format!("a part of the chord {group} cannot be read: {why}"));
        let member = self.bodies().open_stored(member).map_err(|why| unreadable(&why))?;
        let odd = || unreadable("it is not [1, id, state, result]");
        let text = std::str::from_utf8(&member).map_err(|_| odd())?;
        let elements = RawJson::parse(text).and_then(|json| json.elements()).map_err(|_| odd())?;
        let [_, id, state, result] = elements.as_slice() else { return Err(odd()) };
        let (Ok(task_id), Ok(state)) = (id.to::<String>(), state.to::<String>()) else { return Err(odd()) };
        Ok(ChordPart { task_id, state: TaskState::from_name(&state), result: result.clone() })
    }
}
