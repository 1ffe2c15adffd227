//! Inputs that once went wrong, kept so that they do not again.

use apium_protocol::RawJson;
use serde_json::Value;

/// `serde_json` reads floats one digit off unless it is told not to; Python never does.
#[test]
fn the_last_digit_of_a_float_is_kept() {
    for text in ["1080237357441.4371", "[1080237357441.4371, NaN]", "5e-324", "2.2250738585072011e-308"] {
        let raw = RawJson::parse(text).unwrap();
        if let Ok(value) = raw.to::<f64>() {
            assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        } else {
            let values: Vec<f64> = raw.to().unwrap();
            assert_eq!(values[0].to_bits(), 1_080_237_357_441.437_1_f64.to_bits(), "{text}");
        }
    }
    let through_a_tree: Value = RawJson::parse("[1080237357441.4371]").unwrap().to().unwrap();
    assert_eq!(RawJson::from(&through_a_tree).unwrap().as_str(), "[1080237357441.4371]");
}
