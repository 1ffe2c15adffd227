//! The entries at run time: listed, put, dropped, paused, run by hand, told of. The command line and HTTP are its users.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use apium_core::schedules::{Decided, Kept, Line, Put, Recorded, Schedules};
use apium_core::{BackendError, Client, Clock, SendError, SystemClock};

use crate::entry::Entry;
use crate::error::ScheduleError;
use crate::identity;
use crate::office::{read, state_text};
use crate::policy::Origin;
use crate::state::{Run, State};
use crate::told::Told;

/// How often something is tried again that was changed by others meanwhile.
const TRIES: usize = 10;

/// Entries put at once.
const AT_ONCE: usize = 500;

/// The entries of one store.
pub struct Catalogue<'a> {
    client: &'a Client,
    clock: Arc<dyn Clock>,
}

/// An entry, and how far it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The entry.
    pub entry: Entry,
    /// How far it is decided; `None` until a leader has seen it.
    pub state: Option<State>,
}

/// Why something cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The entry is not one that could be kept.
    #[error(transparent)]
    Entry(#[from] ScheduleError),
    /// There is none of this name.
    #[error("no schedule has the name {0}; `beat list` shows those there are")]
    Unknown(String),
    /// Others change it all the time.
    #[error("the schedule {0} was changed by others again and again; try again")]
    Busy(String),
    /// It cannot be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The store could not be used.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl<'a> Catalogue<'a> {
    /// The entries in the store of this client, which also sends what is run by hand.
    pub fn new(client: &'a Client) -> Self {
        Self { client, clock: Arc::new(SystemClock) }
    }

    /// The same, telling the time of day by `clock`.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Every entry, by name.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn list(&self) -> Result<Vec<Listed>, BackendError> {
        let mut all: Vec<_> = self.kept().await?.into_values().filter_map(|kept| listed(&kept)).collect();
        all.sort_by(|one, other| one.entry.name.cmp(&other.entry.name));
        Ok(all)
    }

    /// One entry.
    ///
    /// # Errors
    /// When there is none, or the store cannot be used.
    pub async fn get(&self, name: &str) -> Result<Listed, CatalogueError> {
        listed(&self.find(name).await?).ok_or_else(|| CatalogueError::Unknown(name.to_owned()))
    }

    /// Keeps an entry in place of the one with its name, if there is one: true if it is new. Where the times are other ones,
    /// it begins anew; what was due before is past.
    ///
    /// # Errors
    /// When it is not an entry that can be kept, or the store cannot be used.
    pub async fn put(&self, entry: &Entry) -> Result<bool, CatalogueError> {
        entry.check()?;
        for _ in 0..TRIES {
            let known = self.schedules().entries(std::slice::from_ref(&entry.name)).await?.pop();
            let put = self.over(entry, known.as_ref())?;
            if self.schedules().put(&[put]).await? == [true] {
                return Ok(known.is_none());
            }
        }
        Err(CatalogueError::Busy(entry.name.clone()))
    }

    /// Drops an entry.
    ///
    /// # Errors
    /// When there is none, or the store cannot be used.
    pub async fn discard(&self, name: &str) -> Result<(), CatalogueError> {
        match self.schedules().drop_entries(&[name.to_owned()]).await? {
            0 => Err(CatalogueError::Unknown(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// Pauses an entry or lets it go on. What is due while it is paused is not made up for.
    ///
    /// # Errors
    /// When there is none, or the store cannot be used.
    pub async fn pause(&self, name: &str, paused: bool) -> Result<(), CatalogueError> {
        for _ in 0..TRIES {
            let kept = self.find(name).await?;
            let Some((mut entry, mut state)) = read(&kept) else { break };
            if entry.paused && !paused {
                // Nobody may have looked at it while it was paused.
                state = state.map(|mut state| {
                    state.begin_again(self.clock.now());
                    state
                });
            }
            entry.paused = paused;
            let state = state.as_ref().map(state_text).transpose()?;
            let put = Put { name: kept.name, entry: text(&entry)?, state, over: Some(kept.version) };
            if self.schedules().put(&[put]).await? == [true] {
                return Ok(());
            }
        }
        Err(CatalogueError::Busy(name.to_owned()))
    }

    /// Sends an entry's task now, also while it is paused, and decides no due time; returns the task's id.
    ///
    /// # Errors
    /// When there is none, it cannot be sent, or the store cannot be used.
    pub async fn run(&self, name: &str) -> Result<String, CatalogueError> {
        for _ in 0..TRIES {
            let kept = self.find(name).await?;
            let Some((entry, state)) = read(&kept) else { break };
            let now = self.clock.now();
            let task_id = identity::task_id_by_hand(name, now);
            let send = self.client.outgoing(&entry.signature(now).task_id(task_id.clone())).await?;
            let mut state = state.unwrap_or_else(|| State::begin(now));
            state.sent(Run { task_id: task_id.clone(), due: now, sent: now });
            let told = Told::by_hand(&task_id, now);
            let (state, told) = (state_text(&state)?, vec![told.written()]);
            let decided = Decided { name: kept.name, version: kept.version, state, send, told };
            if let [Recorded::Done(_)] = self.schedules().record(None, vec![decided]).await?[..] {
                return Ok(task_id);
            }
        }
        Err(CatalogueError::Busy(name.to_owned()))
    }

    /// What was decided of one entry, or of all, the newest first.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn history(&self, name: Option<&str>, most: usize) -> Result<Vec<(String, Told)>, BackendError> {
        let lines = self.schedules().history(name, most).await?;
        let read = |line: Line| Some((line.entry, serde_json::from_str(&line.told).ok()?));
        Ok(lines.into_iter().filter_map(read).collect())
    }

    /// Keeps what settings and programs declare: new entries, and those that have changed. What an operator has put under the same name
    /// stays; what was declared before and is no more is dropped. A pause stays.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn declare(&self, declared: &[Entry]) -> Result<(), CatalogueError> {
        let kept = self.kept().await?;
        let mut puts = Vec::new();
        for entry in declared {
            let known = kept.get(&entry.name);
            let standing = known.and_then(listed);
            if standing.as_ref().is_some_and(|standing| standing.entry.origin == Origin::Operator) {
                continue;
            }
            let mut entry = entry.clone();
            entry.paused |= standing.as_ref().is_some_and(|standing| standing.entry.paused);
            if standing.is_none_or(|standing| standing.entry != entry) {
                puts.push(self.over(&entry, known)?);
            }
        }
        for part in puts.chunks(AT_ONCE) {
            // One that somebody else has changed meanwhile is his.
            self.schedules().put(part).await?;
        }
        let names: HashSet<_> = declared.iter().map(|entry| entry.name.as_str()).collect();
        let gone = kept.values().filter_map(listed).map(|listed| listed.entry);
        let gone = gone.filter(|entry| entry.origin != Origin::Operator && !names.contains(entry.name.as_str()));
        let gone: Vec<_> = gone.map(|entry| entry.name).collect();
        if !gone.is_empty() {
            self.schedules().drop_entries(&gone).await?;
        }
        Ok(())
    }

    fn schedules(&self) -> &dyn Schedules {
        self.client.broker().schedules()
    }

    /// What is kept, by name.
    async fn kept(&self) -> Result<HashMap<String, Kept>, BackendError> {
        let (mut all, mut edition) = (HashMap::new(), 0);
        loop {
            let page = self.schedules().changes(edition, std::time::Duration::ZERO).await?;
            let Some(last) = page.last() else { return Ok(all) };
            edition = last.edition;
            for change in page {
                match change.kept {
                    Some(kept) => drop(all.insert(change.name, kept)),
                    None => drop(all.remove(&change.name)),
                }
            }
        }
    }

    async fn find(&self, name: &str) -> Result<Kept, CatalogueError> {
        let found = self.schedules().entries(&[name.to_owned()]).await?.pop();
        found.ok_or_else(|| CatalogueError::Unknown(name.to_owned()))
    }

    /// What puts an entry over one that is known.
    fn over(&self, entry: &Entry, known: Option<&Kept>) -> Result<Put, BackendError> {
        let mut state = None;
        if let Some((standing, Some(mut known))) = known.and_then(read)
            && !standing.same_times(entry)
        {
            known.begin_again(self.clock.now());
            state = Some(state_text(&known)?);
        }
        let over = Some(known.map_or(0, |known| known.version));
        Ok(Put { name: entry.name.clone(), entry: text(entry)?, state, over })
    }
}

fn listed(kept: &Kept) -> Option<Listed> {
    read(kept).map(|(entry, state)| Listed { entry, state })
}

fn text(entry: &Entry) -> Result<String, BackendError> {
    serde_json::to_string(entry).map_err(|error| BackendError::Broken(format!("a schedule: {error}")))
}
