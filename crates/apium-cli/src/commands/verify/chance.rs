//! Chance that can be had again: the same seed gives the same numbers (SplitMix64).

use std::time::Duration;

/// A generator of numbers.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    /// The generator of this seed.
    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one; 0 below 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % end).unwrap_or_default()
    }

    /// A span from the first to the second.
    pub(super) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let part = f64::from(u32::try_from(self.number() >> 32).unwrap_or_default()) / f64::from(u32::MAX);
        least + most.saturating_sub(least).mul_f64(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again() {
        let numbers = |seed| {
            let mut chance = Chance::seeded(seed);
            std::array::from_fn::<u64, 8, _>(|_| chance.number())
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
    }

    #[test]
    fn what_is_drawn_lies_within_its_bounds() {
        let mut chance = Chance::seeded(1);
        let (least, most) = (Duration::from_millis(10), Duration::from_millis(20));
        for _ in 0..1_000 {
            assert!(chance.below(3) < 3 && (least..=most).contains(&chance.between(least, most)));
        }
        assert_eq!((chance.below(0), chance.between(most, most)), (0, most));
    }
}
