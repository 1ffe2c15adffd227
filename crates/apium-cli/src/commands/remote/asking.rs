//! How commands ask workers something: for how long, and what is said when two of them have one name.

use std::time::Duration;

pub(crate) use apium_core::broadcast::{Answered, Question};

use crate::stderr::say;

/// How long answers are waited for when nothing else is said, as in Celery.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Says which names are those of several.
pub(super) fn say_namesakes(answers: &[Answered]) {
    for Answered { node, .. } in answers.iter().filter(|answered| answered.times > 1) {
        say(&format!("two workers are called {node}: give each a name of its own"));
    }
}
