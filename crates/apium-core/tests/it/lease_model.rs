//! The design itself, exhaustively: claim, lease, renewal, rescue and late settlements of two workers that crash and
//! freeze at any moment, under a clock that is set forward or back at any moment, and nine ways to get it wrong, each of
//! which must be caught.
//!
//! What is checked here is what `broker.rs` says in words; that the backends do it is the conformance suites' matter.

use stateright::{Checker, HasDiscoveries, Model, Property};

const WORKERS: usize = 2;
/// In ticks: a claim lasts so long unless renewed.
const LEASE: i8 = 2;
/// By so much the clock may be set, once, forward or back.
const SET: i8 = 3;
/// Crashes and freezes altogether; more show nothing new and cost time.
const MISHAPS: u8 = 3;
/// When time ends.
const END: i8 = 7;

/// The design, or one that is known to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Design {
    /// What Apium does.
    Sound,
    /// The message is taken first and written down as held in a second step (kombu on Redis).
    PopThenRegister,
    /// Acknowledged before it runs.
    AckFirst,
    /// Put back by deleting it first, and pushing it in a second step.
    RescueInTwoSteps,
    /// Put back whether or not its lease has run out: a visibility timeout that knows no renewal.
    RescueBlindly,
    /// A settlement asks for the message only, not for the claim.
    SettleWithoutTag,
    /// The result is written in a step of its own, before anybody asks whether the claim still holds.
    ResultUnasked,
    /// A lease that is never renewed.
    NeverRenew,
    /// Put back as soon as the clock shows the end of the lease, though it was set forward.
    RescueByTheClock,
    /// When the clock is set back, leases stay where they are.
    LeaveFarLeases,
}

/// Where the message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Queue,
    /// In the hands of a worker, or of whoever rescues, and written down nowhere.
    Nowhere,
    Held {
        tag: u8,
        /// By the clock that may be set, which is all that is written down.
        ends: i8,
        /// By the clock of who holds it, which nobody sets.
        over: i8,
    },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Worker {
    Idle,
    /// It has popped the message and not yet written so.
    Popped,
    Running {
        tag: u8,
        frozen: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// The time that passes.
    now: i8,
    /// How far the clock by which leases are written down is ahead of it.
    ahead: i8,
    /// When it was set.
    set: Option<i8>,
    /// It was set back, and nobody has looked through the leases yet.
    far: bool,
    place: Place,
    workers: [Worker; WORKERS],
    /// The next claim's.
    tag: u8,
    /// Whose result is stored.
    result: Option<u8>,
    /// Settlements that were taken.
    settled: u8,
    /// Attempts that began.
    begun: u8,
    mishaps: u8,
    /// The result of an attempt was overwritten by that of an older one.
    overwritten: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Tick,
    Claim(usize),
    Register(usize),
    Renew(usize),
    Settle(usize),
    Crash(usize),
    Freeze(usize),
    Thaw(usize),
    Rescue,
    PushBack,
    Set(i8),
    Lower,
}

impl Design {
    /// A lease that is about to end, of a worker that could renew it.
    fn is_to_be_renewed(self, state: &State) -> bool {
        let Place::Held { tag, over, .. } = state.place else { return false };
        let alive = |worker: &Worker| *worker == Worker::Running { tag, frozen: false };
        self != Self::NeverRenew && over <= state.now + 1 && state.workers.iter().any(alive)
    }

    /// Whether whoever looks finds that a lease has run out.
    fn is_over(self, state: &State, ends: i8) -> bool {
        let lately = state.set.is_some_and(|set| state.now <= set + LEASE);
        let gained = if lately && self != Self::RescueByTheClock { state.ahead.max(0) } else { 0 };
        ends + gained <= state.clock()
    }

    fn settle(self, state: &mut State, worker: usize, tag: u8) {
        state.workers[worker] = Worker::Idle;
        let holds = matches!(state.place, Place::Held { tag: held, .. } if held == tag);
        let taken = match self {
            Self::SettleWithoutTag => state.place != Place::Done || state.settled > 0,
            Self::AckFirst => true,
            _ => holds,
        };
        if taken || self == Self::ResultUnasked {
            state.overwritten |= state.result.is_some_and(|stored| stored > tag);
            state.result = Some(tag);
        }
        if taken {
            state.settled += 1;
            state.place = Place::Done;
        }
    }
}

impl State {
    fn clock(&self) -> i8 {
        self.now + self.ahead
    }

    fn held(&self, tag: u8) -> Place {
        Place::Held { tag, ends: self.clock() + LEASE, over: self.now + LEASE }
    }
}

impl Model for Design {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
            ahead: 0,
            set: None,
            far: false,
            place: Place::Queue,
            workers: [Worker::Idle; WORKERS],
            tag: 0,
            result: None,
            settled: 0,
            begun: 0,
            mishaps: 0,
            overwritten: false,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        // Who lives renews in time, and looks at the clock often; that is what the loops are for.
        if state.now < END && !self.is_to_be_renewed(state) && !state.far {
            steps.push(Step::Tick);
        }
        if state.far {
            steps.push(Step::Lower);
        }
        if state.set.is_none() {
            steps.extend([Step::Set(SET), Step::Set(-SET)]);
        }
        for (number, worker) in state.workers.iter().enumerate() {
            match worker {
                Worker::Idle if state.place == Place::Queue => steps.push(Step::Claim(number)),
                Worker::Idle => {}
                Worker::Popped => steps.push(Step::Register(number)),
                Worker::Running { frozen: true, .. } => steps.push(Step::Thaw(number)),
                Worker::Running { frozen: false, .. } => steps.extend([Step::Renew(number), Step::Settle(number)]),
            }
            let may_fail = state.mishaps < MISHAPS && *worker != Worker::Idle;
            if may_fail {
                steps.push(Step::Crash(number));
            }
            if may_fail && matches!(worker, Worker::Running { frozen: false, .. }) {
                steps.push(Step::Freeze(number));
            }
        }
        match state.place {
            Place::Held { ends, .. } if self.is_over(state, ends) || *self == Self::RescueBlindly => {
                steps.push(Step::Rescue);
            }
            Place::Nowhere if *self == Self::RescueInTwoSteps => steps.push(Step::PushBack),
            _ => {}
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::Tick => state.now += 1,
            Step::Claim(worker) => {
                let tag = state.tag;
                state.tag += 1;
                state.workers[worker] = Worker::Running { tag, frozen: false };
                state.place = state.held(tag);
                match self {
                    Self::PopThenRegister => {
                        state.workers[worker] = Worker::Popped;
                        state.place = Place::Nowhere;
                        state.tag = tag;
                        return Some(state);
                    }
                    Self::AckFirst => state.place = Place::Done,
                    _ => {}
                }
                state.begun += 1;
            }
            Step::Register(worker) => {
                let tag = state.tag;
                state.tag += 1;
                state.begun += 1;
                state.workers[worker] = Worker::Running { tag, frozen: false };
                state.place = state.held(tag);
            }
            Step::Renew(worker) => {
                let Worker::Running { tag, .. } = state.workers[worker] else { return None };
                match state.place {
                    Place::Held { tag: held, .. } if held == tag && *self != Self::NeverRenew => {
                        state.place = state.held(tag);
                    }
                    _ => return None,
                }
            }
            Step::Settle(worker) => {
                let Worker::Running { tag, .. } = state.workers[worker] else { return None };
                self.settle(&mut state, worker, tag);
            }
            Step::Crash(worker) => {
                state.mishaps += 1;
                state.workers[worker] = Worker::Idle;
            }
            Step::Freeze(worker) => {
                let Worker::Running { tag, .. } = state.workers[worker] else { return None };
                state.mishaps += 1;
                state.workers[worker] = Worker::Running { tag, frozen: true };
            }
            Step::Thaw(worker) => {
                let Worker::Running { tag, .. } = state.workers[worker] else { return None };
                state.workers[worker] = Worker::Running { tag, frozen: false };
            }
            Step::Rescue if *self == Self::RescueInTwoSteps => state.place = Place::Nowhere,
            Step::Rescue | Step::PushBack => state.place = Place::Queue,
            Step::Set(by) => {
                state.ahead += by;
                state.set = Some(state.now);
                state.far = by < 0;
            }
            Step::Lower => {
                state.far = false;
                let reach = state.clock() + LEASE;
                if let Place::Held { ends, .. } = &mut state.place
                    && *self != Self::LeaveFarLeases
                {
                    *ends = reach.min(*ends);
                }
            }
        }
        (state != *last).then_some(state)
    }

    /// A wrong design may go on for ever.
    fn within_boundary(&self, state: &State) -> bool {
        state.begun <= 2 + MISHAPS && state.settled <= 2
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("in nobody's hands never", |_, state: &State| {
                let held = state.workers.iter().any(|worker| matches!(worker, Worker::Running { .. }));
                match state.place {
                    Place::Queue | Place::Held { .. } => true,
                    Place::Nowhere => false,
                    Place::Done => state.settled > 0 || held,
                }
            }),
            Property::always("settled once", |_, state: &State| state.settled <= 1),
            Property::always("run again only for a mishap", |_, state: &State| state.begun <= 1 + state.mishaps),
            Property::always("a late result overwrites none", |_, state: &State| !state.overwritten),
            Property::always("what is settled has its result", |_, state: &State| {
                state.place != Place::Done || state.settled == 0 || state.result.is_some()
            }),
            Property::always("no lease lasts longer than one", |_, state: &State| match state.place {
                Place::Held { ends, .. } => state.far || ends <= state.clock() + LEASE,
                _ => true,
            }),
            Property::sometimes("it ends after mishaps", |_, state: &State| {
                state.settled == 1 && state.mishaps == MISHAPS && state.set.is_some()
            }),
        ]
    }
}

#[test]
fn the_design_holds_whatever_crashes_and_freezes_and_however_the_clock_is_set() {
    let checker = Design::Sound.checker().spawn_bfs().join();
    checker.assert_properties();
    println!("{} states", checker.unique_state_count());
    assert!(checker.unique_state_count() > 1_000);
}

#[test]
fn each_wrong_design_is_caught() {
    const LOST: &str = "in nobody's hands never";
    let caught = [
        (Design::PopThenRegister, LOST),
        (Design::AckFirst, LOST),
        (Design::RescueInTwoSteps, LOST),
        (Design::RescueBlindly, "run again only for a mishap"),
        (Design::NeverRenew, "run again only for a mishap"),
        (Design::RescueByTheClock, "run again only for a mishap"),
        (Design::LeaveFarLeases, "no lease lasts longer than one"),
        (Design::SettleWithoutTag, "settled once"),
        (Design::ResultUnasked, "a late result overwrites none"),
    ];
    for (design, wrong) in caught {
        let seen = HasDiscoveries::AnyOf([wrong].into());
        let found = design.checker().finish_when(seen).spawn_bfs().join().discoveries();
        assert!(found.contains_key(wrong), "{design:?}: {:?}", found.keys());
    }
}
