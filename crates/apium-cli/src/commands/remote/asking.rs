//! Puts a request to workers and gathers what they answer, until the time is over or everyone who was named has.

use std::time::Duration;

use apium_core::broadcast::{Broadcast, Topic};
use apium_core::client::fresh_id;
use apium_protocol::RawJson;
use apium_protocol::control::{Command, ControlNames, Reply, Request};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::stderr::say;

/// How long answers are waited for when nothing else is said, as in Celery.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Whom to ask, and for how long to wait.
pub(crate) struct Question<'a> {
    pub(crate) broadcast: &'a dyn Broadcast,
    /// The nodes that are meant; empty for all.
    pub(crate) destination: &'a [String],
    pub(crate) patience: Duration,
}

/// What one worker has answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) node: String,
    pub(crate) value: RawJson,
}

impl Question<'_> {
    /// Puts a command and returns the answers, each of which is also told as it comes. To what is never answered, such
    /// as a shutdown, the value is null.
    pub(crate) async fn put(
        &self,
        command: &Command,
        mut tell: impl FnMut(&str, &RawJson) -> Result<(), Failure>,
    ) -> Result<Vec<Answered>, Failure> {
        if command.is_answered() {
            return self.gather(command, tell).await;
        }
        // Nobody answers to it: who is there is asked before. It is said to all that are meant, though, since a
        // Python worker that is busy hears it later.
        let answers = self.gather(&Command::Ping, |node, _| tell(node, &RawJson::null())).await?;
        self.tell(command).await?;
        Ok(answers.into_iter().map(|answered| Answered { value: RawJson::null(), ..answered }).collect())
    }

    /// Says a command and wants no answer.
    pub(super) async fn tell(&self, command: &Command) -> Result<(), Failure> {
        let request = Request::new(command, &ControlNames::default(), fresh_id());
        self.say(request).await
    }

    async fn gather(
        &self,
        command: &Command,
        mut tell: impl FnMut(&str, &RawJson) -> Result<(), Failure>,
    ) -> Result<Vec<Answered>, Failure> {
        let (names, inbox, ticket) = (ControlNames::default(), fresh_id(), fresh_id());
        let mut box_of_ours = self.broadcast.open_inbox(&inbox).await?;
        let mut request = Request::new(command, &names, fresh_id()).replying_to(&names, inbox, ticket.clone());
        request.expires = Some(Timestamp::now().as_duration().as_secs_f64() + self.patience.as_secs_f64());
        self.say(request).await?;
        let began = Instant::now();
        let mut answers: Vec<Answered> = Vec::new();
        while !self.is_complete(&answers)
            && let Some(heard) = box_of_ours.next(self.patience.saturating_sub(began.elapsed())).await?
        {
            let Ok(reply) = Reply::decode(&heard.bytes) else {
                tracing::debug!("an answer cannot be read and is passed over");
                continue;
            };
            if reply.ticket.as_ref() != Some(&ticket) {
                continue;
            }
            tell(&reply.node, &reply.value)?;
            if let Some(known) = answers.iter_mut().find(|answered| answered.node == reply.node) {
                say(&format!("two workers are called {}: give each a name of its own", reply.node));
                known.value = reply.value;
            } else {
                answers.push(Answered { node: reply.node, value: reply.value });
            }
        }
        Ok(answers)
    }

    async fn say(&self, request: Request) -> Result<(), Failure> {
        // One process, one request: the clock of a client begins anew with each.
        let request = Request { destination: self.destination.to_vec(), clock: 1, ..request };
        Ok(self.broadcast.say(&Topic::Control, &request.encode()).await?)
    }

    fn is_complete(&self, answers: &[Answered]) -> bool {
        let answered = |node: &String| answers.iter().any(|answered| answered.node == *node);
        !self.destination.is_empty() && self.destination.iter().all(answered)
    }
}
