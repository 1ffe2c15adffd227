//! What a result comes after and what has come of it: its parent, its children, and the graph of all that a task has
//! set going.

use std::collections::HashMap;

use apium_protocol::{RawJson, ResultRecord};
use futures_util::future::try_join_all;

use super::{Pending, ResultError};
use crate::client::Client;
use crate::error::BackendError;
use crate::state::TaskState;

/// Results that a graph holds at most: a task that sends itself again and again has no end.
const LARGEST: usize = 100_000;

/// All that a task has set going, as far as it is known (Celery's `AsyncResult.graph`).
pub struct Graph {
    /// The results, each once, the one that was asked first; those nearer to it come before those further away.
    pub nodes: Vec<Pending>,
    /// Who has sent whom: places among the nodes. A group leads to its members.
    pub edges: Vec<(usize, usize)>,
    /// Those that had not ended: what they will still send is missing.
    pub unfinished: Vec<usize>,
}

impl Client {
    /// The way to a result as Celery writes it down, `[[id, parent], members]`: what stands in `children`, and what a
    /// task gives back that returns a result.
    ///
    /// # Errors
    /// When it is no such list.
    pub fn pending_from(&self, tuple: &RawJson) -> Result<Pending, BackendError> {
        self.read(tuple).ok_or_else(|| {
            let beginning: String = tuple.as_str().chars().take(80).collect();
            BackendError::Broken(format!("{beginning} is not a result: it should be [[id, parent], members]"))
        })
    }

    /// Old peers write the id without a parent. Deeper than JSON may nest this does not go.
    fn read(&self, tuple: &RawJson) -> Option<Pending> {
        let parts = tuple.elements().ok()?;
        let [head, members] = parts.as_slice() else { return None };
        let heads = head.elements().unwrap_or_else(|_| vec![head.clone(), RawJson::null()]);
        let [id, parent] = heads.as_slice() else { return None };
        let members = match members {
            none if none.is_null() => None,
            some => Some(some.elements().ok()?.iter().map(|member| self.read(member)).collect::<Option<_>>()?),
        };
        Some(Pending { members, parent: parent.clone(), ..self.pending(id.to::<String>().ok()?) })
    }
}

impl Pending {
    /// What this comes after: of a step of a chain the step before it. Known of what was sent from here, and of what
    /// was read back from a record.
    ///
    /// # Errors
    /// When what was read from a record is no result.
    pub fn parent(&self) -> Result<Option<Self>, BackendError> {
        if self.parent.is_null() { Ok(None) } else { self.client.pending_from(&self.parent).map(Some) }
    }

    /// All that this comes after, the nearest first.
    ///
    /// # Errors
    /// As of [`Pending::parent`].
    pub fn forerunners(&self) -> Result<Vec<Self>, BackendError> {
        let mut before = Vec::new();
        let mut next = self.parent()?;
        while let Some(parent) = next {
            next = parent.parent()?;
            before.push(parent);
        }
        Ok(before)
    }

    /// What the task has sent: callbacks, the next step of its chain, what its code sent; of a group its members.
    /// Empty while nothing is stored: it is complete once the task has ended.
    pub async fn children(&self) -> Result<Vec<Self>, BackendError> {
        if let Some(members) = &self.members {
            return Ok(members.clone());
        }
        self.stored().await?.map_or_else(|| Ok(Vec::new()), |record| self.children_in(&record))
    }

    /// The same from a record of this task that is at hand.
    ///
    /// # Errors
    /// When what stands there are no results.
    pub fn children_in(&self, record: &ResultRecord) -> Result<Vec<Self>, BackendError> {
        // Null where it is not known: a task that was called off before it began.
        let children = if record.children.is_null() { RawJson::empty_array() } else { record.children.clone() };
        let misfit = |error| BackendError::Broken(format!("the children of {} cannot be read: {error}", self.id));
        children.elements().map_err(misfit)?.iter().map(|child| self.client.pending_from(child)).collect()
    }

    /// All that has come of this, if all of it has ended.
    ///
    /// # Errors
    /// `Incomplete` when something has not ended yet; see [`Pending::graph_so_far`].
    pub async fn graph(&self) -> Result<Graph, ResultError> {
        self.walk(true).await
    }

    /// All that has come of this so far (Celery's `intermediate`).
    ///
    /// # Errors
    /// When the store cannot be asked, or there are more than 100,000.
    pub async fn graph_so_far(&self) -> Result<Graph, ResultError> {
        self.walk(false).await
    }

    /// Step by step away from here, the results of one step asked for together.
    async fn walk(&self, whole: bool) -> Result<Graph, ResultError> {
        let mut graph = Graph { nodes: vec![self.clone()], edges: Vec::new(), unfinished: Vec::new() };
        let mut places = HashMap::from([(self.id.clone(), 0)]);
        let mut asked = 0;
        while asked < graph.nodes.len() {
            let step = asked..graph.nodes.len();
            let found = try_join_all(graph.nodes[step.clone()].iter().map(Self::sent)).await?;
            for (place, (ended, children)) in step.clone().zip(found) {
                if !ended && whole {
                    return Err(ResultError::Incomplete(graph.nodes[place].id.clone()));
                }
                if !ended {
                    graph.unfinished.push(place);
                }
                for child in children {
                    let known = *places.entry(child.id.clone()).or_insert(graph.nodes.len());
                    if known == graph.nodes.len() {
                        graph.nodes.push(child);
                    }
                    // A task that is to be tried again is its own child.
                    if known != place {
                        graph.edges.push((place, known));
                    }
                }
            }
            if graph.nodes.len() > LARGEST {
                return Err(ResultError::Unexpected(format!("more than {LARGEST} tasks come of {}", self.id)));
            }
            asked = step.end;
        }
        Ok(graph)
    }

    /// Whether it has ended, and what it has sent. A group has no end of its own: its members tell.
    async fn sent(&self) -> Result<(bool, Vec<Self>), BackendError> {
        if let Some(members) = &self.members {
            return Ok((true, members.clone()));
        }
        let Some(record) = self.stored().await? else { return Ok((false, Vec::new())) };
        let ended = TaskState::from_name(&record.status).is_ready();
        Ok((ended, self.children_in(&record)?))
    }
}
