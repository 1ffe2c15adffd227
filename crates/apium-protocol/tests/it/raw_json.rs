//! Raw values: what counts as JSON, and how they come apart and together.

use apium_protocol::RawJson;

#[test]
fn one_value_is_taken_as_it_stands() {
    for text in [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-12.50e+3",
        "1E400",
        "NaN",
        "Infinity",
        "-Infinity",
        "\"\"",
        r#""\ud800 \" \\ \/ \b\f\n\r\t\u00E9 é""#,
        "[ ]",
        "[]",
        "{}",
        "{ }",
        "[ 1 , [ ] , {\"a\" : 1 , \"a\":2} ]",
        "{\"\\u0061\": NaN}",
        "1000000000000000000000000000000000000000000000000000000",
    ] {
        assert_eq!(RawJson::parse(text).unwrap().as_str(), text);
        let padded = format!(" \t\r\n{text} \n");
        assert_eq!(RawJson::parse(&padded).unwrap().as_str(), text);
    }
}

#[test]
fn anything_else_is_refused_with_the_place() {
    for (text, at) in [
        ("", 0),
        ("  ", 2),
        ("nul", 0),
        ("nan", 0),
        ("+1", 0),
        (".5", 0),
        ("1.", 2),
        ("1e", 2),
        ("1e+", 3),
        ("01", 0),
        ("-", 1),
        ("-a", 1),
        ("--1", 1),
        ("1 2", 2),
        ("\"abc", 0),
        ("\"\n\"", 1),
        (r#""\x""#, 1),
        (r#""\u12g4""#, 1),
        (r#""\u123"#, 1),
        ("[", 1),
        ("[1", 2),
        ("[1,]", 3),
        ("[1 2]", 3),
        ("[1}", 2),
        ("{", 1),
        ("{1: 2}", 1),
        ("{\"a\"}", 4),
        ("{\"a\" 1}", 5),
        ("{\"a\": 1,}", 8),
        ("{\"a\": 1]", 7),
        ("]", 0),
        ("\u{a0}1", 0),
        ("'a'", 0),
    ] {
        let error = RawJson::parse(text).unwrap_err();
        assert_eq!(error.offset(), Some(at), "{text:?}: {error}");
    }
}

#[test]
fn errors_are_sentences() {
    let said = |text| RawJson::parse(text).unwrap_err().to_string();
    assert_eq!(said("[1 2]"), "expected a comma or ], found '2' at byte 3");
    assert_eq!(said("[1"), "the text ends where a comma or ] is expected at byte 2");
    assert_eq!(said("01"), "a number has a leading zero at byte 0");
    let not_array = RawJson::parse("{}").unwrap().elements().unwrap_err();
    assert_eq!(not_array.to_string(), "expected an array, found '{' at byte 0");
}

#[test]
fn arrays_come_apart_and_together() {
    let array = RawJson::parse(r#"[1, "a,]", [2, {"b": 3}], NaN , {}]"#).unwrap();
    let elements = array.elements().unwrap();
    let texts: Vec<_> = elements.iter().map(RawJson::as_str).collect();
    assert_eq!(texts, ["1", "\"a,]\"", "[2, {\"b\": 3}]", "NaN", "{}"]);
    assert_eq!(RawJson::array(&elements).as_str(), r#"[1, "a,]", [2, {"b": 3}], NaN, {}]"#);
    assert_eq!(RawJson::array(&[]), RawJson::empty_array());
    assert!(RawJson::parse("[ ]").unwrap().elements().unwrap().is_empty());
}

#[test]
fn objects_come_apart_and_together() {
    let object = RawJson::parse(r#"{"z": 1, "\u00e9\"": {"}": []}, "z" :Infinity}"#).unwrap();
    let members = object.members().unwrap();
    let seen: Vec<_> = members.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(seen, [("z", "1"), ("é\"", "{\"}\": []}"), ("z", "Infinity")]);
    let again = RawJson::object(&members);
    assert_eq!(again.as_str(), r#"{"z": 1, "\u00e9\"": {"}": []}, "z": Infinity}"#);
    assert_eq!(again.member("z").unwrap().as_str(), "Infinity");
    assert!(again.member("y").is_none() && RawJson::null().member("z").is_none());
    assert!(again.to::<std::collections::HashMap<String, RawJson>>().unwrap().contains_key("é\""));
}

#[test]
fn simple_values_are_made_directly() {
    assert!(RawJson::null().is_null() && RawJson::default().is_null());
    assert!(RawJson::empty_object().is_object() && RawJson::empty_array().is_array());
    assert_eq!(RawJson::string("é\"").as_str(), r#""\u00e9\"""#);
    assert_eq!(RawJson::string("null").to::<String>().unwrap(), "null");
    assert_eq!(RawJson::parse("null").unwrap(), RawJson::null());
}

#[test]
fn debug_shows_a_long_value_cut() {
    let long = RawJson::string(&"é".repeat(1000));
    let shown = format!("{long:?}");
    assert!(shown.len() < 250 && shown.ends_with("… (6002 bytes)"), "{shown}");
    assert_eq!(format!("{:?}", RawJson::parse("[1]").unwrap()), "[1]");
}
