//! The written form of an entry, what is sent for it, and Celery's `beat_schedule`.

use std::collections::BTreeSet;

use apium_beat::{Entry, Missed, Origin, Overlap, Zone, celery, identity};
use serde_json::{Value, json};

use crate::times::at;

const WHOLE: &str = r#"{
    "name": "check-hps-expiration", "task": "hps_core.tasks.check_hps_expiration_task",
    "schedule": {"crontab": "0 9 * * 1-5"}, "zone": "Europe/Madrid",
    "args": [1, NaN], "kwargs": {"days": 30, "big": 123456789012345678901234567890},
    "options": {"queue": "email", "expires": 3600, "headers": {"tenant": "a"}},
    "missed": "all", "window": "2h", "overlap": "queue-one", "jitter": 30, "paused": true,
    "start": "2026-01-01T00:00:00Z", "end": "2026-12-31T00:00:00Z", "origin": "file"
}"#;

#[test]
fn it_is_read_and_written_again() {
    // Python's NaN is no JSON, and still an argument.
    let entry = Entry::parse(WHOLE).unwrap();
    assert_eq!((entry.missed, entry.overlap, entry.origin), (Missed::All, Overlap::QueueOne, Origin::File));
    assert_eq!(entry.window, Some(std::time::Duration::from_hours(2)));
    let written = apium_protocol::RawJson::from(&entry).unwrap();
    assert!(written.as_str().contains("123456789012345678901234567890"), "{written}");
    assert_eq!(Entry::parse(written.as_str()).unwrap(), entry);
}

#[test]
fn little_is_needed() {
    let entry = Entry::parse(r#"{"name": "e", "task": "t", "schedule": 30}"#).unwrap();
    assert_eq!(
        serde_json::to_value(&entry).unwrap(),
        json!({"name": "e", "task": "t", "schedule": {"interval": 30}, "missed": "latest", "overlap": "allow", "origin": "operator"})
    );
    assert_eq!(entry.zone, Zone::UTC);
    assert_eq!(Entry::parse(&serde_json::to_string(&entry).unwrap()).unwrap(), entry);
}

#[test]
fn what_is_wrong_is_told_in_a_sentence() {
    let refused = |extra: &str| {
        Entry::parse(&format!(r#"{{"name": "e", "task": "t", "schedule": 30{extra}}}"#)).unwrap_err().to_string()
    };
    assert!(
        refused(r#", "quue": 1"#).starts_with("entry cannot be read: unknown field `quue`, expected one of `name`, ")
    );
    assert!(refused(r#", "zone": "Mars""#).starts_with("entry cannot be read: zone `Mars` is not known; "));
    assert!(refused(r#", "overlap": "never""#).contains("unknown variant `never`, expected one of `allow`, `skip`"));
    assert_eq!(refused(r#", "jitter": "25h""#), "e: jitter must be a day at most, not 90000 seconds");
    assert_eq!(
        refused(r#", "start": "2026-02-01T00:00:00Z", "end": "2026-01-01T00:00:00Z""#),
        "e: end must not be before start (2026-02-01T00:00:00Z), and 2026-01-01T00:00:00Z is"
    );
    assert_eq!(
        refused(r#", "options": {"task_id": "x"}"#),
        "e: options cannot name a task_id: each due time has its own"
    );
    assert_eq!(refused(r#", "options": {"headers": 3}"#), "e: options must have a table as headers, not 3");
    let nameless = Entry::parse(r#"{"name": "", "task": "t", "schedule": 30}"#).unwrap_err();
    assert!(nameless.to_string().starts_with("name must have from 1 to 250 characters"), "{nameless}");
    let taskless = Entry::parse(r#"{"name": "e", "task": "", "schedule": 30}"#).unwrap_err();
    assert_eq!(taskless.to_string(), "e: task must be the name of a task");
}

#[test]
fn what_is_sent_is_what_celerys_beat_sends() {
    let entry = Entry::parse(WHOLE).unwrap();
    let due = at("2026-06-01T07:00:00Z");
    let signature = entry.signature(due).to_json().unwrap();
    let told = |path: &[&str]| {
        path.iter().try_fold(signature.clone(), |json, name| json.member(name)).map(|json| json.to_string())
    };
    assert_eq!(told(&["task"]).unwrap(), r#""hps_core.tasks.check_hps_expiration_task""#);
    assert_eq!(told(&["args"]).unwrap(), "[1, NaN]");
    assert_eq!(told(&["options", "queue"]).unwrap(), r#""email""#);
    assert_eq!(told(&["options", "expires"]).unwrap(), "3600");
    assert_eq!(told(&["options", "headers"]).unwrap(), r#"{"tenant": "a", "celery_beat_task": true}"#);
    assert_eq!(told(&["options", "task_id"]).unwrap(), format!("\"{}\"", entry.task_id(due)));
}

#[test]
fn each_due_time_has_an_id_of_its_own() {
    // As it is kept in stores: another release must make the same.
    assert_eq!(identity::task_id("e", at("2026-01-01T00:00:00Z")), "fe162e14-97a0-8d7e-8fdf-290ab19a48fb");
    let mut ids = BTreeSet::new();
    for name in ["e", "f", ""] {
        for second in 0..100 {
            let due = jiff::Timestamp::from_second(second).unwrap();
            assert!(ids.insert(identity::task_id(name, due)));
            assert!(ids.insert(identity::task_id_by_hand(name, due)));
        }
    }
}

#[test]
fn words_say_when_and_where() {
    let words = |schedule: Value, zone: &str| {
        let json = json!({"name": "e", "task": "t", "schedule": schedule, "zone": zone});
        Entry::parse(&json.to_string()).unwrap().in_words().to_string()
    };
    assert_eq!(words(json!("0 9 * * 1-5"), "Europe/Madrid"), "at 09:00 on Monday to Friday, Europe/Madrid");
    assert_eq!(words(json!(30), "Europe/Madrid"), "every 30 seconds");
    assert_eq!(
        words(json!({"once": "2026-12-24T17:00:00Z"}), "Europe/Madrid"),
        "once at 2026-12-24 18:00:00, Europe/Madrid"
    );
    assert_eq!(
        words(json!({"solar": {"event": "sunset", "lat": 40.4, "lon": -3.7}}), "UTC"),
        "at sunset at 40.4°N 3.7°W"
    );
}

#[test]
fn celerys_beat_schedule_is_read() {
    let json = r#"{
        "seconds": {"task": "t", "schedule": 30.0, "args": [16, 16]},
        "relative": {"task": "t", "schedule": 3600, "relative": true},
        "timedelta": {"task": "t", "schedule": {"timedelta": {"minutes": 5, "seconds": 30}}},
        "line": {"task": "t", "schedule": "0 9 * * 1-5", "kwargs": {"a": 1}, "options": {"queue": "q"}},
        "crontab": {"task": "t", "schedule": {"crontab": {"hour": 7, "minute": [0, 30], "day_of_week": "mon"}}},
        "solar": {"task": "t", "schedule": {"solar": {"event": "sunset", "lat": -37.8, "lon": 144.9}}},
        "redbeat": {"task": "t", "schedule": {"__type__": "crontab", "minute": "5", "hour": "*"}, "args": null, "kwargs": null},
        "redbeat-interval": {"task": "t", "schedule": {"__type__": "interval", "every": 60, "relative": false}}
    }"#;
    let madrid = Zone::named("Europe/Madrid").unwrap();
    let entries = celery::import(json, &madrid).unwrap();
    let schedules: Vec<_> = entries.iter().map(|entry| serde_json::to_value(&entry.schedule).unwrap()).collect();
    assert_eq!(
        schedules,
        [
            json!({"interval": 30}),
            json!({"interval": {"every": 3600, "relative": true}}),
            json!({"interval": 330}),
            json!({"crontab": "0 9 * * 1-5"}),
            json!({"crontab": "0,30 7 * * mon"}),
            json!({"solar": {"event": "sunset", "lat": -37.8, "lon": 144.9}}),
            json!({"crontab": "5 * * * *"}),
            json!({"interval": 60}),
        ]
    );
    assert_eq!(entries[0].args.iter().map(ToString::to_string).collect::<Vec<_>>(), ["16", "16"]);
    assert_eq!((entries[3].kwargs.len(), entries[3].options.len()), (1, 1));
    assert!(entries.iter().all(|entry| entry.zone == madrid && entry.origin == Origin::File));
}

#[test]
fn what_is_no_beat_schedule_is_told_with_its_entry() {
    let refused = |json: &str| celery::import(json, &Zone::UTC).unwrap_err().to_string();
    assert!(refused("[]").starts_with("beat_schedule cannot be read: "));
    assert_eq!(
        refused(r#"{"e": {"task": "t", "schedule": "0 9 * * 7"}}"#),
        "e: schedule cannot be read: day_of_week cannot be `7`: it goes from 0 to 6, where Sunday is 0"
    );
    assert!(refused(r#"{"e": {"schedule": 3}}"#).starts_with("e: entry cannot be read: missing field `task`"));
    assert!(
        refused(r#"{"e": {"task": "t", "schedule": 3, "arg": []}}"#)
            .starts_with("e: entry cannot be read: unknown field `arg`")
    );
    assert!(
        refused(r#"{"e": {"task": "t", "schedule": {"timedelta": {"years": 1}}}}"#)
            .starts_with("e: schedule cannot be read: unknown field `timedelta`")
    );
}
