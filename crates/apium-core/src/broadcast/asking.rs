//! Puts a request to whoever answers to remote control, and gathers the answers until the time is over or everyone who
//! was named has given one.

use std::time::Duration;

use apium_protocol::RawJson;
use apium_protocol::control::{Command, ControlNames, Reply, Request};
use tokio::time::Instant;

use super::{Broadcast, Topic};
use crate::client::fresh_id;
use crate::clock::{Clock as _, SystemClock};
use crate::error::BackendError;

/// Whom to ask, and for how long to wait.
pub struct Question<'a> {
    broadcast: &'a dyn Broadcast,
    patience: Duration,
    destination: &'a [String],
    pattern: Option<&'a str>,
}

/// What one node has answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// Its name.
    pub node: String,
    /// What it said; of several of one name, the last.
    pub value: RawJson,
    /// How many of this name answered.
    pub times: usize,
}

impl<'a> Question<'a> {
    /// A question to all; answers are waited for so long.
    pub fn new(broadcast: &'a dyn Broadcast, patience: Duration) -> Self {
        Self { broadcast, patience, destination: &[], pattern: None }
    }

    /// The same to these nodes, and no longer than until all of them have answered; empty for all.
    pub fn to(self, destination: &'a [String]) -> Self {
        Self { destination, ..self }
    }

    /// The same to the nodes whose names match a pattern of the shell, such as `celerybeat@*`.
    pub fn to_matching(self, pattern: &'a str) -> Self {
        Self { pattern: Some(pattern), ..self }
    }

    /// Puts a command and returns the answers, each of which is also told as it comes. To what is never answered, such
    /// as a shutdown, the value is null.
    ///
    /// # Errors
    /// When the broker cannot be used, and what `tell` returns.
    pub async fn put<E: From<BackendError>>(
        &self,
        command: &Command,
        mut tell: impl FnMut(&str, &RawJson) -> Result<(), E>,
    ) -> Result<Vec<Answered>, E> {
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
    ///
    /// # Errors
    /// When the broker cannot be used.
    pub async fn tell(&self, command: &Command) -> Result<(), BackendError> {
        let request = Request::new(command, &ControlNames::default(), fresh_id());
        self.say(request).await
    }

    async fn gather<E: From<BackendError>>(
        &self,
        command: &Command,
        mut tell: impl FnMut(&str, &RawJson) -> Result<(), E>,
    ) -> Result<Vec<Answered>, E> {
        let (names, inbox, ticket) = (ControlNames::default(), fresh_id(), fresh_id());
        let mut box_of_ours = self.broadcast.open_inbox(&inbox).await?;
        let mut request = Request::new(command, &names, fresh_id()).replying_to(&names, inbox, ticket.clone());
        request.expires = Some(SystemClock.now().as_duration().as_secs_f64() + self.patience.as_secs_f64());
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
                known.value = reply.value;
                known.times += 1;
            } else {
                answers.push(Answered { node: reply.node, value: reply.value, times: 1 });
            }
        }
        Ok(answers)
    }

    async fn say(&self, request: Request) -> Result<(), BackendError> {
        let (pattern, matcher) = (self.pattern.map(ToOwned::to_owned), self.pattern.map(|_| "glob".to_owned()));
        // One process, one request: the clock of a client begins anew with each.
        let request = Request { destination: self.destination.to_vec(), pattern, matcher, clock: 1, ..request };
        self.broadcast.say(&Topic::Control, &request.encode()).await
    }

    fn is_complete(&self, answers: &[Answered]) -> bool {
        let answered = |node: &String| answers.iter().any(|answered| answered.node == *node);
        !self.destination.is_empty() && self.destination.iter().all(answered)
    }
}
