//! Deep nesting: refused before it can exhaust a stack, and read up to the limit on a small one.

use std::{collections::BTreeMap, thread};

use apium_protocol::{Message, RawJson, ResultRecord, python_repr};
use serde::Deserialize;

const LIMIT: usize = 512;

fn nested(depth: usize, opening: &str, closing: &str) -> String {
    let middle = if opening == "[" { "" } else { "1" };
    format!("{}{middle}{}", opening.repeat(depth), closing.repeat(depth))
}

#[test]
fn nesting_beyond_the_limit_is_refused() {
    for (opening, closing) in [("[", "]"), ("{\"a\":", "}")] {
        assert!(RawJson::parse(&nested(LIMIT, opening, closing)).is_ok());
        let error = RawJson::parse(&nested(LIMIT + 1, opening, closing)).unwrap_err();
        assert!(error.to_string().contains("nested more than 512 deep"), "{error}");
    }
    let hostile = "[".repeat(1_000_000);
    assert!(RawJson::parse(&hostile).is_err());
    assert!(Message::decode(format!("{{\"headers\": {hostile}").as_bytes()).is_err());
    assert!(ResultRecord::decode(format!("{{\"status\": {hostile}").as_bytes()).is_err());
}

#[derive(Deserialize)]
#[serde(untagged)]
#[allow(dead_code)]
enum Tree {
    Leaf(i64),
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
}

/// Tokio gives its threads two megabytes, and test builds use the most of it.
#[test]
fn the_deepest_value_fits_on_a_worker_thread() {
    let reading = thread::Builder::new().stack_size(2 << 20).spawn(|| {
        for (opening, closing) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = RawJson::parse(&nested(LIMIT, opening, closing)).unwrap();
            let value: serde_json::Value = deep.to().unwrap();
            assert_eq!(RawJson::from(&value).unwrap().as_str().replace(' ', ""), deep.as_str());
            assert!(python_repr::value(&deep).len() < 50);
        }
    });
    reading.unwrap().join().unwrap();
}

#[test]
fn what_is_put_together_too_deep_is_refused_when_read() {
    let mut deep = RawJson::empty_array();
    for _ in 0..LIMIT {
        deep = RawJson::array(&[deep]);
    }
    assert!(deep.to::<serde_json::Value>().is_err());
    assert!(RawJson::from(&deep).is_err());
    assert!(deep.to::<Tree>().is_err());
}
