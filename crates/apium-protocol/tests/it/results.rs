//! Result records: their order on the wire, what may be missing, and why something is none.

use apium_protocol::{RawJson, ResultRecord};

fn written(record: &ResultRecord) -> String {
    String::from_utf8(record.encode()).unwrap()
}

#[test]
fn a_new_record_is_written_in_celerys_order() {
    let mut record = ResultRecord::new("i-1", "SUCCESS", RawJson::parse("NaN").unwrap());
    assert_eq!(
        written(&record),
        r#"{"status": "SUCCESS", "result": NaN, "traceback": null, "children": [], "date_done": null, "task_id": "i-1"}"#
    );
    record.traceback = Some("é\n".to_owned());
    record.date_done = Some("2026-11-22T00:00:00+00:00".to_owned());
    record.group_id = Some("g".to_owned());
    record.parent_id = Some("p".to_owned());
    record.other = vec![("name".to_owned(), RawJson::string("t"))];
    assert_eq!(
        written(&record),
        concat!(
            r#"{"status": "SUCCESS", "result": NaN, "traceback": "\u00e9\n", "children": [], "#,
            r#""date_done": "2026-11-22T00:00:00+00:00", "group_id": "g", "parent_id": "p", "name": "t", "task_id": "i-1"}"#,
        )
    );
    assert_eq!(ResultRecord::decode(&record.encode()).unwrap(), record);
}

#[test]
fn a_record_may_come_in_any_order_and_without_most_fields() {
    let record = ResultRecord::decode(br#"{"task_id": "i", "result": [1], "status": "MINE"}"#).unwrap();
    assert_eq!((record.status.as_str(), record.task_id.as_str()), ("MINE", "i"));
    assert!(record.children.is_null() && record.traceback.is_none());
}

#[test]
fn what_is_no_record_says_why() {
    let said = |bytes: &[u8]| ResultRecord::decode(bytes).unwrap_err().to_string();
    assert_eq!(said(b"[]"), "not a result record: expected an object, found '[' at byte 0");
    assert_eq!(said(br#"{"task_id": "i"}"#), "not a result record for task id i: it has no status");
    assert_eq!(
        said(br#"{"status": 1, "name": "t", "task_id": "i"}"#),
        "not a result record for t[i]: its field status should be a string, not 1"
    );
    assert!(said(b"\xff").starts_with("not a result record: invalid utf-8"));
    assert!(said(b"\0celery-compressed\0application/zstd\0(\xb5").contains("compressed as \"application/zstd\""));
}
