//! The sun, by Celery's own `solar` (which asks PyEphem): see `interop/capture/crontabs.py sun`.

use apium_beat::{Schedule, Solar, SolarEvent};
use jiff::Timestamp;
use serde::Deserialize;

use crate::times::{at, zone};

/// By so many seconds PyEphem and we may be apart: where the sun grazes the horizon.
const APART: i64 = 20;

#[derive(Deserialize)]
struct Case {
    solar: Solar,
    start: i64,
    times: Vec<i64>,
}

#[test]
fn the_sun_is_where_celery_sees_it() {
    let cases: Vec<Case> =
        include_str!("../golden/solar.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 180, "the capture is whole");
    let mut all = Vec::new();
    for case in &cases {
        let start = Timestamp::from_second(case.start).unwrap();
        let ours: Vec<i64> = Schedule::Solar(case.solar)
            .upcoming(start, &zone("UTC"))
            .take(case.times.len())
            .map(Timestamp::as_second)
            .collect();
        assert_eq!(ours.len(), case.times.len(), "{} from {start}", case.solar);
        for (ours, theirs) in ours.iter().zip(&case.times) {
            let apart = (ours - theirs).abs();
            assert!(apart <= APART, "{} from {start} is {apart} s apart", case.solar);
            all.push(apart);
        }
    }
    // Nearly all are the same to a second or two.
    all.sort_unstable();
    assert!(all[all.len() * 9 / 10] <= 2, "nine of ten are within {} s", all[all.len() * 9 / 10]);
}

#[test]
fn a_day_without_the_event_is_passed_over() {
    let tromso = |event| Solar::new(event, 69.65, 18.96).unwrap();
    // The sun sets on 26 November and rises again in the middle of January.
    let due = tromso(SolarEvent::Sunrise).next(at("2025-12-01T00:00:00Z")).unwrap();
    assert!(due > at("2026-01-13T00:00:00Z") && due < at("2026-01-18T00:00:00Z"), "{due}");
    assert!(tromso(SolarEvent::SolarNoon).next(at("2025-12-01T00:00:00Z")).unwrap() < at("2025-12-01T12:00:00Z"));
}

#[test]
fn each_event_is_due_once() {
    let madrid = Schedule::Solar(Solar::new(SolarEvent::Sunset, 40.4168, -3.7038).unwrap());
    let year: Vec<Timestamp> = madrid
        .upcoming(at("2026-01-01T00:00:00Z"), &zone("UTC"))
        .take_while(|due| *due < at("2027-01-01T00:00:00Z"))
        .collect();
    assert_eq!(year.len(), 365);
    assert!(year.iter().all(|due| due.subsec_nanosecond() == 0));
}

#[test]
fn a_place_that_is_none_is_refused() {
    let refused = |lat, lon| Solar::new(SolarEvent::Sunrise, lat, lon).unwrap_err().to_string();
    assert_eq!(refused(90.5, 0.0), "lat must be a number of degrees from -90 to 90, not 90.5");
    assert_eq!(refused(0.0, -181.0), "lon must be a number of degrees from -180 to 180, not -181");
    assert_eq!(refused(f64::NAN, 0.0), "lat must be a number of degrees from -90 to 90, not NaN");
}
