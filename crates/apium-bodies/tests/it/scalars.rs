//! YAML as people write it by hand, read by the rules of PyYAML.

use apium_bodies::{BodySettings, Serializer};

use crate::kit::{bodies, open, open_to_all};

fn read(argument: &str) -> Result<String, String> {
    let settings = BodySettings { largest_body: 1 << 16, ..open_to_all() };
    let body = format!("- - {argument}\n- {{}}\n- null\n");
    let opened = open(&bodies(settings), Serializer::Yaml, body.as_bytes()).map_err(|error| error.to_string())?;
    Ok(opened.args.elements().unwrap()[0].to_string())
}

#[test]
fn plain_scalars() {
    for (yaml, json) in [
        ("yes", "true"),
        ("Off", "false"),
        ("~", "null"),
        ("'yes'", "\"yes\""),
        ("010", "8"),
        ("-0x1F", "-31"),
        ("0b101", "5"),
        ("1_000", "1000"),
        ("1:30:05", "5405"),
        ("100000000000000000000000000000000000000000", "100000000000000000000000000000000000000000"),
        ("1.5e+3", "1500.0"),
        ("1e5", "\"1e5\""),
        (".5", "0.5"),
        ("-.inf", "-Infinity"),
        (".nan", "NaN"),
        ("1:30.5", "90.5"),
        ("089", "\"089\""),
        ("2026-01-02", r#"{"__type__": "date", "__value__": "2026-01-02"}"#),
        ("2026-1-2 3:04:05.5 -5", r#"{"__type__": "datetime", "__value__": "2026-01-02T03:04:05.500000-05:00"}"#),
        ("2026-01-02T03:04:05Z", r#"{"__type__": "datetime", "__value__": "2026-01-02T03:04:05+00:00"}"#),
        ("!!str 1", "\"1\""),
        ("!!float 1", "1.0"),
        ("{1: a, yes: b, ~: c}", r#"{"1": "a", "true": "b", "null": "c"}"#),
        ("|\n    two\n    lines\n", r#""two\nlines\n""#),
    ] {
        assert_eq!(read(yaml).as_deref(), Ok(json), "{yaml}");
    }
}

#[test]
fn what_is_not_plain_data_is_refused() {
    for (yaml, told) in [
        ("!!python/object/apply:os.system [ls]", "python/object/apply:os.system"),
        ("!!python/name:os.system x", "python/name:os.system"),
        ("!own x", "!own"),
        ("{<<: {a: 1}}", "merges"),
        ("{? [a] : 1}", "key of a mapping"),
        ("&a [*a]", "alias"),
        ("[", "no YAML"),
    ] {
        let why = read(yaml).unwrap_err();
        assert!(why.contains(told), "{yaml}: {why}");
    }
    let laughs = (1..20).fold("[&a0 [lol, lol]".to_owned(), |text, at| {
        let before = at - 1;
        format!("{text}, &a{at} [{}]", vec![format!("*a{before}"); 9].join(","))
    });
    let why = read(&format!("{laughs}]")).unwrap_err();
    assert!(why.contains("larger unpacked than largest_body allows"), "{why}");
}
