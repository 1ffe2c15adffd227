//! The kinds of task that are sent, what each needs of its world, and what must have become of it in the end.

use std::time::Duration;

use apium::core::client::iso;
use apium::core::protocol::canvas::SavedGroup;
use apium::core::protocol::{Embed, Headers, Message, Payload, Properties, RawJson, ResultRecord};
use apium::core::signature::{chain, chord, group};
use apium::core::{Clock, Outgoing, StoredResult};
use apium::{Client, Signature};
use apium_worker::points::Point;
use serde_json::json;

use crate::clock::Stepped;
use crate::store::Which;
use crate::tasks::unique;
use crate::trouble::Span;

/// The queue of all.
pub(crate) const QUEUE: &str = "celery";

macro_rules! kinds {
    ($($(#[$attribute:meta])* $name:ident,)+) => {
        /// A kind of task.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Kind { $($(#[$attribute])* $name,)+ }

        impl Kind {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            pub(crate) fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| format!("{kind:?}") == name)
            }
        }
    };
}

kinds! {
    Plain,
    Early,
    Retried,
    Failing,
    Rejected,
    Unknown,
    Expired,
    Revoked,
    /// Revoked while it runs.
    CalledOff,
    NotDue,
    Limited,
    Unique,
    Chain,
    Chord,
    BrokenChord,
    Errbacks,
    Replaced,
    Requeued,
    TooLong,
    /// A chord whose parts nobody counts, looked after by `celery.chord_unlock`.
    Unlocked,
    /// A chord whose saved group has a member that is no part of it.
    Patched,
    /// Lasts until its lease was renewed.
    Long,
    /// A stop cuts it off.
    GivenBack,
    /// A chord, its results in the other store.
    Elsewhere,
    /// The store fails while …
    AdmittedInTrouble,
    NeverAdmitted,
    BegunInTrouble,
    FollowedInTrouble,
    SettledInTrouble,
    SettledAloneInTrouble,
    /// Its result cannot be written.
    Refused,
    Isolated,
    IsolatedTooLong,
    IsolatedCalledOff,
    /// Its child dies under it, once.
    IsolatedMortal,
    IsolatedInTrouble,
}

/// A task, or a canvas, of one kind that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) kind: Kind,
    /// What its ids begin with.
    pub(crate) tag: String,
}

/// What must have become of one id.
pub(crate) struct Expected {
    pub(crate) id: String,
    /// The status in the end; `None`: it does not count.
    pub(crate) status: Option<&'static str>,
    pub(crate) value: Option<String>,
    pub(crate) attempts: Attempts,
    /// Its failure is stored before its message is settled, so that both may be repeated.
    pub(crate) told_first: bool,
}

/// Which attempts there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempts {
    /// None.
    Never,
    /// The first and so many retries, each once, and again only if it was struck.
    Retries(u32),
    /// The first, and again also by its own doing.
    Repeated,
    /// At most one, whatever is struck.
    Early,
}

/// What a kind needs of its world.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) lease: Duration,
    pub(crate) stop_timeout: Duration,
    /// How long a locked file is waited for.
    pub(crate) busy: Duration,
    /// Results live in the other store.
    pub(crate) elsewhere: bool,
    pub(crate) trouble: Option<Span>,
    pub(crate) stop: Option<StopAt>,
    /// Only there.
    pub(crate) only: Option<Which>,
    /// Its children are started from the worker's own executable and arguments: the worker needs a process of its own.
    pub(crate) isolated: bool,
}

/// When the first worker is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopAt {
    /// Something runs.
    Begun,
    /// This was reached.
    Reached(Point),
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            // Time is stepped over it; what it lasts by itself does not matter, unless the machine stands still.
            lease: Duration::from_secs(20),
            stop_timeout: Duration::from_secs(10),
            busy: Duration::from_secs(5),
            elsewhere: false,
            trouble: None,
            stop: None,
            only: None,
            isolated: false,
        }
    }
}

impl Kind {
    pub(crate) fn setup(self) -> Setup {
        let plain = Setup::default();
        let trouble =
            |from, to| Setup { trouble: Some(Span { from, to }), busy: Duration::from_millis(10), ..Setup::default() };
        match self {
            Self::Long => Setup { lease: Duration::from_secs(1), ..plain },
            Self::GivenBack => Setup { stop: Some(StopAt::Begun), stop_timeout: Duration::ZERO, ..plain },
            Self::Elsewhere => Setup { elsewhere: true, ..plain },
            Self::AdmittedInTrouble => trouble(Point::AdmitAsked, Point::AdmitAgain),
            Self::NeverAdmitted => Setup {
                // It is asked for no longer than a third of the lease, and put off for seconds then.
                lease: Duration::from_millis(600),
                stop: Some(StopAt::Reached(Point::Settled)),
                ..trouble(Point::AdmitAsked, Point::AdmitGivenUp)
            },
            Self::BegunInTrouble => trouble(Point::BeginAsked, Point::BeginAgain),
            Self::FollowedInTrouble => trouble(Point::CountAsked, Point::FollowAgain),
            Self::SettledInTrouble => trouble(Point::BatchWriting, Point::SettleAgain),
            Self::SettledAloneInTrouble => trouble(Point::BatchWriting, Point::SettleAloneAgain),
            Self::Refused => Setup { only: Some(Which::Redis), ..plain },
            Self::Isolated | Self::IsolatedTooLong | Self::IsolatedCalledOff | Self::IsolatedMortal => {
                Setup { isolated: true, ..plain }
            }
            Self::IsolatedInTrouble => Setup { isolated: true, ..trouble(Point::ChildAsked, Point::ChildAgain) },
            _ => plain,
        }
    }

    /// Whether it needs nothing of its world, so that it can be mixed with others.
    pub(crate) fn mixes(self) -> bool {
        let Setup { elsewhere, trouble, stop, only, isolated, .. } = self.setup();
        let special = elsewhere || isolated || trouble.is_some() || stop.is_some() || only.is_some();
        !special && self != Self::Long
    }
}

impl Case {
    pub(crate) fn new(kind: Kind, number: usize) -> Self {
        Self { kind, tag: format!("{number}-{kind:?}") }
    }

    fn id(&self, part: &str) -> String {
        format!("{}.{part}", self.tag)
    }

    /// Sends it.
    pub(crate) async fn send(&self, client: &Client, clock: &Stepped) {
        let note = |part: &str, value: i64| Signature::new("f.note").arg(value).task_id(self.id(part));
        let one = |task: &str| Signature::new(task).task_id(self.id("a"));
        let sum = || Signature::new("f.sum").task_id(self.id("sum"));
        let sent = match self.kind {
            Kind::Plain | Kind::Revoked | Kind::Refused | Kind::SettledInTrouble | Kind::SettledAloneInTrouble => {
                note("a", 1)
            }
            Kind::Early => one("f.early").arg(1),
            Kind::Retried => one("f.flaky"),
            Kind::Failing => one("f.fail"),
            Kind::Rejected => one("f.reject"),
            Kind::Unknown => one("f.nobody"),
            Kind::Expired => note("a", 1).expires(clock.now() - jiff::SignedDuration::from_secs(1)),
            Kind::CalledOff => one("f.stay"),
            Kind::NotDue => note("a", 1).eta(clock.now() + jiff::SignedDuration::from_millis(50)),
            Kind::Limited | Kind::AdmittedInTrouble | Kind::NeverAdmitted => {
                client.send(&Signature::new("f.limited").arg(1).task_id(self.id("b"))).await.unwrap();
                one("f.limited").arg(1)
            }
            Kind::Unique | Kind::BegunInTrouble => self.unique(),
            Kind::Chain => {
                chain([note("a", 1), Signature::new("f.plus").arg(1).task_id(self.id("b")), note_last(self)])
            }
            Kind::Chord | Kind::Elsewhere | Kind::FollowedInTrouble => chord([note("a", 1), note("b", 2)], sum()),
            Kind::BrokenChord => {
                let errback = Signature::new("f.called");
                let body = group([sum(), Signature::new("f.sum").task_id(self.id("too"))]).link_error(&errback);
                chord([note("a", 1), Signature::new("f.fail").task_id(self.id("f"))], body)
            }
            Kind::Errbacks => {
                let failing = Signature::new("f.fail").task_id(self.id("f"));
                let old = Signature::new("f.note").arg(1).immutable().task_id(self.id("old"));
                let failing = failing.link_error(&Signature::new("f.called")).link_error(&old);
                failing.then(Signature::new("f.plus").arg(1).task_id(self.id("b")))
            }
            Kind::Replaced => one("f.replaced").arg(1),
            Kind::Requeued => one("f.requeue"),
            Kind::TooLong => one("f.brief"),
            Kind::Unlocked => {
                client.send(&note("a", 1)).await.unwrap();
                client.send(&note("b", 2)).await.unwrap();
                self.unlock()
            }
            Kind::Patched => return self.send_patched(client).await,
            Kind::Long | Kind::GivenBack => one("f.hold"),
            Kind::Isolated | Kind::IsolatedInTrouble => one("f.isolated.note").arg(1),
            Kind::IsolatedTooLong => one("f.isolated.brief"),
            Kind::IsolatedCalledOff => one("f.isolated.stay"),
            Kind::IsolatedMortal => one("f.isolated.mortal"),
        };
        client.send(&sent).await.unwrap();
        if self.kind == Kind::Revoked {
            assert!(client.revoke(&self.id("a")).await.unwrap());
        }
    }

    pub(crate) fn unique(&self) -> Signature {
        unique::s(self.tag.clone()).task_id(self.id("a"))
    }

    /// The message of a peer whose result store counts no parts.
    fn unlock(&self) -> Signature {
        let parts: Vec<_> = ["a", "b"].iter().map(|part| json!([[self.id(part), null], null])).collect();
        let unlock = Signature::new("celery.chord_unlock").arg(self.id("group")).arg(self.body());
        unlock.kwarg("result", parts).kwarg("interval", 0.02)
    }

    fn body(&self) -> serde_json::Value {
        json!({
            "task": "f.sum", "args": [], "kwargs": {}, "options": {"task_id": self.id("sum")},
            "subtask_type": null, "immutable": false,
        })
    }

    async fn send_patched(&self, client: &Client) {
        let (part, other, group) = (self.id("a"), self.id("other"), self.id("group"));
        let record = ResultRecord {
            date_done: Some(iso(jiff::Timestamp::now())),
            ..ResultRecord::new(&other, "SUCCESS", RawJson::from(&7).unwrap())
        };
        client.results().store(&StoredResult::of(&record, Some(Duration::from_hours(1)))).await.unwrap();
        let tree = json!([[group, null], [[[part, null], null], [[other, null], null]]]);
        let saved = SavedGroup::record(&RawJson::from(&tree).unwrap());
        let (chords, keep) = (client.results().chords(), Duration::from_hours(1));
        chords.save_group(&group, &saved, Some(keep)).await.unwrap();
        chords.announce(&group, 1, keep).await.unwrap();
        let headers = Headers { group: Some(group), group_index: Some(0), ..Headers::new("f.note", &part) };
        let embed = Embed { chord: RawJson::from(&self.body()).unwrap(), ..Embed::default() };
        let payload = Payload { args: RawJson::parse("[1]").unwrap(), embed, ..Payload::default() };
        let bytes = Message::new(headers, &payload, Properties::default()).encode();
        let outgoing = Outgoing { queue: QUEUE.to_owned(), priority: 0, bytes, not_before: None };
        client.broker().publish(&[outgoing]).await.unwrap();
    }

    /// What must have become of each id of it.
    #[allow(clippy::match_same_arms, reason = "a line each")]
    pub(crate) fn expected(&self) -> Vec<Expected> {
        let of = |part: &str, status, value: Option<&str>, attempts| Expected {
            id: self.id(part),
            status,
            value: value.map(ToOwned::to_owned),
            attempts,
            told_first: false,
        };
        let well = |part: &str, value: &str| of(part, Some("SUCCESS"), Some(value), Attempts::Retries(0));
        let failed = |part: &str| of(part, Some("FAILURE"), None, Attempts::Retries(0));
        let along = |part: &str| of(part, Some("FAILURE"), None, Attempts::Never);
        let first = |expected: Expected| Expected { told_first: true, ..expected };
        match self.kind {
            Kind::Plain | Kind::NotDue | Kind::SettledInTrouble | Kind::SettledAloneInTrouble => vec![well("a", "1")],
            Kind::Isolated | Kind::IsolatedInTrouble => vec![well("a", "1")],
            Kind::Early => vec![of("a", Some("SUCCESS"), Some("1"), Attempts::Early)],
            Kind::Retried => vec![of("a", Some("SUCCESS"), Some("1"), Attempts::Retries(1))],
            Kind::Failing | Kind::Rejected | Kind::TooLong | Kind::IsolatedTooLong => vec![failed("a")],
            Kind::Unknown => vec![along("a")],
            Kind::Expired | Kind::Revoked => vec![of("a", Some("REVOKED"), None, Attempts::Never)],
            Kind::CalledOff | Kind::IsolatedCalledOff => vec![of("a", Some("REVOKED"), None, Attempts::Retries(0))],
            Kind::Limited | Kind::AdmittedInTrouble => vec![well("a", "1"), well("b", "1")],
            // Its short lease may run out while it is asked for, and then nothing of the attempt is written.
            Kind::NeverAdmitted => {
                ["a", "b"].map(|part| of(part, Some("SUCCESS"), Some("1"), Attempts::Repeated)).into()
            }
            Kind::Unique | Kind::BegunInTrouble => vec![well("a", &format!("\"{}\"", self.tag))],
            Kind::Chain => vec![well("a", "1"), well("b", "2"), well("c", "3")],
            Kind::Chord | Kind::FollowedInTrouble | Kind::Unlocked => {
                vec![well("a", "1"), well("b", "2"), well("sum", "3")]
            }
            // Results that live elsewhere are stored first.
            Kind::Elsewhere => vec![first(well("a", "1")), first(well("b", "2")), first(well("sum", "3"))],
            Kind::BrokenChord => vec![well("a", "1"), first(failed("f")), along("sum"), along("too")],
            Kind::Errbacks => {
                vec![first(failed("f")), along("b"), of("old", Some("SUCCESS"), None, Attempts::Repeated)]
            }
            Kind::Replaced => vec![of("a", Some("SUCCESS"), Some("101"), Attempts::Repeated)],
            Kind::Requeued => vec![of("a", Some("SUCCESS"), Some("\"again\""), Attempts::Repeated)],
            Kind::Patched => vec![well("a", "1"), well("sum", "8")],
            Kind::Long | Kind::GivenBack => vec![well("a", "\"released\"")],
            Kind::Refused => vec![of("a", None, None, Attempts::Retries(0))],
            Kind::IsolatedMortal => vec![of("a", Some("SUCCESS"), Some("\"lived\""), Attempts::Repeated)],
        }
    }

    /// The ids of the dead letters it leaves.
    pub(crate) fn dead(&self) -> Option<String> {
        matches!(self.kind, Kind::Rejected | Kind::Unknown | Kind::Refused).then(|| self.id("a"))
    }

    /// The id that is to be revoked once it runs.
    pub(crate) fn to_be_revoked(&self) -> Option<String> {
        matches!(self.kind, Kind::CalledOff | Kind::IsolatedCalledOff).then(|| self.id("a"))
    }
}

/// The last step of a chain, which takes what came before.
fn note_last(case: &Case) -> Signature {
    Signature::new("f.plus").arg(1).task_id(case.id("c"))
}
