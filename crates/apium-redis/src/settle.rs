//! Settling: everything an attempt caused is written in one step, many attempts in one round trip.

use std::borrow::Cow;
use std::time::Duration;

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
        let mut settled = vec![Settled::Lost; settlements.len()];
        let (plain, others): (Vec<usize>, Vec<usize>) =
            (0..settlements.len()).partition(|at| is_plain(&settlements[*at]));
        let (plain, others) = (plain.chunks(AT_ONCE), others.chunks(AT_ONCE));
        for batch in plain {
            let written = self.acknowledge(batch.iter().map(|at| &settlements[*at])).await?;
            note(&mut settled, batch, &written);
        }
        for batch in others {
            let written = self.write(batch.iter().map(|at| &settlements[*at])).await?;
            note(&mut settled, batch, &written);
        }
        Ok(settled)
    }

    /// Runs the short script once, for settlements that are plain.
    async fn acknowledge<'a>(
        &self,
        batch: impl ExactSizeIterator<Item = &'a Settlement> + Clone,
    ) -> Result<Vec<Written>, BackendError> {
        let stored = batch.clone().flat_map(|settlement| &settlement.results);
        let mut call = scripts::call(&scripts::ACKNOWLEDGE, 4 + 2 * stored.clone().count());
        call.arg(keys::UNACKED).arg(keys::INDEX).arg(keys::DEATHS).arg(keys::DEATHS_AT);
        for result in stored {
            call.arg(keys::meta(&result.task_id)).arg(keys::known(&result.task_id));
        }
        let size = batch.len();
        for settlement in batch {
            call.arg(settlement.receipt.as_ref().map_or("", |receipt| &*receipt.tag));
            match settlement.results.first() {
                Some(result) => {
                    call.arg(&*self.record(result)).arg(span(result.expires)).arg(span(remembered(result)));
                }
                None => {
                    call.arg("").arg("").arg("");
                }
            }
        }
        self.written(self.inner.settling.call(&scripts::ACKNOWLEDGE, &call).await?, size)
    }

    fn written(&self, answer: Vec<i64>, size: usize) -> Result<Vec<Written>, BackendError> {
        if answer.len() != size {
            return Err(self.nonsense("settle"));
        }
        let read = |code| match code {
            0 => Written::Lost,
            1 => Written::Whole,
            _ => Written::ButResult,
        };
        Ok(answer.into_iter().map(read).collect())
    }

    /// Runs the whole script once.
    pub(crate) async fn write<'a>(
        &self,
        batch: impl ExactSizeIterator<Item = &'a Settlement>,
    ) -> Result<Vec<Written>, BackendError> {
        let size = batch.len();
        let mut script = scripts::SETTLE.key(keys::UNACKED);
        script.key(keys::INDEX).key(keys::REDELIVERED).key(keys::DEAD).key(keys::LETTERS).key(keys::SETTLED);
        script.key(keys::DEATHS).key(keys::DEATHS_AT);
        script.arg(self.offset()).arg(size);
        for settlement in batch {
            self.add(&mut script, settlement)?;
        }
        self.written(self.inner.settling.script(&script).await?, size)
    }

    /// Writes one settlement in the order `settle.lua` reads it.
    fn add(&self, script: &mut ScriptInvocation<'_>, settlement: &Settlement) -> Result<(), BackendError> {
        let receipt = settlement.receipt.as_ref();
        let queue = receipt.map_or("", |receipt| &*receipt.queue);
        let step = receipt.and_then(|receipt| Tag::read(&receipt.tag)).map_or(0, |tag| tag.step);
        script.arg(receipt.map_or("", |receipt| &*receipt.tag));
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
        script.key(keys::meta(&result.task_id)).arg(rule).arg(span(result.expires));
        script.arg(&*self.record(result)).key(keys::known(&result.task_id)).arg(span(remembered(result)));
    }

    /// As it is stored. The scripts cannot look into what is compressed, and let it stay: only what is final may be.
    fn record<'a>(&self, result: &'a StoredResult) -> Cow<'a, [u8]> {
        self.bodies().pack_stored(&result.record, result.state == TaskState::Success)
    }
}

/// Whether it is an acknowledgement with one result or none, and nothing else, as most are.
fn is_plain(settlement: &Settlement) -> bool {
    let Settlement { receipt, disposition, results, send, chords, unique, limits, queue: _ } = settlement;
    let gives = |result: &StoredResult| result.over == Overwrite::Unsuccessful && !result.record.is_empty();
    receipt.is_some()
        && matches!(disposition, Disposition::Ack)
        && results.len() <= 1
        && results.iter().all(gives)
        && send.is_empty()
        && chords.is_empty()
        && unique.is_none()
        && limits.is_none()
}

fn note(settled: &mut [Settled], places: &[usize], written: &[Written]) {
    for (at, written) in places.iter().zip(written) {
        settled[*at] = match written {
            Written::Lost => Settled::Lost,
            Written::Whole | Written::ButResult => Settled::Done,
        };
    }
}

/// How long its id is remembered, once it has ended.
fn remembered(result: &StoredResult) -> Option<Duration> {
    result.remember.filter(|_| result.state.is_ready())
}

/// In milliseconds; nothing for no span.
fn span(span: Option<Duration>) -> String {
    span.map(|span| millis(span).to_string()).unwrap_or_default()
}
