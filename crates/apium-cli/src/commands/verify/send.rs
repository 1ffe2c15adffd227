//! The sender of `verify`: each marked task sent once, and what it was told about it.

use std::time::Duration;

use apium::{Client, SendError, Signature, Stop};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::chance::Chance;
use super::events::{Answer, Event, What, micros};
use super::marked::TASK;

/// Sends that are under way at once: enough for a store to write many in one step.
const AT_ONCE: u32 = 200;

/// How often a sender that keeps a rate looks what is due.
const LOOK: Duration = Duration::from_millis(10);

/// What is sent, and how fast.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) run: String,
    pub(super) tasks: u32,
    /// Tasks a second; `None`: as fast as they go.
    pub(super) rate: Option<u32>,
    /// How long each takes, at the least and at the most.
    pub(super) task_time: (Duration, Duration),
    pub(super) queue: String,
    /// What the attempts write.
    pub(super) ledger: Option<String>,
    pub(super) seed: u64,
}

/// One send and what came of it; a refusal with its sentence.
pub(super) type Sent = (Event, Option<String>);

/// Sends all of them, until asked to stop.
pub(super) async fn send(client: Client, plan: Plan, stop: Stop, told: mpsc::UnboundedSender<Sent>) {
    let mut chance = Chance::seeded(plan.seed);
    let (began, mut next) = (Instant::now(), 0);
    while next < plan.tasks && !stop.is_requested() {
        let due = plan.due(began.elapsed());
        if next >= due {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let part = next..due.min(next + AT_ONCE);
        next = part.end;
        let mut sends = JoinSet::new();
        for number in part {
            let signature = plan.signature(number, &mut chance);
            let client = client.clone();
            sends.spawn(async move { one(&client, number, &signature).await });
        }
        for sent in sends.join_all().await {
            // Nobody listens any more: the run is over.
            if told.send(sent).is_err() {
                return;
            }
        }
    }
}

async fn one(client: &Client, task: u32, signature: &Signature) -> Sent {
    let since = micros();
    let (answer, why) = match client.send(signature).await {
        Ok(_) => (Answer::Confirmed, None),
        Err(SendError::Backend(error)) if error.is_transient() => (Answer::Unclear, None),
        Err(error) => (Answer::Refused, Some(error.to_string())),
    };
    (Event::now(What::Sent { task, since, answer }), why)
}

impl Plan {
    /// How many tasks should have been sent after so long.
    fn due(&self, elapsed: Duration) -> u32 {
        let Some(rate) = self.rate else { return self.tasks };
        let due = elapsed.as_micros() * u128::from(rate) / 1_000_000;
        u32::try_from(due).unwrap_or(u32::MAX).min(self.tasks)
    }

    fn signature(&self, number: u32, chance: &mut Chance) -> Signature {
        let (least, most) = self.task_time;
        let seconds = chance.between(least, most).as_secs_f64();
        let signature = Signature::new(TASK).arg(&self.run).arg(number).arg(&self.ledger).arg(seconds);
        signature.queue(&self.queue).task_id(id(&self.run, number))
    }
}

/// The id of a task of a run.
pub(super) fn id(run: &str, task: u32) -> String {
    format!("{run}-{task}")
}

/// The number of a task of this run, by its id.
pub(super) fn number(run: &str, id: &str) -> Option<u32> {
    id.strip_prefix(run)?.strip_prefix('-')?.parse().ok()
}
