//! The control loop: hears commands and the events of other workers, obeys, answers, and never waits for a task.
//!
//! What cannot be read is passed over; what is lost, the connection, is made anew.

mod broker;
mod change;
mod gossip;
mod inspect;
mod mingle;
mod revoking;
mod settings;
mod stats;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apium_core::BackendError;
use apium_core::broadcast::{Ear, Heard, Topic};
use apium_core::client::fresh_id;
use apium_core::protocol::RawJson;
use apium_core::protocol::control::{Answer, Command, Reply, Request};
use tokio_util::sync::CancellationToken;

use crate::control::gossip::Gossip;
use crate::control::stats::Memory;
use crate::retry::Backoff;
use crate::station::Station;
use crate::stop::Stop;
use crate::trouble::Errand;

/// How long the loop listens at one stretch when nothing is due. It costs nothing to listen on.
const STRETCH: Duration = Duration::from_mins(5);

/// What the loop knows beside what it shares with the others.
struct Desk {
    station: Arc<Station>,
    stop: Stop,
    gossip: Gossip,
    memory: Memory,
    /// Whether the log was told of something that cannot be read.
    told_of_garbage: AtomicBool,
}

/// Obeys and answers until told to end; runs on through a drain.
pub(crate) async fn run(station: Arc<Station>, stop: Stop, end: CancellationToken) {
    let topics = topics(&station);
    if topics.is_empty() {
        return;
    }
    let mut desk = Desk {
        gossip: Gossip::new(&station.options.name),
        station: station.clone(),
        stop,
        memory: Memory::default(),
        told_of_garbage: AtomicBool::new(false),
    };
    let mut trouble = Backoff::reconnecting();
    let listening = async {
        loop {
            let Err(error) = desk.listen(&topics, &mut trouble).await;
            station.vitals.troubles.failed(Errand::Listen, &error);
            tokio::time::sleep(trouble.next_delay()).await;
        }
    };
    end.run_until_cancelled(listening).await;
}

/// Whether the answer tells of messages that the worker has taken.
fn lists_tasks(command: &Command) -> bool {
    matches!(command, Command::Active { .. } | Command::Reserved | Command::Scheduled | Command::QueryTask { .. })
}

fn topics(station: &Station) -> Vec<Topic> {
    let options = &station.options;
    let control = options.enable_remote_control.then_some(Topic::Control);
    let gossip = (!options.without_gossip).then(|| Topic::Event("worker.*".to_owned()));
    control.into_iter().chain(gossip).collect()
}

impl Desk {
    /// Listens until the connection is lost.
    async fn listen(
        &mut self,
        topics: &[Topic],
        trouble: &mut Backoff,
    ) -> Result<std::convert::Infallible, BackendError> {
        let station = self.station.clone();
        let mut ear = station.broadcast().listen(topics).await?;
        station.vitals.troubles.well(Errand::Listen);
        trouble.over();
        let mingle = async {
            if !station.options.without_mingle && topics.contains(&Topic::Control) {
                mingle::mingle(&station).await;
            }
            // Done; what goes on is the listening.
            std::future::pending().await
        };
        tokio::select! {
            lost = self.hear(&mut *ear) => lost,
            never = mingle => never,
        }
    }

    async fn hear(&mut self, ear: &mut dyn Ear) -> Result<std::convert::Infallible, BackendError> {
        loop {
            let heard = ear.next(self.gossip.next_check().unwrap_or(STRETCH)).await?;
            match heard {
                Some(Heard { topic: Topic::Control, bytes }) => self.obey(&bytes).await,
                Some(Heard { topic: Topic::Event(_), bytes }) => self.gossip.hear(&self.station, &bytes).await,
                None => {}
            }
            self.gossip.check();
        }
    }

    /// One request, if it is for this worker.
    async fn obey(&mut self, bytes: &[u8]) {
        let request = match Request::decode(bytes) {
            Ok(request) => request,
            Err(error) => return self.garbage(&error.to_string()),
        };
        self.station.events.heard(request.clock);
        match request.is_for(&self.station.options.name) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return self.garbage(&error.to_string()),
        }
        let value = match request.command() {
            Ok(command) => {
                tracing::debug!(command = request.method, "remote control");
                self.carry_out(command).await
            }
            Err(refusal) => Some(refusal.to_json()),
        };
        let Some(value) = value else { return };
        let clock = self.station.events.forward();
        let reply = Reply::to(&request, &self.station.options.name, value, clock, fresh_id());
        let (Some(reply), Some(to)) = (reply, &request.reply_to) else { return };
        match self.station.broadcast().answer(to, &reply.encode()).await {
            Ok(()) => self.station.vitals.troubles.well(Errand::Answer),
            Err(error) => self.station.vitals.troubles.failed(Errand::Answer, &error),
        }
    }

    /// What to reply; `None`: nothing at all.
    async fn carry_out(&mut self, command: Command) -> Option<RawJson> {
        let station = &self.station;
        Some(match command {
            Command::Shutdown { message } => {
                tracing::warn!(message, "asked by remote control to shut down");
                // A second request would be a cold stop; remote control asks for warm ones only.
                if !self.stop.is_requested() {
                    self.stop.request();
                }
                return None;
            }
            Command::Revoke { .. } | Command::Terminate { .. } | Command::RevokeByStampedHeaders { .. } => {
                revoking::revoke(station, command).await
            }
            Command::Election { id, topic, action } => {
                self.gossip.stand(station, id, topic, action);
                RawJson::null()
            }
            Command::Memsample => self.memory.sample(),
            Command::Memdump { samples } => self.memory.dump(samples),
            command if command.inspects() => {
                if lists_tasks(&command) && !station.claims_nothing() && !self.stop.is_requested() {
                    station.looks.another().await;
                }
                inspect::inspect(station, command)
            }
            command => change::change(station, command).map_or_else(RawJson::null, |answer: Answer| answer.to_json()),
        })
    }

    /// Anybody may say anything; a log that tells of it each time would be theirs to fill.
    fn garbage(&self, error: &str) {
        if self.told_of_garbage.swap(true, Ordering::Relaxed) {
            tracing::debug!(error, "a request of remote control cannot be read");
        } else {
            tracing::warn!(
                error,
                "a request of remote control cannot be read and is passed over, as all like it will be"
            );
        }
    }
}
