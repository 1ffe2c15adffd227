//! Schedules: entries, how far each is decided, who leads, and lines of history. See the scripts `schedule_*.lua`.

use std::time::Duration;

use apium_core::BackendError;
use apium_core::schedules::{Change, Decided, HISTORY, Kept, Leader, Line, PAGE, Put, Recorded, Schedules};
use async_trait::async_trait;

use crate::backend::RedisBackend;
use crate::keys;
use crate::scripts;
use crate::wake::Look;

/// Entries in one run of a script: Redis serves nobody else meanwhile.
const AT_ONCE: usize = 200;

/// Lines of history read at once while those of one entry are looked for.
const LINES: usize = 1_000;

#[async_trait]
impl Schedules for RedisBackend {
    async fn put(&self, entries: &[Put]) -> Result<Vec<bool>, BackendError> {
        let mut written = Vec::with_capacity(entries.len());
        for part in entries.chunks(AT_ONCE) {
            let mut script = put_script();
            for put in part {
                let over = put.over.map(|version| version.to_string()).unwrap_or_default();
                script.arg("put").arg(&put.name).arg(&put.entry).arg(over);
                script.arg(u8::from(put.state.is_some())).arg(put.state.as_deref().unwrap_or_default());
            }
            let answer: Vec<bool> = self.inner.link.script(&script).await?;
            written.extend(answer);
        }
        Ok(written)
    }

    async fn drop_entries(&self, names: &[String]) -> Result<u64, BackendError> {
        let mut dropped = 0;
        for part in names.chunks(AT_ONCE) {
            let mut script = put_script();
            for name in part {
                script.arg("drop").arg(name);
            }
            let answer: Vec<u64> = self.inner.link.script(&script).await?;
            dropped += answer.iter().sum::<u64>();
        }
        Ok(dropped)
    }

    async fn entries(&self, names: &[String]) -> Result<Vec<Kept>, BackendError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("HMGET").arg(keys::SCHEDULES).arg(names).cmd("HMGET").arg(keys::schedules("states")).arg(names);
        let (entries, states): (Vec<Option<String>>, Vec<Option<String>>) = self.inner.link.pipeline(&pipe).await?;
        let found = names.iter().zip(entries).zip(states);
        Ok(found.filter_map(|((name, entry), state)| kept(name.clone(), entry?, &state?)).collect())
    }

    async fn changes(&self, since: u64, at_most: Duration) -> Result<Vec<Change>, BackendError> {
        let watched = vec![keys::schedules("changes")];
        let news = self.inner.wake.until(watched, at_most, || self.changed_since(since)).await?;
        Ok(news.unwrap_or_default())
    }

    async fn record(&self, term: Option<u64>, decided: Vec<Decided>) -> Result<Vec<Recorded>, BackendError> {
        let sent = decided.iter().flat_map(|decided| &decided.send);
        self.bind(sent.map(|message| message.queue.as_str())).await?;
        let mut recorded = Vec::with_capacity(decided.len());
        for part in decided.chunks(AT_ONCE) {
            let mut script = scripts::SCHEDULE_RECORD.key(keys::schedules("leader"));
            script.key(keys::schedules("states")).key(keys::schedules("versions")).key(keys::schedules("history"));
            script.key(keys::UNACKED).key(keys::INDEX).arg(self.offset());
            script.arg(term.map(|term| term.to_string()).unwrap_or_default()).arg(HISTORY);
            for decided in part {
                script.arg(&decided.name).arg(decided.version).arg(&decided.state).arg(decided.told.len());
                for told in &decided.told {
                    script.arg(written(&decided.name, told)?);
                }
                script.arg(decided.send.len());
                self.add_outgoing(&mut script, &decided.send);
            }
            let answer: Vec<i64> = self.inner.link.script(&script).await?;
            recorded.extend(answer.into_iter().map(|version| match u64::try_from(version) {
                Err(_) => Recorded::Deposed,
                Ok(0) => Recorded::Changed,
                Ok(version) => Recorded::Done(version),
            }));
        }
        if recorded.len() == decided.len() { Ok(recorded) } else { Err(self.nonsense("record")) }
    }

    async fn leader(&self) -> Result<Option<Leader>, BackendError> {
        let mut asked = redis::cmd("HMGET");
        asked.arg(keys::schedules("leader")).arg(&["term", "renewed", "name"]);
        let told: (Option<u64>, Option<u64>, Option<String>) = self.inner.link.command(&asked).await?;
        let (Some(term), Some(renewed), Some(name)) = told else { return Ok(None) };
        Ok(Some(Leader { term, renewed, name }))
    }

    async fn lead(&self, name: &str, seen: Option<&Leader>) -> Result<Leader, BackendError> {
        let mut script = scripts::SCHEDULE_LEAD.key(keys::schedules("leader"));
        script.key(keys::schedules("terms")).arg(name);
        match seen {
            Some(seen) => script.arg(seen.term).arg(seen.renewed),
            None => script.arg("").arg(""),
        };
        let (term, renewed, name): (u64, u64, String) = self.inner.link.script(&script).await?;
        Ok(Leader { term, renewed, name })
    }

    async fn renew_lead(&self, term: u64) -> Result<bool, BackendError> {
        let mut script = scripts::SCHEDULE_RENEW.key(keys::schedules("leader"));
        self.inner.link.script(script.arg(term).arg("renew")).await
    }

    async fn resign(&self, term: u64) -> Result<(), BackendError> {
        let mut script = scripts::SCHEDULE_RENEW.key(keys::schedules("leader"));
        self.inner.link.script::<i64>(script.arg(term).arg("resign")).await.map(drop)
    }

    async fn history(&self, entry: Option<&str>, most: usize) -> Result<Vec<Line>, BackendError> {
        let mut lines = Vec::new();
        let mut from = 0;
        while lines.len() < most {
            let mut asked = redis::cmd("LRANGE");
            asked.arg(keys::schedules("history")).arg(from).arg(from + LINES - 1);
            let page: Vec<String> = self.inner.link.command(&asked).await?;
            // One that cannot be read is none of ours.
            let read = page.iter().filter_map(|line| serde_json::from_str::<Line>(line).ok());
            lines.extend(read.filter(|line| entry.is_none_or(|entry| line.entry == entry)));
            if page.len() < LINES {
                break;
            }
            from += LINES;
        }
        lines.truncate(most);
        Ok(lines)
    }
}

impl RedisBackend {
    async fn changed_since(&self, since: u64) -> Result<Look<Vec<Change>>, BackendError> {
        // Read through the tracked connection, so that the next change is told of.
        let link = &self.inner.wake.link;
        let edition: Option<u64> = {
            let mut asked = redis::cmd("ZRANGE");
            asked.arg(keys::schedules("changes")).arg(-1).arg(-1).arg("WITHSCORES");
            let last: Vec<(String, f64)> = link.command(&asked).await?;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of changes")]
            last.first().map(|(_, edition)| *edition as u64)
        };
        if edition.is_none_or(|edition| edition <= since) {
            return Ok(Look::Quiet);
        }
        let mut script = scripts::SCHEDULE_CHANGES.key(keys::SCHEDULES);
        script.key(keys::schedules("states")).key(keys::schedules("changes")).arg(since).arg(PAGE);
        let told: Vec<(u64, String, String, String)> = self.inner.link.script(&script).await?;
        let change = |(edition, name, entry, state): (u64, String, String, String)| {
            let kept = kept(name.clone(), entry, &state);
            Change { edition, name, kept }
        };
        Ok(Look::Found(told.into_iter().map(change).collect()))
    }
}

fn put_script() -> redis::ScriptInvocation<'static> {
    let mut script = scripts::SCHEDULE_PUT.key(keys::SCHEDULES);
    script.key(keys::schedules("states")).key(keys::schedules("changes"));
    script.key(keys::schedules("edition")).key(keys::schedules("versions"));
    script
}

/// An entry with what lies in `states`: its version and, after a space, its state.
fn kept(name: String, entry: String, state: &str) -> Option<Kept> {
    let (version, state) = state.split_once(' ')?;
    Some(Kept { name, entry, state: state.to_owned(), version: version.parse().ok()? })
}

fn written(entry: &str, told: &str) -> Result<String, BackendError> {
    let line = Line { entry: entry.to_owned(), told: told.to_owned() };
    serde_json::to_string(&line).map_err(|error| BackendError::Broken(format!("a line of history: {error}")))
}
