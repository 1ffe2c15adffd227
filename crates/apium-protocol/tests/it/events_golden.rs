//! The events of real Celery 5.4 and 5.7 (captured by `interop/capture/control.py`), read and written back.

use std::collections::BTreeSet;

use apium_protocol::{
    RawJson,
    control::{Candidate, leader},
    event::{Event, EventKind, EventMessage, EventNames},
};
use serde_json::Value;

use crate::control_golden::lines;

struct Published {
    version: &'static str,
    channel: String,
    text: String,
}

impl Published {
    fn message(&self) -> EventMessage {
        EventMessage::decode(self.text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

fn published() -> Vec<Published> {
    let mut all = Vec::new();
    for version in ["5.4", "5.7"] {
        for line in lines(&format!("events-{version}.jsonl")) {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            all.push(Published { version, channel: text("channel"), text: text("event") });
        }
    }
    all
}

/// Numbers that are equal in Python are written alike: 5 and 5.0, 0 and 0.0.
fn alike(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64()),
        Value::Array(items) => items.into_iter().map(alike).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, alike(value))).collect(),
        other => other,
    }
}

fn keys(event: &Value) -> Vec<&String> {
    event.as_object().unwrap().keys().collect()
}

#[test]
fn every_event_is_written_back_byte_for_byte() {
    for published in published() {
        let written = String::from_utf8(published.message().encode()).unwrap();
        let whole = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
        let (mut ours, mut theirs) = (whole(&written), whole(&published.text));
        // Celery before 5.5 writes a whole hour as 0, and every version the interval that was asked for as 5.
        let (ours_body, theirs_body) = (body(&ours), body(&theirs));
        assert_eq!(alike(ours_body.clone()), alike(theirs_body.clone()));
        for (ours, theirs) in list(&ours_body).iter().zip(list(&theirs_body)) {
            assert_eq!(keys(ours), keys(&theirs));
        }
        if published.version == "5.7" && !published.text.contains(r#""worker.heartbeat""#) {
            assert_eq!(written, published.text);
        }
        ours["body"] = Value::Null;
        theirs["body"] = Value::Null;
        assert_eq!(ours, theirs);
        assert_eq!(EventMessage::decode(written.as_bytes()).unwrap(), published.message());
    }
}

fn body(envelope: &Value) -> Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    serde_json::from_slice(&STANDARD.decode(envelope["body"].as_str().unwrap()).unwrap()).unwrap()
}

fn list(body: &Value) -> Vec<Value> {
    body.as_array().cloned().unwrap_or_else(|| vec![body.clone()])
}

#[test]
fn every_event_is_known_in_full() {
    let mut seen = BTreeSet::new();
    for published in published() {
        for event in published.message().events {
            assert!(!matches!(event.kind, EventKind::Other(_)), "{event:?}");
            assert!(event.other.is_empty(), "{event:?}");
            assert!(event.pid.is_some() && event.clock.is_some() && event.timestamp > 1.7e9);
            seen.insert(event.kind.name().to_owned());
        }
    }
    let expected = [
        "task-failed",
        "task-received",
        "task-rejected",
        "task-retried",
        "task-revoked",
        "task-sent",
        "task-started",
        "task-succeeded",
        "worker-elect",
        "worker-elect-ack",
        "worker-heartbeat",
        "worker-offline",
        "worker-online",
    ];
    assert_eq!(seen, expected.into_iter().map(str::to_owned).collect());
}

#[test]
fn an_event_goes_where_celery_sends_it() {
    let names = EventNames::default();
    for published in published() {
        let message = published.message();
        assert_eq!(message.channel(&names, 0), published.channel);
        let tag = message.properties.delivery_tag.clone();
        let again = if message.batch {
            EventMessage::batch(message.events.clone(), &names, tag).unwrap()
        } else {
            EventMessage::single(message.events[0].clone(), &names, tag)
        };
        assert_eq!(again, message);
    }
}

#[test]
fn the_election_has_one_winner() {
    for version in ["5.4", "5.7"] {
        let events = published().into_iter().filter(|published| published.version == version);
        let events: Vec<Event> = events.flat_map(|published| published.message().events).collect();
        let candidates: Vec<Candidate> = events.iter().filter_map(Event::candidate).collect();
        assert_eq!(candidates.len(), 2, "{version}");
        let oldest = candidates.iter().map(|candidate| candidate.clock).min();
        assert_eq!(leader(&candidates).map(|leader| leader.clock), oldest);
    }
}

#[test]
fn arguments_and_results_are_shown_as_celery_shows_them() {
    use apium_protocol::event::{TaskReceived, TaskSucceeded};
    let json = |text: &str| RawJson::parse(text).unwrap();
    let quoted = json(r#"{"value": "it's \"é\""}"#);
    let received = TaskReceived::new("i", "app.echo", &json("[]"), &quoted);
    let succeeded = TaskSucceeded::new("i", &json("3"), 0.5);
    let (mut args, mut results) = (0, 0);
    for event in published().iter().flat_map(|published| published.message().events) {
        match event.kind {
            EventKind::TaskReceived(theirs) if theirs.name == "app.echo" => {
                assert_eq!((theirs.args, theirs.kwargs), (received.args.clone(), received.kwargs.clone()));
                args += 1;
            }
            EventKind::TaskSucceeded(theirs) if theirs.result == succeeded.result => results += 1,
            _ => {}
        }
    }
    assert_eq!((args, results), (2, 4));
}
