//! Shared queues: sorting gives a message its turn, taking serves by turns. See `scripts/sort.lua` and `take.lua`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use apium_core::shares::{PATIENCE, Shares, Sorted, TURN};
use apium_core::{BackendError, Claim, Delivery, Receipt, Settled};
use async_trait::async_trait;
use redis::{ScriptInvocation, Value};

use crate::backend::RedisBackend;
use crate::broker::{is_marked, lines};
use crate::keys::{self, Tag};
use crate::scripts;
use crate::wake::Look;

/// Messages put back in one run of the script: Redis serves nobody else meanwhile.
const UNSORT_AT_ONCE: usize = 1_000;

#[async_trait]
impl Shares for RedisBackend {
    async fn sort(&self, sorted: &[Sorted]) -> Result<Vec<Settled>, BackendError> {
        let mut settled = Vec::with_capacity(sorted.len());
        self.inner.limited.store(true, Ordering::Relaxed);
        for part in sorted.chunk_by(|one, next| one.receipt.queue == next.receipt.queue) {
            let Some(queue) = part.first().map(|sorted| &sorted.receipt.queue) else { continue };
            let mut script = scripts::SORT.key(keys::UNACKED);
            script.key(keys::INDEX).key(keys::REDELIVERED).key(keys::LIMITS).key(keys::delayed(queue));
            add_keys(&mut script, queue);
            script.arg(self.offset()).arg(PATIENCE.as_secs_f64()).arg(TURN);
            script.arg(keys::ending(queue).len());
            for sorted in part {
                let step = Tag::read(&sorted.receipt.tag).map_or(0, |tag| tag.step);
                script.arg(&*sorted.receipt.tag).arg(self.delayed_tag(queue, step));
                script.arg(&sorted.share).arg(sorted.weight).arg(u8::from(sorted.next));
                script.arg(u8::from(sorted.redelivered)).arg(&sorted.task_id).arg(sorted.limits.len());
                for limit in &sorted.limits {
                    script.arg(limit);
                }
            }
            let answer: Vec<bool> = self.inner.link.script(&script).await?;
            settled.extend(answer.into_iter().map(|done| if done { Settled::Done } else { Settled::Lost }));
        }
        if settled.len() == sorted.len() { Ok(settled) } else { Err(self.nonsense("sort")) }
    }

    async fn take(&self, claim: &Claim<'_>) -> Result<Vec<Delivery>, BackendError> {
        if claim.max == 0 || claim.queues.is_empty() {
            return Ok(Vec::new());
        }
        self.give_back_unanswered().await?;
        let max = u64::try_from(claim.max).unwrap_or(u64::MAX).min(100_000);
        let first = self.inner.numbers.fetch_add(max, Ordering::Relaxed);
        let prefix = self.claim_prefix(claim.lease);
        let mut script = scripts::TAKE.key(keys::UNACKED);
        script.key(keys::INDEX).key(keys::REDELIVERED).key(keys::DEATHS);
        script.arg(self.offset()).arg(max).arg(claim.lease.as_secs_f64()).arg(&prefix).arg(first);
        for queue in claim.queues {
            script.key(keys::delayed(queue)).arg(queue).arg(keys::ending(queue));
            add_keys(&mut script, queue);
        }
        let answer = self.inner.link.script::<Vec<Value>>(&script).await;
        if answer.as_ref().is_err_and(BackendError::is_transient) {
            self.inner.unanswered.note(&prefix, first, max, claim.queues);
        }
        let mut fields = answer?.into_iter();
        let mut taken = Vec::new();
        let mut number = first;
        while let (Some(place), Some(step), Some(before), Some(message), Some(died)) =
            (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
        {
            let (Value::Int(place), Value::Int(step), Value::BulkString(bytes)) = (place, step, message) else {
                return Err(self.nonsense("take"));
            };
            let queue = usize::try_from(place).ok().and_then(|place| claim.queues.get(place.checked_sub(1)?));
            let (Some(queue), Ok(step)) = (queue, u8::try_from(step)) else { return Err(self.nonsense("take")) };
            let receipt =
                Receipt { queue: queue.as_str().into(), tag: format!("{prefix}{number}:{step}:{queue}").into() };
            let redelivered = before == Value::Int(1) || is_marked(&bytes);
            let deaths = lines(died);
            taken.push(Delivery { receipt, bytes: bytes.into(), priority: step, redelivered, deaths });
            number += 1;
        }
        Ok(taken)
    }

    async fn wait_sorted(&self, queues: &[String], at_most: Duration) -> Result<(), BackendError> {
        let sorted: Vec<String> = queues.iter().map(|queue| keys::sorted(queue)).collect();
        let look = || async {
            let found: u64 = self.inner.wake.link.command(redis::cmd("EXISTS").arg(&sorted)).await?;
            Ok(if found > 0 { Look::Found(()) } else { Look::Nothing })
        };
        self.inner.wake.until_change(sorted.clone(), at_most, look).await
    }

    async fn unsort(&self, queue: &str) -> Result<u64, BackendError> {
        let mut script = scripts::UNSORT.key(keys::INDEX);
        script.key(keys::delayed(queue)).arg(self.offset()).arg(UNSORT_AT_ONCE);
        add_keys(&mut script, queue);
        let mut unsorted = 0;
        loop {
            let (now, left): (u64, u64) = self.inner.link.script(&script).await?;
            unsorted += now;
            if left == 0 {
                return Ok(unsorted);
            }
        }
    }
}

/// What is kept of the turns of a queue, in the order the scripts read it.
fn add_keys(script: &mut ScriptInvocation<'_>, queue: &str) {
    script.key(keys::sorted(queue)).key(keys::shares(queue, "reached")).key(keys::shares(queue, "served"));
}
