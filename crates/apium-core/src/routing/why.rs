//! Why a task goes where it goes, as a sentence.

use std::fmt;

use super::way::Found;
use super::{Destination, Route, RouteError, Routes, Rule};

/// Who decided where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The sender named a queue or an exchange.
    Sender,
    /// The task names its own queue.
    Task,
    /// The rule with this pattern.
    Rule(String),
    /// A function of the program.
    Function,
    /// Nobody: there is no rule.
    Default,
}

/// Where a task goes, who decided it, and who else would have had something to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The task.
    pub task: String,
    /// Where it goes.
    pub destination: Destination,
    /// The rules that cover it too and did not decide, each with where it leads.
    pub passed_over: Vec<(String, String)>,
}

impl Routes {
    /// [`Routes::route`] with its reasons.
    ///
    /// # Errors
    /// As [`Routes::route`].
    pub fn explain(&self, task: &str, asked: &Route) -> Result<Explanation, RouteError> {
        let destination = self.route(task, asked)?;
        let rules = self.rules().filter(|rule| rule.covers(task));
        let others = rules.filter(|rule| destination.why != Why::Rule(rule.pattern.clone()));
        let passed_over = others.map(|rule| (rule.pattern.clone(), rule.place())).collect();
        Ok(Explanation { task: task.to_owned(), destination, passed_over })
    }

    /// The rule that decides about a task, with where it stands.
    pub(super) fn rule_of(&self, task: &str) -> Option<(usize, &Rule)> {
        self.find(task).and_then(|Found { rule, .. }| rule)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sender => f.write_str("its sender says so"),
            Self::Task => f.write_str("the task itself names this queue, which goes before every rule"),
            Self::Rule(pattern) => write!(f, "the rule {pattern} is the first that covers its name"),
            Self::Function => f.write_str("a router function of the program says so"),
            Self::Default => f.write_str("no rule says where it is to go"),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, destination, passed_over } = self;
        match destination.arrives.as_slice() {
            [] => write!(f, "{task} goes nowhere")?,
            queues => write!(f, "{task} goes to {}", queues.join(", "))?,
        }
        if !destination.exchange.is_empty() {
            write!(f, ", through the exchange {} with the key {}", destination.exchange, destination.routing_key)?;
        }
        if let Some(priority) = destination.priority {
            write!(f, ", with priority {priority}")?;
        }
        write!(f, ": {}.", destination.why)?;
        if destination.arrives.is_empty() {
            f.write_str(" No queue is bound there: declare one in task_queues, or name a queue.")?;
        }
        for (pattern, place) in passed_over {
            write!(f, " The rule {pattern} ({place}) covers it too and does not decide.")?;
        }
        Ok(())
    }
}
