//! Somebody with remote control: asks as a Celery client does, and hears events as Flower does.

use std::time::Duration;

use apium_core::Broker as _;
use apium_core::broadcast::{Ear, Heard, Topic};
use apium_core::client::{fresh_id, iso};
use apium_core::memory::Memory;
use apium_core::protocol::control::{Command, ControlNames, Reply, Request};
use apium_core::protocol::event::EventMessage;
use apium_core::protocol::{Headers, Message, Payload, Properties, RawJson};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kit::{PATIENCE, Rig};

/// Longer than an answer takes where time is stepped.
const ANSWER: Duration = Duration::from_secs(2);

/// One who listens to events.
pub(crate) struct Listener(Box<dyn Ear>);

/// A request as it comes from Python: the method and arguments are anything.
pub(crate) fn request(method: &str, arguments: &Value) -> Request {
    let mut request = Request::new(&Command::Ping, &ControlNames::default(), fresh_id());
    method.clone_into(&mut request.method);
    request.arguments = RawJson::from(arguments).unwrap();
    request
}

/// `t.add` of 2 and 2 as a Python client sends it for later: into the queue, with its time in the message.
pub(crate) fn from_python(id: &str, due: Timestamp) -> Vec<u8> {
    let mut headers = Headers::new("t.add", id);
    headers.eta = Some(iso(due));
    let payload = Payload::new(RawJson::parse("[2, 2]").unwrap(), RawJson::empty_object());
    Message::new(headers, &payload, Properties::default()).encode()
}

/// Sends a request and returns every answer by node.
pub(crate) async fn answers(memory: &Memory, request: Request) -> Vec<(String, Value)> {
    let inbox = fresh_id();
    let mut ear = memory.broadcast().open_inbox(&inbox).await.unwrap();
    let request = request.replying_to(&ControlNames::default(), &inbox, "ticket");
    say(memory, &request).await;
    let mut answers = Vec::new();
    while let Some(heard) = ear.next(ANSWER).await.unwrap() {
        let reply = Reply::decode(&heard.bytes).unwrap();
        assert_eq!(reply.ticket.as_deref(), Some("ticket"));
        answers.push((reply.node, reply.value.to().unwrap()));
    }
    answers
}

pub(crate) async fn say(memory: &Memory, request: &Request) {
    memory.broadcast().say(&Topic::Control, &request.encode()).await.unwrap();
}

impl Rig {
    /// Starts the worker, and returns when it hears remote control.
    pub(crate) async fn controlled() -> Self {
        let mut rig = Self::new();
        rig.start_controlled().await;
        rig
    }

    pub(crate) async fn start_controlled(&mut self) {
        self.start();
        while answers(&self.memory, request("ping", &json!({}))).await.is_empty() {}
    }

    /// What the one worker answers.
    pub(crate) async fn ask(&self, method: &str, arguments: Value) -> Value {
        let mut answers = answers(&self.memory, request(method, &arguments)).await;
        assert_eq!(answers.len(), 1, "{method}: {answers:?}");
        let (node, value) = answers.remove(0);
        assert_eq!(node, self.options.name);
        value
    }

    /// Asks for so many heartbeats, one after the other.
    pub(crate) async fn ask_for_heartbeats(&self, count: usize) {
        let answered = self.probe.calls("answer");
        for _ in 0..count {
            answers(&self.memory, request("heartbeat", &json!({}))).await;
        }
        assert!(self.probe.calls("answer") > answered);
    }

    /// Hears all events from now on.
    pub(crate) async fn listener(&self) -> Listener {
        Listener(self.memory.broadcast().listen(&[Topic::Event("*".to_owned())]).await.unwrap())
    }
}

impl Listener {
    /// The next message, as a list of its events.
    pub(crate) async fn message(&mut self) -> (String, Vec<Value>) {
        let heard = self.0.next(PATIENCE).await.unwrap().expect("an event");
        let Heard { topic: Topic::Event(key), bytes } = heard else { panic!("no event") };
        let events = EventMessage::decode(&bytes).unwrap().events;
        (key, events.iter().map(|event| event.to_json().to().unwrap()).collect())
    }

    /// Events of these groups until so many have come; those of workers only if asked for.
    pub(crate) async fn events(&mut self, group: &str, count: usize) -> Vec<Value> {
        let mut events = Vec::new();
        while events.len() < count {
            let (_, heard) = self.message().await;
            events.extend(heard.into_iter().filter(|event| kind(event).starts_with(group)));
        }
        events
    }
}

/// The type of an event.
pub(crate) fn kind(event: &Value) -> &str {
    event["type"].as_str().unwrap()
}
