//! Arguments for people to read. The expected texts are what Celery 5.7's `saferepr(value, 1024)` gave.

use apium_protocol::{RawJson, python_repr};

fn args(text: &str) -> String {
    python_repr::args(&RawJson::parse(text).unwrap())
}

fn value(text: &str) -> String {
    python_repr::value(&RawJson::parse(text).unwrap())
}

#[test]
fn arguments_are_shown_as_a_tuple() {
    assert_eq!(args("[]"), "()");
    assert_eq!(args("[1]"), "(1,)");
    assert_eq!(args("[1, \"a\"]"), "(1, 'a')");
    assert_eq!(args("{\"not\": \"a list\"}"), "{'not': 'a list'}");
}

#[test]
fn values_are_shown_as_python_shows_them() {
    for (text, shown) in [
        ("{\"a\": null, \"b\": true, \"c\": false}", "{'a': None, 'b': True, 'c': False}"),
        ("{}", "{}"),
        ("[NaN, Infinity, -Infinity, -0]", "[nan, inf, -inf, 0]"),
        ("[1e3, 1E16, 1.50, 1e999]", "[1000.0, 1e+16, 1.5, inf]"),
        ("1000000000000000000000000", "1000000000000000000000000"),
        (r#""it's\n\"é\"""#, "'it\\'s\n\"é\"'"),
        ("[[[1]]]", "[[[1]]]"),
        ("[[[[1]], {\"a\": {}}]]", "[[[[...]], {'a': {...}}]]"),
    ] {
        assert_eq!(value(text), shown);
    }
}

#[test]
fn tagged_values_are_shown_shortly() {
    for (text, shown) in [
        (r#"{"__type__": "decimal", "__value__": "1.10"}"#, "Decimal('1.10')"),
        (
            r#"{"__type__": "uuid", "__value__": {"hex": "00000000000000000000000000000005"}}"#,
            "UUID('00000000-0000-0000-0000-000000000005')",
        ),
        (r#"{"__type__": "bytes", "__value__": "a'b"}"#, "b\"a'b\""),
        (r#"{"__type__": "date", "__value__": "2026-01-02"}"#, "'2026-01-02'"),
        (r#"{"__type__": "mine", "__value__": [1]}"#, "{'__type__': 'mine', '__value__': [1]}"),
    ] {
        assert_eq!(value(text), shown);
    }
}

#[test]
fn what_is_too_long_is_cut_and_still_closed() {
    let a = |count| "a".repeat(count);
    for (items, shown) in [
        // The string uses up all the room.
        (format!("[\"{}\", 1]", a(1100)), format!("['{}...', ...]", a(1023))),
        // Room for a part of the next word only.
        (format!("[\"{}\", false]", a(1016)), format!("['{}', Fal...]", a(1016))),
        (format!("{{\"{}\": [1]}}", a(1100)), format!("{{'{}...', ...}}", a(1023))),
        (format!("[\"{}\", [2]]", a(1018)), format!("['{}', [, ...]]", a(1018))),
    ] {
        assert_eq!(value(&items), shown);
    }
    let words = format!("[\"{}\"]", "word ".repeat(300));
    let shown = value(&words);
    assert!(shown.starts_with("['word word") && shown.ends_with(" word...']"), "{shown}");
}
