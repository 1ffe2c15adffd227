//! What is said to everyone: rows that stay for a minute, so that whoever listens in any process can read them, woken
//! by the bell.
//!
//! An ear remembers the row up to which it has read, and nothing is written for it: listening costs a question for
//! each commit that may concern it, and nothing while there is none. An inbox is an ear too, one that cares for the
//! answers to one request; answers that nobody reads go as everything does.

use std::collections::VecDeque;
use std::time::Duration;

use apium_core::BackendError;
use apium_core::broadcast::{Broadcast, Ear, Heard, Topic};
use apium_protocol::control::ReplyTo;
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::time::timeout_at;

use crate::backend::SqliteBackend;
use crate::fault::Fault;
use crate::wake::deadline;
use crate::writer::{Weight, Work, pages};

/// What is kept for those who listen: so long, so many, and so many bytes.
const KEPT: Duration = Duration::from_mins(1);
const KEPT_ROWS: i64 = 10_000;
const KEPT_BYTES: i64 = 64 << 20;

/// After how many rows, or after which size of one, the oldest are looked at; and how many of them at once: more than
/// have come since.
const SWEEP_EVERY: i64 = 64;
const LARGE: usize = 256 << 10;
const SWEPT: i64 = 256;

/// Bytes of what is read at once.
const READ_BYTES: usize = 4 << 20;
/// Rows that are looked at at once.
const READ_ROWS: i64 = 1_000;

const SAY: &str = "INSERT INTO broadcasts (subject, said, total, bytes)
    VALUES (?1, ?2, length(?3) + coalesce((SELECT total FROM broadcasts ORDER BY id DESC LIMIT 1), 0), ?3)";

const SWEEP: &str = "DELETE FROM broadcasts WHERE id IN (SELECT id FROM broadcasts ORDER BY id LIMIT ?1) AND
    (said <= ?2 OR id <= (SELECT max(id) FROM broadcasts) - ?3
        OR total <= (SELECT total FROM broadcasts ORDER BY id DESC LIMIT 1) - ?4)";

const LAST: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'broadcasts'";

const NEWS: &str = "SELECT id, subject, bytes FROM broadcasts WHERE id > ?1 ORDER BY id LIMIT ?2";

/// How a subject begins: remote control is this alone, what follows is an event's routing key or a request's id.
const CONTROL: &str = "control";
const EVENT: &str = "event ";
const ANSWER: &str = "answer ";

/// What an ear cares for.
#[derive(Clone)]
enum Wanted {
    Topics(Vec<Topic>),
    AnswersTo(String),
}

/// Reads on from where it has read before.
struct Reading {
    backend: SqliteBackend,
    wanted: Wanted,
    cursor: i64,
    /// Read and not yet asked for.
    heard: VecDeque<Heard>,
}

/// What was found behind a cursor.
struct News {
    cursor: i64,
    heard: VecDeque<Heard>,
    /// There may be more.
    more: bool,
}

#[async_trait]
impl Broadcast for SqliteBackend {
    async fn say(&self, topic: &Topic, bytes: &[u8]) -> Result<(), BackendError> {
        self.put(subject(topic), bytes).await
    }

    async fn listen(&self, topics: &[Topic]) -> Result<Box<dyn Ear>, BackendError> {
        self.read_on(Wanted::Topics(topics.to_vec())).await
    }

    async fn open_inbox(&self, id: &str) -> Result<Box<dyn Ear>, BackendError> {
        self.read_on(Wanted::AnswersTo(id.to_owned())).await
    }

    async fn answer(&self, to: &ReplyTo, bytes: &[u8]) -> Result<(), BackendError> {
        self.put(format!("{ANSWER}{}", to.routing_key), bytes).await
    }
}

impl SqliteBackend {
    async fn put(&self, subject: String, bytes: &[u8]) -> Result<(), BackendError> {
        let room = self.writer.room(bytes.len()).await;
        let (rows, bytes) = (1 + pages(bytes.len()), bytes.to_vec());
        let put = move |work: &Work<'_>| {
            // Given up with the copy, not by the caller, who may leave before.
            let _room = room;
            work.db.prepare_cached(SAY)?.execute(params![subject, work.now, bytes])?;
            if work.db.last_insert_rowid() % SWEEP_EVERY == 0 || bytes.len() > LARGE {
                sweep(work)?;
            }
            work.rung.broadcasts();
            Ok(())
        };
        self.writer.write(Weight::light(rows), put).await
    }

    async fn read_on(&self, wanted: Wanted) -> Result<Box<dyn Ear>, BackendError> {
        let cursor = self.readers.read(last).await?;
        Ok(Box::new(Reading { backend: self.clone(), wanted, cursor, heard: VecDeque::new() }))
    }
}

#[async_trait]
impl Ear for Reading {
    async fn next(&mut self, at_most: Duration) -> Result<Option<Heard>, BackendError> {
        let deadline = deadline(at_most);
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Ok(Some(heard));
            }
            // Registered before looking, so that what is said in between is not missed.
            let rung = self.backend.bell.broadcasts().notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let (wanted, cursor) = (self.wanted.clone(), self.cursor);
            let news = self.backend.readers.read(move |db| news(db, &wanted, cursor)).await?;
            (self.cursor, self.heard) = (news.cursor, news.heard);
            if !news.more && self.heard.is_empty() && timeout_at(deadline, rung).await.is_err() {
                return Ok(None);
            }
        }
    }
}

/// Throws away some of what is kept no longer.
pub(crate) fn sweep(work: &Work<'_>) -> Result<(), Fault> {
    let kept = i64::try_from(KEPT.as_micros()).unwrap_or(i64::MAX);
    let bounds = params![SWEPT, work.now.saturating_sub(kept), KEPT_ROWS, KEPT_BYTES];
    work.db.prepare_cached(SWEEP)?.execute(bounds)?;
    Ok(())
}

/// The last row there ever was.
fn last(db: &Connection) -> Result<i64, Fault> {
    Ok(db.prepare_cached(LAST)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn news(db: &Connection, wanted: &Wanted, cursor: i64) -> Result<News, Fault> {
    let mut news = News { cursor, heard: VecDeque::new(), more: false };
    let (mut bytes, mut expected) = (0, cursor + 1);
    // Asked before looking: what comes in between is not taken for missed.
    let said = last(db)?;
    let mut asked = db.prepare_cached(NEWS)?;
    let mut rows = asked.query([cursor, READ_ROWS])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if id != expected {
            return Err(Fault::Missed);
        }
        (news.cursor, expected) = (id, id + 1);
        if let Some(topic) = wanted.topic_of(row.get_ref(1)?.as_str().unwrap_or_default()) {
            let said: Vec<u8> = row.get(2)?;
            bytes += said.len();
            news.heard.push_back(Heard { topic, bytes: said });
        }
        news.more = bytes > READ_BYTES || news.cursor - cursor >= READ_ROWS;
        if bytes > READ_BYTES {
            break;
        }
    }
    // Rows that were thrown away unread leave no gap when none has come since.
    if news.cursor == cursor && said > cursor {
        return Err(Fault::Missed);
    }
    Ok(news)
}

impl Wanted {
    /// What is heard of this subject; `None` when it is no concern of this ear.
    fn topic_of(&self, subject: &str) -> Option<Topic> {
        match self {
            Self::AnswersTo(id) => (subject.strip_prefix(ANSWER)? == id).then_some(Topic::Control),
            Self::Topics(topics) => {
                let said = match subject.strip_prefix(EVENT) {
                    Some(key) => Topic::Event(key.to_owned()),
                    None if subject == CONTROL => Topic::Control,
                    None => return None,
                };
                topics.iter().any(|topic| topic.covers(&said)).then_some(said)
            }
        }
    }
}

fn subject(topic: &Topic) -> String {
    match topic {
        Topic::Control => CONTROL.to_owned(),
        Topic::Event(key) => format!("{EVENT}{key}"),
    }
}
