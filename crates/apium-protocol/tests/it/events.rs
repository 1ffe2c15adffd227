//! Events beyond what was captured: their order on the wire, what is unknown in them, groups and channels.

use apium_protocol::{
    RawJson,
    control::Answer,
    event::{
        Event, EventGroups, EventKind, EventMessage, EventNames, Heartbeat, TaskFailed, TaskStarted, exception_repr,
    },
};

use crate::golden::golden;

fn json(text: &str) -> RawJson {
    RawJson::parse(text).unwrap()
}

fn started(id: &str) -> EventKind {
    EventKind::TaskStarted(TaskStarted { uuid: id.to_owned() })
}

#[test]
fn an_event_is_written_in_celerys_order() {
    let heartbeat = Heartbeat { freq: 2.0, active: Some(1), loadavg: Some([0.5, 1.0, 2.0]), ..Heartbeat::default() };
    let mut event = Event::new("w1@lab", 7, 3, 1.5e9, EventKind::WorkerHeartbeat(heartbeat));
    event.other = vec![("mine".to_owned(), json("[NaN]"))];
    assert_eq!(
        event.to_json().as_str(),
        concat!(
            r#"{"hostname": "w1@lab", "utcoffset": 0.0, "pid": 7, "clock": 3, "freq": 2.0, "active": 1, "#,
            r#""loadavg": [0.5, 1.0, 2.0], "mine": [NaN], "timestamp": 1500000000.0, "type": "worker-heartbeat"}"#,
        )
    );
    assert_eq!(Event::from_json(&event.to_json()).unwrap(), event);
}

#[test]
fn a_task_that_never_ran_has_no_traceback() {
    let failed = TaskFailed { uuid: "i".to_owned(), exception: "NotRegistered('t')".to_owned(), traceback: None };
    let event = Event::new("w", 1, 1, 1.0, EventKind::TaskFailed(failed));
    assert_eq!(event.to_json().member("traceback"), None);
}

#[test]
fn what_is_not_as_it_should_be_is_kept_whole() {
    for text in [
        r#"{"type": "task-started"}"#,
        r#"{"type": "task-started", "uuid": 5, "clock": 4}"#,
        r#"{"type": "worker-online", "freq": 2, "active": "many"}"#,
        r#"{"type": "custom-thing", "uuid": "i"}"#,
        r#"{"type": ""}"#,
    ] {
        let event = Event::from_json(&json(text)).unwrap();
        assert!(matches!(&event.kind, EventKind::Other(_)), "{text}");
        assert_eq!(Event::from_json(&event.to_json()).unwrap(), event);
        for (key, value) in json(text).members().unwrap() {
            let kept = event.to_json().member(&key).unwrap();
            assert_eq!(kept, value, "{text}");
        }
    }
}

#[test]
fn what_is_no_event_spoils_its_batch() {
    let message = |body: &str| {
        let body = RawJson::string(body);
        EventMessage::decode(format!(r#"{{"body": {body}, "content-type": "application/json"}}"#).as_bytes())
    };
    assert_eq!(message("[]").unwrap().events, []);
    let one = message(r#"{"type": "task-started", "uuid": "i"}"#).unwrap();
    assert_eq!((one.events[0].kind.clone(), one.batch, one.hostname), (started("i"), false, None));
    for (body, said) in [
        (r#"[{"type": "a"}, 5]"#, "should be an event, an object, or a list of these"),
        ("{}", "body.type of the message is missing"),
        (r#"{"type": 5}"#, "body.type of the message is of the wrong type"),
        (r#"{"type": "a", "clock": "x"}"#, "body.clock of the message is of the wrong type"),
    ] {
        let error = message(body).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn channels_follow_from_the_exchange_and_the_type() {
    let names = EventNames::new("shopev");
    let event = Event::new("w", 1, 1, 1.0, started("i"));
    let single = EventMessage::single(event.clone(), &names, "tag");
    assert_eq!(single.channel(&names, 2), "/2.shopev/task.started");
    let batch = EventMessage::batch(vec![event], &names, "tag").unwrap();
    assert_eq!(batch.channel(&names, 2), "/2.shopev/task.multi");
    assert!(EventMessage::batch(Vec::new(), &names, "tag").is_none());
    assert_eq!(names.pattern(0, "#"), "/0.shopev/*");
    assert_eq!(names.pattern(0, "worker.#"), "/0.shopev/worker.*");
    assert_eq!(names.routing_key(0, "/0.shopev/worker.elect.ack"), Some("worker.elect.ack"));
    assert_eq!(names.routing_key(0, "/1.shopev/worker.elect"), None);
    assert_eq!(EventNames::default().exchange(), "celeryev");
}

#[test]
fn groups_are_switched_as_celery_switches_them() {
    let online = EventKind::WorkerOnline(Heartbeat::default());
    let mut groups = EventGroups::workers();
    assert!(groups.wants(&online) && !groups.wants(&started("i")));
    assert_eq!(groups.enable_tasks(), Answer::EventsEnabled);
    assert!(groups.wants(&started("i")));
    assert_eq!(groups.enable_tasks(), Answer::EventsAlreadyEnabled);
    assert_eq!(groups.disable_tasks(), Answer::EventsDisabled);
    assert_eq!(groups.disable_tasks(), Answer::EventsAlreadyDisabled);
    assert_eq!(groups, EventGroups::workers());

    let mut all = EventGroups::all();
    assert_eq!(all.enable_tasks(), Answer::EventsAlreadyEnabled);
    assert_eq!(all.disable_tasks(), Answer::EventsAlreadyDisabled);
    assert!(all.wants(&started("i")) && all.wants(&EventKind::Other("custom-thing".to_owned())));
}

#[test]
fn exceptions_are_shown_as_python_shows_them() {
    use apium_protocol::{ExceptionRecord, ResultRecord};
    let mut shown = Vec::new();
    for name in ["value", "key", "none", "many", "inner"] {
        let files = golden(&format!("result-fail-{name}-failure"));
        let record = ResultRecord::decode(&files.last().unwrap().bytes).unwrap();
        shown.push(exception_repr(&ExceptionRecord::from_result(&record.result).unwrap()));
    }
    let mut failed = Vec::new();
    for line in crate::control_golden::lines("events-5.7.jsonl") {
        for event in EventMessage::decode(line["event"].as_str().unwrap().as_bytes()).unwrap().events {
            if let EventKind::TaskFailed(fields) = event.kind {
                failed.push(fields.exception);
            }
        }
    }
    for shown in shown {
        assert!(failed.contains(&shown), "{shown} is none of {failed:?}");
    }
}
