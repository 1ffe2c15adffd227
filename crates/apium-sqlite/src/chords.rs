//! Chords and groups: parts are counted as they end, and the body is claimed by whoever counts the last.

use std::time::Duration;

use apium_core::chords::{CLAIM, ChordClaim, ChordEnd, ChordPart, Chords, Counted};
use apium_core::{BackendError, TaskState};
use apium_protocol::RawJson;
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use crate::backend::SqliteBackend;
use crate::fault::Fault;
use crate::writer::{Weight, Work};
use crate::{line, results};

/// How long late copies of a part are told that the body was sent: Celery's own span.
const DONE: Duration = Duration::from_mins(5);

/// The place of a part that has none: behind all others.
const NOWHERE: i64 = i64::MAX;

const COUNTING: i64 = 0;
const CLAIMED: i64 = 1;
const SENT: i64 = 2;

const SIZE: &str = "INSERT INTO chords (name, size, expires) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET size = excluded.size, state = 0, token = '', expires = excluded.expires,
        added = CASE state WHEN 2 THEN 0 ELSE added END, ended = CASE state WHEN 2 THEN 0 ELSE ended END";

const GROW: &str = "INSERT INTO chords (name, added, expires) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET added = added + excluded.added, expires = excluded.expires";

const COUNT: &str = "INSERT INTO parts (chord, place, task_id, state, result) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (chord, place, task_id) DO NOTHING";

const SEEN: &str = "INSERT INTO chords (name, ended, expires) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET ended = ended + excluded.ended, expires = excluded.expires";

const STANDING: &str = "SELECT state, until, ended = size + added, token FROM chords WHERE name = ?1";

const CLAIM_BODY: &str = "UPDATE chords SET state = ?2, token = ?3, until = ?4 WHERE name = ?1";

const PARTS: &str = "SELECT task_id, state, result FROM parts WHERE chord = ?1 ORDER BY place, id";

const END: &str = "UPDATE chords SET state = ?3, expires = ?4 WHERE name = ?1 AND state = ?5 AND token = ?2";

const SWEEP: &str = "DELETE FROM chords WHERE expires <= ?1 AND name IN
    (SELECT name FROM chords WHERE expires <= ?1 ORDER BY expires LIMIT ?2) RETURNING name";

#[async_trait]
impl Chords for SqliteBackend {
    async fn announce(&self, group: &str, size: u64, keep: Duration) -> Result<(), BackendError> {
        let (group, size) = (group.to_owned(), i64::try_from(size).unwrap_or(i64::MAX));
        // Light like all that is written before the settlement that makes it count: that one flushes it too.
        let announce = move |work: &Work<'_>| {
            work.db.prepare_cached(SIZE)?.execute(params![group, size, work.after(keep)])?;
            Ok(())
        };
        self.writer.write(Weight::light(1), announce).await
    }

    async fn grow(&self, group: &str, by: u64, keep: Duration) -> Result<(), BackendError> {
        let (group, by) = (group.to_owned(), i64::try_from(by).unwrap_or(i64::MAX));
        let grow = move |work: &Work<'_>| {
            work.db.prepare_cached(GROW)?.execute(params![group, by, work.after(keep)])?;
            Ok(())
        };
        self.writer.write(Weight::light(1), grow).await
    }

    async fn count(
        &self,
        group: &str,
        place: Option<u64>,
        part: &ChordPart,
        token: &str,
        keep: Duration,
    ) -> Result<Counted, BackendError> {
        let (group, part, token) = (group.to_owned(), part.clone(), token.to_owned());
        let place = place.and_then(|place| i64::try_from(place).ok()).unwrap_or(NOWHERE);
        self.writer.write(Weight::light(2), move |work| count_part(work, &group, place, &part, &token, keep)).await
    }

    async fn end(&self, group: &str, token: &str) -> Result<bool, BackendError> {
        let (group, token) = (group.to_owned(), token.to_owned());
        self.writer.write(Weight::light(1), move |work| end_chord(work, &group, &token)).await
    }

    async fn save_group(&self, group: &str, record: &RawJson, keep: Option<Duration>) -> Result<(), BackendError> {
        let (group, record) = (group.to_owned(), record.clone());
        let save = move |work: &Work<'_>| {
            let sql = "INSERT OR REPLACE INTO groups (name, expires, record) VALUES (?1, ?2, ?3)";
            let expires = keep.map(|keep| work.after(keep));
            work.db.prepare_cached(sql)?.execute(params![group, expires, record.as_str()])?;
            Ok(())
        };
        self.writer.write(Weight::flushed(1), save).await
    }

    async fn group(&self, group: &str) -> Result<Option<RawJson>, BackendError> {
        let (group, now) = (group.to_owned(), self.now());
        self.readers.read(move |db| read_group(db, &group, now)).await
    }

    async fn forget_group(&self, group: &str) -> Result<(), BackendError> {
        let group = group.to_owned();
        let forget = move |work: &Work<'_>| {
            work.db.prepare_cached("DELETE FROM groups WHERE name = ?1")?.execute([&group])?;
            Ok(())
        };
        self.writer.write(Weight::flushed(1), forget).await
    }
}

/// Sends the body of a chord, unless the claim has passed to another.
pub(crate) fn send_body(work: &Work<'_>, chord: &ChordEnd) -> Result<(), Fault> {
    if !end_chord(work, &chord.group, &chord.token)? {
        return Ok(());
    }
    chord.results.iter().try_for_each(|result| results::store(work, result).map(drop))?;
    chord.send.iter().try_for_each(|message| line::put(work, message))
}

/// Throws away some chords and groups that have expired.
pub(crate) fn sweep(work: &Work<'_>) -> Result<(), Fault> {
    let limit = i64::try_from(results::SWEPT).unwrap_or(i64::MAX);
    let mut asked = work.db.prepare_cached(SWEEP)?;
    let names = asked.query_map([work.now, limit], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    for name in names {
        work.db.prepare_cached("DELETE FROM parts WHERE chord = ?1")?.execute([&name])?;
    }
    let groups = "DELETE FROM groups WHERE name IN (SELECT name FROM groups WHERE expires <= ?1 LIMIT ?2)";
    work.db.prepare_cached(groups)?.execute([work.now, limit])?;
    Ok(())
}

fn count_part(
    work: &Work<'_>,
    group: &str,
    place: i64,
    part: &ChordPart,
    token: &str,
    keep: Duration,
) -> Result<Counted, Fault> {
    let standing = |db: &Connection| {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        db.prepare_cached(STANDING)?.query_row([group], read).optional()
    };
    if let Some((SENT, ..)) = standing(work.db)?.map(|found: (i64, i64, Option<bool>, String)| found) {
        return Ok(Counted::Sent);
    }
    let (id, state) = (&part.task_id, part.state.name());
    let counted = work.db.prepare_cached(COUNT)?.execute(params![group, place, id, state, part.result.as_str()])?;
    let counted = i64::from(counted > 0);
    work.db.prepare_cached(SEEN)?.execute(params![group, counted, work.after(keep)])?;
    match standing(work.db)? {
        Some((CLAIMED, until, Some(true), holder)) if until > work.now && holder != token => Ok(Counted::Claimed),
        Some((COUNTING | CLAIMED, _, Some(true), _)) => claim(work, group, token).map(Counted::Complete),
        _ => Ok(Counted::Waiting),
    }
}

fn claim(work: &Work<'_>, group: &str, token: &str) -> Result<ChordClaim, Fault> {
    work.db.prepare_cached(CLAIM_BODY)?.execute(params![group, CLAIMED, token, work.after(CLAIM)])?;
    let mut asked = work.db.prepare_cached(PARTS)?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let rows = asked.query_map([group], read)?.collect::<Result<Vec<(String, String, String)>, _>>()?;
    let part = |(task_id, state, result): (String, String, String)| {
        let unreadable = |_| Fault::Broken(format!("a part of the chord {group} is no JSON"));
        let result = RawJson::parse(&result).map_err(unreadable)?;
        Ok(ChordPart { task_id, state: TaskState::from_name(&state), result })
    };
    let parts = rows.into_iter().map(part).collect::<Result<_, Fault>>()?;
    Ok(ChordClaim { group: group.to_owned(), token: token.to_owned(), parts })
}

fn end_chord(work: &Work<'_>, group: &str, token: &str) -> Result<bool, Fault> {
    let ended = params![group, token, SENT, work.after(DONE), CLAIMED];
    if work.db.prepare_cached(END)?.execute(ended)? == 0 {
        return Ok(false);
    }
    work.db.prepare_cached("DELETE FROM parts WHERE chord = ?1")?.execute([group])?;
    Ok(true)
}

fn read_group(db: &Connection, group: &str, now: i64) -> Result<Option<RawJson>, Fault> {
    let sql = "SELECT record FROM groups WHERE name = ?1 AND (expires IS NULL OR expires > ?2)";
    let record: Option<String> = db.prepare_cached(sql)?.query_row(params![group, now], |row| row.get(0)).optional()?;
    let unreadable = |_| Fault::Broken(format!("what is stored of the group {group} is no JSON"));
    record.map(|record| RawJson::parse(&record).map_err(unreadable)).transpose()
}
