//! Rust values read from Python's dialect and written in it.

use std::collections::{BTreeMap, HashMap};

use apium_protocol::RawJson;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

fn read<T: DeserializeOwned>(text: &str) -> T {
    RawJson::parse(text).unwrap().to().unwrap()
}

fn refused<T: DeserializeOwned>(text: &str) -> String {
    match RawJson::parse(text).unwrap().to::<T>() {
        Ok(_) => panic!("{text} was read"),
        Err(error) => error.to_string(),
    }
}

fn write<T: Serialize>(value: T) -> String {
    RawJson::from(&value).unwrap().as_str().to_owned()
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(f64),
    Tuple(i8, String),
    Struct { x: Option<u128> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    shapes: Vec<Shape>,
    by_number: BTreeMap<i64, bool>,
    by_flag: BTreeMap<bool, char>,
    unit: (),
    nothing: Option<String>,
    #[serde(default)]
    missing: u8,
    wrapped: Wrapped,
    raw: RawJson,
    bytes: Vec<u8>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped((i128, f32));

fn everything() -> Everything {
    Everything {
        shapes: vec![
            Shape::Unit,
            Shape::Newtype(f64::INFINITY),
            Shape::Tuple(-1, "é".to_owned()),
            Shape::Struct { x: Some(u128::MAX) },
        ],
        by_number: BTreeMap::from([(-3, true), (4, false)]),
        by_flag: BTreeMap::from([(true, 'x')]),
        unit: (),
        nothing: None,
        missing: 7,
        wrapped: Wrapped((i128::MIN, 0.1)),
        raw: RawJson::parse("{\"a\" :[NaN,1.50]}").unwrap(),
        bytes: vec![0, 255],
    }
}

const EVERYTHING: &str = concat!(
    r#"{"shapes": ["Unit", {"Newtype": Infinity}, {"Tuple": [-1, "\u00e9"]}, "#,
    r#"{"Struct": {"x": 340282366920938463463374607431768211455}}], "#,
    r#""by_number": {"-3": true, "4": false}, "by_flag": {"true": "x"}, "unit": null, "nothing": null, "#,
    r#""missing": 7, "wrapped": [-170141183460469231731687303715884105728, 0.1], "#,
    r#""raw": {"a" :[NaN,1.50]}, "bytes": [0, 255]}"#,
);

#[test]
fn any_type_survives_the_way_there_and_back() {
    assert_eq!(write(everything()), EVERYTHING);
    assert_eq!(read::<Everything>(EVERYTHING), everything());
}

#[test]
fn floats_are_written_as_python_prints_them() {
    for (value, text) in [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (1_080_237_357_441.437_1, "1080237357441.4371"),
        (1e16, "1e+16"),
        (1e15, "1000000000000000.0"),
        (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.5e-7, "1.5e-07"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(write(value), text);
        let back: f64 = read(text);
        assert!(back.to_bits() == value.to_bits() || back.is_nan() && value.is_nan());
    }
    assert_eq!(write(0.1_f32), "0.1");
}

#[test]
fn strings_are_written_in_ascii() {
    assert_eq!(
        write("a\"\\/\u{8}\u{c}\n\r\t\0\u{7f}é😀\u{2028}"),
        r#""a\"\\/\b\f\n\r\t\u0000\u007f\u00e9\ud83d\ude00\u2028""#
    );
    assert_eq!(write('x'), "\"x\"");
}

#[test]
fn keys_become_the_strings_that_python_makes_of_them() {
    assert_eq!(write(HashMap::from([(1.5_f64.to_bits(), 1)])), "{\"4609434218613702656\": 1}");
    assert_eq!(write(BTreeMap::from([(None::<u8>, 1)])), "{\"null\": 1}");
    assert_eq!(write(BTreeMap::from([(Some('é'), 1)])), "{\"\\u00e9\": 1}");
    let error = RawJson::from(&BTreeMap::from([((1, 2), 3)])).unwrap_err();
    assert!(error.to_string().contains("a key must be"), "{error}");
}

#[test]
fn integers_are_never_rounded() {
    assert_eq!(read::<u64>("18446744073709551615"), u64::MAX);
    assert_eq!(read::<i64>("-9223372036854775808"), i64::MIN);
    assert_eq!(read::<i128>("1000000000000000000000000000000"), 10_i128.pow(30));
    assert_eq!(read::<f64>("1000000000000000000000000000000"), 1e30);
    assert_eq!(read::<i64>("-0"), 0);
    assert!(refused::<u64>("18446744073709551616").contains("18446744073709551616"));
    let too_large = refused::<serde_json::Value>("1000000000000000000000");
    assert!(too_large.contains("out of range"), "{too_large}");
    let googol = format!("1{}", "0".repeat(100));
    assert!(refused::<serde_json::Value>(&googol).contains("does not fit into 128 bits"));
    assert!(refused::<i128>(&googol).contains("at most 128 bits"));
    assert!(refused::<u128>("-18446744073709551616").contains("not negative"));
    assert_eq!(read::<f64>(&googol), 1e100);
}

#[test]
fn floats_beyond_the_range_are_infinite_as_in_python() {
    assert_eq!(read::<f64>("1e999"), f64::INFINITY);
    assert_eq!(read::<f64>("-1.5E+4000"), f64::NEG_INFINITY);
    assert_eq!(read::<f64>(&format!("{}.5", "9".repeat(400))), f64::INFINITY);
    assert!(read::<Vec<f64>>("[NaN, 1.5]")[0].is_nan());
    assert_eq!(read::<Vec<f32>>("[-Infinity, 2]"), [f32::NEG_INFINITY, 2.0]);
}

#[test]
fn a_lone_surrogate_becomes_a_replacement_character() {
    assert_eq!(read::<String>(r#""\ud800 \udc00x\ud83d\ude00""#), "\u{fffd} \u{fffd}x😀");
    let map: HashMap<String, RawJson> = read(r#"{"\ud800": "\udfff"}"#);
    assert_eq!(map["\u{fffd}"].as_str(), r#""\udfff""#);
}

#[test]
fn the_dialect_is_read_into_every_kind_of_type() {
    assert_eq!(read::<(Option<u8>, Option<f64>)>("[null, Infinity]"), (None, Some(f64::INFINITY)));
    assert_eq!(read::<Vec<Shape>>(r#"["Unit", {"Unit": null}, {"Newtype": -Infinity}]"#).len(), 3);
    assert_eq!(read::<BTreeMap<Key, f64>>(r#"{"Low": Infinity}"#).len(), 1);
    assert!(read::<Sparse>(r#"{"ignored": [NaN, {"a": NaN}], "kept": true}"#).kept);
}

#[derive(Deserialize)]
struct Sparse {
    kept: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Key {
    Low,
}

#[test]
fn a_value_of_another_shape_is_refused_with_a_reason() {
    assert!(refused::<Vec<String>>("[NaN]").contains("floating point `NaN`"));
    assert!(refused::<(f64, f64)>("[NaN, 1, 2]").contains("more elements"));
    assert!(refused::<(f64, f64)>("[NaN]").contains("length 1"));
    assert!(refused::<Shape>(r#"{"Tuple": [1, "\ud800", 3]}"#).contains("more elements"));
    assert!(refused::<Shape>(r#"{"Unit": NaN}"#).contains("takes no content"));
    assert!(refused::<Shape>(r#""Newtyp\ud800""#).contains("unknown variant"));
    assert!(refused::<Shape>("NaN").contains("variant"));
    assert!(refused::<Vec<Shape>>(r#"["Newtype", NaN]"#).contains("lacks its content"));
}

#[test]
fn raw_values_pass_through_serde_json_untouched() {
    #[derive(Serialize, Deserialize)]
    struct Holder {
        raw: RawJson,
    }
    let text = r#"{"raw":{"a" : [1.50,  "\u00e9\ud800"]}}"#;
    let holder: Holder = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&holder).unwrap(), text);
    assert_eq!(read::<Holder>(text).raw, holder.raw);

    let nan = Holder { raw: RawJson::parse("[NaN]").unwrap() };
    assert_eq!(serde_json::to_string(&nan).unwrap(), r#"{"raw":[NaN]}"#);
    assert_eq!(write(&nan), r#"{"raw": [NaN]}"#);
    assert_eq!(read::<Holder>(r#"{"raw": [NaN]}"#).raw, nan.raw);

    let value = serde_json::to_value(&Holder { raw: RawJson::parse("[1]").unwrap() }).unwrap();
    assert_eq!(value["raw"], serde_json::json!([1]));
    assert_eq!(serde_json::from_value::<Holder>(value).unwrap().raw.as_str(), "[1]");
}

#[test]
fn strings_are_scanned_the_same_at_every_offset() {
    let specials = ["\"", "\\", "\n", "\u{1f}", "\u{7f}", "é", "😀", "\u{80}", "\0", " ", "~", "!", "#", "[", "]"];
    for before in 0..20 {
        for after in 0..20 {
            for special in specials {
                let value = format!("{}{special}{}", "a".repeat(before), "\u{7e}".repeat(after));
                let written = write(&value);
                assert!(written.is_ascii());
                assert_eq!(read::<String>(&written), value);
                assert_eq!(serde_json::from_str::<String>(&written).unwrap(), value);
                let strict = serde_json::to_string(&value).unwrap();
                assert_eq!(
                    RawJson::parse(&format!("[{strict}, NaN]")).unwrap().to::<(String, f64)>().unwrap().0,
                    value
                );
                if special.as_bytes()[0] < 0x20 {
                    assert!(RawJson::parse(&format!("\"{value}\"")).is_err());
                }
            }
        }
    }
}
