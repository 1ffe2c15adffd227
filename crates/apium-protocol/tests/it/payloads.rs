//! Bodies: how they are encoded, and what they must hold.

use apium_protocol::{DecodeError, Embed, Headers, Message, Payload, Properties, RawJson};

/// A message whose body is `body` as it stands.
fn message(body: &str, body_encoding: Option<&str>) -> Message {
    let mut message = Message::new(Headers::new("t", "i"), &Payload::default(), Properties::default());
    body.clone_into(&mut message.body);
    message.properties.body_encoding = body_encoding.map(str::to_owned);
    message
}

fn error(message: &Message) -> String {
    let error = message.payload().unwrap_err();
    assert_eq!((error.task_id(), error.task_name()), (Some("i"), Some("t")));
    error.to_string()
}

#[test]
fn a_body_may_be_plain_text() {
    for encoding in [None, Some("utf-8")] {
        let payload = message(r#"[[NaN, "é"], {"a": 1}, {}]"#, encoding).payload().unwrap();
        assert_eq!(payload.args.as_str(), r#"[NaN, "é"]"#);
        assert_eq!(payload.kwargs.as_str(), r#"{"a": 1}"#);
        assert_eq!(payload.embed, Embed::default());
    }
}

#[test]
fn base64_is_read_with_and_without_padding() {
    for body in ["W1tdLHt9LHt9XQ==", "W1tdLHt9LHt9XQ"] {
        assert_eq!(message(body, Some("base64")).payload().unwrap(), Payload::default());
    }
}

#[test]
fn what_follows_the_task_is_kept_whole() {
    let text = r#"[[], {}, {"callbacks": [1], "errbacks": [2], "chain": [], "chord": {"x": NaN}, "later": 5}]"#;
    let payload = message(text, None).payload().unwrap();
    assert_eq!(payload.embed.chain.as_str(), "[]");
    assert_eq!(payload.embed.other, [("later".to_owned(), RawJson::parse("5").unwrap())]);
    let again = Message::new(Headers::new("t", "i"), &payload, Properties::default());
    assert_eq!(again.payload().unwrap(), payload);
}

#[test]
fn missing_arguments_are_none() {
    assert_eq!(message("[null, null, null]", None).payload().unwrap(), Payload::default());
}

/// Some clients send the headers of protocol 2 with the body of protocol 1.
#[test]
fn a_body_of_protocol_1_is_read_under_the_headers_of_protocol_2() {
    let text = r#"{"args": [1], "kwargs": {"a": 2}, "errbacks": [3], "chain": null, "id": "other"}"#;
    let payload = message(text, None).payload().unwrap();
    assert_eq!((payload.args.as_str(), payload.kwargs.as_str()), ("[1]", "{\"a\": 2}"));
    assert_eq!(payload.embed.errbacks.as_str(), "[3]");
    assert!(payload.embed.other.is_empty());
}

#[test]
fn a_body_that_cannot_be_read_says_why() {
    let of = "the body of the message for t[i] cannot be read: ";
    for (body, encoding, reason) in [
        ("W1t", Some("base64"), "it is not base64"),
        ("/w==", Some("base64"), "it is not UTF-8"),
        ("[[], {}", None, "the text ends where a comma or ] is expected at byte 7"),
        ("[[], {}]", None, "expected the three elements args, kwargs and embed, found 2"),
        ("[1, {}, {}]", None, "the positional arguments are not an array"),
        ("[[], [], {}]", None, "the keyword arguments are not an object"),
        ("[[], {}, []]", None, "expected an object, found '['"),
        ("7", None, "expected an array"),
        ("", Some("rot13"), "its encoding \"rot13\" is unknown"),
    ] {
        let said = error(&message(body, encoding));
        assert!(said.starts_with(&format!("{of}{reason}")), "{said}");
    }
}

#[test]
fn other_serialisations_and_compression_are_named() {
    let mut pickled = message("", None);
    pickled.content_type = "application/x-python-serialize".to_owned();
    assert!(error(&pickled).contains("\"application/x-python-serialize\""));
    let mut latin = message("", None);
    latin.content_encoding = "latin-1".to_owned();
    assert!(error(&latin).contains("charset=latin-1"));
    let mut compressed = message("", None);
    compressed.headers.compression = Some("application/zstd".to_owned());
    assert!(matches!(compressed.payload(), Err(DecodeError::Compressed { .. })));
    assert!(error(&compressed).contains("compressed as \"application/zstd\""));
    let again = Message::new(compressed.headers, &Payload::default(), Properties::default());
    assert!(again.payload().is_ok(), "a new body is not compressed");
}
