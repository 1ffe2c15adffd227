//! Message envelopes, well formed and not.

use apium_protocol::{DecodeError, Headers, Message, Payload, Properties, RawJson};

fn decode(text: &str) -> Result<Message, DecodeError> {
    Message::decode(text.as_bytes())
}

fn refused(text: &str) -> DecodeError {
    decode(text).unwrap_err()
}

#[test]
fn a_new_message_looks_like_that_of_a_python_client() {
    let mut headers = Headers::new("app.add", "id-1");
    headers.argsrepr = Some("(1, 2)".to_owned());
    headers.kwargsrepr = Some("{}".to_owned());
    headers.origin = Some("gen1@host".to_owned());
    headers.ignore_result = Some(false);
    headers.timelimit = (Some(30.0), Some(2.5));
    headers.stamped_headers = Some(vec!["mid".to_owned()]);
    headers.stamps = RawJson::parse(r#"{"mid": "z"}"#).unwrap();
    headers.other = vec![("x-h".to_owned(), RawJson::string("é"))];
    let payload = Payload::new(RawJson::parse("[1, 2]").unwrap(), RawJson::empty_object());
    let mut properties =
        Properties { delivery_tag: "tag-1".to_owned(), priority: Some(5), delivery_mode: 0, ..Properties::default() };
    properties.delivery_info.routing_key = "celery".to_owned();
    let message = Message::new(headers, &payload, properties);
    let expected = concat!(
        r#"{"body": "W1sxLCAyXSwge30sIHsiY2FsbGJhY2tzIjogbnVsbCwgImVycmJhY2tzIjogbnVsbCwgImNoYWluIjogbnVsbCwgImNob3JkIjogbnVsbH1d", "#,
        r#""content-encoding": "utf-8", "content-type": "application/json", "headers": {"lang": "py", "task": "app.add", "#,
        r#""id": "id-1", "shadow": null, "eta": null, "expires": null, "group": null, "group_index": null, "retries": 0, "#,
        r#""timelimit": [30, 2.5], "root_id": "id-1", "parent_id": null, "argsrepr": "(1, 2)", "kwargsrepr": "{}", "#,
        r#""origin": "gen1@host", "ignore_result": false, "replaced_task_nesting": 0, "stamped_headers": ["mid"], "#,
        r#""stamps": {"mid": "z"}, "x-h": "\u00e9"}, "properties": {"correlation_id": "id-1", "delivery_mode": 2, "#,
        r#""delivery_info": {"exchange": "", "routing_key": "celery"}, "priority": 5, "body_encoding": "base64", "#,
        r#""delivery_tag": "tag-1"}}"#,
    );
    assert_eq!(String::from_utf8(message.encode()).unwrap(), expected);
    assert_eq!(Message::decode(&message.encode()).unwrap(), message);
    assert_eq!(message.payload().unwrap(), payload);
}

#[test]
fn missing_headers_and_properties_have_defaults() {
    let message =
        decode(r#"{"headers": {"task": "t", "id": "i", "lang": null, "retries": null, "timelimit": null}}"#).unwrap();
    let defaults = Headers { root_id: None, ..Headers::new("t", "i") };
    assert_eq!(message.headers, defaults);
    assert_eq!(message.properties, Properties::default());
    assert_eq!((message.headers.lang.as_str(), message.protocol), ("py", 2));
    let message =
        decode(r#"{"headers": {"task": "t", "id": "i"}, "properties": {"delivery_info": null, "priority": null}}"#)
            .unwrap();
    assert_eq!(message.properties, Properties::default());
}

#[test]
fn unknown_headers_and_properties_are_kept_in_order() {
    let text = concat!(
        r#"{"headers": {"zz": 1, "task": "t", "id": "i", "aa": [NaN]}, "#,
        r#""properties": {"origin": "o", "app_id": "a", "delivery_info": {"routing_key": "q", "consumer_tag": 3}}}"#,
    );
    let message = decode(text).unwrap();
    let keys = |members: &[(String, RawJson)]| -> Vec<String> { members.iter().map(|(key, _)| key.clone()).collect() };
    assert_eq!(keys(&message.headers.other), ["zz", "aa"]);
    assert_eq!(keys(&message.properties.other), ["origin", "app_id"]);
    assert_eq!(keys(&message.properties.delivery_info.other), ["consumer_tag"]);
    assert_eq!(Message::decode(&message.encode()).unwrap(), message);
}

#[test]
fn a_key_given_twice_counts_once_as_in_python() {
    let message = decode(r#"{"headers": {"task": "a", "id": "i", "task": "b", "id": "j"}}"#).unwrap();
    assert_eq!((message.headers.task.as_str(), message.headers.id.as_str()), ("b", "j"));
    for bad in ["[]", r#"{"id": 5, "task": "a"}"#] {
        let message = decode(&format!(r#"{{"headers": {bad}, "headers": {{"task": "b", "id": "j"}}}}"#)).unwrap();
        assert_eq!((message.headers.task.as_str(), message.headers.id.as_str()), ("b", "j"), "{bad}");
    }
}

#[test]
fn a_text_that_breaks_off_is_no_envelope_whatever_its_headers_say() {
    let error = refused(r#"{"headers": {"id": 5, "task": "a"}, "body""#);
    assert!(matches!(error, DecodeError::Envelope { .. }), "{error}");
}

#[test]
fn a_field_of_the_wrong_type_is_named_with_the_task() {
    for (field, value, said) in [
        ("retries", "-1", "should be a whole number that is not negative, not -1"),
        ("retries", "\"1\"", "should be a whole number that is not negative, not \"1\""),
        ("group_index", "1.5", "should be a whole number, not 1.5"),
        ("eta", "12", "should be a string, not 12"),
        ("timelimit", "[1]", "should be two numbers or nulls, not [1]"),
        ("timelimit", "[\"inf\", 1]", "should be a number, not \"inf\""),
        ("timelimit", "[true, 1]", "should be a number, not true"),
        ("ignore_result", "0", "should be true or false, not 0"),
        ("stamped_headers", "[\"a\", null]", "should be a list of strings, not [\"a\", null]"),
        ("stamped_headers", "\"ab\"", "should be a list of strings, not \"ab\""),
        ("stamps", "[]", "should be an object, not []"),
    ] {
        let text = format!(r#"{{"headers": {{"{field}": {value}, "task": "app.add", "id": "i-1"}}}}"#);
        let error = refused(&text);
        assert_eq!((error.task_id(), error.task_name()), (Some("i-1"), Some("app.add")));
        assert_eq!(error.to_string(), format!("the field headers.{field} of the message for app.add[i-1] {said}"));
    }
    let error = refused(r#"{"headers": {"task": ["a"], "id": "i-1"}}"#);
    assert_eq!((error.task_id(), error.task_name()), (Some("i-1"), None));
    for properties in [
        "[]",
        r#"{"delivery_mode": 300}"#,
        r#"{"delivery_info": 1}"#,
        r#"{"priority": "high"}"#,
        r#"{"delivery_tag": 1}"#,
    ] {
        let error = refused(&format!(r#"{{"headers": {{"task": "t", "id": "i"}}, "properties": {properties}}}"#));
        assert!(matches!(&error, DecodeError::Field { field, .. } if field.starts_with("properties")), "{error}");
        assert_eq!(error.task_id(), Some("i"));
    }
    let error = refused(r#"{"body": [1], "headers": {"task": "t", "id": "i"}}"#);
    assert_eq!(error.to_string(), "the field body of the message for t[i] should be a string, not [1]");
}

#[test]
fn a_long_wrong_value_is_shown_cut() {
    let error = refused(&format!(r#"{{"headers": {{"task": "t", "id": "i", "eta": [{}1]}}}}"#, "1,".repeat(1000)));
    assert!(error.to_string().len() < 150, "{error}");
}

#[test]
fn an_extreme_priority_is_clamped() {
    let priority = |value: &str| {
        let text = format!(r#"{{"headers": {{"task": "t", "id": "i"}}, "properties": {{"priority": {value}}}}}"#);
        decode(&text).map(|message| message.properties.priority)
    };
    assert_eq!(priority("255"), Ok(Some(255)));
    assert_eq!(priority("-3"), Ok(Some(-3)));
    assert_eq!(priority("99999999999999999999"), Ok(Some(i64::MAX)));
    assert_eq!(priority("-99999999999999999999"), Ok(Some(i64::MIN)));
    assert!(priority("1.5").is_err());
}

#[test]
fn what_is_no_task_message_is_told_apart() {
    assert!(matches!(refused("not json"), DecodeError::Envelope { .. }));
    assert!(matches!(refused("[]"), DecodeError::Envelope { .. }));
    assert!(matches!(Message::decode(b"\xff"), Err(DecodeError::Envelope { .. })));
    assert!(matches!(refused(r#"{"headers": 1}"#), DecodeError::Envelope { .. }));
    let error = refused(
        r#"{"headers": {"id": "i"}, "body": "e30=", "content-type": "application/json", "properties": {"body_encoding": "base64"}}"#,
    );
    assert_eq!(error.to_string(), "the message for task id i names no task");
    assert_eq!(
        refused("{}").to_string(),
        "the body of the message is \"\"; only application/json in UTF-8 is accepted"
    );
    assert_eq!(refused(r#"{"headers": {"task": "t"}}"#).to_string(), "the message for t has no task id");
}

#[test]
fn protocol_1_is_read_from_the_body() {
    let message = |body: &str| {
        let body = RawJson::string(body);
        decode(&format!(r#"{{"body": {body}, "content-type": "application/json", "headers": {{}}}}"#))
    };
    let lifted = message(concat!(
        r#"{"task": "t", "id": "i", "args": [1], "kwargs": {"a": 2}, "taskset": "g", "retries": 2, "timelimit": [3, null], "#,
        r#""callbacks": [1], "chord": {"task": "b"}, "utc": true}"#,
    ))
    .unwrap();
    assert_eq!((lifted.protocol, lifted.headers.retries), (1, 2));
    assert_eq!(lifted.headers.group.as_deref(), Some("g"));
    let payload = lifted.payload().unwrap();
    assert_eq!((payload.args.as_str(), payload.kwargs.as_str()), ("[1]", "{\"a\": 2}"));
    assert_eq!((payload.embed.callbacks.as_str(), payload.embed.chord.as_str()), ("[1]", "{\"task\": \"b\"}"));
    assert_eq!(Message::decode(&lifted.encode()).unwrap(), lifted);

    let error = message(r#"{"task": "t", "id": "i", "retries": "x"}"#).unwrap_err();
    assert_eq!((error.task_id(), error.task_name()), (Some("i"), Some("t")));
    assert!(matches!(message(r#"{"id": "i"}"#), Err(DecodeError::NoTask { .. })));
    assert!(matches!(message(r#"{"task": "t"}"#), Err(DecodeError::NoId { .. })));
    assert!(matches!(message("[1]"), Err(DecodeError::NoTask { .. })));
}
