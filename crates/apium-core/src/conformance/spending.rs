//! What a broker promises of starts that are finer than an attempt: never more than the pace has, taken from all limits
//! or from none, and a right word about when there is room again.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test kit: each function is one promise, told by its name")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::SignedDuration;

use super::Subject;
use super::limits::{at_once, rate, set, used};
use crate::broker::Broker;
use crate::limits::Spent;

/// Four a minute, in most of what follows.
const ASKED: &str = "provider=virustotal";
const ASKED_A_DAY: &str = "provider_day=virustotal";

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

async fn spend(broker: &dyn Broker, limits: &[&str], starts: u32) -> Spent {
    let limits: Vec<_> = limits.iter().map(|name| (*name).to_owned()).collect();
    broker.limits().spend(&limits, starts).await.unwrap()
}

/// How many more there are once these are had.
pub(super) async fn had(subject: &Subject, limits: &[&str], starts: u32) -> Option<u32> {
    match spend(&*subject.broker, limits, starts).await {
        Spent::Now { left } => left,
        Spent::After { limit, wait } => panic!("{limit} has no {starts} for {wait:?}"),
    }
}

/// Which limit refuses, and for how long.
pub(super) async fn refused(subject: &Subject, limits: &[&str], starts: u32) -> (String, Duration) {
    match spend(&*subject.other, limits, starts).await {
        Spent::After { limit, wait } => (limit, wait),
        Spent::Now { left } => panic!("{starts} were had, and {left:?} are left"),
    }
}

/// Whether one limit refuses for so long, less what has really passed since the promise began.
pub(super) async fn refuses(subject: &Subject, name: &str, starts: u32, expected: Duration, began: Instant) {
    let (limit, wait) = refused(subject, &[name], starts).await;
    let (least, most) = (wait + began.elapsed() + SECOND / 1_000, expected + SECOND / 1_000);
    assert!(limit == name && wait <= most && least >= expected, "{limit} refuses for {wait:?}, not {expected:?}");
}

pub async fn what_has_no_rate_limits_nothing(subject: &Subject) {
    set(subject, "task:t", at_once(1)).await;
    assert_eq!(had(subject, &["task:t", ASKED], 5_000).await, None);
    assert_eq!(had(subject, &[], 7).await, None);
    let uses = subject.broker.limits().limit_uses().await.unwrap();
    let names: Vec<_> = uses.iter().map(|used| used.name.as_str()).collect();
    assert_eq!(names, ["task:t"], "nothing is remembered of the other");
}

pub async fn starts_are_had_up_to_the_pace(subject: &Subject) {
    let began = Instant::now();
    set(subject, ASKED, rate("4/1m")).await;
    for left in [3, 2, 1, 0] {
        assert_eq!(had(subject, &[ASKED], 1).await, Some(left));
    }
    refuses(subject, ASKED, 1, MINUTE, began).await;
    let (_, wait) = refused(subject, &[ASKED], 1).await;
    (subject.advance)(wait + SECOND / 1_000).await;
    assert!(had(subject, &[ASKED], 1).await.is_some(), "what was told is enough");
    (subject.advance)(SECOND * 10).await;
    assert_eq!(had(subject, &[ASKED], 0).await, Some(3));
}

pub async fn a_window_slides(subject: &Subject) {
    let began = Instant::now();
    set(subject, ASKED, rate("4/1m")).await;
    had(subject, &[ASKED], 1).await;
    (subject.advance)(SECOND * 20).await;
    assert_eq!(had(subject, &[ASKED], 3).await, Some(0));
    refuses(subject, ASKED, 1, SECOND * 40, began).await;
    refuses(subject, ASKED, 2, MINUTE, began).await;
    (subject.advance)(SECOND * 41).await;
    assert_eq!(had(subject, &[ASKED], 1).await, Some(0));
    refuses(subject, ASKED, 3, SECOND * 19, began).await;
    refuses(subject, ASKED, 4, MINUTE, began).await;
    (subject.advance)(SECOND * 20).await;
    assert_eq!(had(subject, &[ASKED], 3).await, Some(0));
}

pub async fn a_look_counts_nothing(subject: &Subject) {
    set(subject, ASKED, rate("4/1m")).await;
    for _ in 0..5 {
        assert_eq!(had(subject, &[ASKED], 0).await, Some(4));
    }
    had(subject, &[ASKED], 4).await;
    assert_eq!(had(subject, &[ASKED], 0).await, Some(0), "none are always to be had");
}

pub async fn more_than_the_pace_is_never_had(subject: &Subject) {
    set(subject, ASKED, rate("4/1m")).await;
    for _ in 0..2 {
        assert_eq!(refused(subject, &[ASKED], 5).await, (ASKED.to_owned(), MINUTE));
        (subject.advance)(MINUTE * 2).await;
    }
    assert_eq!(had(subject, &[ASKED], 0).await, Some(4));
    assert_eq!(refused(subject, &[ASKED], u32::MAX).await, (ASKED.to_owned(), MINUTE));
}

pub async fn from_several_limits_all_are_had_or_none(subject: &Subject) {
    let began = Instant::now();
    let both = [ASKED, "task:t", ASKED_A_DAY];
    set(subject, ASKED, rate("4/1m")).await;
    set(subject, ASKED_A_DAY, rate("6/1d")).await;
    assert_eq!(had(subject, &both, 3).await, Some(1), "the tightest is told");
    assert_eq!(refused(subject, &both, 2).await.0, ASKED);
    assert_eq!(had(subject, &[ASKED_A_DAY], 0).await, Some(3), "the one that has room was not taken from");
    (subject.advance)(SECOND * 61).await;
    assert_eq!(had(subject, &both, 3).await, Some(0));
    assert_eq!(refused(subject, &both, 1).await.0, ASKED_A_DAY);
    assert_eq!(had(subject, &[ASKED], 1).await, Some(0), "the one that has room was not taken from");
    let (limit, wait) = refused(subject, &both, 1).await;
    assert!(limit == ASKED_A_DAY && wait > HOUR * 23, "of two that refuse, {limit} with {wait:?} is told");
    refuses(subject, ASKED, 1, MINUTE, began).await;
}

pub async fn a_name_that_is_told_twice_counts_once(subject: &Subject) {
    set(subject, ASKED, rate("4/1m")).await;
    assert_eq!(had(subject, &[ASKED, ASKED], 3).await, Some(1));
}

pub async fn each_value_is_counted_for_itself(subject: &Subject) {
    set(subject, "provider=*", rate("2/1m")).await;
    set(subject, "provider=b", rate("3/1m")).await;
    assert_eq!(had(subject, &["provider=a"], 2).await, Some(0));
    assert_eq!(had(subject, &["provider=b"], 3).await, Some(0), "its own beats the one for all");
    assert_eq!(had(subject, &["provider=c"], 0).await, Some(2));
    assert_eq!(refused(subject, &["provider=c", "provider=a"], 1).await.0, "provider=a");
    let used = used(subject, "provider=a").await;
    assert_eq!((used.limit, used.running, used.waiting), (rate("2/1m"), 0, 0), "who looks finds it in use");
}

pub async fn a_change_of_the_pace_counts_at_once(subject: &Subject) {
    let began = Instant::now();
    set(subject, ASKED, rate("4/1m")).await;
    had(subject, &[ASKED], 4).await;
    set(subject, ASKED, rate("6/1m")).await;
    assert_eq!(had(subject, &[ASKED], 2).await, Some(0), "raised, there are two more");
    set(subject, ASKED, rate("2/1m")).await;
    refuses(subject, ASKED, 1, MINUTE, began).await;
    assert_eq!(had(subject, &[ASKED], 0).await, Some(0));
    assert!(subject.other.limits().drop_limit(ASKED).await.unwrap());
    assert_eq!(had(subject, &[ASKED], 9).await, None);
    set(subject, ASKED, rate("7/1m")).await;
    assert_eq!(had(subject, &[ASKED], 1).await, Some(0), "set again, it knows what it had counted, and no more");
    (subject.advance)(SECOND * 61).await;
    assert_eq!(had(subject, &[ASKED], 0).await, Some(7));
}

pub async fn a_longer_window_counts_what_is_known(subject: &Subject) {
    let began = Instant::now();
    set(subject, ASKED, rate("4/1m")).await;
    set(subject, "tenant=*", rate("2/1m")).await;
    had(subject, &[ASKED], 4).await;
    had(subject, &["tenant=acme"], 2).await;
    (subject.advance)(SECOND * 30).await;
    set(subject, ASKED, rate("4/1h")).await;
    set(subject, "tenant=*", rate("2/1h")).await;
    for _ in 0..2 {
        (subject.advance)(SECOND * 90).await;
        subject.broker.recover().await.unwrap();
    }
    let left = SECOND * (3_600 - 210);
    refuses(subject, ASKED, 1, left, began).await;
    refuses(subject, "tenant=acme", 1, left, began).await;
}

pub async fn a_month_is_counted_to_its_end(subject: &Subject) {
    let began = Instant::now();
    let pass = async |by: Duration| {
        (subject.advance)(by).await;
        subject.broker.recover().await.unwrap();
    };
    set(subject, "provider=*", rate("5/31d")).await;
    assert_eq!(had(subject, &[ASKED], 3).await, Some(2));
    pass(DAY * 15).await;
    assert_eq!(had(subject, &[ASKED], 2).await, Some(0));
    refuses(subject, ASKED, 1, DAY * 16, began).await;
    refuses(subject, ASKED, 4, DAY * 31, began).await;
    pass(DAY * 15).await;
    pass(HOUR * 23).await;
    refuses(subject, ASKED, 3, HOUR, began).await;
    assert_eq!(used(subject, ASKED).await.limit, rate("5/31d"), "it is in use as long as something of it counts");
    pass(HOUR + SECOND).await;
    assert_eq!(had(subject, &[ASKED], 3).await, Some(0));
    refuses(subject, ASKED, 2, SECOND * (15 * 86_400 - 1), began).await;
}

pub async fn of_many_at_once_as_many_as_may_are_had(subject: &Subject) {
    set(subject, ASKED, rate("20/1h")).await;
    let brokers = [&*subject.broker, &*subject.other];
    let spent = join_all((0..60).map(|at| spend(brokers[at % 2], &[ASKED], 1))).await;
    let left: Vec<_> =
        spent.iter().filter_map(|spent| if let Spent::Now { left } = spent { *left } else { None }).collect();
    assert_eq!(left.len(), 20);
    assert_eq!(BTreeSet::from_iter(left), (0..20).collect(), "one after the other, each knows of all before it");
    set(subject, ASKED, rate("50/1h")).await;
    let spent = join_all((0..60).map(|at| spend(brokers[at % 2], &[ASKED, ASKED_A_DAY], 4))).await;
    let had = spent.iter().filter(|spent| matches!(spent, Spent::Now { .. })).count();
    assert_eq!(had, 7, "of 30 that are left, four at a time");
}

pub async fn who_comes_later_knows_what_is_spent(subject: &Subject) {
    set(subject, ASKED, rate("4/31d")).await;
    had(subject, &[ASKED], 3).await;
    let later = (subject.start)().await;
    assert_eq!(spend(&*later, &[ASKED], 1).await, Spent::Now { left: Some(0) });
    assert_eq!(refused(subject, &[ASKED], 1).await.0, ASKED);
}

/// Asked for at odd moments and at just the told ones.
pub async fn no_window_sees_more_than_the_pace(subject: &Subject) {
    const WINDOW: Duration = Duration::from_secs(10);
    set(subject, ASKED, rate("5/10s")).await;
    let (mut stepped, began, mut seed) = (Duration::ZERO, Instant::now(), 11_u64);
    // Of each start the moment before it was asked for, and the one after it was had.
    let mut starts: Vec<(Duration, Duration)> = Vec::new();
    while starts.len() < 80 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wanted = u32::try_from(seed >> 62).unwrap() + 1;
        let before = stepped + began.elapsed();
        let step = match spend(&*subject.broker, &[ASKED], wanted).await {
            Spent::Now { left } => {
                assert!(left.is_some_and(|left| left + wanted <= 5));
                starts.extend((0..wanted).map(|_| (before, stepped + began.elapsed())));
                Duration::from_millis(seed >> 53)
            }
            Spent::After { wait, .. } => {
                let wait = u64::try_from(wait.as_millis()).unwrap();
                Duration::from_millis(if seed & (1 << 32) == 0 { wait + 1 } else { wait / 2 })
            }
        };
        (subject.advance)(step).await;
        stepped += step;
        assert!(stepped < SECOND * 600, "only {} of 80 were had", starts.len());
    }
    for (at, (first, _)) in starts.iter().enumerate() {
        let within = starts[at..].iter().filter(|(_, after)| *after < *first + WINDOW).count();
        assert!(within <= 5, "{within} starts in ten seconds: {starts:?}");
    }
}

pub async fn set_back_no_more_are_had_and_nobody_waits_longer(subject: &Subject) {
    let back = -SignedDuration::from_hours(1);
    set(subject, ASKED, rate("3/10s")).await;
    had(subject, &[ASKED], 2).await;
    (subject.set)(back).await;
    let began = Instant::now();
    assert_eq!(had(subject, &[ASKED], 1).await, Some(0), "what was spent is not forgotten");
    refuses(subject, ASKED, 1, SECOND * 10, began).await;
    (subject.set)(back).await;
    let began = Instant::now();
    refuses(subject, ASKED, 3, SECOND * 10, began).await;
    (subject.advance)(SECOND * 11).await;
    assert_eq!(had(subject, &[ASKED], 3).await, Some(0), "and not for hours");
}
