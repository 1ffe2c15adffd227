//! One scheduler of any number: it waits to lead, leads until it is stopped or another does, and waits again.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apium_core::client::fresh_id;
use apium_core::schedules::Schedules;
use apium_core::sharded::while_carrying;
use apium_core::{Client, Clock, SystemClock};

use crate::agenda::Agenda;
use crate::catalogue::Catalogue;
use crate::election::{self, Candidate, Pace};
use crate::entry::Entry;
use crate::{office, watch};

/// How long a scheduler that is stopped tries to give up its lead.
const GOODBYE: Duration = Duration::from_secs(2);

/// A scheduler, ready to run.
pub struct Scheduler {
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    name: String,
    pub(crate) pace: Pace,
    declared: Vec<Entry>,
}

/// Between two tries of what the store has refused.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);

/// Why a leader leads no more.
enum End {
    Stopped,
    Deposed,
}

impl Scheduler {
    /// A scheduler that sends through this client; its name is for people, such as `beat@host`.
    pub fn new(client: Client, name: &str) -> Self {
        let (clock, pace) = (Arc::new(SystemClock), Pace::default());
        // What it calls itself must be its own: a process started anew has the name of the one before it.
        let name = format!("{name} {}", fresh_id());
        Self { client, clock, name, pace, declared: Vec::new() }
    }

    /// The same, telling the time of day by `clock`: for tests that step time.
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The same with another pace of the election; that of all schedulers should be the same.
    pub fn with_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// The same with the entries that its settings declare: kept once it leads, in place of those declared before.
    pub fn declaring(self, entries: Vec<Entry>) -> Self {
        Self { declared: entries, ..self }
    }

    /// Schedules until asked to stop, with the crossing loop beside it. Errors of the store are told in the log, and it is
    /// tried again.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        while_carrying(&**self.client.broker(), self.schedule(stop)).await;
    }

    async fn schedule(&self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let term = tokio::select! {
                biased;
                () = &mut stop => return,
                term = self.stand() => term,
            };
            tracing::info!(scheduler = self.name, term, "leads the schedulers");
            match self.lead(term, stop.as_mut()).await {
                End::Deposed => tracing::warn!(scheduler = self.name, term, "another scheduler leads now"),
                End::Stopped => {
                    // Who comes next would wait for a lease otherwise.
                    drop(tokio::time::timeout(GOODBYE, self.schedules().resign(term)).await);
                    return;
                }
            }
        }
    }

    pub(crate) fn schedules(&self) -> &dyn Schedules {
        self.client.broker().schedules()
    }

    /// Waits until it is to lead, under the term that is returned.
    async fn stand(&self) -> u64 {
        let mut candidate = Candidate::new(self.schedules(), &self.name, self.pace.lease);
        let mut told = None;
        loop {
            let pause = match candidate.stand().await {
                Ok(Some(term)) => return term,
                Ok(None) => self.pace.renew,
                Err(error) => {
                    tracing::warn!(%error, "who leads the schedulers cannot be asked; trying again");
                    AGAIN
                }
            };
            if told.as_deref() != candidate.follows() {
                told = candidate.follows().map(ToOwned::to_owned);
                tracing::info!(scheduler = self.name, leader = told, "waits: another scheduler leads");
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn lead(&self, term: u64, stop: Pin<&mut impl Future<Output = ()>>) -> End {
        let work = async {
            self.declare().await;
            let agenda = Mutex::new(Agenda::default());
            tokio::select! {
                () = office::work(self, term, &agenda) => {}
                never = watch::watch(self, &agenda) => match never {},
            }
        };
        tokio::select! {
            biased;
            () = stop => End::Stopped,
            () = election::keep(self.schedules(), term, self.pace) => End::Deposed,
            () = work => End::Deposed,
        }
    }

    async fn declare(&self) {
        let catalogue = Catalogue::new(&self.client).with_clock(self.clock.clone());
        while let Err(error) = catalogue.declare(&self.declared).await {
            tracing::warn!(%error, "the schedules of the settings cannot be kept; trying again");
            tokio::time::sleep(AGAIN).await;
        }
    }
}
