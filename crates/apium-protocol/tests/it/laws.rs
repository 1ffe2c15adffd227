//! What holds for every value, tried with many.

use apium_protocol::{
    DeliveryInfo, Embed, ExceptionRecord, Headers, Message, Payload, Properties, RawJson, ResultRecord, python_repr,
};
use proptest::{collection::vec, option, prelude::*};
use serde_json::Value;

/// Any JSON text of Python's dialect, with white space in places.
fn text() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("NaN".to_owned()),
        Just("-Infinity".to_owned()),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,4})?",
        any::<String>().prop_map(|value| serde_json::to_string(&value).unwrap()),
        Just(r#""\ud800\u0041\/\udbff""#.to_owned()),
    ];
    scalar.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(|items| format!("[ {}]", items.join(" ,"))),
            vec((key(), inner), 0..5).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(key, value)| format!("{} :{value}\n", serde_json::to_string(key).unwrap()))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z_]{1,8}"]
}

fn raw() -> impl Strategy<Value = RawJson> {
    text().prop_map(|text| RawJson::parse(&text).unwrap())
}

/// Any value that JSON proper can hold.
fn strict() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    scalar.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((key(), inner), 0..6).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Members that no known field is called.
fn other() -> impl Strategy<Value = Vec<(String, RawJson)>> {
    vec((any::<String>().prop_map(|key| format!("x-{key}")), raw()), 0..3)
}

fn object() -> impl Strategy<Value = RawJson> {
    other().prop_map(|members| RawJson::object(&members))
}

fn array() -> impl Strategy<Value = RawJson> {
    vec(raw(), 0..4).prop_map(|items| RawJson::array(&items))
}

fn limit() -> impl Strategy<Value = Option<f64>> {
    option::of(prop_oneof![any::<i32>().prop_map(f64::from), any::<f64>().prop_filter("a number", |v| !v.is_nan())])
}

fn maybe() -> impl Strategy<Value = Option<String>> {
    option::of(any::<String>())
}

prop_compose! {
    fn headers()(
        names in ("[^\0]{1,9}", "[^\0]{1,9}", any::<String>()),
        shown in (maybe(), maybe(), maybe(), maybe()),
        times in (maybe(), maybe()),
        family in (maybe(), maybe(), maybe(), option::of(any::<i64>())),
        counts in (any::<u32>(), any::<u32>()),
        timelimit in (limit(), limit()),
        flags in (option::of(any::<bool>()), any::<bool>()),
        stamps in (option::of(vec(any::<String>(), 0..3)), object(), maybe()),
        other in other(),
    ) -> Headers {
        let (task, id, lang) = names;
        let (shadow, argsrepr, kwargsrepr, origin) = shown;
        let (group, root_id, parent_id, group_index) = family;
        Headers {
            lang, task, id, shadow, eta: times.0, expires: times.1, group, group_index, retries: counts.0, timelimit,
            root_id, parent_id, argsrepr, kwargsrepr, origin, ignore_result: flags.0,
            replaced_task_nesting: counts.1, stamped_headers: stamps.0, stamps: stamps.1, compression: stamps.2,
            redelivered: flags.1, other,
        }
    }
}

prop_compose! {
    fn properties()(
        texts in (maybe(), maybe(), maybe(), maybe(), any::<String>()),
        numbers in (any::<u8>(), option::of(any::<i64>())),
        info in (any::<String>(), any::<String>(), any::<bool>(), other()),
        other in other(),
    ) -> Properties {
        let (correlation_id, reply_to, body_encoding, expiration, delivery_tag) = texts;
        Properties {
            correlation_id, reply_to, delivery_mode: numbers.0,
            delivery_info: DeliveryInfo { exchange: info.0, routing_key: info.1, redelivered: info.2, other: info.3 },
            priority: numbers.1, body_encoding, delivery_tag, expiration, other,
        }
    }
}

prop_compose! {
    fn message()(
        headers in headers(), properties in properties(),
        texts in (any::<String>(), any::<String>(), any::<String>()),
    ) -> Message {
        let (body, content_type, content_encoding) = texts;
        Message { headers, properties, body, content_type, content_encoding, protocol: 2 }
    }
}

prop_compose! {
    fn payload()(
        args in array(), kwargs in object(), embed in (raw(), raw(), raw(), raw()), other in other(),
    ) -> Payload {
        let (callbacks, errbacks, chain, chord) = embed;
        Payload { args, kwargs, embed: Embed { callbacks, errbacks, chain, chord, other } }
    }
}

prop_compose! {
    fn record()(
        status in "[^\0]{1,9}", values in (raw(), raw()), texts in (maybe(), maybe(), maybe(), maybe(), any::<String>()),
        other in other(),
    ) -> ResultRecord {
        let (result, children) = values;
        let (traceback, date_done, group_id, parent_id, task_id) = texts;
        ResultRecord { status, result, traceback, children, date_done, group_id, parent_id, task_id, other }
    }
}

/// Text that looks like JSON without always being it.
fn scraps() -> impl Strategy<Value = String> {
    vec(
        prop_oneof![
            text(),
            "[\\[\\]{}:,\"\\\\ ]{1,3}",
            any::<String>(),
            Just(r#""headers": {"task": "t", "id": "i"}"#.to_owned()),
            Just(r#"{"properties": {"delivery_info": {"#.to_owned()),
        ],
        0..6,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_raw_value_keeps_its_text_everywhere(text in text()) {
        let raw = RawJson::parse(&text).unwrap();
        prop_assert_eq!(raw.as_str(), text.trim_matches([' ', '\n']));
        prop_assert_eq!(&RawJson::from(&raw).unwrap(), &raw);
        prop_assert_eq!(&raw.to::<RawJson>().unwrap(), &raw);
        let held = RawJson::from(&(1, &raw)).unwrap();
        prop_assert_eq!(&held.to::<(u8, RawJson)>().unwrap().1, &raw);
        prop_assert_eq!(&held.elements().unwrap()[1], &raw);
    }

    #[test]
    fn the_splitter_agrees_with_serde_json(value in strict()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let raw = RawJson::parse(&text).unwrap();
            prop_assert_eq!(&raw.to::<Value>().unwrap(), &value);
            if let Value::Array(items) = &value {
                let elements: Vec<Value> = raw.elements().unwrap().iter().map(|item| item.to().unwrap()).collect();
                prop_assert_eq!(&elements, items);
            }
            if let Value::Object(members) = &value {
                let split = raw.members().unwrap();
                prop_assert_eq!(split.len(), members.len());
                for ((key, value), (wanted, wanted_value)) in split.iter().zip(members) {
                    prop_assert_eq!(key, wanted);
                    prop_assert_eq!(&value.to::<Value>().unwrap(), wanted_value);
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_strict_json_in_ascii_unless_it_must_not_be(value in strict()) {
        let written = RawJson::from(&value).unwrap();
        prop_assert!(written.as_str().is_ascii());
        prop_assert_eq!(&serde_json::from_str::<Value>(written.as_str()).unwrap(), &value);
        // The dialect's reader, forced by a NaN beside the value, reads the same.
        let beside = RawJson::array(&[RawJson::parse("NaN").unwrap(), written]);
        prop_assert_eq!(beside.to::<(f64, Value)>().unwrap().1, value);
    }

    #[test]
    fn serde_json_and_the_scanner_accept_the_same_texts(text in scraps()) {
        let strict = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        let ours = RawJson::parse(&text);
        if strict {
            prop_assert!(ours.is_ok(), "{:?}", ours);
        } else if ours.is_ok() {
            prop_assert!(text.contains("NaN") || text.contains("Infinity"));
        }
    }

    #[test]
    fn a_message_is_read_as_it_was_written(message in message()) {
        let bytes = message.encode();
        prop_assert!(bytes.is_ascii() || std::str::from_utf8(&bytes).is_ok());
        prop_assert_eq!(Message::decode(&bytes).unwrap(), message);
    }

    #[test]
    fn a_payload_is_read_as_it_was_written(payload in payload(), headers in headers(), properties in properties()) {
        let message = Message::new(headers, &payload, properties);
        prop_assert_eq!(&message.payload().unwrap(), &payload);
        prop_assert_eq!(Message::decode(&message.encode()).unwrap(), message);
    }

    #[test]
    fn giving_back_changes_nothing_but_the_mark(message in message()) {
        let mut marked = Message::decode(&Message::redelivered(&message.encode()).unwrap()).unwrap();
        prop_assert!(marked.headers.redelivered && marked.properties.delivery_info.redelivered);
        marked.headers.redelivered = message.headers.redelivered;
        marked.properties.delivery_info.redelivered = message.properties.delivery_info.redelivered;
        prop_assert_eq!(marked, message);
    }

    #[test]
    fn a_record_is_read_as_it_was_written(record in record()) {
        let bytes = record.encode();
        prop_assert_eq!(bytes.get(..12), Some(&b"{\"status\": \""[..]));
        prop_assert_eq!(ResultRecord::decode(&bytes).unwrap(), record);
    }

    #[test]
    fn anything_can_be_shown(raw in raw()) {
        let shown = python_repr::value(&raw);
        prop_assert!(shown.chars().count() < python_repr::LIMIT + 600, "{}", shown.len());
        ExceptionRecord::from_result(&raw);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop_oneof![vec(any::<u8>(), 0..200), scraps().prop_map(String::into_bytes)]) {
        let _ = Message::redelivered(&bytes);
        let _ = ResultRecord::decode(&bytes);
        if let Ok(message) = Message::decode(&bytes) {
            let _ = message.payload();
        }
        if let Ok(text) = std::str::from_utf8(&bytes) && let Ok(raw) = RawJson::parse(text) {
            let _ = raw.to::<Value>();
        }
    }
}
