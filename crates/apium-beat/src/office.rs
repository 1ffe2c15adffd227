//! What a leader does: it looks at each entry when its time has come, decides, and records what it decided with what that
//! sends.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use apium_core::schedules::{Change, Decided, Kept, PAGE, Recorded};
use apium_core::{BackendError, Lookup, TaskState};
use jiff::Timestamp;

use crate::agenda::Agenda;
use crate::entry::Entry;
use crate::plan::{Decision, Plan, plan};
use crate::policy::Overlap;
use crate::scheduler::{AGAIN, Scheduler};
use crate::state::State;
use crate::told::Told;

/// Entries decided at once.
const AT_ONCE: usize = 200;

/// How soon a run that waits for the end of another is looked at again.
const SOON: Duration = Duration::from_secs(1);

/// A run of which no store has heard the end for so long has ended: its result was not stored, or is gone.
const UNHEARD: Duration = Duration::from_hours(24);

/// What is recorded of an entry, when to look at it again, and what to tell of it.
struct Judged {
    decided: Decided,
    wake: Option<Timestamp>,
    told: Vec<Told>,
}

/// Works until another leads.
pub(crate) async fn work(scheduler: &Scheduler, term: u64, agenda: &Mutex<Agenda>) {
    let mut edition = 0;
    loop {
        match look(scheduler, term, agenda, &mut edition).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "schedules wait for the store; trying again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Waits until there is something to do, and does it; false when another leads.
async fn look(
    scheduler: &Scheduler,
    term: u64,
    agenda: &Mutex<Agenda>,
    edition: &mut u64,
) -> Result<bool, BackendError> {
    // The clock may be set meanwhile.
    let pause = open(agenda).pause(scheduler.clock.now(), scheduler.pace.lease);
    let news = scheduler.schedules().changes(*edition, pause).await?;
    for change in &news {
        *edition = change.edition;
        put(&mut open(agenda), change, scheduler.clock.now());
    }
    // All are known before the first is decided: there may be some of which more than others are due.
    if news.len() == PAGE {
        return Ok(true);
    }
    let due = open(agenda).due(scheduler.clock.now(), AT_ONCE);
    if due.is_empty() {
        return Ok(true);
    }
    decide(scheduler, term, agenda, &due).await
}

/// The watch looks at it too.
fn open(agenda: &Mutex<Agenda>) -> MutexGuard<'_, Agenda> {
    agenda.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When to look at an entry that was put: never at one that was dropped, or that cannot be read.
fn put(agenda: &mut Agenda, change: &Change, now: Timestamp) {
    let Some((entry, state)) = change.kept.as_ref().and_then(read) else { return agenda.set(&change.name, None) };
    let wake = match state {
        Some(state) if state.waiting.is_none() => entry.next(state.through).map(|due| entry.release(due)),
        _ => Some(now),
    };
    agenda.put(&change.name, wake, (!entry.paused).then_some(&entry.task));
}

async fn decide(
    scheduler: &Scheduler,
    term: u64,
    agenda: &Mutex<Agenda>,
    due: &[String],
) -> Result<bool, BackendError> {
    let kept = scheduler.schedules().entries(due).await?;
    for name in due.iter().filter(|name| !kept.iter().any(|kept| kept.name == **name)) {
        open(agenda).set(name, None);
    }
    let mut judged = Vec::with_capacity(kept.len());
    for kept in &kept {
        match judge(scheduler, kept).await? {
            Ok(one) => judged.push(one),
            Err(wake) => open(agenda).set(&kept.name, wake),
        }
    }
    if judged.is_empty() {
        return Ok(true);
    }
    let decided = judged.iter().map(|one| one.decided.clone()).collect();
    let recorded = scheduler.schedules().record(Some(term), decided).await?;
    for (one, recorded) in judged.iter().zip(recorded) {
        match recorded {
            Recorded::Done(_) => {
                open(agenda).set(&one.decided.name, one.wake);
                one.told.iter().for_each(|told| told.log(&one.decided.name));
            }
            // It is on its way to us as news; until then it is looked at as it is now.
            Recorded::Changed => open(agenda).set(&one.decided.name, Some(scheduler.clock.now())),
            Recorded::Deposed => return Ok(false),
        }
    }
    Ok(true)
}

/// Decides what is due of one entry; when to look again, if there is nothing to record.
async fn judge(scheduler: &Scheduler, kept: &Kept) -> Result<Result<Judged, Option<Timestamp>>, BackendError> {
    let Some((entry, known)) = read(kept) else { return Ok(Err(None)) };
    let now = scheduler.clock.now();
    let begins = known.is_none();
    let mut state = known.unwrap_or_else(|| State::begin(now));
    let before = state.clone();
    learn_of_the_last(scheduler, &entry, &mut state).await?;
    let Plan { decisions, state, wake } = plan(&entry, &state, now);
    let wake = if state.waiting.is_some() { Some(soon(now, wake)) } else { wake };
    if decisions.is_empty() && !begins && state == before {
        return Ok(Err(wake));
    }
    let (mut send, mut told) = (Vec::new(), Vec::new());
    for decision in &decisions {
        let mut refused = None;
        if let Decision::Fire { due, cancels, .. } = decision {
            match scheduler.client.outgoing(&entry.signature(*due)).await {
                Ok(messages) => send.extend(messages),
                Err(apium_core::SendError::Backend(error)) => return Err(error),
                Err(error) => refused = Some(error.to_string()),
            }
            if let Some(run) = cancels {
                scheduler.client.revoke(run).await?;
            }
        }
        told.push(Told::of(decision, refused, now));
    }
    let (name, version) = (kept.name.clone(), kept.version);
    let lines = told.iter().map(Told::written).collect();
    let decided = Decided { name, version, state: state_text(&state)?, send, told: lines };
    Ok(Ok(Judged { decided, wake, told }))
}

/// Whether the last run has ended, where that matters.
async fn learn_of_the_last(scheduler: &Scheduler, entry: &Entry, state: &mut State) -> Result<(), BackendError> {
    if entry.overlap == Overlap::Allow || !state.running {
        return Ok(());
    }
    let Some(run) = state.last.clone() else { return Ok(()) };
    let ended = match scheduler.client.results().lookup(&run.task_id).await? {
        Lookup::Stored(record) => TaskState::from_name(&record.status).is_ready(),
        Lookup::Expired => true,
        Lookup::Waiting | Lookup::Unknown => scheduler.clock.now().duration_since(run.sent).unsigned_abs() > UNHEARD,
    };
    if ended {
        state.ended(&run.task_id);
    }
    Ok(())
}

fn soon(now: Timestamp, wake: Option<Timestamp>) -> Timestamp {
    let soon = apium_core::clock::after(now, SOON);
    wake.map_or(soon, |wake| wake.min(soon))
}

/// The state as it is kept.
pub(crate) fn state_text(state: &State) -> Result<String, BackendError> {
    serde_json::to_string(state).map_err(|error| BackendError::Broken(format!("a schedule's state: {error}")))
}

/// An entry and how far it is decided; `None` for what another program has put there.
pub(crate) fn read(kept: &Kept) -> Option<(Entry, Option<State>)> {
    let entry = match Entry::parse(&kept.entry) {
        Ok(entry) => entry,
        Err(error) => {
            tracing::warn!(entry = kept.name, %error, "an entry that is kept cannot be read, and is left alone");
            return None;
        }
    };
    if kept.state.is_empty() {
        return Some((entry, None));
    }
    // One that cannot be read is begun anew: nothing is sent twice for it.
    Some((entry, serde_json::from_str(&kept.state).ok()))
}
