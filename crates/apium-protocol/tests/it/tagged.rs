//! The tagged types of kombu.

use apium_protocol::{
    RawJson,
    tagged::{Bytes, Date, Datetime, Decimal, Time, Uuid},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    RawJson::parse(text).unwrap().to().map_err(|error| error.to_string())
}

fn there_and_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, text: &str) {
    assert_eq!(RawJson::from(value).unwrap().as_str(), text);
    assert_eq!(&read::<T>(text).unwrap(), value);
}

#[test]
fn each_type_is_written_with_its_tag() {
    let text = String::from;
    there_and_back(
        &Datetime(text("2026-01-02T03:04:05.000678+00:00")),
        r#"{"__type__": "datetime", "__value__": "2026-01-02T03:04:05.000678+00:00"}"#,
    );
    there_and_back(&Date(text("2026-01-02")), r#"{"__type__": "date", "__value__": "2026-01-02"}"#);
    there_and_back(&Time(text("01:02:03")), r#"{"__type__": "time", "__value__": "01:02:03"}"#);
    there_and_back(&Decimal(text("1.10")), r#"{"__type__": "decimal", "__value__": "1.10"}"#);
    there_and_back(
        &Uuid(text("0000000000000000000000000000000a")),
        r#"{"__type__": "uuid", "__value__": {"hex": "0000000000000000000000000000000a"}}"#,
    );
    there_and_back(&Bytes(b"abc".to_vec()), r#"{"__type__": "bytes", "__value__": "abc"}"#);
    there_and_back(&Bytes(vec![0xff, 0]), r#"{"__type__": "base64", "__value__": "/wA="}"#);
}

#[test]
fn plain_values_are_read_too() {
    assert_eq!(read::<Datetime>("\"2026-01-02T03:04:05Z\"").unwrap().0, "2026-01-02T03:04:05Z");
    assert_eq!(read::<Decimal>("\"1.10\"").unwrap().0, "1.10");
    assert_eq!(read::<Decimal>("-3").unwrap().0, "-3");
    assert_eq!(read::<Decimal>("0.5").unwrap().0, "0.5");
    assert_eq!(read::<Decimal>("100000000000000000000000000").unwrap().0, "100000000000000000000000000");
    let hyphens = read::<Uuid>("\"00000000-0000-0000-0000-00000000000A\"").unwrap();
    assert_eq!(hyphens.0, "0000000000000000000000000000000a");
    assert_eq!(read::<Bytes>("\"é\"").unwrap().0, "é".as_bytes());
}

#[test]
fn the_order_of_the_keys_does_not_matter() {
    let text = r#"{"__value__": {"hex": "0000000000000000000000000000000a"}, "__type__": "uuid"}"#;
    assert!(read::<Uuid>(text).is_ok());
}

#[test]
fn anything_else_is_refused() {
    assert!(
        read::<Date>(r#"{"__type__": "time", "__value__": "01:02:03"}"#)
            .unwrap_err()
            .contains("of type date, found time")
    );
    assert!(read::<Date>(r#"{"__type__": "date"}"#).is_err());
    assert!(read::<Date>(r#"{"__type__": "date", "__value__": "x", "more": 1}"#).is_err());
    assert!(read::<Date>("[1]").is_err());
    assert!(read::<Datetime>("12").is_err());
    assert!(read::<Uuid>("\"12\"").unwrap_err().contains("is not a UUID"));
    assert!(read::<Uuid>(r#"{"__type__": "uuid", "__value__": {"int": 5}}"#).is_err());
    assert!(read::<Bytes>(r#"{"__type__": "base64", "__value__": "*"}"#).is_err());
}

#[test]
fn they_fit_into_types_of_a_task() {
    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(untagged)]
    enum When {
        At { at: Datetime },
        Never(()),
    }
    let text = r#"[{"at": {"__type__": "datetime", "__value__": "2026-01-02T03:04:05"}}, null]"#;
    let read: Vec<When> = read(text).unwrap();
    assert_eq!(read, [When::At { at: Datetime("2026-01-02T03:04:05".to_owned()) }, When::Never(())]);
}
