//! Any text as a crontab's line, as one of its fields and as an entry: it is read or refused with a sentence, what is
//! read is written as it was, and its due times come in order, in bounded time.
#![no_main]

use apium_beat::crontab::{Crontab, Fields};
use apium_beat::{Entry, Schedule, Zone, celery};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

/// Half an hour before clocks are put back in Spain.
const AUTUMN: i64 = 1_792_886_400;

fuzz_target!(|text: &str| {
    let field = Fields { minute: "0".into(), day_of_week: text.into(), ..Fields::default() };
    for crontab in [Crontab::parse(text), Crontab::new(&field)] {
        match crontab {
            Ok(crontab) => {
                assert_eq!(Crontab::parse(crontab.line()).expect("what was written is read"), crontab);
                in_order(&Schedule::Crontab(crontab));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    if let Ok(schedule) = serde_json::from_str::<Schedule>(text) {
        let written = serde_json::to_string(&schedule).expect("a schedule can be written");
        assert_eq!(serde_json::from_str::<Schedule>(&written).expect("what was written is read"), schedule);
        in_order(&schedule);
    }
    if let Ok(entry) = Entry::parse(text) {
        let _ = (entry.next(Timestamp::UNIX_EPOCH), entry.in_words().to_string());
    }
    let _ = celery::import(text, &Zone::UTC);
});

fn in_order(schedule: &Schedule) {
    assert!(!schedule.to_string().is_empty());
    let madrid = Zone::named("Europe/Madrid").expect("Madrid is known");
    let mut last = Timestamp::from_second(AUTUMN).expect("it is an instant");
    for due in schedule.upcoming(last, &madrid).take(5) {
        assert!(due > last);
        last = due;
    }
}
