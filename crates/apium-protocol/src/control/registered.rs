//! A task as a worker lists it: its name, and in brackets what is special about it.

/// What is shown unless a client asks for other things.
const USUAL: &[&str] = &["exchange", "routing_key", "rate_limit"];

/// One task a worker knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegisteredTask {
    /// Its name.
    pub name: String,
    /// Its attributes by their names in Celery, as Python's `str` would show them; only those that are set.
    pub attributes: Vec<(String, String)>,
}

impl RegisteredTask {
    /// A task with nothing special about it.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), attributes: Vec::new() }
    }

    /// Adds an attribute, such as `rate_limit`.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// The list in reply to registered: sorted by name, Celery's own tasks only if `builtins` are wanted.
    pub fn list(tasks: &[Self], items: &[String], builtins: bool) -> Vec<String> {
        let mut shown: Vec<_> = tasks.iter().filter(|task| builtins || !task.name.starts_with("celery.")).collect();
        shown.sort_by(|one, other| one.name.cmp(&other.name));
        shown.into_iter().map(|task| task.line(items)).collect()
    }

    /// `app.add [rate_limit=10/m]`: those of `items` that are set, the usual ones when it is empty.
    pub fn line(&self, items: &[String]) -> String {
        let items: Vec<&str> =
            if items.is_empty() { USUAL.to_vec() } else { items.iter().map(String::as_str).collect() };
        let shown: Vec<_> = items
            .into_iter()
            .filter(|item| !item.starts_with('_'))
            .filter_map(|item| self.attribute(item).map(|value| format!("{item}={value}")))
            .collect();
        if shown.is_empty() { self.name.clone() } else { format!("{} [{}]", self.name, shown.join(" ")) }
    }

    fn attribute(&self, item: &str) -> Option<&str> {
        if item == "name" {
            return Some(&self.name);
        }
        self.attributes.iter().find(|(name, _)| name == item).map(|(_, value)| value.as_str())
    }
}
