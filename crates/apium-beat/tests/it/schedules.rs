//! The written form of a schedule, and what holds for every kind.

use apium_beat::{Schedule, Zone};
use serde_json::json;

use crate::times::{at, crontab, zone};

fn read(json: &serde_json::Value) -> Schedule {
    serde_json::from_value(json.clone()).unwrap()
}

#[test]
fn what_is_written_by_hand_is_kept_in_one_form() {
    for (written, kept) in [
        (json!("0 9 * * 1-5"), json!({"crontab": "0 9 * * 1-5"})),
        (json!({"crontab": "0 9 * * 1-5"}), json!({"crontab": "0 9 * * 1-5"})),
        (json!({"crontab": {"minute": 0, "hour": "9"}}), json!({"crontab": "0 9 * * *"})),
        (json!({"crontab": {"minute": [30, 0], "day_of_week": null}}), json!({"crontab": "0,30 * * * *"})),
        (json!(30), json!({"interval": 30})),
        (json!(0.5), json!({"interval": 0.5})),
        (json!({"interval": "1h 30m"}), json!({"interval": 5400})),
        (json!({"interval": {"every": 60}}), json!({"interval": 60})),
        (
            json!({"interval": {"every": "2h", "relative": true, "from": "2026-01-01T01:00:00+01:00"}}),
            json!({"interval": {"every": 7200, "relative": true, "from": "2026-01-01T00:00:00Z"}}),
        ),
        (json!({"once": "2026-12-24T18:00:00+01:00"}), json!({"once": "2026-12-24T17:00:00Z"})),
        (
            json!({"solar": {"event": "dawn_civil", "lat": 40.4, "lon": -3.7}}),
            json!({"solar": {"event": "dawn_civil", "lat": 40.4, "lon": -3.7}}),
        ),
    ] {
        let schedule = read(&written);
        assert_eq!(serde_json::to_value(&schedule).unwrap(), kept, "{written}");
        assert_eq!(read(&kept), schedule, "{written}");
    }
}

#[test]
fn what_is_no_schedule_is_told_in_a_sentence() {
    let refused = |json: serde_json::Value| serde_json::from_value::<Schedule>(json).unwrap_err().to_string();
    assert_eq!(
        refused(json!({"cron": "0 9 * * *"})),
        "unknown field `cron`, expected one of `crontab`, `interval`, `once`, `solar`"
    );
    assert_eq!(
        refused(json!({"once": "2026-12-24T18:00:00Z", "interval": 3})),
        "schedule has `once` and `interval`; it must be one of them"
    );
    assert_eq!(
        refused(json!({"crontab": {"minutes": 3}})),
        "unknown field `minutes`, expected one of `minute`, `hour`, `day_of_week`, `day_of_month`, `month_of_year`"
    );
    assert_eq!(
        refused(json!({"crontab": "0 9 * * 8"})),
        "day_of_week cannot be `8`: it goes from 0 to 6, where Sunday is 0"
    );
    assert_eq!(refused(json!(0)), "every must be from 0.1 seconds to a hundred years, not 0 seconds");
    assert_eq!(refused(json!(-3)), "every must be from 0.1 seconds to a hundred years, not 0 seconds");
    for far in [json!(4.4e16), json!(1e300), json!({"interval": "1e300"}), json!(u64::MAX), json!({"interval": "-1s"})]
    {
        assert!(refused(far.clone()).starts_with("every must be "), "{far}");
    }
    assert_eq!(
        refused(json!({"interval": "soon"})),
        "every must be a number of seconds, or a text such as `30s`, `5m` or `1h 30m`, not `soon`"
    );
    assert_eq!(
        refused(json!({"once": "tomorrow"})),
        "once must be an instant such as `2026-12-24T18:00:00Z`, not `tomorrow`"
    );
    assert!(refused(json!({"solar": {"event": "moonrise", "lat": 0, "lon": 0}})).contains("moonrise"));
}

#[test]
fn zones_are_known_by_their_names() {
    assert_eq!(Zone::named("Europe/Madrid").unwrap().name(), "Europe/Madrid");
    assert_eq!(Zone::default().to_string(), "UTC");
    let refused = Zone::named("Europe/Madird").unwrap_err();
    assert_eq!(refused.to_string(), "zone `Europe/Madird` is not known; it must be a name such as `Europe/Madrid`");
}

#[test]
fn once_is_once() {
    let once = Schedule::Once(at("2026-12-24T18:00:00Z"));
    let madrid = zone("Europe/Madrid");
    assert_eq!(once.upcoming(at("2026-01-01T00:00:00Z"), &madrid).collect::<Vec<_>>(), [at("2026-12-24T18:00:00Z")]);
    assert_eq!(once.next(at("2026-12-24T18:00:00Z"), &madrid), None);
}

#[test]
fn rare_days_are_found_and_impossible_ones_end() {
    let utc = zone("UTC");
    let next = |line: &str, after: &str| crontab(line).next(at(after), &utc);
    assert_eq!(next("0 0 29 2 *", "2096-03-01T00:00:00Z"), Some(at("2104-02-29T00:00:00Z")));
    assert_eq!(next("0 0 29 2 mon", "2072-03-01T00:00:00Z"), Some(at("2112-02-29T00:00:00Z")));
    assert_eq!(next("* * * * *", "9999-12-30T22:00:00Z"), None);
    assert_eq!(next("0 0 29 2 *", "9998-01-01T00:00:00Z"), None);
}

#[test]
fn the_latest_due_time_is_found() {
    let madrid = zone("Europe/Madrid");
    for line in ["*/5 * * * *", "30 2 * * *", "0 0 29 2 *", "* * * 1 *"] {
        let schedule = crontab(line);
        for (after, until) in
            [("2026-10-01T00:00:00Z", "2026-10-25T01:12:00Z"), ("2026-02-27T23:59:00Z", "2026-03-29T01:45:00Z")]
        {
            let slowly = schedule.upcoming(at(after), &madrid).take_while(|due| *due <= at(until)).last();
            assert_eq!(schedule.latest(at(after), at(until), &madrid), slowly, "{line}");
        }
    }
}
