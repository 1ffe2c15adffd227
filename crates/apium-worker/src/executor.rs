//! One attempt: announce, set limits, perform, classify, settle.
//!
//! A job comes here from [`crate::consumer`]; what it ended as goes to [`crate::outcome`], the table of verdicts.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use apium_core::context::Attempt;
use apium_core::protocol::RawJson;
use apium_core::{Call, Context, Settlement, TaskError};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::job::{Job, Reason};
use crate::limits::{self, Ending, Limits};
use crate::outcome::{Outcome, Subject, verdict};
use crate::retry;
use crate::station::Station;

/// Runs one delivery once and settles it with all it causes.
pub(crate) async fn attempt(station: &Arc<Station>, job: Job) {
    let began = Instant::now();
    let _lease = station.leases.hold(&job);
    station.vitals.began();
    let context = context(station, &job);
    let acknowledged = !job.options.acks_late && acknowledge_early(station, &job).await;
    announce(station, &job, &context).await;
    let ending = perform(&job, &context).await;
    let outcome = classify(&job, ending);
    let (task, id) = (job.message.headers.task.clone(), job.message.headers.id.clone());
    let (state, error) = (outcome.state(), outcome.error());
    let subject = Subject { headers: job.message.headers.clone(), message: Some(job.message), delivery: job.delivery };
    let queue = subject.delivery.receipt.queue.clone();
    if let Some(mut settlement) = verdict(station, &subject, &job.options, outcome) {
        if acknowledged {
            settlement.receipt = None;
        }
        station.settler.settle(settlement).await;
    }
    let took = began.elapsed();
    station.vitals.ended(&task, state, took);
    tracing::info!(task, id, queue, state, seconds = took.as_secs_f64(), error, "task ended");
}

/// At most once, when the task asks for it: the message is gone before the attempt begins.
async fn acknowledge_early(station: &Station, job: &Job) -> bool {
    station.settler.settle(Settlement::ack(job.delivery.receipt.clone())).await;
    station.leases.release(&job.delivery.receipt);
    true
}

fn context(station: &Station, job: &Job) -> Context {
    Context::new(Attempt {
        headers: job.message.headers.clone(),
        queue: job.delivery.receipt.queue.clone(),
        worker: station.options.name.clone(),
        redelivered: job.delivery.redelivered,
        client: station.client.clone(),
        result_expires: job.options.result_expires.or(station.options.result_expires),
        ignore_result: job.message.headers.ignore_result.unwrap_or(job.options.ignore_result),
        states: station.states.clone(),
        soft_limit: CancellationToken::new(),
        heeds_soft_limit: AtomicBool::new(false),
        cancelled: job.call_off.token().clone(),
    })
}

/// STARTED is news, not a promise: when it cannot be stored the attempt goes on.
async fn announce(station: &Station, job: &Job, context: &Context) {
    if job.options.track_started.unwrap_or(station.options.track_started) {
        let told = json!({"pid": std::process::id(), "hostname": station.options.name});
        let stored = match RawJson::from(&told) {
            Ok(meta) => context.store_state("STARTED", meta).await,
            Err(_) => Ok(()),
        };
        if let Err(error) = stored {
            tracing::warn!(%error, id = context.task_id(), "STARTED was not stored");
        }
    }
}

async fn perform(job: &Job, context: &Context) -> Ending {
    let arguments = job.payload.args.elements().and_then(|args| Ok((args, job.payload.kwargs.members()?)));
    let (args, kwargs) = match arguments {
        Ok(arguments) => arguments,
        Err(error) => return Ending::Returned(Err(TaskError::arguments(error.to_string()))),
    };
    let limits = Limits::of(&job.message.headers, &job.options);
    let call = job.task.call(Call { args, kwargs, context: context.clone() });
    limits::run(call, limits, context, &job.call_off).await
}

/// What an ending means for this task: its error may be one to retry, and retries may be left.
fn classify(job: &Job, ending: Ending) -> Outcome {
    match ending {
        Ending::Returned(Ok(value)) => Outcome::Success(value),
        Ending::Returned(Err(error)) => retry::decide(&job.options, job.message.headers.retries, error),
        Ending::Panicked(text) => {
            let error = TaskError::exception("rust", "Panic", text).fatal();
            retry::decide(&job.options, job.message.headers.retries, error)
        }
        Ending::SoftLimit => Outcome::Failure(limits::soft_limit_exceeded()),
        Ending::HardLimit(limit) => Outcome::Failure(limits::time_limit_exceeded(limit)),
        Ending::CalledOff(Reason::Revoked) => Outcome::Revoked("terminated"),
        Ending::CalledOff(Reason::Stopping) => Outcome::GivenBack,
        Ending::CalledOff(Reason::LeaseLost) => Outcome::Lost,
    }
}
