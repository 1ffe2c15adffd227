//! What Celery 5.7 has written, captured by `interop/capture/bodies.py`.

use apium_bodies::{Compression, Serializer, WireBodies};
use apium_core::bodies::Bodies;
use apium_protocol::{RawJson, ResultRecord};

use crate::kit::{bodies, bytes, lines, message, open_to_all, text};

#[test]
fn every_body_reads_as_kombus_own_json() {
    let bodies = bodies(open_to_all());
    for line in lines("bodies.jsonl") {
        let (kind, encoding) = (text(&line, "content_type"), text(&line, "content_encoding"));
        let opened = bodies.open(&message((&kind, &encoding), None, &bytes(&line, "body"))).unwrap();
        let meant = RawJson::parse(&text(&line, "json")).unwrap().elements().unwrap();
        // The first difference alone: the bodies are long.
        for (read, meant) in pieces(&opened.args).iter().zip(pieces(&meant[0])) {
            assert_eq!(*read, meant, "{kind}");
        }
        assert!(opened.args == meant[0], "{kind}");
        assert_eq!(opened.kwargs, meant[1], "{kind}");
        assert!(opened.embed.chain.is_null());
    }
}

#[test]
fn every_compression_is_opened() {
    let bodies = bodies(open_to_all());
    let cases = lines("compressed.jsonl");
    assert_eq!(cases.len(), Compression::ALL.len());
    for line in cases {
        let (name, header) = (text(&line, "name"), text(&line, "content_type"));
        let compression = Compression::named(&name).unwrap();
        assert_eq!((compression.content_type(), Compression::named(&header)), (header.as_str(), Some(compression)));
        let packed = bytes(&line, "packed");
        let opened = bodies.open(&message(("application/json", "utf-8"), Some(&header), &packed)).unwrap();
        assert_eq!(opened.args, RawJson::parse(&text(&line, "json")).unwrap().elements().unwrap()[0], "{name}");
        assert_eq!(bodies.open_stored(&bytes(&line, "stored")).unwrap(), text(&line, "json").as_bytes(), "{name}");
        // What is cut off or spoilt is told, and not half of it taken.
        for cut in [0, 1, packed.len() / 2, packed.len() - 5] {
            let cut = compression.unpack(&packed[..cut], 1 << 20);
            assert!(cut.as_ref().is_err_and(|why| why.contains(&compression.to_string())), "{name}: {cut:?}");
        }
    }
}

#[test]
fn results_are_compressed_as_celery_marks_them() {
    let record = ResultRecord::new("1", "SUCCESS", RawJson::string(&"long ".repeat(1000))).encode();
    for compression in Compression::ALL {
        let bodies = bodies(apium_bodies::BodySettings { result_compression: Some(compression), ..open_to_all() });
        let stored = bodies.pack_stored(&record, true);
        let mark = format!("\0celery-compressed\0{}\0", compression.content_type());
        assert!(stored.starts_with(mark.as_bytes()) && stored.len() < record.len() / 2, "{compression}");
        assert_eq!(*bodies.open_stored(&stored).unwrap(), record, "{compression}");
    }
    assert_eq!(*bodies(open_to_all()).pack_stored(&record, true), record, "not unless it is set");
    let odd = bodies(open_to_all()).open_stored(b"\0celery-compressed\0application/x-snappy\0xxx").unwrap_err();
    assert!(odd.contains("application/x-snappy"), "{odd}");
}

#[test]
fn results_are_stored_in_the_form_that_is_set() {
    let in_form =
        |form| bodies(apium_bodies::BodySettings { result_serializer: form, largest_body: 10_000, ..open_to_all() });
    let tagged = |tag: &str, value: &str| format!(r#"{{"__type__": "{tag}", "__value__": "{value}"}}"#);
    let moment = tagged("datetime", "2026-01-02T03:04:05");
    let value = format!(
        "[1, 1.5, null, {}, {moment}, {}, {}]",
        tagged("base64", "/w=="),
        tagged("decimal", "1.10"),
        -(1_i128 << 64)
    );
    let record = ResultRecord::new("1", "SUCCESS", RawJson::parse(&value).unwrap());
    for (form, when, least) in [
        (Serializer::Json, &*moment, "-18446744073709551616"),
        (Serializer::Msgpack, "\"2026-01-02T03:04:05\"", "\"-18446744073709551616\""),
        (Serializer::Yaml, &*moment, "-18446744073709551616"),
    ] {
        let bodies = in_form(form);
        let stored = bodies.pack_stored(&record.encode(), false).into_owned();
        let read = ResultRecord::decode(&bodies.open_stored(&stored).unwrap()).unwrap();
        assert_eq!((read.status.as_str(), read.task_id.as_str()), ("SUCCESS", "1"), "{form}");
        let result = read.result.to_string();
        assert!(result.contains(when) && result.contains(least) && result.contains("/w=="), "{form}: {result}");
        // What was stored before it was set so.
        assert_eq!(*bodies.open_stored(&record.encode()).unwrap(), record.encode(), "{form}");
    }
    let odd: [(&[u8], &str); 4] = [
        (b"\x81\xa6status\xa7SUCCESS", "set result_serializer to msgpack here too"),
        (b"children: []\nstatus: SUCCESS\n", "set result_serializer to yaml here too"),
        (b"\x80\x04\x95", "pickle, in which no results are read"),
        (b"\xff", "its worker may be set to another"),
    ];
    for (stored, says) in odd {
        let told = in_form(Serializer::Json).open_stored(stored).unwrap_err();
        assert!(
            told.starts_with("result_serializer is json here, and it is not JSON") && told.contains(says),
            "{told}"
        );
    }
    let deep = in_form(Serializer::Msgpack).open_stored(&[0x91; 9_000]).unwrap_err();
    assert!(deep.contains("nests deeper"), "{deep}");
    for form in [Serializer::Pickle, Serializer::Auth] {
        let refused =
            WireBodies::new(apium_bodies::BodySettings { result_serializer: form, ..open_to_all() }).err().unwrap();
        assert!(refused.starts_with("result_serializer cannot be"), "{refused}");
    }
}

/// The arguments, and of those that are lists, their elements.
fn pieces(args: &RawJson) -> Vec<RawJson> {
    let elements = args.elements().unwrap();
    elements.iter().flat_map(|arg| arg.elements().unwrap_or_else(|_| vec![arg.clone()])).collect()
}
