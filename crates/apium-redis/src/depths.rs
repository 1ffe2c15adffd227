//! How queues stand, which queues there are, and emptying one.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use apium_core::BackendError;
use apium_core::broker::QueueDepth;

use crate::backend::RedisBackend;
use crate::keys::{self, SEPARATOR, STEPS};
use crate::scripts;

/// How many entries of `unacked_index` are looked through to count what is claimed.
const DEPTH: usize = 10_000;
/// What is told of a queue that cannot be counted.
const WRONG_TYPE: &str = "WRONGTYPE: it or another of the queue's keys is of another type";
/// How long the queues that peers have bound are taken from memory.
const BINDINGS_KEPT: Duration = Duration::from_mins(1);
/// Delayed messages thrown away in one run of the script.
const PURGE_AT_ONCE: usize = 1_000;

impl RedisBackend {
    /// See [`apium_core::Broker::depths`].
    pub(crate) async fn count(&self, queues: &[String]) -> Result<Vec<QueueDepth>, BackendError> {
        let queues = if queues.is_empty() { self.known_queues().await? } else { queues.to_vec() };
        let mut script = scripts::DEPTHS.key(keys::INDEX);
        script.key(keys::UNACKED).key(keys::HEADS).arg(self.offset()).arg(DEPTH);
        for queue in &queues {
            for step in STEPS {
                script.key(keys::list(queue, step));
            }
            script.key(keys::delayed(queue)).key(keys::sorted(queue)).arg(queue);
        }
        let counts: Vec<i64> = self.inner.link.script(&script).await?;
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        let age = |micros: i64| u64::try_from(micros).ok().map(|micros| Duration::from_micros(micros).as_secs_f64());
        let depth = |(queue, counts): (String, &[i64])| match *counts {
            [ready, delayed, claimed, oldest] => Some(QueueDepth {
                queue,
                ready: count(ready),
                delayed: count(delayed),
                claimed: count(claimed),
                oldest_age_seconds: age(oldest),
            }),
            _ => None,
        };
        let (fine, odd): (Vec<_>, Vec<_>) = queues
            .into_iter()
            .zip(counts.chunks(4))
            .partition(|(_, counts)| counts.first().is_some_and(|ready| *ready >= 0));
        match odd.as_slice() {
            [(queue, _)] if fine.is_empty() => return Err(self.misfit(queue, WRONG_TYPE)),
            odd => odd.iter().for_each(|(queue, _)| self.inner.misfits.uncounted(&self.inner.home, queue)),
        }
        Ok(fine.into_iter().filter_map(depth).collect())
    }

    /// See [`apium_core::Broker::purge`].
    pub(crate) async fn throw_away(&self, queue: &str) -> Result<u64, BackendError> {
        let mut gone = 0;
        loop {
            let mut script = scripts::PURGE.key(keys::UNACKED);
            script.key(keys::INDEX).key(keys::delayed(queue)).arg(PURGE_AT_ONCE);
            script.key(keys::sorted(queue));
            for step in STEPS {
                script.key(keys::list(queue, step));
            }
            let purged = self.inner.link.script(&script).await;
            let (now, left): (u64, u64) = purged.map_err(|error| match error {
                BackendError::Broken(why) => BackendError::Broken(format!("queue `{queue}` cannot be purged: {why}")),
                error => error,
            })?;
            gone += now;
            if left == 0 {
                return Ok(gone);
            }
        }
    }

    /// Queues an Apium process has used, and queues a peer has bound.
    async fn known_queues(&self) -> Result<Vec<String>, BackendError> {
        let ours: Vec<String> = self.inner.link.command(redis::cmd("SMEMBERS").arg(keys::QUEUES)).await?;
        let theirs = self.bound_queues().await?;
        let all: BTreeSet<String> = ours.into_iter().chain(theirs).collect();
        Ok(all.into_iter().collect())
    }

    async fn bound_queues(&self) -> Result<Vec<String>, BackendError> {
        let kept = self.inner.bindings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, queues)) = kept
            && at.elapsed() < BINDINGS_KEPT
        {
            return Ok(queues);
        }
        let mut queues = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{}*", keys::BINDING)).arg("COUNT").arg(1_000);
            let (next, tables): (u64, Vec<String>) = self.inner.link.command(&scan).await?;
            for table in tables.iter().filter(|table| !is_control(table)) {
                let members: Vec<String> = self.inner.link.command(redis::cmd("SMEMBERS").arg(table)).await?;
                queues.extend(members.iter().filter_map(|member| member.split(SEPARATOR).nth(2)).map(str::to_owned));
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        *self.inner.bindings.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), queues.clone()));
        Ok(queues)
    }
}

/// Remote control and events have exchanges too; their queues hold no tasks.
fn is_control(table: &str) -> bool {
    table.ends_with(".pidbox") || table.contains("celeryev")
}
