//! Things dealt out to the shards they concern, and the answers put back into the order of the questions.

/// Things by shard, each with its place among all of them.
pub(super) struct Dealt<T> {
    hands: Vec<Hand<T>>,
    count: usize,
}

/// What concerns one shard.
struct Hand<T> {
    shard: usize,
    things: Vec<T>,
    places: Vec<usize>,
}

/// The answers of one shard, and the places of their questions.
pub(super) struct Answers<A> {
    pub(super) answers: Vec<A>,
    pub(super) places: Vec<usize>,
}

impl<T> Dealt<T> {
    /// Deals out; the shards come in the order in which they are first concerned.
    pub(super) fn out(things: impl IntoIterator<Item = T>, shard_of: impl Fn(&T) -> usize) -> Self {
        let mut dealt = Self { hands: Vec::new(), count: 0 };
        for thing in things {
            let shard = shard_of(&thing);
            let known = dealt.hands.iter_mut().position(|hand| hand.shard == shard);
            let at = known.unwrap_or_else(|| {
                dealt.hands.push(Hand { shard, things: Vec::new(), places: Vec::new() });
                dealt.hands.len() - 1
            });
            dealt.hands[at].things.push(thing);
            dealt.hands[at].places.push(dealt.count);
            dealt.count += 1;
        }
        dealt
    }

    /// The shard that all of it concerns, if it is one; nothing concerns the home.
    pub(super) fn only(&self) -> Option<usize> {
        match &*self.hands {
            [] => Some(0),
            [hand] => Some(hand.shard),
            _ => None,
        }
    }

    /// Each shard, what concerns it, and its places.
    pub(super) fn hands(self) -> impl Iterator<Item = (usize, Vec<T>, Vec<usize>)> {
        self.hands.into_iter().map(|hand| (hand.shard, hand.things, hand.places))
    }
}

/// All answers in the order of their questions.
pub(super) fn in_order<A>(answered: Vec<Answers<A>>) -> Vec<A> {
    let mut placed: Vec<_> = answered.into_iter().flat_map(|told| told.places.into_iter().zip(told.answers)).collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, answer)| answer).collect()
}
