//! Whether a clock was set: the one that leases go by, held against one that nobody sets.
//!
//! A lease is a moment on the clock of its store. When that clock is set forward, each lease seems to have run out though
//! its holder lives; when it is set back, the leases of the dead seem to have long to go. Nothing but looking at both
//! clocks again and again tells. No I/O, and no clock of its own.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Clock;

/// By how much a clock moves against the steady one between two looks before it counts as set: less is a clock that goes
/// a little fast or slow, or is being brought right bit by bit.
const SET: SignedDuration = SignedDuration::from_secs(1);

/// As often may the clock be set within the time that is asked for.
const REMEMBERED: usize = 64;

/// What looking at a clock again and again tells of it.
#[derive(Debug, Clone)]
pub struct Drift {
    /// The latest last.
    stretches: VecDeque<Stretch>,
    /// When the first look ended.
    since: Option<Duration>,
    /// When the latest look ended, and how far the clock was ahead then, at the most.
    latest: (Duration, SignedDuration),
    /// Since it was set back, or since before the first look, what went by it then was not looked through.
    far_leases: bool,
}

/// A time in which the clock was not set. How far it was ahead of the steady one is known as exactly as the sharpest
/// look tells.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    least: SignedDuration,
    most: SignedDuration,
    /// When it had certainly ended, by the steady clock.
    end: Duration,
}

impl Default for Drift {
    fn default() -> Self {
        let latest = (Duration::ZERO, SignedDuration::ZERO);
        Self { stretches: VecDeque::new(), since: None, latest, far_leases: true }
    }
}

impl Drift {
    /// Notes that the clock showed `shown` at some moment between the steady `from` and `to`: a slow answer tells little,
    /// and never that the clock was set. Answers by how much at least it was set since the last look, forward or back.
    pub fn look(&mut self, from: Duration, shown: Timestamp, to: Duration) -> Option<SignedDuration> {
        let shown = shown.as_duration();
        let (least, most) = (shown - signed(to), shown - signed(from));
        self.since.get_or_insert(to);
        self.latest = (to, most);
        let fresh = Stretch { least, most, end: to };
        let Some(last) = self.stretches.back_mut() else {
            self.stretches.push_back(fresh);
            return None;
        };
        last.end = to;
        let set = if least > last.most + SET {
            least - last.most
        } else if most < last.least - SET {
            self.far_leases = true;
            most - last.least
        } else {
            *last = last.with(fresh);
            return None;
        };
        self.stretches.push_back(fresh);
        if self.stretches.len() > REMEMBERED {
            self.stretches.pop_front();
        }
        Some(set)
    }

    /// The same for a clock that answers at once.
    pub fn look_at(&mut self, clock: &dyn Clock) -> Option<SignedDuration> {
        let (from, now, to) = (clock.steady(), clock.now(), clock.steady());
        self.look(from, now, to)
    }

    /// Whether the clock has been watched for long enough to tell that a lease of this length has run out. It may have been
    /// set just before the first look; whoever lives renews in a third of a lease, so after half of one nothing is left of
    /// that.
    pub fn may_judge(&self, lease: Duration) -> bool {
        self.since.is_some_and(|since| self.latest.0.saturating_sub(since) >= lease / 2)
    }

    /// By how much the clock shows more, at the latest look, than what was reckoned by it at any moment `within` this span
    /// before may take into account. A lease of this length that ran out longer ago than that has run out for certain;
    /// of one that ran out later it is not known, and its holder, if it lives, renews it before the span is over.
    pub fn gained(&self, within: Duration) -> Duration {
        let (now, most) = self.latest;
        let counts = |stretch: &&Stretch| stretch.end.saturating_add(within) >= now;
        let least = self.stretches.iter().filter(counts).map(|stretch| stretch.least).min();
        least.and_then(|least| Duration::try_from(most - least).ok()).unwrap_or_default()
    }

    /// Whether leases may reach further ahead than they can, because the clock was set back: also before anybody has
    /// looked them through, for it may have been set while nobody watched.
    pub fn has_far_leases(&self) -> bool {
        self.far_leases
    }

    /// They were looked through.
    pub fn without_far_leases(&mut self) {
        self.far_leases = false;
    }
}

impl Stretch {
    /// What two looks tell together; the later alone where the clock has crept away from the earlier.
    fn with(self, later: Self) -> Self {
        let (least, most) = (self.least.max(later.least), self.most.min(later.most));
        if least <= most { Self { least, most, end: later.end } } else { later }
    }
}

fn signed(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const HOUR: i64 = 3_600;
    const LEASE: Duration = Duration::from_secs(30);

    /// Looks at a clock that is `ahead` seconds ahead, at this steady second.
    fn look(drift: &mut Drift, at: u64, ahead: i64) -> Option<i64> {
        slowly(drift, at, at, ahead)
    }

    /// The same, answered by the later of two moments with what was so at the earlier.
    fn slowly(drift: &mut Drift, from: u64, to: u64, ahead: i64) -> Option<i64> {
        let shown = Timestamp::from_second(ahead + i64::try_from(from).unwrap()).unwrap();
        drift.look(Duration::from_secs(from), shown, Duration::from_secs(to)).map(|set| set.as_secs())
    }

    #[test]
    fn a_clock_that_nobody_sets_tells_nothing() {
        let mut drift = Drift::default();
        for at in (0..10_000).step_by(5) {
            // A tenth of a second a minute too fast.
            let (steady, shown) = (Duration::from_secs(at), 1_000_000_000 + i128::from(at) * 1_001_600_000);
            assert_eq!(drift.look(steady, Timestamp::from_nanosecond(shown).unwrap(), steady), None);
            assert!(drift.gained(LEASE) < Duration::from_millis(10));
        }
    }

    #[test]
    fn set_forward_it_has_gained_for_as_long_as_asked() {
        let mut drift = Drift::default();
        look(&mut drift, 0, 0);
        assert_eq!(look(&mut drift, 5, HOUR), Some(HOUR));
        assert_eq!(drift.gained(LEASE), Duration::from_hours(1));
        assert_eq!(look(&mut drift, 35, HOUR), None);
        assert_eq!(drift.gained(LEASE), Duration::from_hours(1));
        look(&mut drift, 36, HOUR);
        assert_eq!((drift.gained(LEASE), drift.gained(LEASE * 2)), (Duration::ZERO, Duration::from_hours(1)));
    }

    #[test]
    fn nobody_judges_a_lease_who_has_just_come() {
        let mut drift = Drift::default();
        assert!(!drift.may_judge(LEASE));
        look(&mut drift, 100, 0);
        look(&mut drift, 114, 0);
        assert!(!drift.may_judge(LEASE));
        look(&mut drift, 115, HOUR);
        assert!(drift.may_judge(LEASE) && !drift.may_judge(LEASE * 2));
    }

    #[test]
    fn set_back_it_has_gained_nothing_and_leaves_far_leases() {
        let mut drift = Drift::default();
        assert!(drift.has_far_leases(), "nobody knows what was before");
        look(&mut drift, 0, HOUR);
        drift.without_far_leases();
        assert_eq!(look(&mut drift, 5, 0), Some(-HOUR));
        assert!(drift.has_far_leases());
        assert_eq!(drift.gained(LEASE), Duration::ZERO);
        drift.without_far_leases();
        look(&mut drift, 10, 0);
        assert!(!drift.has_far_leases());
    }

    #[test]
    fn set_to_and_fro_it_has_gained_over_the_lowest() {
        let mut drift = Drift::default();
        for (at, ahead, gained) in [(0, HOUR, 0), (5, 0, 0), (10, HOUR, 1), (15, 2 * HOUR, 2), (20, HOUR, 1)] {
            look(&mut drift, at, ahead);
            assert_eq!(drift.gained(LEASE), Duration::from_hours(gained), "at {at}");
        }
        look(&mut drift, 41, HOUR);
        assert_eq!(drift.gained(LEASE), Duration::ZERO, "what was set back for a moment is over");
    }

    #[test]
    fn a_slow_answer_is_no_set_clock_and_is_reckoned_with() {
        let mut drift = Drift::default();
        look(&mut drift, 0, 100);
        assert_eq!(slowly(&mut drift, 5, 25, 100), None, "answered at once, and heard late");
        assert_eq!(drift.gained(LEASE), Duration::ZERO);
        assert_eq!(slowly(&mut drift, 30, 50, 120), None, "answered late");
        assert_eq!(drift.gained(LEASE), Duration::from_secs(20), "or it was set meanwhile");
        assert_eq!(look(&mut drift, 55, 100), None);
        assert_eq!(drift.gained(LEASE), Duration::ZERO, "it was not");
        assert_eq!(slowly(&mut drift, 60, 61, 100 + HOUR), Some(HOUR - 1), "at least");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut drift = Drift::default();
        for at in 0..10_000 {
            look(&mut drift, at, HOUR * i64::try_from(at % 2).unwrap());
        }
        assert!(drift.stretches.len() <= REMEMBERED);
    }
}
