//! What is done to the workers and when: at moments drawn by chance, which the same seed draws again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::chance::Chance;
use super::crew::Blow;

/// How much harm was asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wishes {
    /// So many kills, spread over the tasks: the next comes when so many have ended.
    pub(super) kills: u32,
    pub(super) kill_every: Option<Duration>,
    /// How often, and for how long.
    pub(super) freeze: Option<(Duration, Duration)>,
    pub(super) cut: Option<(Duration, Duration)>,
}

/// The blows that are still to come.
pub(super) struct Harm {
    chance: Chance,
    /// Each comes once so many tasks have ended.
    kills: VecDeque<u32>,
    kill: Option<Beat>,
    freeze: Option<(Beat, Duration)>,
    cut: Option<(Beat, Duration)>,
}

/// A thing that comes again and again, half as long to one and a half times as long after the last.
struct Beat {
    every: Duration,
    next: Instant,
}

impl Wishes {
    /// Whether there are any.
    pub(super) fn harms(&self) -> bool {
        self.kills > 0 || self.kill_every.is_some() || self.freeze.is_some() || self.cut.is_some()
    }
}

impl Harm {
    /// The harm of a run of so many tasks that begins now.
    pub(super) fn new(wishes: &Wishes, tasks: u32, seed: u64, now: Instant) -> Self {
        let mut chance = Chance::seeded(seed);
        let share = usize::try_from(tasks).unwrap_or(usize::MAX);
        let mut kills: Vec<u32> =
            (0..wishes.kills).map(|_| u32::try_from(chance.below(share)).unwrap_or_default()).collect();
        kills.sort_unstable();
        let kill = wishes.kill_every.map(|every| Beat::new(every, now, &mut chance));
        let mut with = |wish: Option<(Duration, Duration)>| {
            wish.map(|(every, lasting)| (Beat::new(every, now, &mut chance), lasting))
        };
        let (freeze, cut) = (with(wishes.freeze), with(wishes.cut));
        Self { chance, kills: kills.into(), kill, freeze, cut }
    }

    /// What is to be done now, of `places` that can be struck, each at most once; `ended`: tasks that have ended so far.
    pub(super) fn due(&mut self, now: Instant, ended: u32, mut places: Vec<usize>) -> Vec<(usize, Blow)> {
        let mut blows = Vec::new();
        let mut strike = |chance: &mut Chance, blow: Blow| {
            if !places.is_empty() {
                let place = places.swap_remove(chance.below(places.len()));
                blows.push((place, blow));
                return true;
            }
            false
        };
        if let Some((beat, span)) = &mut self.freeze
            && beat.is_due(now, &mut self.chance)
        {
            strike(&mut self.chance, Blow::Freeze(*span));
        }
        if let Some((beat, span)) = &mut self.cut
            && beat.is_due(now, &mut self.chance)
        {
            let silent = self.chance.below(2) == 0;
            strike(&mut self.chance, Blow::Cut(*span, silent));
        }
        if let Some(beat) = &mut self.kill
            && beat.is_due(now, &mut self.chance)
        {
            strike(&mut self.chance, Blow::Kill);
        }
        // None of these is let go: their number was promised.
        while self.kills.front().is_some_and(|kill| *kill <= ended) && strike(&mut self.chance, Blow::Kill) {
            self.kills.pop_front();
        }
        blows
    }
}

impl Beat {
    fn new(every: Duration, now: Instant, chance: &mut Chance) -> Self {
        Self { every, next: now + chance.between(every / 2, every * 3 / 2) }
    }

    fn is_due(&mut self, now: Instant, chance: &mut Chance) -> bool {
        let due = now >= self.next;
        if due {
            *self = Self::new(self.every, now, chance);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kill_that_was_asked_for_comes_while_tasks_are_left() {
        let (now, wishes) = (Instant::now(), Wishes { kills: 50, ..Wishes::default() });
        let mut harm = Harm::new(&wishes, 10, 1, now);
        let kills = (0..10).flat_map(|ended| [ended; 50]).map(|ended| harm.due(now, ended, vec![1, 2]).len());
        assert_eq!(kills.sum::<usize>(), 50);
        assert!(harm.due(now, 10, vec![1, 2]).is_empty());
    }

    #[test]
    fn nobody_is_struck_twice_at_once() {
        let (now, every) = (Instant::now(), Duration::from_secs(1));
        let wishes =
            Wishes { kills: 9, kill_every: Some(every), freeze: Some((every, every)), cut: Some((every, every)) };
        let mut harm = Harm::new(&wishes, 1, 3, now);
        let blows = harm.due(now + every * 2, 1, vec![4, 5, 6, 7]);
        let mut places: Vec<usize> = blows.iter().map(|(place, _)| *place).collect();
        places.sort_unstable();
        assert_eq!(places, [4, 5, 6, 7], "{blows:?}");
    }
}
