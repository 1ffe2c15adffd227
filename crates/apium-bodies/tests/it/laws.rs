//! What is packed is opened again as it was, in every form.

use apium_bodies::{BodySettings, Compression, Serializer};
use apium_core::bodies::{Asked, Bodies};
use apium_protocol::{Headers, Payload, Properties, RawJson};
use proptest::prelude::*;

use crate::kit::{bodies, open, open_to_all, there_and_back};

/// A value as JSON has it.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let number = any::<f64>().prop_filter("finite", |number| number.is_finite());
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        number.prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        "[-+0-9.:eExob_TZ ~]{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_form_gives_back_what_was_sent(
        values in prop::collection::vec(value(), 0..4),
        serializer in prop::sample::select(vec!["json", "msgpack", "yaml", "pickle"]),
        compression in prop::sample::select(vec![None, Some("gzip"), Some("bzip2"), Some("xz"), Some("zstd"), Some("brotli")]),
    ) {
        let payload = Payload::new(RawJson::from(&values).unwrap(), RawJson::empty_object());
        let asked = Asked { serializer: Some(serializer.to_owned()), compression: compression.map(str::to_owned) };
        let back = there_and_back(&bodies(open_to_all()), &payload, &asked).unwrap();
        prop_assert_eq!(back, payload);
    }

    #[test]
    fn nothing_that_comes_makes_it_fall(
        body in prop::collection::vec(any::<u8>(), 0..200),
        of in 0..5_usize,
    ) {
        let settings = BodySettings { largest_body: 10_000, ..open_to_all() };
        let bodies = bodies(settings);
        let _ = open(&bodies, Serializer::ALL[of], &body);
        let _ = Compression::ALL[of].unpack(&body, 10_000);
    }

    #[test]
    fn what_is_spoilt_on_its_way_never_makes_it_fall(
        values in prop::collection::vec(value(), 0..3),
        (at, with) in (any::<prop::sample::Index>(), any::<u8>()),
        of in 0..5_usize,
        form in 0..4_usize,
    ) {
        let bodies = bodies(BodySettings { largest_body: 100_000, ..open_to_all() });
        let asked = Asked { serializer: Some(Serializer::ALL[form].name().to_owned()), compression: None };
        let payload = Payload::new(RawJson::from(&values).unwrap(), RawJson::empty_object());
        let packed = bodies.pack(Headers::new("t", "1"), &payload, Properties::default(), &asked).unwrap();
        let mut body = packed.body_bytes().unwrap();
        let mut squeezed = Compression::ALL[of].pack(&body).unwrap();
        let place = at.index(squeezed.len());
        squeezed[place] = with;
        let _ = Compression::ALL[of].unpack(&squeezed, 100_000);
        let place = at.index(body.len());
        body[place] = with;
        let _ = open(&bodies, Serializer::ALL[form], &body);
    }
}

#[test]
fn tagged_values_go_where_they_can() {
    let bodies = bodies(open_to_all());
    let tag = |name: &str, value: &str| format!(r#"{{"__type__": "{name}", "__value__": {value}}}"#);
    let bytes = format!("[{}, {}]", tag("bytes", "\"abc\""), tag("base64", "\"/wA=\""));
    let moments = format!("[{}]", tag("datetime", "\"2026-01-02T03:04:05.000678+00:00\""));
    let others = format!(
        "[{}, {}, {}]",
        tag("decimal", "\"1.10\""),
        tag("uuid", "{\"hex\": \"00000000000000000000000000000005\"}"),
        tag("time", "\"01:02:03\"")
    );
    let sent = |json: &str, serializer: &str| {
        let payload = Payload::new(RawJson::parse(json).unwrap(), RawJson::empty_object());
        let asked = Asked { serializer: Some(serializer.to_owned()), compression: None };
        let packed = bodies.pack(Headers::new("t", "1"), &payload, Properties::default(), &asked)?;
        Ok::<_, String>(bodies.open(&packed).map(|payload| payload.args.to_string()))
    };
    for serializer in ["msgpack", "yaml", "pickle"] {
        if serializer != "pickle" {
            assert_eq!(sent(&bytes, serializer).unwrap().unwrap(), bytes, "{serializer}");
        }
    }
    assert_eq!(sent(&moments, "yaml").unwrap().unwrap(), moments);
    for (json, serializer) in [(&moments, "msgpack"), (&others, "msgpack"), (&others, "yaml")] {
        let refused = sent(json, serializer).unwrap_err();
        assert!(refused.contains("send it as text, or use json"), "{refused}");
    }
    let unknown = sent("[]", "auth").unwrap_err();
    assert!(unknown.contains("read here, not written"), "{unknown}");
    assert!(sent("[]", "cbor").unwrap_err().contains("\"cbor\" is not known"));
}
