//! Any text: it is refused, or it is kept, and then it comes apart and together again.
#![no_main]

use apium_protocol::{RawJson, python_repr, tagged};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, value::RawValue};

fuzz_target!(|text: &str| {
    let strict = serde_json::from_str::<&RawValue>(text).is_ok();
    let raw = match RawJson::parse(text) {
        Ok(raw) => raw,
        Err(error) => {
            assert!(!strict || error.to_string().contains("deep"), "{text:?} was refused: {error}");
            return;
        }
    };
    assert_eq!(RawJson::from(&raw).expect("a raw value is written"), raw);
    if let Ok(value) = raw.to::<Value>() {
        let written = RawJson::from(&value).expect("a value is written");
        assert!(written.as_str().is_ascii());
        let again: Value = written.to().expect("what was written is read");
        assert!(again == value || raw.as_str().contains(['N', 'I', 'e', 'E']), "{again} is not {value}");
    }
    if let Ok(elements) = raw.elements() {
        let again = RawJson::array(&elements);
        assert_eq!(again.elements().expect("an array is taken apart"), elements);
    }
    if let Ok(members) = raw.members() {
        let again = RawJson::object(&members);
        assert_eq!(again.members().expect("an object is taken apart"), members);
    }
    let _ = python_repr::value(&raw);
    let _ = python_repr::args(&raw);
    let _ = raw.to::<(Option<f64>, i128, std::collections::BTreeMap<i64, String>)>();
    let _ = raw.to::<Result<Option<u8>, (char, bool)>>();
    let _ = raw.to::<tagged::Bytes>();
    let _ = raw.to::<Vec<tagged::Uuid>>();
});
