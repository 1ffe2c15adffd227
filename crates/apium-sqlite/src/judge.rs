//! Whether a lease has run out for certain: the clock may have been set, and its holder may have been kept from renewing.
//!
//! One process writes at a time. When it stands still in the middle of that (SIGSTOP, a disk that does not answer), nobody
//! can renew, and once it goes on every lease looks like a dead worker's. The file tells nothing of it; the one that stood
//! still has waited for nothing; and one that asked for nothing meanwhile, or has just been started, knows nothing either.
//! So a lease is judged by those alone who kept looking: six times a lease they write, and that cannot succeed while others
//! cannot. Who was not able to for a third of a lease, whatever the reason, gives the living time to renew first.

use std::time::Duration;

use apium_core::clock::Drift;
use apium_core::{Clock, SystemClock};

use crate::writer::micros;

/// What one process knows of the time that passed for leases.
#[derive(Clone)]
pub(crate) struct Judge {
    drift: Drift,
    before: Look,
    latest: Look,
    /// How long the latest look had to wait for its turn to write.
    waited: Duration,
    /// The times between two looks that may still count, the latest last: each is longer than those that follow.
    gaps: Vec<Gap>,
}

/// A search for leases that ran out, as it began.
#[derive(Clone, Copy)]
struct Look {
    /// See [`moment`].
    at: Duration,
    /// What the clock showed that leases go by.
    shown: i64,
}

#[derive(Clone)]
struct Gap {
    length: Duration,
    end: Duration,
}

/// Now, by the machine's clock that nobody sets and no test steps: who is held up is held up by that one.
pub(crate) fn moment() -> Duration {
    SystemClock.steady()
}

impl Judge {
    /// Begins to watch: nothing was looked at before.
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        let mut drift = Drift::default();
        drift.look_at(clock);
        let opened = Look { at: moment(), shown: i64::MIN };
        Self { drift, before: opened, latest: opened, waited: Duration::ZERO, gaps: Vec::new() }
    }

    /// Begins a look that was asked for then, inside its transaction and after the clock showed `shown`: who stands still
    /// in between judges by the earlier moment, and has missed the time. It counts once that transaction, which writes
    /// something in any case, is committed. True when the clock was set back since the last.
    pub(crate) fn look(&mut self, asked: Duration, shown: i64, clock: &dyn Clock, store: &str) -> bool {
        self.come_through(asked, shown, moment());
        let Some(by) = self.drift.look_at(clock) else { return false };
        let seconds = by.as_secs_f64().round();
        tracing::warn!(store, seconds, "the clock of this machine was set: leases go on as if it had not been");
        by.is_negative()
    }

    /// Whether a lease from `since` until then is over, and its holder could have renewed it.
    pub(crate) fn is_over(&self, since: i64, until: i64) -> bool {
        let lease = Duration::from_micros(u64::try_from(until.saturating_sub(since)).unwrap_or(0));
        let until = until.saturating_add(micros(self.drift.gained(lease)));
        self.drift.may_judge(lease)
            && until <= self.latest.shown
            && (self.kept_looking(lease) || self.found_it_over_before(until, lease))
    }

    /// Whether leases may reach too far ahead (see [`Drift::has_far_leases`]).
    pub(crate) fn has_far_leases(&self) -> bool {
        self.drift.has_far_leases()
    }

    /// They were looked through.
    pub(crate) fn without_far_leases(&mut self) {
        self.drift.without_far_leases();
    }

    fn come_through(&mut self, asked: Duration, shown: i64, at: Duration) {
        let gap = Gap { length: at.saturating_sub(self.latest.at), end: at };
        self.gaps.retain(|earlier| earlier.length > gap.length && earlier.still_counts(at));
        self.gaps.push(gap);
        self.waited = at.saturating_sub(asked);
        self.before = std::mem::replace(&mut self.latest, Look { at, shown });
    }

    /// Whether nobody can have been kept from writing for long: who lives asks for its renewal every third of a lease and
    /// comes through within another, so that a third is left. After a longer gap it has half a lease to do so.
    fn kept_looking(&self, lease: Duration) -> bool {
        self.gaps.iter().all(|gap| gap.length < lease / 3 || self.latest.at.saturating_sub(gap.end) >= lease / 2)
    }

    /// For who never looks often enough, because its own lease is much longer or the machine too slow: it was over at the
    /// last look already, was not renewed in all the time since, and nobody was in the way now.
    fn found_it_over_before(&self, until: i64, lease: Duration) -> bool {
        until <= self.before.shown
            && self.latest.at.saturating_sub(self.before.at) >= lease / 3
            && self.waited < lease / 3
    }
}

impl Gap {
    /// Whether there can be a lease that it is long enough for and that it is not past for.
    fn still_counts(&self, now: Duration) -> bool {
        now.saturating_sub(self.end) * 2 < self.length * 3
    }
}

#[cfg(test)]
mod tests {
    use apium_core::TestClock;

    use super::*;

    /// In milliseconds, as all that follows.
    const LEASE: u64 = 6_000;

    /// Looks for the leases of two workers: one dies at the beginning, the other a minute later.
    struct Scene {
        judge: Judge,
        clock: TestClock,
        now: u64,
        began: Duration,
    }

    impl Scene {
        fn new() -> Self {
            let clock = TestClock::default();
            let judge = Judge::new(&clock);
            let began = judge.latest.at;
            Self { judge, clock, now: 0, began }
        }

        /// Looks at this moment, asked for then.
        fn look(&mut self, asked: u64, at: u64) {
            self.clock.advance(Duration::from_millis(at - self.now));
            self.now = at;
            let moment = |millis| self.began + Duration::from_millis(millis);
            self.judge.come_through(moment(asked), micros(Duration::from_millis(at)), moment(at));
            self.judge.drift.look_at(&self.clock);
        }

        fn look_every(&mut self, step: u64, until: u64) {
            for at in (self.now + step..=until).step_by(usize::try_from(step).unwrap_or(1)) {
                self.look(at, at);
            }
        }

        /// Whether a lease that was last renewed then is over.
        fn is_over(&self, renewed: u64) -> bool {
            let moment = |millis| micros(Duration::from_millis(millis));
            self.judge.is_over(moment(renewed), moment(renewed + LEASE))
        }
    }

    #[test]
    fn who_keeps_looking_judges_at_once() {
        let mut scene = Scene::new();
        scene.look_every(1_000, 20_000);
        assert!(scene.is_over(14_000) && !scene.is_over(14_001));
    }

    #[test]
    fn who_has_not_come_through_gives_time_to_renew() {
        let mut scene = Scene::new();
        scene.look_every(1_000, 20_000);
        scene.look(21_000, 32_000);
        assert!(!scene.is_over(20_000), "nobody could renew it");
        scene.look_every(500, 34_500);
        assert!(!scene.is_over(20_000));
        scene.look_every(500, 35_000);
        assert!(scene.is_over(20_000) && !scene.is_over(32_000));
    }

    #[test]
    fn who_was_away_knows_as_little() {
        let mut scene = Scene::new();
        scene.look_every(1_000, 20_000);
        scene.look(32_000, 32_000);
        assert!(
            !scene.is_over(20_000),
            "it waited for nothing, and slept through the time in which nobody could write"
        );
    }

    #[test]
    fn one_gap_does_not_hide_another() {
        let mut scene = Scene::new();
        scene.look_every(1_000, 20_000);
        scene.look(21_000, 30_000);
        scene.look_every(1_000, 38_000);
        scene.look(39_000, 41_000);
        scene.look_every(1_000, 43_000);
        assert!(!scene.is_over(34_000), "the later and shorter counts, too");
        scene.look_every(1_000, 44_000);
        assert!(scene.is_over(34_000));
        scene.look(45_000, 47_000);
        scene.look(47_500, 52_000);
        scene.look_every(500, 54_500);
        assert!(!scene.is_over(44_000), "the later and longer counts alone");
        scene.look_every(500, 55_000);
        assert!(scene.is_over(44_000));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut scene = Scene::new();
        for round in 0..100 {
            let begin = scene.now;
            for at in (0..100).map(|number| begin + number * (200 - number) + round) {
                scene.look(at.max(scene.now), at.max(scene.now));
            }
            assert!(scene.judge.gaps.len() < 20, "{}", scene.judge.gaps.len());
        }
    }

    #[test]
    fn who_looks_too_seldom_judges_at_the_second_look() {
        let mut scene = Scene::new();
        scene.look_every(10_000, 20_000);
        assert!(!scene.is_over(10_001), "over since then, but it was not seen to be");
        scene.look_every(10_000, 30_000);
        assert!(scene.is_over(10_001));
        scene.look(35_000, 40_000);
        assert!(!scene.is_over(20_001), "somebody was in the way again");
    }
}
