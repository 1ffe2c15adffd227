//! Gossip: which other workers there are, by their events, and the elections they hold.

use std::collections::HashMap;
use std::time::Duration;

use apium_core::Signature;
use apium_core::protocol::RawJson;
use apium_core::protocol::control::{Candidate, leader};
use apium_core::protocol::event::{Ballot, Elect, Event, EventKind, EventMessage};
use tokio::time::Instant;

use crate::station::Station;

/// Workers and elections kept in mind: whoever can publish could name any number of them.
const KEPT: usize = 10_000;

/// How long a worker that does not say how often it beats may be silent.
const SILENCE: Duration = Duration::from_secs(4);

/// Heartbeats come this often at least, or a worker that says otherwise would live for ever.
const RAREST: f64 = 3_600.0;

/// What one worker knows of the others.
pub(super) struct Gossip {
    own: String,
    /// Until when each counts as alive.
    others: HashMap<String, Instant>,
    elections: HashMap<String, Election>,
}

#[derive(Default)]
struct Election {
    candidates: Vec<(Candidate, String, RawJson)>,
    /// Those that have seen it, once this worker stands in it.
    ballots: Option<Vec<String>>,
}

impl Gossip {
    pub(super) fn new(own: &str) -> Self {
        Self { own: own.to_owned(), others: HashMap::new(), elections: HashMap::new() }
    }

    /// How long until the next worker may be missed; `None` when there is none.
    pub(super) fn next_check(&self) -> Option<Duration> {
        let soonest = self.others.values().min()?;
        Some(soonest.saturating_duration_since(Instant::now()))
    }

    /// Tells of those that have fallen silent.
    pub(super) fn check(&mut self) {
        let now = Instant::now();
        self.others.retain(|name, until| {
            let alive = *until > now;
            if !alive {
                tracing::info!(worker = name, "missed the heartbeat of another worker");
            }
            alive
        });
    }

    /// Calls an election, in which this worker stands.
    pub(super) fn stand(&mut self, station: &Station, id: String, topic: String, action: RawJson) {
        if station.options.without_gossip || self.elections.len() >= KEPT {
            return;
        }
        self.elections.entry(id.clone()).or_default().ballots = Some(Vec::new());
        station.say(EventKind::WorkerElect(Elect { id, topic, action, cver: 1 }));
    }

    /// What was said of workers; anything else is passed over.
    pub(super) async fn hear(&mut self, station: &Station, bytes: &[u8]) {
        let Ok(message) = EventMessage::decode(bytes) else { return };
        for event in message.events {
            if event.hostname != self.own {
                station.events.heard(event.clock.unwrap_or_default());
                self.see(&event);
            }
            let candidate = event.candidate();
            match event.kind {
                EventKind::WorkerElect(elect) => self.put_up(station, candidate, elect),
                EventKind::WorkerElectAck(Ballot { id }) => self.count(station, &id, event.hostname).await,
                _ => {}
            }
        }
    }

    fn see(&mut self, event: &Event) {
        let name = &event.hostname;
        let freq = match &event.kind {
            EventKind::WorkerOffline(_) => {
                if self.others.remove(name).is_some() {
                    tracing::info!(worker = name, "another worker has left");
                }
                return;
            }
            EventKind::WorkerOnline(beat) | EventKind::WorkerHeartbeat(beat) => beat.freq,
            _ => 0.0,
        };
        if !self.others.contains_key(name) {
            if self.others.len() >= KEPT {
                return;
            }
            tracing::info!(worker = name, "another worker is there");
        }
        let silence = Duration::try_from_secs_f64(freq.min(RAREST) * 2.0).unwrap_or(SILENCE).max(SILENCE);
        self.others.insert(name.clone(), Instant::now() + silence);
    }

    /// Every worker that is alive must say that it has seen a candidate, or the election never ends.
    fn put_up(&mut self, station: &Station, candidate: Option<Candidate>, elect: Elect) {
        if let Some(candidate) = candidate
            && (self.elections.len() < KEPT || self.elections.contains_key(&elect.id))
        {
            let election = self.elections.entry(elect.id.clone()).or_default();
            if election.candidates.len() < KEPT {
                election.candidates.push((candidate, elect.topic, elect.action));
            }
        }
        station.say(EventKind::WorkerElectAck(Ballot { id: elect.id }));
    }

    async fn count(&mut self, station: &Station, id: &str, voter: String) {
        let Some(election) = self.elections.get_mut(id) else { return };
        let Some(ballots) = &mut election.ballots else { return };
        ballots.push(voter);
        if ballots.len() < self.others.len() + 1 {
            return;
        }
        let Some(election) = self.elections.remove(id) else { return };
        let candidates: Vec<_> = election.candidates.iter().map(|(candidate, ..)| candidate.clone()).collect();
        let Some(winner) = leader(&candidates) else { return };
        let own = format!("{}.{}", self.own, std::process::id());
        if winner.process != own {
            tracing::info!(election = id, winner = winner.process, "another worker was elected");
            return;
        }
        tracing::info!(election = id, "this worker was elected");
        for (_, topic, action) in election.candidates.into_iter().filter(|(candidate, ..)| candidate.process == own) {
            act(station, &topic, &action).await;
        }
    }
}

/// The one topic that Celery's workers know: the winner sends a task.
async fn act(station: &Station, topic: &str, action: &RawJson) {
    if topic != "task" {
        return tracing::error!(topic, "elected for something that is not known here");
    }
    let sent = match Signature::decode(action) {
        Ok(signature) => station.client.send(&signature).await.map(|_| ()).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = sent {
        tracing::error!(error, "elected to send a task, which failed");
    }
}
