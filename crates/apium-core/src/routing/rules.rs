//! Rules: patterns over task names, each with its way, in the order they were written.

use apium_protocol::control::glob;
use serde_json::Value;

use super::literal;
use super::{Route, RouteError};

/// A pattern and the way of the tasks it covers.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// A task's name; or, with a `*` in it, a shell pattern (`*`, `?`, `[seq]`, `[!seq]`). As in Celery, without a `*`
    /// the other signs stand for themselves.
    pub pattern: String,
    /// The way; `None` of a rule that names nothing, whose tasks go the default way.
    pub route: Option<Route>,
}

/// One table of rules: names go first, then patterns, in their written order; the first that covers a task counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Reads Celery's `task_routes`: a dict, or a list of dicts or of lists of pairs, as JSON or as Python writes it.
    ///
    /// # Errors
    /// One sentence with what cannot be read.
    pub fn parse(text: &str) -> Result<Vec<Self>, RouteError> {
        match literal::read(text)? {
            Value::Null => Ok(Vec::new()),
            Value::Array(tables) => tables.iter().map(table).collect(),
            only => Ok(vec![table(&only)?]),
        }
    }

    /// The rules as written.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// Adds a rule; the same pattern again changes the way and keeps the place, as in a dict.
    pub(super) fn add(&mut self, rule: Rule) {
        match self.0.iter_mut().find(|known| known.pattern == rule.pattern) {
            Some(known) => known.route = rule.route,
            None => self.0.push(rule),
        }
    }

    /// The rule that decides about a task.
    pub(super) fn find(&self, task: &str) -> Option<&Rule> {
        let exact = self.0.iter().find(|rule| rule.pattern == task && !rule.is_glob());
        exact.or_else(|| self.0.iter().find(|rule| rule.is_glob() && rule.covers(task)))
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        let mut table = Self::default();
        rules.into_iter().for_each(|rule| table.add(rule));
        table
    }
}

impl Rule {
    /// Whether it is about a task of this name.
    pub fn covers(&self, task: &str) -> bool {
        if !self.is_glob() {
            return self.pattern == task;
        }
        // Most patterns are told apart by how they begin.
        let begin = self.pattern.split(['*', '?', '[']).next().unwrap_or_default();
        task.starts_with(begin) && glob(&self.pattern, task)
    }

    /// Where it leads, in few words.
    pub(super) fn place(&self) -> String {
        self.route.clone().unwrap_or_default().place()
    }

    /// How narrow it is: the count of characters that stand for themselves.
    pub(super) fn narrowness(&self) -> usize {
        if self.is_glob() { self.pattern.chars().filter(|sign| !"*?[]".contains(*sign)).count() } else { usize::MAX }
    }

    fn is_glob(&self) -> bool {
        self.pattern.contains('*')
    }
}

fn table(value: &Value) -> Result<Rules, RouteError> {
    match value {
        Value::Object(rules) => rules.iter().map(|(pattern, value)| rule(pattern, value)).collect(),
        Value::Array(pairs) => pairs.iter().map(pair).collect(),
        Value::String(path) => Err(RouteError::Unreadable(format!(
            "{path:?} names a router written in Python, which cannot run here: write rules, or App::router in Rust"
        ))),
        other => Err(RouteError::Unreadable(format!(
            "routes must be a table such as {{\"mail.*\": {{\"queue\": \"email\"}}}}, not {other}"
        ))),
    }
}

fn pair(value: &Value) -> Result<Rule, RouteError> {
    let halves = value.as_array().map(Vec::as_slice);
    if let Some([Value::String(pattern), value]) = halves {
        return rule(pattern, value);
    }
    Err(RouteError::Unreadable(format!(
        "a list of rules holds pairs such as [\"mail.*\", {{\"queue\": \"email\"}}], not {value}"
    )))
}

fn rule(pattern: &str, value: &Value) -> Result<Rule, RouteError> {
    let route = Route::read(value, &format!("the rule {pattern:?}"))?;
    Ok(Rule { pattern: pattern.to_owned(), route })
}
