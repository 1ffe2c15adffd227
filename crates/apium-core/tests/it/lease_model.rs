//! The design itself, exhaustively: claim, lease, renewal, rescue and late settlements of two workers that crash and
//! freeze at any moment, and seven ways to get it wrong, each of which must be caught.
//!
//! What is checked here is what `broker.rs` says in words; that the backends do it is the conformance suites' matter.

use stateright::{Checker, Model, Property};

const WORKERS: usize = 2;
/// In ticks: a claim lasts so long unless renewed.
const LEASE: u8 = 2;
/// Crashes and freezes altogether; more show nothing new and cost time.
const MISHAPS: u8 = 3;
/// When time ends.
const END: u8 = 7;

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
}

/// Where the message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Queue,
    /// In the hands of a worker, or of whoever rescues, and written down nowhere.
    Nowhere,
    Held {
        tag: u8,
        ends: u8,
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
    now: u8,
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
}

impl Design {
    /// A lease that is about to end, of a worker that could renew it.
    fn is_to_be_renewed(self, state: &State) -> bool {
        let Place::Held { tag, ends } = state.place else { return false };
        let alive = |worker: &Worker| *worker == Worker::Running { tag, frozen: false };
        self != Self::NeverRenew && ends <= state.now + 1 && state.workers.iter().any(alive)
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

impl Model for Design {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
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
        // Who lives renews in time; that is what the leases loop is for.
        if state.now < END && !self.is_to_be_renewed(state) {
            steps.push(Step::Tick);
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
            Place::Held { ends, .. } if ends <= state.now || *self == Self::RescueBlindly => steps.push(Step::Rescue),
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
                state.place = Place::Held { tag, ends: state.now + LEASE };
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
                state.place = Place::Held { tag, ends: state.now + LEASE };
            }
            Step::Renew(worker) => {
                let Worker::Running { tag, .. } = state.workers[worker] else { return None };
                match &mut state.place {
                    Place::Held { tag: held, ends } if *held == tag && *self != Self::NeverRenew => {
                        *ends = state.now + LEASE;
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
            Property::sometimes("it ends after mishaps", |_, state: &State| {
                state.settled == 1 && state.mishaps == MISHAPS
            }),
        ]
    }
}

/// What of the design is found wrong.
fn found(design: Design) -> Vec<&'static str> {
    let checker = design.checker().spawn_bfs().join();
    assert!(checker.is_done());
    let mut found: Vec<_> = checker.discoveries().into_keys().filter(|name| *name != "it ends after mishaps").collect();
    found.sort_unstable();
    found
}

#[test]
fn the_design_holds_whatever_crashes_and_freezes() {
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
        (Design::SettleWithoutTag, "settled once"),
        (Design::ResultUnasked, "a late result overwrites none"),
    ];
    for (design, wrong) in caught {
        let found = found(design);
        assert!(found.contains(&wrong), "{design:?}: {found:?}");
    }
}
