//! What is wrong with routes, told before a task is lost: each finding a sentence with what to do.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Route, Routes, Rule};

/// One thing that is hardly meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// There are rules, and none is about this task.
    Unrouted {
        /// The task.
        task: String,
        /// The default queue, where it goes.
        queue: String,
    },
    /// A narrower rule does not decide, because an earlier one covers the same tasks and leads elsewhere.
    Shadowed {
        /// The rule that does not decide.
        rule: String,
        /// Where it would lead.
        meant: String,
        /// The rule that does.
        by: String,
        /// Where that one leads.
        queue: String,
        /// The tasks.
        tasks: Vec<String>,
    },
    /// A rule covers no task that is known.
    Unmatched {
        /// The rule.
        rule: String,
        /// Where it would lead.
        queue: String,
    },
    /// A task has no way at all.
    Lost {
        /// The task.
        task: String,
        /// Why.
        reason: String,
    },
    /// Nobody consumes a queue.
    Unconsumed {
        /// The queue.
        queue: String,
        /// The tasks that go there; none: only a rule or a declaration names it.
        tasks: Vec<String>,
    },
}

impl Routes {
    /// Looks for what is hardly meant, with these tasks known and, if it is known, these queues consumed.
    ///
    /// Without a rule at all every task goes the default way, and that is no finding. Celery's own tasks (`celery.…`)
    /// need no rule.
    pub fn check(&self, tasks: &[String], consumed: Option<&[String]>) -> Vec<Finding> {
        let mut findings = self.unrouted(tasks);
        findings.extend(self.shadowed(tasks));
        findings.extend(self.unmatched(tasks));
        findings.extend(tasks.iter().filter_map(|task| self.lost(task)));
        if let Some(consumed) = consumed {
            findings.extend(self.unconsumed(tasks, consumed));
        }
        findings
    }

    fn unrouted(&self, tasks: &[String]) -> Vec<Finding> {
        if self.routers.is_empty() {
            return Vec::new();
        }
        let unrouted =
            |task: &&String| !task.starts_with("celery.") && !self.own.contains_key(*task) && self.find(task).is_none();
        let found = tasks.iter().filter(unrouted);
        found.map(|task| Finding::Unrouted { task: task.clone(), queue: self.default_queue.clone() }).collect()
    }

    fn shadowed(&self, tasks: &[String]) -> Vec<Finding> {
        let mut pairs: Vec<(&Rule, &Rule, Vec<String>)> = Vec::new();
        for task in tasks.iter().filter(|task| !self.own.contains_key(*task)) {
            let Some((table, winner)) = self.rule_of(task) else { continue };
            let later = self.tables().skip_while(|(at, _)| *at < table).flat_map(|(_, rules)| rules.iter());
            // A narrow rule before a wide one is how exceptions are written; the other way round it decides nothing.
            let vain = |rule: &&Rule| {
                !std::ptr::eq(*rule, winner)
                    && rule.covers(task)
                    && rule.narrowness() >= winner.narrowness()
                    && rule.route != winner.route
            };
            for rule in later.filter(vain) {
                match pairs.iter_mut().find(|(by, known, _)| std::ptr::eq(*by, winner) && std::ptr::eq(*known, rule)) {
                    Some((_, _, tasks)) => tasks.push(task.clone()),
                    None => pairs.push((winner, rule, vec![task.clone()])),
                }
            }
        }
        let finding = |(by, rule, tasks): (&Rule, &Rule, Vec<String>)| Finding::Shadowed {
            rule: rule.pattern.clone(),
            meant: rule.place(),
            by: by.pattern.clone(),
            queue: by.place(),
            tasks,
        };
        pairs.into_iter().map(finding).collect()
    }

    fn unmatched(&self, tasks: &[String]) -> Vec<Finding> {
        let unmatched = self.rules().filter(|rule| !tasks.iter().any(|task| rule.covers(task)));
        unmatched.map(|rule| Finding::Unmatched { rule: rule.pattern.clone(), queue: rule.place() }).collect()
    }

    fn lost(&self, task: &str) -> Option<Finding> {
        let reason = match self.explain(task, &Route::default()) {
            Ok(explanation) if !explanation.destination.arrives.is_empty() => return None,
            Ok(explanation) => explanation.to_string(),
            Err(error) => error.to_string(),
        };
        Some(Finding::Lost { task: task.to_owned(), reason })
    }

    fn unconsumed(&self, tasks: &[String], consumed: &[String]) -> Vec<Finding> {
        let mut queues: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let named = self.rules().filter_map(|rule| rule.route.as_ref()?.queue.clone());
        for queue in named.chain(self.queues.iter().map(|declared| declared.name.clone())) {
            queues.entry(queue).or_default();
        }
        for task in tasks.iter().filter(|task| !task.starts_with("celery.")) {
            let arrives =
                self.route(task, &Route::default()).map(|destination| destination.arrives).unwrap_or_default();
            for queue in arrives {
                queues.entry(queue).or_default().push(task.clone());
            }
        }
        queues.retain(|queue, _| !consumed.contains(queue));
        queues.into_iter().map(|(queue, tasks)| Finding::Unconsumed { queue, tasks }).collect()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unrouted { task, queue } => write!(
                f,
                "{task} has no rule and goes to {queue}. Write a rule for it; if {queue} is meant, \
                 \"{task}\" = \"{queue}\" says so"
            ),
            Self::Shadowed { rule, meant, by, queue, tasks } => write!(
                f,
                "{} to {queue} and not to {meant}: the rule {by} stands before {rule} and covers it too. Write {rule} \
                 first, or take it away",
                goes(tasks)
            ),
            Self::Unmatched { rule, queue } => write!(
                f,
                "the rule {rule} ({queue}) covers no task that is known. Rules see the name a task is registered \
                 under, not the module it stands in: correct the pattern, or take the rule away"
            ),
            Self::Lost { task, reason } => write!(f, "{task} would be lost: {reason}"),
            Self::Unconsumed { queue, tasks } if tasks.is_empty() => write!(
                f,
                "nobody consumes the queue {queue}, which a rule or task_queues names. Start a worker with -Q {queue}, \
                 or correct the name"
            ),
            Self::Unconsumed { queue, tasks } => {
                write!(f, "nobody consumes the queue {queue}: {} there. Start a worker with -Q {queue}", goes(tasks))
            }
        }
    }
}

/// `a goes`, `a and b go`, `a, b and 3 more go`.
fn goes(tasks: &[String]) -> String {
    match tasks {
        [] => "nothing goes".to_owned(),
        [one] => format!("{one} goes"),
        [one, two] => format!("{one} and {two} go"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more go", rest.len()),
    }
}
