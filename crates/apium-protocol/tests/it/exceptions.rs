//! Exceptions in results: how they are written for a Python caller, and how their message reads.

use apium_protocol::{ExceptionRecord, RawJson};

fn read(text: &str) -> Option<ExceptionRecord> {
    ExceptionRecord::from_result(&RawJson::parse(text).unwrap())
}

#[test]
fn an_exception_is_written_as_celery_writes_it() {
    let exception = ExceptionRecord::new("builtins", "ValueError", "böom");
    assert_eq!(
        exception.to_json().as_str(),
        r#"{"exc_type": "ValueError", "exc_message": ["b\u00f6om"], "exc_module": "builtins"}"#
    );
    assert_eq!(ExceptionRecord::from_result(&exception.to_json()), Some(exception));
}

#[test]
fn the_message_is_what_python_prints() {
    for (exc_type, args, printed) in [
        ("E", "[]", ""),
        ("E", "[\"a'b\"]", "a'b"),
        ("E", "[null]", "None"),
        ("E", "[1.0]", "1.0"),
        ("E", "[\"a'b\", 2]", "(\"a'b\", 2)"),
        ("E", "[\"a\\n\\u0001\\\\\", [true]]", "('a\\n\\x01\\\\', [True])"),
        ("KeyError", "[\"k\"]", "'k'"),
        ("KeyError", "[1]", "1"),
    ] {
        let exception = read(&format!(r#"{{"exc_type": "{exc_type}", "exc_message": {args}}}"#)).unwrap();
        assert_eq!(exception.message(), printed);
    }
}

#[test]
fn older_forms_are_read() {
    let exception = read(r#"{"exc_type": "E", "exc_message": "text"}"#).unwrap();
    assert_eq!((exception.exc_message.as_str(), exception.exc_module), ("[\"text\"]", None));
    assert_eq!(read(r#"{"exc_type": "E"}"#).unwrap().exc_message.as_str(), "[]");
}

#[test]
fn other_results_are_no_exceptions() {
    for text in ["null", "{}", "[1]", r#"{"exc_type": 1}"#, r#"{"exc_message": ["a"]}"#] {
        assert_eq!(read(text), None);
    }
}
