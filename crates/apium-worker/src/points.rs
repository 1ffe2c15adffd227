//! The named places between a claim and its settlement at which a worker can be made to die, for the tests that do it.
//!
//! Without the feature `failpoints` a `point!` is nothing at all, and so it is in every program that is built to be used:
//! no crate of the workspace switches the feature on, only the command line of the tests does (`cargo xtask test`). With
//! it, each `point!` asks the one function that a test has set with `at_points`.
//!
//! There is one before each await that lies between a claim and its settlement, and one after it where something else
//! follows than the next of them. What happens inside a call of a port is not taken apart: it is one step there.

/// Reaches a point of the table.
macro_rules! point {
    ($name:ident) => {
        #[cfg(feature = "failpoints")]
        $crate::points::reach($crate::points::Point::$name).await;
    };
}

pub(crate) use point;

#[cfg(feature = "failpoints")]
pub use table::{Point, at_points};

#[cfg(feature = "failpoints")]
pub(crate) use table::reach;

#[cfg(feature = "failpoints")]
mod table {
    use std::sync::OnceLock;

    /// What a test does at a point; true parks whoever is there for ever.
    type Deed = fn(Point) -> bool;

    static DEED: OnceLock<Deed> = OnceLock::new();

    macro_rules! table {
        ($($name:ident: $told:literal,)+) => {
            /// A place where a worker can die. The order is that of the files, not of a task's life.
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub enum Point {
                $(#[doc = $told] $name,)+
            }

            impl Point {
                /// Every point there is.
                pub const ALL: &[Self] = &[$(Self::$name),+];

                /// Its name.
                pub fn name(self) -> &'static str {
                    match self { $(Self::$name => stringify!($name)),+ }
                }

                /// What is about to happen there, or has just happened.
                pub fn told(self) -> &'static str {
                    match self { $(Self::$name => $told),+ }
                }

                /// The point of this name.
                pub fn named(name: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|point| point.name() == name)
                }
            }
        };
    }

    table! {
        // consumer.rs
        ClaimAsked: "a claim is about to be asked for",
        Claimed: "the claim is answered, and nobody has looked at the deliveries yet",
        HandedOn: "a delivery is about to be judged",
        Judged: "the judgement is to run it, and it is about to be admitted",
        NotToRun: "the judgement is not to run it, and that is about to be settled",
        NotRun: "it is settled that it does not run",
        Attempted: "an attempt is over and settled, and its slot still taken",
        Draining: "a stop was asked for, and what runs is about to be waited for",
        CalledAllOff: "what runs is called off, to be given back",
        Drained: "what ran is given back",
        // admission.rs
        AdmitAsked: "a place with its limits is about to be asked for",
        AdmitAnswered: "it has its places, or stands in a line",
        AdmitAgain: "the broker did not answer, and is about to be asked again",
        AdmitGivenUp: "the broker does not answer at all, and the message is about to be put off",
        // executor.rs
        Begun: "the attempt holds its lease, and nothing is done yet",
        Unsuspected: "what was claimed along with a suspect is put off",
        EarlyAckAsked: "the acknowledgement before the attempt is about to be written",
        EarlyAcked: "the message is gone, and the attempt has not begun",
        StartedAsked: "STARTED is about to be stored",
        StartedTold: "STARTED is stored",
        Starting: "the task is about to run",
        Performed: "the task has run, and nobody knows",
        Concluding: "the outcome is known, and about to be concluded",
        Concluded: "the outcome is concluded, and not told in the log",
        // unique.rs
        BeginAsked: "the broker is about to be told that a unique task begins",
        BeginAnswered: "it has been told",
        BeginAgain: "it did not answer, and is about to be told again",
        // limits.rs
        CutOff: "a task was cut off, and is about to be waited for",
        LetGo: "it has let go",
        // isolation/pool.rs
        ChildAsked: "a child is about to be started, or taken",
        ChildAgain: "no child could be started, and one is about to be tried again",
        ChildTaken: "there is a child, and it knows nothing of the task",
        ChildTold: "the child has the task",
        ErrandAsked: "the child's errand is about to be run",
        ErrandRun: "it is run, and the child not told",
        ErrandTold: "the child is told",
        ChildCalledOff: "the child is about to be told to stop",
        ChildToldOff: "it is told to stop",
        ChildPutBack: "the child has told how the task ended, and is about to be put back",
        ChildBack: "it is put back, or replaced",
        ChildKilling: "the child is about to be killed",
        ChildKilled: "it is killed",
        ChildDying: "the child is heard to be gone, and about to be asked how it ended",
        ChildDied: "it is known how the child ended",
        // outcome.rs
        FollowAsked: "what follows the outcome is about to be thought out",
        Followed: "it is known what follows",
        FirstTelling: "a failure is about to be stored before what fails because of it",
        FirstTold: "it is stored",
        Settling: "the verdict is about to be handed to the settler",
        Settled: "the verdict is written, and the attempt has just heard of it",
        Refused: "the verdict is refused, and the message about to be kept as a dead letter",
        RefusedAgain: "even that is refused, and about to be tried without the result",
        // errbacks.rs
        ErrbackCalling: "an errback is about to be called here",
        ErrbackCalled: "it was called",
        // workflow.rs
        FollowAgain: "a store did not answer what follows, and is about to be asked again",
        OtherAsked: "a task that fails along is about to be looked up",
        OtherKnown: "it is known how that one stands",
        CountAsked: "a part of a chord is about to be counted",
        Counted: "it is counted; the body is perhaps claimed",
        GroupAsked: "the saved group of a chord is about to be read",
        GroupKnown: "it is read",
        MemberAsked: "the result of a member that is no part is about to be looked up",
        MemberKnown: "it is looked up",
        UnlockSaving: "a chord that nobody counted is about to be saved as a group",
        UnlockAnnouncing: "it is saved, and about to be announced",
        UnlockAsked: "it is announced, and a part of it about to be looked up",
        UnlockKnown: "that part is looked up",
        PrepareAsked: "what is to be sent on is about to be prepared",
        Prepared: "it is prepared: the chords in it are announced",
        CallingOff: "a member of a chord's body that never runs is about to be revoked",
        OneCalledOff: "it is revoked",
        // settler.rs
        SettleAsked: "a verdict is about to be put into the batch",
        SettleAnswered: "it is answered",
        BatchTaken: "a batch is taken up",
        ResultStoring: "results live elsewhere: one is about to be stored",
        ResultStored: "it is stored, and its message not settled",
        BatchWriting: "a batch is about to be written",
        BatchWritten: "it is written, and nobody knows",
        ChordEnding: "a chord that is counted elsewhere is about to be ended there",
        ChordEnded: "it is ended",
        SettleAgain: "a batch was not written, and is about to be tried again",
        SettleAloneAgain: "one outcome was not written, and is about to be tried again",
        // leases.rs
        RenewAsked: "the leases are about to be renewed",
        Renewed: "they are renewed",
        // recovery.rs
        RecoverAsked: "what dead workers left is about to be put back",
        Recovered: "it is put back",
    }

    /// Sets, once for the whole process, what is done at the points.
    pub fn at_points(deed: Deed) {
        // A second one comes too late.
        let _ = DEED.set(deed);
    }

    pub(crate) async fn reach(point: Point) {
        if DEED.get().is_some_and(|deed| deed(point)) {
            std::future::pending::<()>().await;
        }
    }
}
