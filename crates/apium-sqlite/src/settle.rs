//! One settlement, one step: the message, its result, what is sent on and the dead letter, or nothing of it.
//!
//! A lease that ran out but was not given back yet is still its holder's: its work is done, and nobody else has
//! begun it. Once given back (`recover`), the tag no longer opens the message and the settlement is lost.

use apium_core::{Disposition, Outgoing, Receipt, Settled, Settlement, StoredResult};
use rusqlite::params;

use crate::fault::Fault;
use crate::line::{self, DELAYED, READY};
use crate::writer::{Work, pages};
use crate::{chords, dead, deaths, limits, results, uniques};

const OURS: &str = "SELECT 1 FROM messages WHERE id = ?1 AND state = 4 AND tag = ?2";

const ACK: &str = "DELETE FROM messages WHERE id = ?1 AND state = 4 AND tag = ?2";

const TO_FRONT: &str = "UPDATE messages SET state = 2, redelivered = 1, id = (SELECT min(id) FROM messages) - 1
    WHERE id = ?1 AND state = 4 AND tag = ?2";

const TO_END: &str = "UPDATE messages SET state = 2, redelivered = 1, id = (SELECT max(id) FROM messages) + 1
    WHERE id = ?1 AND state = 4 AND tag = ?2";

const DEFER: &str = "UPDATE messages SET state = ?3, due = ?4 WHERE id = ?1 AND state = 4 AND tag = ?2";

/// Settles one delivery with all its consequences.
pub(crate) fn settle(work: &Work<'_>, settlement: &Settlement) -> Result<Settled, Fault> {
    if let Some(receipt) = &settlement.receipt
        && !give_up(work, receipt, &settlement.disposition)?
    {
        return Ok(Settled::Lost);
    }
    if let Disposition::DeadLetter(letter) = &settlement.disposition {
        dead::keep(work, letter)?;
    }
    settlement.results.iter().try_for_each(|result| results::store(work, result).map(drop))?;
    settlement.send.iter().try_for_each(|message| line::put(work, message))?;
    settlement.chords.iter().try_for_each(|chord| chords::send_body(work, chord))?;
    settlement.unique.iter().try_for_each(|end| uniques::end(work, end))?;
    settlement.limits.iter().try_for_each(|end| limits::end(work, end))?;
    Ok(Settled::Done)
}

/// About how many rows a settlement writes, a large one counted by its pages.
pub(crate) fn rows(settlement: &Settlement) -> usize {
    let written = |results: &[StoredResult], messages: &[Outgoing]| {
        let results: usize = results.iter().map(|result| pages(result.record.len())).sum();
        results + messages.iter().map(line::weight).sum::<usize>()
    };
    let bodies: usize = settlement.chords.iter().map(|chord| 2 + written(&chord.results, &chord.send)).sum();
    2 + written(&settlement.results, &settlement.send) + bodies
}

/// Lets go of the message; false when it is not ours any more.
fn give_up(work: &Work<'_>, receipt: &Receipt, disposition: &Disposition) -> Result<bool, Fault> {
    let Some((id, tag)) = line::read_tag(receipt) else { return Ok(false) };
    let changed = match disposition {
        Disposition::Ack | Disposition::DeadLetter(_) => work.db.prepare_cached(ACK)?.execute([id, tag])?,
        Disposition::Requeue => work.db.prepare_cached(TO_FRONT)?.execute([id, tag])?,
        Disposition::Died(who) => {
            if !work.db.prepare_cached(OURS)?.exists([id, tag])? {
                return Ok(false);
            }
            // They go with it when it gets its new place.
            deaths::add(work, id, who.clone())?;
            work.db.prepare_cached(TO_FRONT)?.execute([id, tag])?
        }
        Disposition::RequeueLast => work.db.prepare_cached(TO_END)?.execute([id, tag])?,
        Disposition::Defer(until) => return defer(work, receipt, until.as_microsecond()),
    };
    match disposition {
        Disposition::Requeue | Disposition::Died(_) | Disposition::RequeueLast if changed > 0 => work.rung.messages(),
        _ => {}
    }
    Ok(changed == 1)
}

/// Puts a message off until then; false when it is not ours any more.
pub(crate) fn defer(work: &Work<'_>, receipt: &Receipt, due: i64) -> Result<bool, Fault> {
    let Some((id, tag)) = line::read_tag(receipt) else { return Ok(false) };
    let state = if due > work.now { DELAYED } else { READY };
    let changed = work.db.prepare_cached(DEFER)?.execute([id, tag, state, due])?;
    if changed > 0 {
        work.rung.messages();
    }
    Ok(changed == 1)
}

/// Puts the original bytes of a dead letter, or those given instead, back into its queue and forgets it; false when
/// there is none.
pub(crate) fn replay(work: &Work<'_>, name: &str, instead: Option<Vec<u8>>) -> Result<bool, Fault> {
    let Some(letter) = dead::find(work.db, name)? else { return Ok(false) };
    work.db.prepare_cached("DELETE FROM dead WHERE name = ?1")?.execute(params![name])?;
    let bytes = instead.unwrap_or(letter.message);
    let message = Outgoing { queue: letter.queue, priority: letter.priority, bytes, not_before: None };
    line::put(work, &message)?;
    Ok(true)
}
