//! The roll call: which tasks the workers that live register, and which of Celery's own beats are there.
//!
//! Apium workers tell of themselves in the store. Python workers are asked by remote control, where those that are busy
//! in a solo pool, or that were started without it, keep silent. So does a beat unless it is told to answer
//! (`beat_enable_remote_control`, Celery 5.7); one that keeps silent can be told by what it sends.

use std::collections::BTreeSet;
use std::time::Duration;

use apium_core::broadcast::{Answered, Question};
use apium_core::inspection::{Facts, Held, SAMPLE};
use apium_core::{BackendError, Broker};
use apium_protocol::control::Command;
use apium_protocol::{Message, RawJson};

use crate::entry::HEADER;

/// How a beat calls itself that answers to remote control, as a pattern.
const BEATS: &str = "celerybeat@*";

/// The version of the UUIDs that our own schedulers give their runs; see [`crate::identity`].
const OURS: usize = 8;

/// Who is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roll {
    /// Every task that a worker which lives registers.
    pub tasks: BTreeSet<String>,
    /// How many names of workers are known.
    pub workers: usize,
    /// The names of Celery's own beats that answer, such as `celerybeat@host`.
    pub beats: Vec<String>,
}

/// A message that no scheduler of ours has sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Foreign {
    /// The id of its task.
    pub id: String,
    /// The process that sent it, such as `gen42@host`.
    pub origin: String,
}

/// Calls the roll: looks at what Apium workers tell of themselves, and asks all others, whose answers are waited for so
/// long.
///
/// # Errors
/// When the broker cannot be used.
pub async fn call(broker: &dyn Broker, patience: Duration) -> Result<Roll, BackendError> {
    let (mut known, asked, beats) =
        tokio::try_join!(cards(broker), registered(broker, patience), beats(broker, patience))?;
    known.join(asked);
    Ok(Roll { tasks: known.tasks, workers: known.nodes.len(), beats })
}

/// The messages that one of Celery's own beats has sent and that still wait in their queues, as far as those were seen
/// whole. Celery before 5.7 does not mark them, and none of it is found. What a task sends again when it is tried again is
/// passed over.
pub fn foreign(facts: &Facts) -> BTreeSet<Foreign> {
    let whole = |queue: &str| facts.queues.iter().any(|(name, ready)| name == queue && *ready <= u64::from(SAMPLE));
    let waiting = facts.messages.iter().filter(|sample| sample.held == Held::Waiting && whole(&sample.queue));
    waiting.filter_map(|sample| sent_by_beat(sample.envelope.as_deref()?)).collect()
}

/// Workers, and what they register.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) tasks: BTreeSet<String>,
    nodes: BTreeSet<String>,
}

impl Known {
    /// Adds others.
    pub(crate) fn join(&mut self, others: Self) {
        self.tasks.extend(others.tasks);
        self.nodes.extend(others.nodes);
    }
}

/// What Apium workers tell of themselves.
pub(crate) async fn cards(broker: &dyn Broker) -> Result<Known, BackendError> {
    let mut known = Known::default();
    for card in broker.workers().await? {
        known.tasks.extend(card.tasks);
        known.nodes.insert(card.name);
    }
    Ok(known)
}

/// What workers answer that are asked by remote control.
pub(crate) async fn registered(broker: &dyn Broker, patience: Duration) -> Result<Known, BackendError> {
    let everyone = Question::new(broker.broadcast(), patience);
    // Celery's own tasks too: one of them, `celery.backend_cleanup`, is in the schedule of every stock beat.
    let command = Command::Registered { items: Vec::new(), builtins: true };
    let mut known = Known::default();
    for Answered { node, value, .. } in put(&everyone, &command).await? {
        let Ok(lines) = value.to::<Vec<String>>() else { continue };
        // A line is a name, and perhaps something about it in brackets.
        known.tasks.extend(lines.iter().map(|line| line.split(" [").next().unwrap_or(line).to_owned()));
        known.nodes.insert(node);
    }
    Ok(known)
}

/// Celery's own beats, as far as they answer.
pub(crate) async fn beats(broker: &dyn Broker, patience: Duration) -> Result<Vec<String>, BackendError> {
    let question = Question::new(broker.broadcast(), patience).to_matching(BEATS);
    let mut nodes: Vec<_> = put(&question, &Command::Ping).await?.into_iter().map(|answered| answered.node).collect();
    nodes.sort();
    Ok(nodes)
}

async fn put(question: &Question<'_>, command: &Command) -> Result<Vec<Answered>, BackendError> {
    question.put(command, |_, _| Ok(())).await
}

fn sent_by_beat(envelope: &[u8]) -> Option<Foreign> {
    let headers = Message::decode(envelope).ok()?.headers;
    let marked =
        headers.other.iter().any(|(name, value)| name == HEADER && *value == RawJson::from(&true).unwrap_or_default());
    let ours = uuid::Uuid::try_parse(&headers.id).is_ok_and(|id| id.get_version_num() == OURS);
    let first = headers.retries == 0;
    (marked && first && !ours).then_some(Foreign { id: headers.id, origin: headers.origin? })
}
