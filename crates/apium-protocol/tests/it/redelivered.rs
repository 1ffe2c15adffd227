//! The mark of a message that was given back.

use apium_protocol::Message;

fn mark(text: &str) -> Option<String> {
    Message::redelivered(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn the_mark_is_put_where_kombu_puts_it() {
    for (before, after) in [
        (
            r#"{"headers": {"id": 1}, "properties": {"delivery_info": {"routing_key": "q"}, "x": 1}}"#,
            r#"{"headers": {"id": 1, "redelivered": true}, "properties": {"delivery_info": {"routing_key": "q", "redelivered": true}, "x": 1}}"#,
        ),
        (
            r#"{"properties" :{"delivery_info":{ }},"body":"é", "headers":{}}"#,
            r#"{"properties" :{"delivery_info":{ "redelivered": true}},"body":"é", "headers":{"redelivered": true}}"#,
        ),
        (
            r#"{"headers": {"redelivered": false, "id": 1}, "properties": {"delivery_info": {"redelivered": true}}}"#,
            r#"{"headers": {"redelivered": true, "id": 1}, "properties": {"delivery_info": {"redelivered": true}}}"#,
        ),
        (r#"{"headers": {}, "properties": {}}"#, r#"{"headers": {"redelivered": true}, "properties": {}}"#),
        (r#"{"headers": {}, "headers": {"a": 1}}"#, r#"{"headers": {}, "headers": {"a": 1, "redelivered": true}}"#),
        ("{}", "{}"),
        (r#"{"headers": null}"#, r#"{"headers": null}"#),
    ] {
        assert_eq!(mark(before).as_deref(), Some(after));
    }
}

#[test]
fn what_is_no_envelope_is_left_alone() {
    for text in [
        "",
        "[]",
        "{",
        r#"{"headers": 1}"#,
        r#"{"headers": {}, "properties": []}"#,
        r#"{"properties": {"delivery_info": "x"}}"#,
    ] {
        assert_eq!(mark(text), None, "{text}");
    }
    assert_eq!(Message::redelivered(b"\xff"), None);
}
