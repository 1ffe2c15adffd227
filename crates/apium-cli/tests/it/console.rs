//! A Python prompt with a real Celery client: a test writes what a Python user would.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::Value;

use crate::peer::Python;

/// `interop/console.py`, running.
pub(crate) struct Console {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What an expression raised.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Raised {
    /// Module and type.
    pub(crate) exception: String,
    /// Its `str()`.
    pub(crate) says: String,
}

impl Console {
    pub(crate) fn open(python: &Python, redis: &str) -> Self {
        let mut command = python.command(redis, &["console.py"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (asks, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, asks, answers }
    }

    /// The `repr` of an expression's value.
    pub(crate) fn value(&mut self, expression: &str) -> String {
        self.ask(expression).unwrap_or_else(|raised| panic!("{expression} raised {raised:?}"))
    }

    /// A text, without Python's quotes.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        self.value(expression).trim_matches('\'').to_owned()
    }

    /// True or false.
    pub(crate) fn holds(&mut self, expression: &str) -> bool {
        self.value(expression) == "True"
    }

    /// What an expression raises.
    pub(crate) fn raises(&mut self, expression: &str) -> Raised {
        self.ask(expression).expect_err(expression)
    }

    fn ask(&mut self, expression: &str) -> Result<String, Raised> {
        writeln!(self.asks, "{expression}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{expression}: {error}: {line:?}"));
        let field = |name: &str| answer.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        match field("value") {
            Some(value) => Ok(value),
            None => Err(Raised { exception: field("raised").unwrap(), says: field("says").unwrap() }),
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
