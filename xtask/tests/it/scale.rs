//! `cargo xtask scale`: the ladders it climbs, and what it calls flat.

use std::str::FromStr as _;

use xtask::scale::rungs::Axis;
use xtask::scale::table::{Ladder, json, text};
use xtask::scale::trial::Took;

/// What three windows on one rung took: so much at the least, of the workers and of Redis, and so much memory.
fn took(worker: f64, redis: f64, peak: f64) -> Took {
    let disturbed = |least: f64| vec![least * 2.0, least, least + 1.0];
    Took {
        worker: disturbed(worker),
        redis: disturbed(redis),
        commands: vec![0.2; 3],
        rate: vec![40_000.0; 3],
        peak: vec![peak],
    }
}

fn ladder(last: Result<Took, String>) -> Ladder {
    let rungs = Axis::Delayed.rungs(true);
    let [first, second] = rungs.as_slice() else { panic!("two rungs") };
    Ladder { axis: Axis::Delayed, rungs: vec![(*first, Ok(took(20.0, 10.0, 16.0))), (*second, last)] }
}

#[test]
fn every_axis_grows_from_the_first_rung_to_the_last_and_a_quick_run_ends_at_a_million() {
    for axis in Axis::ALL {
        assert_eq!(Axis::from_str(axis.name()).unwrap(), axis);
        for quick in [true, false] {
            let sizes: Vec<u64> = axis.rungs(quick).iter().map(|rung| axis.size(rung)).collect();
            assert!(sizes.len() > 1 && sizes.is_sorted(), "{axis}: {sizes:?}");
            assert!(!quick || sizes.iter().all(|size| *size <= 1_000_000), "{axis}: {sizes:?}");
        }
        assert!(!axis.about().is_empty());
    }
    assert_eq!(Axis::Waiting.rungs(false).last().unwrap().waiting, 10_000_000);
    let queues = Axis::Queues.rungs(false).last().unwrap().queue_names();
    assert_eq!((queues.len(), queues[0].as_str(), queues[63].as_str()), (64, "celery", "celery-63"));
}

#[test]
fn flat_is_what_takes_fifteen_hundredths_more_at_most_in_time_and_memory() {
    for (worker, redis, peak, flat) in [
        (20.0, 10.0, 16.0, true),
        (24.0, 10.4, 18.3, true),
        (15.0, 8.0, 12.0, true),
        (25.0, 10.0, 16.0, false),
        (20.0, 15.0, 16.0, false),
        (20.0, 10.0, 18.5, false),
    ] {
        let ladder = ladder(Ok(took(worker, redis, peak)));
        assert_eq!(ladder.is_flat(), Some(flat), "{worker} {redis} {peak}");
        let said = if flat { "\nflat: at most " } else { "\nnot flat: at most " };
        assert!(text(&[ladder]).contains(said));
    }
}

#[test]
fn a_rung_that_was_not_got_through_is_told_and_nothing_is_judged_by_it() {
    let ladder = ladder(Err("a worker has ended.".to_owned()));
    assert_eq!(ladder.is_flat(), None);
    let page = text(std::slice::from_ref(&ladder));
    assert!(page.contains("! 1000000: a worker has ended.") && page.contains("too few rungs to tell"), "{page}");
    assert!(json(&[ladder]).starts_with("{\"delayed\": {\"flat\": null, \"cost_ratio\": 1.0000"));
}

#[test]
fn programs_are_told_the_same() {
    let told = json(&[ladder(Ok(took(30.0, 15.0, 16.0)))]);
    for part in [
        "\"flat\": false",
        "\"cost_ratio\": 1.5000",
        "\"memory_ratio\": 1.0000",
        "\"size\": 1000000, \"worker_us\": 30.000",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}
