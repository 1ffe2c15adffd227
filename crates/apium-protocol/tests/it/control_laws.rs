//! What holds for every request, reply and event, tried with many; and that nothing a peer sends can do harm.

use apium_protocol::{
    RawJson,
    control::{Command, ControlNames, Reply, Request, Stats, glob},
    event::{Event, EventKind, EventMessage, EventNames, TaskReceived, TaskRevoked},
};
use proptest::{collection::vec, option, prelude::*};

/// A JSON value, of Python's dialect too.
fn raw() -> impl Strategy<Value = RawJson> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("false".to_owned()),
        Just("NaN".to_owned()),
        "-?[1-9][0-9]{0,25}(\\.5)?",
        any::<String>().prop_map(|text| RawJson::string(&text).to_string()),
    ];
    let text = scalar.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            vec((any::<String>(), inner), 0..4).prop_map(|members| {
                let members: Vec<_> =
                    members.into_iter().map(|(key, value)| (key, RawJson::parse(&value).unwrap())).collect();
                RawJson::object(&members).to_string()
            }),
        ]
    });
    text.prop_map(|text| RawJson::parse(&text).unwrap())
}

/// One of the names that mean something, or another.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "ping",
            "revoke",
            "terminate",
            "rate_limit",
            "hello",
            "query_task",
            "autoscale",
            "add_consumer",
            "election",
            "revoke_by_stamped_headers",
            "registered",
            "time_limit",
            "pool_grow",
            "objgraph",
            "shutdown",
            "task_id",
            "signal",
            "headers",
            "task_name",
            "from_node",
            "revoked",
            "ids",
            "n",
            "queue",
            "max",
            "id",
            "topic",
            "state",
            "terminate",
            "method",
            "arguments",
            "destination",
            "pattern",
            "matcher",
            "reply_to",
            "ticket",
            "clock",
            "expires",
            "type",
            "uuid",
            "hostname",
            "pid",
            "timestamp",
            "task-received",
            "worker-heartbeat",
            "freq",
            "loadavg",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ]
}

/// An object that looks like something known.
fn object() -> impl Strategy<Value = RawJson> {
    vec((word(), prop_oneof![raw(), word().prop_map(|word| RawJson::string(&word))]), 0..8)
        .prop_map(|members| RawJson::object(&members))
}

fn envelope(headers: &RawJson, body: &RawJson) -> String {
    let body = RawJson::string(body.as_str());
    format!(r#"{{"body": {body}, "content-type": "application/json", "headers": {headers}}}"#)
}

prop_compose! {
    fn event()(
        name in any::<String>(), times in (-1e3..1e3, 0.0..1e12), counts in (any::<u64>(), option::of(any::<u64>())),
        texts in (any::<String>(), option::of(any::<String>())), raw in raw(), flags in (any::<bool>(), any::<bool>()),
        received in any::<bool>(), other in vec((any::<String>().prop_map(|key| format!("x-{key}")), raw()), 0..2),
    ) -> Event {
        let kind = if received {
            let (uuid, eta) = texts;
            EventKind::TaskReceived(TaskReceived {
                retries: counts.0, eta, ..TaskReceived::new(uuid, name.clone(), &RawJson::empty_array(), &raw)
            })
        } else {
            EventKind::TaskRevoked(TaskRevoked { uuid: texts.0, terminated: flags.0, signum: raw, expired: flags.1 })
        };
        let mut event = Event::new(name, counts.0, counts.0, times.1, kind);
        event.utcoffset = times.0;
        event.clock = counts.1;
        // A key given twice counts once.
        event.other = Event::from_json(&RawJson::object(&[vec![("type".to_owned(), RawJson::string(""))], other].concat()))
            .unwrap()
            .other;
        event
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_comes_back_as_it_was(
        method in any::<String>(), arguments in raw(), destination in vec(any::<String>(), 0..3),
        texts in (option::of(any::<String>()), option::of(any::<String>()), any::<String>(), any::<String>()),
        clock in any::<u64>(), expires in option::of(1.0..1e12), asked in any::<bool>(),
    ) {
        let names = ControlNames::default();
        let mut request = Request::new(&Command::Ping, &names, texts.2.clone());
        if asked {
            request = request.replying_to(&names, texts.2, texts.3);
        }
        request.method = method;
        request.arguments = arguments.clone();
        request.destination = destination;
        request.pattern = texts.0;
        request.matcher = texts.1;
        request.clock = clock;
        request.expires = expires;
        prop_assert_eq!(&Request::decode(&request.encode()).unwrap(), &request);
        if let Some(reply) = Reply::to(&request, "w1@lab", arguments, clock, "tag") {
            prop_assert_eq!(Reply::decode(&reply.encode()).unwrap(), reply);
        }
    }

    #[test]
    fn events_come_back_as_they_were(events in vec(event(), 1..4)) {
        let message = EventMessage::batch(events.clone(), &EventNames::default(), "tag").unwrap();
        prop_assert_eq!(EventMessage::decode(&message.encode()).unwrap(), message);
        let single = EventMessage::single(events[0].clone(), &EventNames::default(), "tag");
        prop_assert_eq!(EventMessage::decode(&single.encode()).unwrap(), single);
    }

    #[test]
    fn a_command_means_the_same_when_sent_on(method in word(), arguments in object()) {
        if let Ok(command) = Command::parse(&method, &arguments) {
            prop_assert_eq!(Command::parse(command.name(), &command.arguments()), Ok(command));
        }
    }

    #[test]
    fn nothing_a_peer_sends_does_harm(headers in object(), body in prop_oneof![object(), raw()], bytes in any::<Vec<u8>>()) {
        let text = envelope(&headers, &body);
        for bytes in [text.as_bytes(), bytes.as_slice()] {
            if let Ok(request) = Request::decode(bytes) {
                // Compared as written: NaN is not equal to itself.
                prop_assert_eq!(Request::decode(&request.encode()).unwrap().encode(), request.encode());
                let _ = (request.command(), request.is_for("w1@lab"));
            }
            if let Ok(reply) = Reply::decode(bytes) {
                let _ = (reply.ok(), reply.error(), reply.value.to::<Stats>());
            }
            if let Ok(message) = EventMessage::decode(bytes) {
                prop_assert_eq!(EventMessage::decode(&message.encode()).unwrap().encode(), message.encode());
            }
        }
    }

    #[test]
    fn a_pattern_covers_every_name_with_its_letters(name in any::<String>(), pattern in "[a-c*?!\\[\\]\\-]{0,12}") {
        prop_assert!(glob("*", &name));
        prop_assert!(glob(&"?".repeat(name.chars().count()), &name));
        let plain = name.replace(['*', '?', '['], "x");
        prop_assert!(glob(&plain, &plain));
        let _ = glob(&pattern, &name);
    }
}
