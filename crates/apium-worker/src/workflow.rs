//! What an outcome sets off in the canvas around the task: callbacks, the next step of a chain, a part of a chord,
//! the failures and errbacks that follow a failure.
//!
//! [`crate::outcome`] asks here and puts the answer into the settlement, so that all of it is written in one step. What
//! each follows by is the law of `apium_protocol::canvas`, which is Celery's.

use std::time::Duration;

use apium_core::chords::{ChordClaim, ChordEnd, ChordPart, Counted};
use apium_core::client::{KEEP_CHORD, fresh_id, iso};
use apium_core::context::Failed;
use apium_core::protocol::canvas::{
    self, CanvasError, ChordFailure, Current, Errbacks, FailedTask, Plan, SavedGroup, Sender, Signature,
};
use apium_core::protocol::{Embed, ExceptionRecord, Headers, RawJson, ResultRecord};
use apium_core::{BackendError, DeadReason, Lookup, Outgoing, SendError, StoredResult, TaskError, TaskState};
use futures_util::future::BoxFuture;

use crate::chord_unlock::{self, Unlocked};
use crate::job::Reason;
use crate::outcome::{Outcome, Subject};
use crate::points::point;
use crate::retry::Backoff;
use crate::station::Station;
use crate::trouble::Errand;

/// How long a delivery that was not attempted waits for a store's answer.
const UNATTEMPTED: Duration = Duration::from_secs(10);

/// How long a revoke of what will never run is remembered.
const KEEP_REVOKED: Duration = Duration::from_hours(24);

/// What is to be written together with the outcome.
#[derive(Default)]
pub(crate) struct Causes {
    /// Of tasks that fail because this one did.
    pub(crate) results: Vec<StoredResult>,
    /// What follows.
    pub(crate) send: Vec<Outgoing>,
    /// Chords of which this was the last part.
    pub(crate) chords: Vec<ChordEnd>,
    /// What was sent on, as it stands in the record.
    pub(crate) children: Vec<RawJson>,
    pub(crate) aside: Aside,
}

/// What goes on beside the settlement.
#[derive(Default)]
pub(crate) struct Aside {
    /// To be called here, before it.
    pub(crate) errbacks: Vec<(Signature, Failed)>,
    /// Members of a chord's body that will never run, to be called off after it.
    pub(crate) revoked: Vec<String>,
}

/// Why it cannot be told what follows.
#[derive(Debug)]
enum Obstacle {
    /// The canvas in the message is none.
    Canvas(CanvasError),
    /// A store does not answer, or refuses.
    Backend(BackendError),
    /// Another attempt is just sending the body of its chord, and may die before it has.
    Claimed,
}

/// Whether anything may follow from an outcome.
pub(crate) fn leads_on(subject: Subject<'_>, outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Replaced(_)) || subject.headers.task == chord_unlock::NAME || holds_more(subject.embed)
}

/// What follows from an outcome, asked until the stores answer. A canvas that cannot be followed makes a failure of
/// the outcome. `None` when the attempt is over before that: nothing is to be written.
pub(crate) async fn follow(station: &Station, subject: Subject<'_>, outcome: Outcome) -> Option<(Outcome, Causes)> {
    let replaced = matches!(outcome, Outcome::Replaced(_));
    let (token, mut outcome) = (fresh_id(), outcome);
    let mut trouble = Backoff::reconnecting();
    loop {
        let workflow = Workflow {
            station,
            headers: subject.headers,
            embed: subject.embed,
            token: &token,
            causes: Causes::default(),
        };
        let failed = matches!(outcome, Outcome::Failure(_) | Outcome::Dead(..));
        match workflow.follow(&outcome).await {
            Ok(causes) => {
                station.vitals.troubles.well(Errand::Follow);
                return Some((outcome, causes));
            }
            Err(Obstacle::Backend(error)) if error.is_transient() => {
                station.vitals.troubles.failed(Errand::Follow, &error);
                again(subject, &mut trouble).await?;
            }
            Err(Obstacle::Claimed) => again(subject, &mut trouble).await?,
            Err(Obstacle::Backend(error)) => {
                let error = TaskError::new("RuntimeError", error.to_string());
                return Some((Outcome::Dead(DeadReason::Rejected, error), Causes::default()));
            }
            // Not even its failure can be followed: then the failure itself is all there is.
            Err(Obstacle::Canvas(_)) if failed => return Some((outcome, Causes::default())),
            Err(Obstacle::Canvas(error)) => {
                tracing::error!(id = subject.headers.id, %error, "what follows the task cannot be sent: the task fails");
                outcome = Outcome::Failure(misfit(replaced, &error));
            }
        }
    }
}

/// Waits before the stores are asked again; `None` when the attempt is over before that.
async fn again(subject: Subject<'_>, trouble: &mut Backoff) -> Option<()> {
    let delay = trouble.next_delay();
    point!(FollowAgain);
    tokio::select! {
        () = over(subject) => None,
        () = tokio::time::sleep(delay) => Some(()),
    }
}

/// Resolves when an attempt is over whatever its outcome, or, of a delivery that was not attempted, when its lease may
/// be: it is delivered again.
async fn over(subject: Subject<'_>) {
    match subject.call_off {
        Some(call_off) if call_off.called_off().await != Reason::Revoked => {}
        Some(_) => std::future::pending().await,
        None => tokio::time::sleep(UNATTEMPTED).await,
    }
}

/// Whether the message names anything that is to follow.
fn holds_more(embed: &Embed) -> bool {
    let empty = |part: &RawJson| part.is_null() || part.as_str() == "[]";
    [&embed.chain, &embed.chord, &embed.callbacks, &embed.errbacks].into_iter().any(|part| !empty(part))
}

/// One task's outcome, being thought to its end.
struct Workflow<'a> {
    station: &'a Station,
    headers: &'a Headers,
    embed: &'a Embed,
    /// The mark of this settlement's claims on chords.
    token: &'a str,
    causes: Causes,
}

impl Workflow<'_> {
    /// What follows an outcome; asking again, after a store did not answer, changes nothing.
    async fn follow(mut self, outcome: &Outcome) -> Result<Causes, Obstacle> {
        match outcome {
            Outcome::Success(value) => {
                if self.headers.task == chord_unlock::NAME {
                    self.unlock(value.to()?).await?;
                }
                let plan = canvas::on_success(self.headers, self.embed, value, &mut sender(&mut fresh_id))?;
                self.causes.children = plan.children_json()?.elements()?;
                self.send(&plan).await?;
                self.own_part(TaskState::Success, value.clone()).await?;
            }
            Outcome::Failure(error) | Outcome::Dead(_, error) => self.fail(error).await?,
            Outcome::Revoked(why) => {
                let told = ExceptionRecord::new("celery.exceptions", "TaskRevokedError", why);
                self.own_part(TaskState::Revoked, told.to_json()).await?;
            }
            Outcome::Replaced(signature) => {
                let plan = canvas::replace(self.headers, self.embed, signature, &mut sender(&mut fresh_id))?;
                self.send(&plan).await?;
            }
            Outcome::Retry { .. }
            | Outcome::Requeued
            | Outcome::Ignored
            | Outcome::Deferred(_)
            | Outcome::GivenBack
            | Outcome::Died(_)
            | Outcome::Lost => {}
        }
        Ok(self.causes)
    }

    /// The part of the chord is returned, the rest of the chain fails too, and the errbacks are called.
    async fn fail(&mut self, error: &TaskError) -> Result<(), Obstacle> {
        let exception = error.record();
        self.own_part(TaskState::Failure, exception.to_json()).await?;
        let knows = |errback: &Signature| is_new_style(self.station, errback);
        let failure = canvas::on_failure(self.headers, self.embed, &knows, &mut sender(&mut fresh_id))?;
        self.fail_others(failure.failed, exception).await?;
        self.call(failure.errbacks, self.headers.clone(), exception).await?;
        Ok(())
    }

    async fn fail_others(&mut self, failed: Vec<FailedTask>, exception: &ExceptionRecord) -> Result<(), Obstacle> {
        for task in failed {
            let Some(id) = task.id else { continue };
            point!(OtherAsked);
            let stood = self.station.client.results().lookup(&id).await?;
            point!(OtherKnown);
            let ended = matches!(&stood, Lookup::Stored(record)
                if matches!(TaskState::from_name(&record.status), TaskState::Failure | TaskState::Revoked));
            let mut record = self.failure(&id, exception);
            (record.group_id, record.parent_id) = (task.group, task.parent);
            self.store(&record);
            if let Some(part) = task.part.filter(|_| !ended) {
                let told = ChordPart { task_id: id, state: TaskState::Failure, result: exception.to_json() };
                let place = part.index.and_then(|index| u64::try_from(index).ok());
                self.part(&part.group, place, &part.chord, told).await?;
            }
        }
        Ok(())
    }

    /// Some errbacks are called by the worker itself, the others sent; what they are then is given back.
    async fn call(
        &mut self,
        errbacks: Errbacks,
        request: Headers,
        exception: &ExceptionRecord,
    ) -> Result<RawJson, Obstacle> {
        let traceback = TaskError::from_exception(exception.clone()).traceback();
        for errback in errbacks.called {
            let failed =
                Failed { request: request.clone(), exception: exception.clone(), traceback: traceback.clone() };
            self.causes.aside.errbacks.push((errback, failed));
        }
        for message in errbacks.plan.messages().filter(|message| self.station.registry.get(&message.task).is_none()) {
            self.station.foreign_errbacks.warn(&message.task);
        }
        self.send(&errbacks.plan).await?;
        Ok(errbacks.plan.children_json()?)
    }

    /// Tells the chord this task is a part of, if it is one.
    async fn own_part(&mut self, state: TaskState, result: RawJson) -> Result<(), Obstacle> {
        let Some(group) = self.headers.group.clone().filter(|_| !self.embed.chord.is_null()) else { return Ok(()) };
        let place = self.headers.group_index.and_then(|index| u64::try_from(index).ok());
        let part = ChordPart { task_id: self.headers.id.clone(), state, result };
        self.part(&group, place, &self.embed.chord.clone(), part).await
    }

    /// Counts every part of a chord that nobody has counted: all of them have ended.
    async fn unlock(&mut self, unlocked: Unlocked) -> Result<(), Obstacle> {
        let Unlocked { group, body, parts } = unlocked;
        let saved = SavedGroup::decode(&parts)?;
        let results = self.station.client.results();
        point!(UnlockSaving);
        results.chords().save_group(&group, &SavedGroup::record(&parts), Some(KEEP_CHORD)).await?;
        point!(UnlockAnnouncing);
        results.chords().announce(&group, saved.tasks().len() as u64, KEEP_CHORD).await?;
        for (place, id) in (0..).zip(saved.tasks()) {
            point!(UnlockAsked);
            // What was there a moment ago and has expired since is a part that failed.
            let (state, result) = match results.lookup(id).await? {
                Lookup::Stored(record) => (TaskState::from_name(&record.status), record.result),
                _ => (TaskState::Failure, ExceptionRecord::new("builtins", "KeyError", "its result is gone").to_json()),
            };
            point!(UnlockKnown);
            self.part(&group, Some(place), &body, ChordPart { task_id: id.to_owned(), state, result }).await?;
        }
        Ok(())
    }

    /// Counts a part; whoever counts the last one sends the body. Boxed, because the end of one chord may be the end
    /// of the chord around it.
    fn part<'s>(
        &'s mut self,
        group: &'s str,
        place: Option<u64>,
        body: &'s RawJson,
        part: ChordPart,
    ) -> BoxFuture<'s, Result<(), Obstacle>> {
        Box::pin(async move {
            let chords = self.station.client.results().chords();
            point!(CountAsked);
            let counted = chords.count(group, place, &part, self.token, KEEP_CHORD).await?;
            point!(Counted);
            match counted {
                Counted::Waiting | Counted::Sent => Ok(()),
                Counted::Claimed => Err(Obstacle::Claimed),
                Counted::Complete(claim) => self.complete(claim, body).await,
            }
        })
    }

    async fn complete(&mut self, claim: ChordClaim, body: &RawJson) -> Result<(), Obstacle> {
        // What the body causes goes only where the claim is still held: it is set apart.
        let before = std::mem::take(&mut self.causes);
        let failed = claim.parts.iter().find(|part| part.state != TaskState::Success);
        let error = match failed {
            Some(part) => {
                let exception = ExceptionRecord::from_result(&part.result)
                    .unwrap_or_else(|| ExceptionRecord::new("builtins", "Exception", part.result.as_str()));
                Some((canvas::chord_error(&part.task_id, &exception), exception))
            }
            None => match self.send_body(&claim, body).await {
                Ok(()) => None,
                Err(Obstacle::Canvas(error)) => {
                    let sentence = format!("Callback error: {error}");
                    let told = ExceptionRecord::new("celery.exceptions", "ChordError", &sentence);
                    Some((told.clone(), told))
                }
                Err(obstacle) => return Err(obstacle),
            },
        };
        if let Some((error, original)) = error {
            tracing::error!(group = claim.group, error = error.message(), "chord failed");
            self.fail_body(body, &error, &original).await?;
        }
        let of_body = std::mem::replace(&mut self.causes, before);
        self.causes.chords.push(ChordEnd {
            group: claim.group,
            token: claim.token,
            send: of_body.send,
            results: of_body.results,
        });
        self.causes.chords.extend(of_body.chords);
        self.causes.aside.errbacks.extend(of_body.aside.errbacks);
        self.causes.aside.revoked.extend(of_body.aside.revoked);
        Ok(())
    }

    async fn send_body(&mut self, claim: &ChordClaim, body: &RawJson) -> Result<(), Obstacle> {
        let values = self.values(claim).await?;
        let current = Some(Current::of(self.headers));
        let plan = canvas::chord_done(body, &values, &mut Sender { current, ..sender(&mut fresh_id) })?;
        self.send(&plan).await
    }

    /// The results of the parts in their order; nested, where the header was.
    async fn values(&self, claim: &ChordClaim) -> Result<Vec<RawJson>, Obstacle> {
        let flat = || claim.parts.iter().map(|part| part.result.clone()).collect();
        let results = self.station.client.results();
        point!(GroupAsked);
        let saved = results.chords().group(&claim.group).await?;
        point!(GroupKnown);
        let Some(tuple) = saved.and_then(|saved| saved.member("result")) else {
            return Ok(flat());
        };
        let saved = SavedGroup::decode(&tuple)?;
        let mut known: std::collections::HashMap<String, RawJson> =
            claim.parts.iter().map(|part| (part.task_id.clone(), part.result.clone())).collect();
        for id in saved.tasks() {
            if known.contains_key(id) {
                continue;
            }
            point!(MemberAsked);
            if let Lookup::Stored(record) = results.lookup(id).await? {
                known.insert(id.to_owned(), record.result);
            }
            point!(MemberKnown);
        }
        Ok(saved.values(&|id| known.get(id).cloned()).unwrap_or_else(flat))
    }

    /// The body will never run: it fails, and what was to follow it.
    async fn fail_body(
        &mut self,
        body: &RawJson,
        error: &ExceptionRecord,
        original: &ExceptionRecord,
    ) -> Result<(), Obstacle> {
        let knows = |errback: &Signature| is_new_style(self.station, errback);
        let failure = canvas::chord_failed(body, &knows, &mut sender(&mut fresh_id))?;
        let ChordFailure { bodies, chain, revoke } = failure;
        for body in bodies {
            let exception = if body.original { original } else { error };
            let request = Headers { root_id: self.headers.root_id.clone(), ..Headers::new("", &body.id) };
            // As in Celery, the errbacks are found through the body that they were called for.
            let children = self.call(body.errbacks, request, exception).await?;
            let record = ResultRecord { children, ..self.failure(&body.id, exception) };
            self.store(&record);
        }
        self.causes.aside.revoked.extend(revoke);
        self.fail_others(chain, error).await
    }

    async fn send(&mut self, plan: &Plan) -> Result<(), Obstacle> {
        point!(PrepareAsked);
        let messages = self.station.client.prepare(plan).await?;
        point!(Prepared);
        self.causes.send.extend(messages);
        Ok(())
    }

    fn failure(&self, id: &str, exception: &ExceptionRecord) -> ResultRecord {
        let mut record = ResultRecord::new(id, TaskState::Failure.name(), exception.to_json());
        record.traceback = Some(TaskError::from_exception(exception.clone()).traceback());
        record.date_done = Some(iso(self.station.now()));
        record
    }

    fn store(&mut self, record: &ResultRecord) {
        self.causes.results.push(StoredResult::of(record, self.station.options.result_expires));
    }
}

/// A canvas that cannot be sent, as the exception Celery raises for it.
fn misfit(replaced: bool, error: &CanvasError) -> TaskError {
    let improper = |sentence| TaskError::exception("celery.exceptions", "ImproperlyConfigured", sentence);
    match error {
        CanvasError::EmptyChain if replaced => improper("Cannot replace with an empty chain"),
        CanvasError::ReplacementInChord => improper("A signature replacing a task must not be part of a chord"),
        _ => TaskError::new("ValueError", error.to_string()),
    }
}

/// The functions that are given headers know from them who sends.
fn sender(ids: &mut dyn FnMut() -> String) -> Sender<'_> {
    Sender { ids, reply_to: None, current: None }
}

/// Tells everybody of what will never run; it is only to spare them the wait.
pub(crate) async fn call_off(station: &Station, revoked: &[String]) {
    for id in revoked {
        point!(CallingOff);
        if let Err(error) = station.broker().revoke(id, KEEP_REVOKED).await {
            tracing::warn!(id, %error, "a member of a chord's body was not revoked");
        }
        point!(OneCalledOff);
    }
}

/// Whether an errback is one of this program's that is called, not sent.
fn is_new_style(station: &Station, errback: &Signature) -> bool {
    station.registry.get(&errback.task).is_some_and(|task| task.options().errback)
}

impl From<CanvasError> for Obstacle {
    fn from(error: CanvasError) -> Self {
        Self::Canvas(error)
    }
}

impl From<apium_core::protocol::JsonError> for Obstacle {
    fn from(error: apium_core::protocol::JsonError) -> Self {
        Self::Canvas(error.into())
    }
}

impl From<BackendError> for Obstacle {
    fn from(error: BackendError) -> Self {
        Self::Backend(error)
    }
}

impl From<SendError> for Obstacle {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Unencodable { error, .. } => Self::Canvas(error),
            SendError::Unpackable { .. }
            | SendError::NoWay(_)
            | SendError::NoQueue { .. }
            | SendError::Held { .. }
            | SendError::NotUnique { .. } => Self::Backend(BackendError::Broken(error.to_string())),
            SendError::Backend(error) => Self::Backend(error),
        }
    }
}
