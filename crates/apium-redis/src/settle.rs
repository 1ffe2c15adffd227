//! Settling: everything an attempt caused is written in one step, many attempts in one round trip.

use apium_core::broker::{Disposition, Settled, Settlement};
use apium_core::dead::MOST_DEATHS;
use apium_core::results::StoredResult;
use apium_core::state::{Overwrite, TaskState};
use apium_core::{BackendError, Outgoing};
use jiff::Timestamp;
use redis::ScriptInvocation;

use crate::backend::{RedisBackend, millis};
use crate::chords::DONE;
use crate::keys::{self, Tag};
use crate::limits;
use crate::scripts;
use crate::uniques;

/// Settlements in one run of the script: Redis serves nobody else meanwhile.
const AT_ONCE: usize = 100;

/// What the script answers for one settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// The lease was lost: nothing was written.
    Lost,
    /// All of it.
    Whole,
    /// All but the result, because the stored one did not give way.
    ButResult,
}

impl RedisBackend {
    /// Settles in batches; see [`apium_core::Broker::settle`]. Repeated because its answer was lost, a settlement
    /// is written once: one with a receipt has no delivery any more, and one without is known for ten minutes by
    /// the bytes it sends.
    pub(crate) async fn settle_all(&self, settlements: &[Settlement]) -> Result<Vec<Settled>, BackendError> {
        let sent = settlements.iter().flat_map(|settlement| &settlement.send);
        self.bind(sent.map(|message| message.queue.as_str())).await?;
        let mut settled = Vec::with_capacity(settlements.len());
        for batch in settlements.chunks(AT_ONCE) {
            let written = self.write(batch).await?;
            settled.extend(written.iter().map(|written| match written {
                Written::Lost => Settled::Lost,
                Written::Whole | Written::ButResult => Settled::Done,
            }));
        }
        Ok(settled)
    }

    /// Runs the script once.
    pub(crate) async fn write(&self, batch: &[Settlement]) -> Result<Vec<Written>, BackendError> {
        let mut script = scripts::SETTLE.key(keys::UNACKED);
        script.key(keys::INDEX).key(keys::REDELIVERED).key(keys::DEAD).key(keys::LETTERS).key(keys::SETTLED);
        script.key(keys::DEATHS).key(keys::DEATHS_AT);
        script.arg(self.offset()).arg(batch.len());
        for settlement in batch {
            self.add(&mut script, settlement)?;
        }
        let answer: Vec<i64> = self.inner.settling.script(&script).await?;
        if answer.len() != batch.len() {
            return Err(self.nonsense("settle"));
        }
        Ok(answer
            .into_iter()
            .map(|code| match code {
                0 => Written::Lost,
                1 => Written::Whole,
                _ => Written::ButResult,
            })
            .collect())
    }

    /// Writes one settlement in the order `settle.lua` reads it.
    fn add(&self, script: &mut ScriptInvocation<'_>, settlement: &Settlement) -> Result<(), BackendError> {
        let receipt = settlement.receipt.as_ref();
        let queue = receipt.map_or("", |receipt| &receipt.queue);
        let step = receipt.and_then(|receipt| Tag::read(&receipt.tag)).map_or(0, |tag| tag.step);
        script.arg(receipt.map_or("", |receipt| &receipt.tag));
        // Whether anything is written beside: a Redis whose memory is full takes only what frees some.
        let sends = settlement.send.len() + settlement.chords.len();
        match &settlement.disposition {
            Disposition::DeadLetter(letter) => {
                let text = serde_json::to_vec(letter)
                    .map_err(|error| BackendError::Broken(format!("a dead letter cannot be written: {error}")))?;
                script.arg("dead").arg(sends).arg(&letter.id).arg(text);
            }
            // Without a receipt there is no message to put back.
            _ if receipt.is_none() => {
                script.arg("ack").arg(sends);
            }
            Disposition::Ack => {
                script.arg("ack").arg(sends);
            }
            Disposition::Requeue => {
                script.arg("front").arg(sends).key(keys::list(queue, step)).arg(keys::ending(queue).len());
            }
            Disposition::Died(who) => {
                script.arg("died").arg(sends).key(keys::list(queue, step)).arg(keys::ending(queue).len());
                // A line each, as they are kept.
                script.arg(who.replace('\n', " ")).arg(MOST_DEATHS);
            }
            Disposition::RequeueLast => {
                script.arg("back").arg(sends).key(keys::list(queue, step)).arg(keys::ending(queue).len());
            }
            Disposition::Defer(until) => {
                let waiting = self.delayed_tag(queue, step);
                script.arg("defer").arg(sends).key(keys::delayed(queue)).arg(self.remaining(*until)).arg(waiting);
            }
        }
        self.add_causes(script, &settlement.results, &settlement.send);
        script.arg(settlement.chords.len());
        for chord in &settlement.chords {
            let failed = !chord.results.is_empty();
            script.arg(&chord.token).arg(DONE.as_secs()).arg(u8::from(failed)).key(keys::chord(&chord.group, 'c'));
            for suffix in ['j', 't', 's', 'd'] {
                script.key(keys::chord(&chord.group, suffix));
            }
            self.add_causes(script, &chord.results, &chord.send);
        }
        uniques::add_end(script, settlement.unique.as_ref());
        limits::add_end(script, settlement.limits.as_ref());
        Ok(())
    }

    /// What is stored and sent.
    fn add_causes(&self, script: &mut ScriptInvocation<'_>, results: &[StoredResult], messages: &[Outgoing]) {
        script.arg(results.len());
        for result in results {
            self.add_result(script, result);
        }
        script.arg(messages.len());
        for message in messages {
            self.add_message(script, message);
        }
    }

    fn add_message(&self, script: &mut ScriptInvocation<'_>, message: &Outgoing) {
        let step = keys::step_of(message.priority.into());
        match message.not_before {
            None => {
                script.arg("now").key(keys::list(&message.queue, step)).arg(&message.bytes);
            }
            Some(due) => {
                let waiting = self.delayed_tag(&message.queue, step);
                script.arg(self.remaining(due)).key(keys::delayed(&message.queue)).arg(&message.bytes);
                script.arg(waiting).arg(keys::ending(&message.queue));
            }
        }
    }
}

impl RedisBackend {
    /// How many seconds are left, by this machine's clock: by its own, Redis may think a deferred message due, and would
    /// offer it again and again until the clocks agree, or hold a retry back by as much as it is slow.
    pub(crate) fn remaining(&self, until: Timestamp) -> f64 {
        until.duration_since(self.inner.settings.clock.now()).as_secs_f64().max(0.001)
    }

    fn add_result(&self, script: &mut ScriptInvocation<'_>, result: &StoredResult) {
        let rule = match result.over {
            Overwrite::Unsuccessful => "unsuccessful",
            Overwrite::Waiting => "waiting",
        };
        let remember = result.remember.filter(|_| result.state.is_ready());
        let span = |span: Option<std::time::Duration>| span.map(|span| millis(span).to_string()).unwrap_or_default();
        // The script cannot look into what is compressed, and lets it stay: only what is final may be.
        let record = self.bodies().pack_stored(&result.record, result.state == TaskState::Success);
        script.key(keys::meta(&result.task_id)).arg(rule).arg(span(result.expires));
        script.arg(&*record).key(keys::known(&result.task_id)).arg(span(remember));
    }
}
