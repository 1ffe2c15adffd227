//! The stored tree of results of a chord's header or of a group that a client saved: which results it waits for, and
//! their values nested as they are in it.

use crate::{JsonError, RawJson};

use super::{CanvasError, options::text};

/// A tree of results as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedGroup {
    /// The id of the group.
    pub id: String,
    members: Vec<Saved>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Saved {
    Task(String),
    Group(SavedGroup),
}

impl SavedGroup {
    /// Reads what [`super::PlannedResult::to_json`] has written of a group: the `result` of the stored record.
    ///
    /// # Errors
    /// When it is no tree of results, or that of a single task.
    pub fn decode(tuple: &RawJson) -> Result<Self, CanvasError> {
        match read(tuple)? {
            Saved::Group(group) => Ok(group),
            Saved::Task(id) => Err(CanvasError::malformed(format!("{id} is the result of a task, not of a group"))),
        }
    }

    /// The record to store, `{"result": …}`, of a tree in this form.
    pub fn record(tuple: &RawJson) -> RawJson {
        RawJson::object(&[("result".to_owned(), tuple.clone())])
    }

    /// The ids of all tasks in it, in their order.
    pub fn tasks(&self) -> Vec<&str> {
        let mut tasks = Vec::new();
        self.gather(&mut tasks);
        tasks
    }

    /// The values of its tasks, those of a group inside it as a list; `None` when `value_of` does not know one.
    pub fn values(&self, value_of: &dyn Fn(&str) -> Option<RawJson>) -> Option<Vec<RawJson>> {
        let values = self.members.iter().map(|member| match member {
            Saved::Task(id) => value_of(id),
            Saved::Group(group) => group.values(value_of).map(|values| RawJson::array(&values)),
        });
        values.collect()
    }

    fn gather<'a>(&'a self, tasks: &mut Vec<&'a str>) {
        for member in &self.members {
            match member {
                Saved::Task(id) => tasks.push(id),
                Saved::Group(group) => group.gather(tasks),
            }
        }
    }
}

/// Reads `[[id, parent], members]`, where members is null for a task; old peers write the id without a parent.
fn read(tuple: &RawJson) -> Result<Saved, CanvasError> {
    let malformed = |_: JsonError| CanvasError::malformed("a result should be an id and its members");
    let parts = tuple.elements().map_err(malformed)?;
    let [head, members] = parts.as_slice() else {
        return Err(CanvasError::malformed(format!("a result should have two parts, not {}", parts.len())));
    };
    let id = head.elements().ok().and_then(|head| head.first().cloned()).unwrap_or_else(|| head.clone());
    let id = text(&id).ok_or_else(|| CanvasError::malformed("a result without an id"))?;
    if members.is_null() {
        return Ok(Saved::Task(id));
    }
    let mut group = SavedGroup { id, members: Vec::new() };
    for member in members.elements().map_err(malformed)? {
        group.members.push(read(&member)?);
    }
    Ok(Saved::Group(group))
}
