//! One attempt: announce, resolve, set limits, perform, classify, record, settle.
//!
//! A job comes here from [`crate::consumer`]; what it ended as goes to [`crate::outcome`], the table of verdicts.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use apium_core::context::{Attempt, Workflow};
use apium_core::protocol::{Payload, RawJson};
use apium_core::task::Isolation;
use apium_core::{Call, Context, Settlement, TaskError};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::admission;
use crate::extended;
use crate::job::{Job, Reason};
use crate::leases::Hold;
use crate::limits::{self, Ending, Limits};
use crate::narration;
use crate::outcome::{self, Outcome, conclude};
use crate::points::point;
use crate::retry;
use crate::settler::Answer;
use crate::slots::Slot;
use crate::station::Station;
use crate::stuck;
use crate::trouble::Errand;
use crate::unique;

/// Runs one delivery once and settles it with all it causes.
pub(crate) async fn attempt(station: &Station, mut job: Box<Job>, mut slot: Option<Slot>) {
    let _hold = hold(station, &job);
    let active = station.vitals.began();
    point!(Begun);
    job.suspicion_settles().await;
    point!(Unsuspected);
    unique::begin(station, &job).await;
    // What few attempts need has its room only in those.
    if !job.options.acks_late && !Box::pin(acknowledge_early(station, &mut job)).await {
        return;
    }
    narration::started(station, &job);
    let context = context(station, &job);
    announce(station, &job, &context).await;
    let call = resolve(std::mem::take(&mut job.payload), context.clone());
    let limits = Limits::of(&job.headers, &job.options);
    point!(Starting);
    let began = Instant::now();
    let ending = perform(station, &job, call, limits).await;
    let took = began.elapsed();
    drop(active);
    if let Some(slot) = &mut slot {
        slot.ended();
    }
    point!(Performed);
    job.children = context.children();
    let outcome = classify(station, &job, ending);
    let (error, dead) = (outcome.error(), matches!(outcome, Outcome::Dead(..)));
    let told = narration::ended(station, &job, &outcome, took);
    point!(Concluding);
    let state = conclude(station, job.subject(), outcome).await;
    point!(Concluded);
    told.tell(station, state);
    let (task, id, queue) = (&job.headers.task, job.id(), &*job.delivery.receipt.queue);
    station.vitals.ended(task, state, took);
    let seconds = took.as_secs_f64();
    // As loud as Celery: a failure for good is an error, a retry is not.
    match state {
        "FAILURE" if dead => {
            tracing::error!(task, id, queue, state, seconds, error, "task ended; message kept as a dead letter");
        }
        "FAILURE" => tracing::error!(task, id, queue, state, seconds, error, "task ended"),
        outcome::LOST => {
            tracing::warn!(task, id, queue, state, seconds, error, "task ended; nothing of it was written");
        }
        _ => tracing::info!(task, id, queue, state, seconds, error, "task ended"),
    }
}

/// From here on the lease is renewed and the attempt can be called off. A revoke that came after the judgement
/// found nothing here to stop, so it is looked for once more.
fn hold(station: &Station, job: &Job) -> Hold {
    let hold = station.leases.hold(job, station.now());
    if station.revoked.reaches(&job.headers, &job.payload, job.task.parameters(), station.now()) {
        job.call_off.because(Reason::Revoked);
    }
    hold
}

/// At most once, when the task asks for it: the message is gone before the attempt begins. False when that could
/// not be made sure of: another worker may run it, and so this one must not. If perhaps none will, the caller is told.
async fn acknowledge_early(station: &Station, job: &mut Job) -> bool {
    if job.call_off.reason().is_some() {
        return true;
    }
    station.leases.release(&job.delivery.receipt);
    let settlement = Settlement { limits: admission::keep(job), ..Settlement::ack(job.delivery.receipt.clone()) };
    point!(EarlyAckAsked);
    let answer = station.settler.settle(job.id(), settlement).await;
    point!(EarlyAcked);
    let unclear = matches!(answer, Answer::Unclear | Answer::Overdue);
    job.acknowledged = unclear || answer == Answer::Written;
    if unclear {
        // Should another worker have it after all, its result takes the place of this one.
        let outcome = Outcome::Failure(limits::acknowledgement_unanswered());
        let (task, id, error) = (&job.headers.task, job.id(), outcome.error());
        let state = conclude(station, job.subject(), outcome).await;
        station.vitals.count(task, state);
        tracing::error!(task, id, state, error, "task not run");
    }
    answer == Answer::Written
}

fn context(station: &Station, job: &Job) -> Context {
    Context::new(Attempt {
        headers: job.headers.clone(),
        properties: job.properties.clone(),
        queue: job.delivery.receipt.queue.clone(),
        worker: station.options.name.clone(),
        redelivered: job.delivery.redelivered,
        client: station.client.clone(),
        result_expires: job.options.result_expires.or(station.options.result_expires),
        extended: extended::fields(station, job.subject()),
        ignore_result: job.subject().ignores_result(),
        states: station.states.clone(),
        soft_limit: CancellationToken::new(),
        heeds_soft_limit: AtomicBool::new(false),
        cancelled: job.call_off.token().clone(),
        workflow: Workflow { embed: job.embed.clone(), ..Workflow::default() },
    })
}

/// STARTED is news, not a promise: when it cannot be stored the attempt goes on.
async fn announce(station: &Station, job: &Job, context: &Context) {
    if !job.options.track_started.unwrap_or(station.options.track_started) {
        return;
    }
    let told = json!({"pid": std::process::id(), "hostname": station.options.name});
    let Ok(meta) = RawJson::from(&told) else { return };
    point!(StartedAsked);
    tokio::select! {
        biased;
        // Nothing starts any more.
        _ = job.call_off.called_off() => {}
        stored = context.store_state("STARTED", meta) => {
            match stored {
                Ok(()) => station.vitals.troubles.well(Errand::Announce),
                Err(error) => station.vitals.troubles.failed(Errand::Announce, &error),
            }
        }
    }
    point!(StartedTold);
}

/// The call with its arguments as they came; the task's own types read them.
fn resolve(payload: Payload, context: Context) -> Result<Call, TaskError> {
    let misfit = |error: apium_core::protocol::JsonError| TaskError::arguments(error.to_string());
    let Payload { args, kwargs, .. } = payload;
    let args = args.elements().map_err(misfit)?;
    let kwargs = kwargs.members().map_err(misfit)?;
    Ok(Call { args, kwargs, context })
}

async fn perform(station: &Station, job: &Job, call: Result<Call, TaskError>, limits: Limits) -> Ending {
    let call = match call {
        Ok(call) => call,
        Err(error) => return Ending::Returned(Err(error)),
    };
    if let Some(children) = station.children.as_ref().filter(|_| job.options.isolation == Isolation::Process) {
        return Box::pin(children.run(call, &job.options, limits, &job.call_off, &station.vitals)).await;
    }
    let seat = station.threads.seat();
    let (ending, stuck) = limits::run(&seat, job.task.clone(), call, limits, &job.call_off).await;
    if let Some(stuck) = stuck {
        stuck::note(station, &job.headers.task, job.id(), stuck, seat);
    }
    ending
}

/// What an ending means for this task: its error may be one to retry, and retries may be left.
fn classify(station: &Station, job: &Job, ending: Ending) -> Outcome {
    match ending {
        Ending::Returned(Ok(value)) => Outcome::Success(value),
        Ending::Returned(Err(error)) => retry::decide(&job.options, &job.headers, error, station.now()),
        Ending::Panicked(text) => Outcome::Failure(TaskError::exception("rust", "Panic", text)),
        Ending::SoftLimit => Outcome::Failure(limits::soft_limit_exceeded()),
        Ending::HardLimit(limit) => Outcome::Failure(limits::time_limit_exceeded(limit)),
        Ending::CalledOff(Reason::Revoked) => Outcome::Revoked("terminated"),
        Ending::CalledOff(Reason::Stopping) if job.acknowledged => Outcome::Failure(limits::worker_stopped()),
        Ending::Died(how) if job.acknowledged => Outcome::Failure(limits::child_died(&how)),
        Ending::Died(how) => Outcome::Died(how),
        Ending::Stranded if job.acknowledged => Outcome::Failure(limits::threads_held()),
        Ending::CalledOff(Reason::Stopping) | Ending::Stranded => Outcome::GivenBack,
        Ending::CalledOff(Reason::LeaseLost) => Outcome::Lost,
    }
}
