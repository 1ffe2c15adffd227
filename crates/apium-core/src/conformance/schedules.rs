//! What a broker promises of schedules: a decision counts once, and only its leader's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Subject, message};
use crate::broker::Claim;
use crate::schedules::{Change, Decided, Kept, Leader, PAGE, Put, Recorded};

const LONG: Duration = Duration::from_secs(30);

fn entry(name: &str, text: &str) -> Put {
    Put { name: name.to_owned(), entry: text.to_owned(), state: None, over: None }
}

async fn put(subject: &Subject, entries: &[Put]) {
    let written = subject.broker.schedules().put(entries).await.unwrap();
    assert!(written.iter().all(|one| *one) && written.len() == entries.len(), "{written:?}");
}

async fn kept(subject: &Subject, name: &str) -> Kept {
    let found = subject.other.schedules().entries(&[name.to_owned()]).await.unwrap();
    found.into_iter().next().expect("it is not kept")
}

async fn changes(subject: &Subject, since: u64) -> Vec<Change> {
    subject.other.schedules().changes(since, Duration::ZERO).await.unwrap()
}

async fn lead(subject: &Subject, name: &str) -> Leader {
    let seen = subject.broker.schedules().leader().await.unwrap();
    let leader = subject.broker.schedules().lead(name, seen.as_ref()).await.unwrap();
    assert_eq!(leader.name, name);
    leader
}

fn decided(name: &str, version: u64, state: &str, send: &[&str]) -> Decided {
    let send = send.iter().map(|bytes| message("q", bytes)).collect();
    Decided { name: name.to_owned(), version, state: state.to_owned(), send, told: vec![format!("{name} {state}")] }
}

async fn record(subject: &Subject, term: Option<u64>, decided: Decided) -> Recorded {
    subject.broker.schedules().record(term, vec![decided]).await.unwrap()[0]
}

async fn sent(subject: &Subject) -> Vec<String> {
    let claim = Claim { queues: &["q".to_owned()], max: 100, lease: LONG };
    let found = subject.broker.claim(&claim).await.unwrap();
    found.iter().map(|delivery| String::from_utf8(delivery.bytes.to_vec()).unwrap()).collect()
}

pub async fn entries_are_kept_and_dropped(subject: &Subject) {
    put(subject, &[entry("a", "{1}"), entry("b \u{1f552}", "{2}")]).await;
    assert_eq!(kept(subject, "b \u{1f552}").await.entry, "{2}");
    let before = kept(subject, "a").await;
    put(subject, &[Put { state: Some("s".to_owned()), ..entry("a", "{3}") }]).await;
    put(subject, &[entry("a", "{4}")]).await;
    let after = kept(subject, "a").await;
    assert_eq!((after.entry.as_str(), after.state.as_str()), ("{4}", "s"), "its state stays");
    assert_ne!(after.version, before.version);
    let names = ["a", "none", "b \u{1f552}"].map(ToOwned::to_owned);
    assert_eq!(subject.broker.schedules().entries(&names).await.unwrap().len(), 2);
    assert_eq!(subject.broker.schedules().drop_entries(&names).await.unwrap(), 2);
    assert!(subject.broker.schedules().entries(&names).await.unwrap().is_empty());
    put(subject, &[entry("a", "{5}")]).await;
    assert_eq!(kept(subject, "a").await.state, "", "dropped, it begins anew");
}

pub async fn changes_are_told_from_any_edition(subject: &Subject) {
    put(subject, &[entry("a", "1"), entry("b", "1"), entry("c", "1")]).await;
    let all = changes(subject, 0).await;
    assert_eq!(all.iter().map(|change| change.name.as_str()).collect::<BTreeSet<_>>(), BTreeSet::from(["a", "b", "c"]));
    let known = all.last().unwrap().edition;
    assert!(changes(subject, known).await.is_empty());
    put(subject, &[entry("b", "2")]).await;
    subject.broker.schedules().drop_entries(&["c".to_owned()]).await.unwrap();
    let news = changes(subject, known).await;
    assert_eq!(news.iter().map(|change| change.name.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(news[0].kept.as_ref().unwrap().entry, "2");
    assert_eq!(news[1].kept, None);
    let version = kept(subject, "a").await.version;
    record(subject, None, decided("a", version, "s", &[])).await;
    assert!(changes(subject, news[1].edition).await.is_empty(), "what is only recorded is no change");
}

pub async fn a_wait_ends_with_a_change(subject: &Subject) {
    let began = Instant::now();
    let (news, ()) =
        tokio::join!(subject.other.schedules().changes(0, LONG), async { put(subject, &[entry("a", "1")]).await });
    assert_eq!(news.unwrap().len(), 1);
    assert!(began.elapsed() < LONG / 2);
}

pub async fn many_entries_come_in_pages(subject: &Subject) {
    let many: Vec<_> = (0..PAGE + PAGE / 2).map(|number| entry(&format!("e{number}"), "1")).collect();
    put(subject, &many).await;
    let first = changes(subject, 0).await;
    assert_eq!(first.len(), PAGE);
    let second = changes(subject, first.last().unwrap().edition).await;
    let names: BTreeSet<_> = first.iter().chain(&second).map(|change| change.name.clone()).collect();
    assert_eq!(names.len(), many.len());
}

pub async fn what_is_put_over_another_version_is_refused(subject: &Subject) {
    let new = |over| Put { over: Some(over), ..entry("a", "1") };
    assert_eq!(subject.broker.schedules().put(&[new(0)]).await.unwrap(), [true]);
    assert_eq!(subject.broker.schedules().put(&[new(0)]).await.unwrap(), [false], "it is there");
    let version = kept(subject, "a").await.version;
    assert_eq!(subject.broker.schedules().put(&[new(version), new(version)]).await.unwrap(), [true, false]);
}

pub async fn what_is_decided_is_written_and_sent_in_one_step(subject: &Subject) {
    put(subject, &[entry("a", "1"), entry("b", "1")]).await;
    let leader = lead(subject, "one").await;
    let (a, b) = (kept(subject, "a").await, kept(subject, "b").await);
    let both = vec![decided("a", a.version, "s1", &["a1", "a2"]), decided("b", b.version, "s2", &["b1"])];
    let recorded = subject.broker.schedules().record(Some(leader.term), both).await.unwrap();
    let after = kept(subject, "a").await;
    assert_eq!(recorded[0], Recorded::Done(after.version));
    assert_eq!((after.state.as_str(), after.entry.as_str()), ("s1", "1"));
    assert_eq!(sent(subject).await, ["a1", "a2", "b1"]);
}

pub async fn a_decision_counts_once(subject: &Subject) {
    put(subject, &[entry("a", "1")]).await;
    let leader = lead(subject, "one").await;
    let version = kept(subject, "a").await.version;
    let same = || record(subject, Some(leader.term), decided("a", version, "s1", &["a1"]));
    assert!(matches!(same().await, Recorded::Done(_)));
    assert_eq!(same().await, Recorded::Changed);
    assert_eq!(sent(subject).await, ["a1"]);
}

pub async fn what_was_decided_on_another_version_counts_nothing(subject: &Subject) {
    put(subject, &[entry("a", "1")]).await;
    let leader = lead(subject, "one").await;
    let version = kept(subject, "a").await.version;
    put(subject, &[entry("a", "2")]).await;
    assert_eq!(record(subject, Some(leader.term), decided("a", version, "s", &["a1"])).await, Recorded::Changed);
    let version = kept(subject, "a").await.version;
    subject.broker.schedules().drop_entries(&["a".to_owned()]).await.unwrap();
    assert_eq!(record(subject, Some(leader.term), decided("a", version, "s", &["a1"])).await, Recorded::Changed);
    assert!(sent(subject).await.is_empty());
    assert!(subject.broker.schedules().history(None, 10).await.unwrap().is_empty());
}

pub async fn who_leads_no_more_decides_nothing(subject: &Subject) {
    put(subject, &[entry("a", "1")]).await;
    let old = lead(subject, "old").await;
    let version = kept(subject, "a").await.version;
    let new = lead(subject, "new").await;
    assert!(new.term > old.term);
    assert_eq!(record(subject, Some(old.term), decided("a", version, "s", &["late"])).await, Recorded::Deposed);
    assert!(!subject.broker.schedules().renew_lead(old.term).await.unwrap());
    assert!(matches!(record(subject, Some(new.term), decided("a", version, "s", &["a1"])).await, Recorded::Done(_)));
    let version = kept(subject, "a").await.version;
    assert!(matches!(record(subject, None, decided("a", version, "s", &["by hand"])).await, Recorded::Done(_)));
    assert_eq!(sent(subject).await, ["a1", "by hand"]);
}

pub async fn one_leads_though_all_would(subject: &Subject) {
    assert_eq!(subject.broker.schedules().leader().await.unwrap(), None);
    let first = subject.broker.schedules().lead("one", None).await.unwrap();
    let second = subject.other.schedules().lead("two", None).await.unwrap();
    assert_eq!((first.name.as_str(), &second), ("one", &first));
    assert_eq!(subject.other.schedules().leader().await.unwrap(), Some(first));
}

pub async fn who_renews_is_not_replaced(subject: &Subject) {
    let one = lead(subject, "one").await;
    let seen = subject.other.schedules().leader().await.unwrap().unwrap();
    assert!(subject.broker.schedules().renew_lead(one.term).await.unwrap());
    // However far the clock of the store jumps.
    (subject.advance)(Duration::from_hours(1)).await;
    let leads = subject.other.schedules().lead("two", Some(&seen)).await.unwrap();
    assert_eq!((leads.name.as_str(), leads.term), ("one", one.term));
    let leads = subject.other.schedules().lead("two", Some(&leads)).await.unwrap();
    assert_eq!(leads.name, "two", "one that has renewed no more");
}

pub async fn who_resigns_is_replaced_at_once(subject: &Subject) {
    let one = lead(subject, "one").await;
    subject.broker.schedules().resign(one.term).await.unwrap();
    let two = subject.other.schedules().lead("two", None).await.unwrap();
    assert_eq!(two.name, "two");
    assert!(two.term > one.term, "a term is never used twice");
    subject.broker.schedules().resign(one.term).await.unwrap();
    assert_eq!(subject.broker.schedules().leader().await.unwrap(), Some(two), "only its own lead is given up");
}

pub async fn of_a_hundred_candidates_one_takes_over(subject: &Subject) {
    let seen = lead(subject, "gone").await;
    let (one, other) = (subject.broker.schedules(), subject.other.schedules());
    let names: Vec<String> = (0..100).map(|number| format!("c{number}")).collect();
    let all = names.iter().enumerate().map(|(at, name)| {
        let schedules = if at % 2 == 0 { one } else { other };
        schedules.lead(name, Some(&seen))
    });
    let told = futures_util::future::join_all(all).await;
    let leaders: BTreeSet<String> = told.into_iter().map(|leader| leader.unwrap().name).collect();
    assert_eq!(leaders.len(), 1, "{leaders:?}");
    assert!(!leaders.contains("gone"));
}

pub async fn what_was_decided_is_told_newest_first(subject: &Subject) {
    put(subject, &[entry("a", "1"), entry("b", "1")]).await;
    for (name, state) in [("a", "s1"), ("b", "s1"), ("a", "s2"), ("a", "s3")] {
        let version = kept(subject, name).await.version;
        record(subject, None, decided(name, version, state, &[])).await;
    }
    let told = |entry, most| async move {
        let lines = subject.other.schedules().history(entry, most).await.unwrap();
        lines.into_iter().map(|line| line.told).collect::<Vec<_>>()
    };
    assert_eq!(told(None, 10).await, ["a s3", "a s2", "b s1", "a s1"]);
    assert_eq!(told(Some("a"), 2).await, ["a s3", "a s2"]);
    assert_eq!(told(Some("b"), 2).await, ["b s1"]);
}
