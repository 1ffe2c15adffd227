//! The results that sending a canvas promises: a tree of ids, each with the result it waits for before it and, of a
//! group, those of its members. Kept flat, so that a chain of ten thousand steps is no deeper than one of two.

use crate::{JsonError, RawJson, json::string};

/// A result among [`Results`].
pub(super) type Place = usize;

/// Results that know each other by their places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Results(Vec<Node>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    id: String,
    parent: Option<Place>,
    members: Option<Vec<Place>>,
}

/// One result of a plan.
#[derive(Debug, Clone, Copy)]
pub struct PlannedResult<'a> {
    all: &'a Results,
    place: Place,
}

impl Results {
    pub(super) fn task(&mut self, id: String) -> Place {
        self.push(Node { id, parent: None, members: None })
    }

    pub(super) fn group(&mut self, id: String, members: Vec<Place>) -> Place {
        self.push(Node { id, parent: None, members: Some(members) })
    }

    pub(super) fn parent(&self, place: Place) -> Option<Place> {
        self.0[place].parent
    }

    pub(super) fn set_parent(&mut self, place: Place, parent: Option<Place>) {
        self.0[place].parent = parent;
    }

    pub(super) fn id(&self, place: Place) -> &str {
        &self.0[place].id
    }

    pub(super) fn members(&self, place: Place) -> Option<&[Place]> {
        self.0[place].members.as_deref()
    }

    /// The first of the results that lead to this one.
    pub(super) fn first(&self, mut place: Place) -> Place {
        while let Some(parent) = self.parent(place) {
            place = parent;
        }
        place
    }

    pub(super) fn view(&self, place: Place) -> PlannedResult<'_> {
        PlannedResult { all: self, place }
    }

    fn push(&mut self, node: Node) -> Place {
        self.0.push(node);
        self.0.len() - 1
    }
}

impl<'a> PlannedResult<'a> {
    /// The id of the task or the group.
    pub fn id(&self) -> &'a str {
        self.all.id(self.place)
    }

    /// The result this one comes after.
    pub fn parent(&self) -> Option<PlannedResult<'a>> {
        self.all.parent(self.place).map(|place| self.all.view(place))
    }

    /// The results of the members of a group; `None` for a single task.
    pub fn members(&self) -> Option<Vec<PlannedResult<'a>>> {
        let members = self.all.members(self.place)?;
        Some(members.iter().map(|place| self.all.view(*place)).collect())
    }

    /// Celery's tuple, as it stands in the `children` of a result record: `[[id, parent], null]`, of a group
    /// `[[id, parent], [member, …]]`.
    ///
    /// # Errors
    /// When so many results lead to this one that the tuple nests deeper than 512.
    pub fn to_json(&self) -> Result<RawJson, JsonError> {
        let mut out = String::new();
        // What is still to be written, the next last.
        let mut left = vec![Piece::Result(self.place)];
        while let Some(piece) = left.pop() {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Result(place) => {
                    let node = &self.all.0[place];
                    out.push_str("[[");
                    string::write(&mut out, &node.id);
                    out.push_str(", ");
                    left.push(Piece::Text("]"));
                    if let Some(members) = &node.members {
                        left.push(Piece::Text("]"));
                        for (index, member) in members.iter().enumerate().rev() {
                            left.push(Piece::Result(*member));
                            if index > 0 {
                                left.push(Piece::Text(", "));
                            }
                        }
                        left.push(Piece::Text("], ["));
                    } else {
                        left.push(Piece::Text("], null"));
                    }
                    left.push(node.parent.map_or(Piece::Text("null"), Piece::Result));
                }
            }
        }
        RawJson::parse(&out)
    }
}

enum Piece {
    Text(&'static str),
    Result(Place),
}
