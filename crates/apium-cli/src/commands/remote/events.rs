//! `events`: what workers and clients tell of themselves and of tasks, a line an event, as `celery events --dump`.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use apium::{BackendError, Stop};
use apium_core::broadcast::{Broadcast, Topic};
use apium_protocol::RawJson;
use apium_protocol::control::Command;
use apium_protocol::event::{Event, EventMessage};
use jiff::{SignedDuration, Timestamp, Unit};

use super::asking::Question;
use super::showing::{short, strict, tame};
use crate::commands::Invocation;
use crate::failure::Failure;
use crate::output;
use crate::signals;
use crate::stderr::say;

/// How long is listened at one stretch; it costs nothing to listen on.
const STRETCH: Duration = Duration::from_mins(5);

/// How long is waited before a lost connection is made anew.
const PAUSE: Duration = Duration::from_secs(1);

/// Of how many tasks the name and the arguments are known when their later events come, as in Celery.
const KNOWN: usize = 4095;

/// The tasks that were seen to be sent or received, each as it is shown.
#[derive(Default)]
struct Tasks {
    shown: HashMap<String, String>,
    order: VecDeque<String>,
}

/// Listens and prints.
struct Listener {
    json: bool,
    tasks: Tasks,
    /// Whether the connection is lost, and it was told.
    cut_off: bool,
}

/// Why nothing more is printed.
enum Lost {
    Connection(Failure),
    Output(Failure),
}

/// Prints events until told to stop.
pub(crate) async fn events(invocation: Invocation) -> Result<ExitCode, Failure> {
    let stop = Stop::new();
    signals::listen(stop.clone())?;
    let backend = invocation.open().await?;
    let listening = async {
        let mut listener = Listener { json: invocation.json, tasks: Tasks::default(), cut_off: false };
        loop {
            match listener.listen(backend.broker.broadcast()).await {
                // Standard output is gone for good, the broker is not.
                Err(Lost::Output(failure)) => return failure,
                Err(Lost::Connection(failure)) if !listener.cut_off => {
                    listener.cut_off = true;
                    say(&format!("{failure}; listening anew"));
                }
                Err(Lost::Connection(_)) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = stop.requested() => Ok(ExitCode::SUCCESS),
        failure = listening => Err(failure),
    }
}

impl Listener {
    /// Listens until the connection is lost.
    async fn listen(&mut self, broadcast: &dyn Broadcast) -> Result<Infallible, Lost> {
        let lost = |error: BackendError| Lost::Connection(error.into());
        let mut ear = broadcast.listen(&[Topic::Event("*".to_owned())]).await.map_err(lost)?;
        // Workers tell of tasks only when someone has asked them to.
        let everyone = Question::new(broadcast, Duration::ZERO);
        everyone.tell(&Command::EnableEvents).await.map_err(lost)?;
        self.cut_off = false;
        say("listening for events; Ctrl-C stops.");
        loop {
            if let Some(heard) = ear.next(STRETCH).await.map_err(lost)? {
                self.print(&heard.bytes).map_err(Lost::Output)?;
            }
        }
    }

    fn print(&mut self, message: &[u8]) -> Result<(), Failure> {
        let Ok(message) = EventMessage::decode(message) else {
            tracing::debug!("an event cannot be read and is passed over");
            return Ok(());
        };
        message.events.iter().try_for_each(|event| {
            if self.json {
                output::line(strict(&event.to_json()).as_str())
            } else {
                output::line(&self.tasks.line(event))
            }
        })
    }
}

impl Tasks {
    /// `HOST [TIME] WHAT: TASK FIELDS`
    fn line(&mut self, event: &Event) -> String {
        let mut fields = event.to_json().members().unwrap_or_default();
        fields.retain(|(name, _)| !["hostname", "timestamp", "type"].contains(&name.as_str()));
        let kind = event.kind.name();
        let task = if event.kind.group() == "task" { self.task(kind, &mut fields) + " " } else { String::new() };
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{}={}", tame(name), short(value))).collect();
        let colon = if fields.is_empty() { "" } else { ":" };
        let what = match kind {
            "worker-offline" => "shutdown".to_owned(),
            "worker-online" => "started".to_owned(),
            "worker-heartbeat" => "heartbeat".to_owned(),
            other => tame(&other.to_lowercase().replace('-', " ")),
        };
        format!("{} [{}] {what}{colon} {task}{}", tame(&event.hostname), time(event.timestamp), fields.join(", "))
    }

    /// Takes out of the fields what tells the task, or remembers it from an earlier event.
    fn task(&mut self, kind: &str, fields: &mut Vec<(String, RawJson)>) -> String {
        let mut taken = |name: &str| {
            let at = fields.iter().position(|(known, _)| known == name);
            at.map_or_else(|| "None".to_owned(), |at| short(&fields.remove(at).1))
        };
        let id = taken("uuid");
        if !["task-received", "task-sent"].contains(&kind) {
            // Who came too late for its name has at least its id.
            return self.shown.get(&id).cloned().unwrap_or(id);
        }
        let shown = format!("{}({id}) args={} kwargs={}", taken("name"), taken("args"), taken("kwargs"));
        if self.shown.insert(id.clone(), shown.clone()).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.shown.remove(&oldest);
        }
        shown
    }
}

/// `2026-11-22 17:08:03.123456+00:00`
fn time(seconds: f64) -> String {
    let since = SignedDuration::try_from_secs_f64(seconds).ok();
    let moment = since.and_then(|since| Timestamp::from_duration(since).ok());
    // What is not even a microsecond came of writing the time as a fraction.
    match moment.and_then(|moment| moment.round(Unit::Microsecond).ok()) {
        Some(moment) => moment.strftime("%Y-%m-%d %H:%M:%S.%6f+00:00").to_string(),
        None => seconds.to_string(),
    }
}
