//! What a result store promises of chords: each part counts once, one sends the body, and a body is never lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test kit: each function is one promise, told by its name"
)]

use std::time::Duration;

use apium_protocol::{RawJson, ResultRecord};

use super::{Subject, message};
use crate::broker::{Claim, Settled, Settlement};
use crate::chords::{CLAIM, ChordClaim, ChordEnd, ChordPart, Counted};
use crate::client::Client;
use crate::results::{Lookup, StoredResult};
use crate::routing::Routes;
use crate::signature::{Signature, chain, group};
use crate::state::TaskState;

const KEEP: Duration = Duration::from_hours(24);

fn part(id: &str) -> ChordPart {
    let result = RawJson::parse(&format!("{{\"of\": \"{id}\", \"n\": NaN}}")).unwrap();
    ChordPart { task_id: id.to_owned(), state: TaskState::Success, result }
}

/// Told by somebody who has not told it before.
async fn count(subject: &Subject, place: u64, part: &ChordPart) -> Counted {
    count_as(subject, place, part, &crate::client::fresh_id()).await
}

async fn count_as(subject: &Subject, place: u64, part: &ChordPart, token: &str) -> Counted {
    subject.results.chords().count("g", Some(place), part, token, KEEP).await.unwrap()
}

async fn complete(subject: &Subject, place: u64, part: &ChordPart) -> ChordClaim {
    match count(subject, place, part).await {
        Counted::Complete(claim) => claim,
        other => panic!("{other:?}"),
    }
}

fn end(claim: &ChordClaim) -> ChordEnd {
    let failure = ResultRecord::new("body", "FAILURE", RawJson::null());
    ChordEnd {
        group: claim.group.clone(),
        token: claim.token.clone(),
        send: vec![message("q", "the body")],
        results: vec![StoredResult::of(&failure, Some(KEEP))],
    }
}

async fn settle(subject: &Subject, end: ChordEnd) -> Settled {
    subject.broker.publish(&[message("parts", "part")]).await.unwrap();
    let queues = ["parts".to_owned()];
    let claim = Claim { queues: &queues, max: 1, lease: KEEP };
    let delivery = subject.broker.claim(&claim).await.unwrap().remove(0);
    let settlement = Settlement { chords: vec![end], ..Settlement::ack(delivery.receipt) };
    subject.broker.settle(vec![settlement]).await.unwrap()[0]
}

async fn ready(subject: &Subject) -> u64 {
    subject.broker.depths(&["q".to_owned()]).await.unwrap()[0].ready
}

pub async fn the_last_part_completes(subject: &Subject) {
    subject.results.chords().announce("g", 3, KEEP).await.unwrap();
    assert_eq!(count(subject, 2, &part("c")).await, Counted::Waiting);
    let failed = ChordPart { state: TaskState::Failure, ..part("a") };
    assert_eq!(count(subject, 0, &failed).await, Counted::Waiting);
    let claim = complete(subject, 1, &part("b")).await;
    assert_eq!(claim.parts, [failed, part("b"), part("c")], "in the order of their places");
    assert_eq!(claim.group, "g");
}

pub async fn parts_may_end_before_the_size_is_told(subject: &Subject) {
    assert_eq!(count(subject, 0, &part("a")).await, Counted::Waiting);
    subject.results.chords().announce("g", 2, KEEP).await.unwrap();
    assert_eq!(complete(subject, 1, &part("b")).await.parts.len(), 2);
}

pub async fn a_part_counts_once(subject: &Subject) {
    subject.results.chords().announce("g", 2, KEEP).await.unwrap();
    for _ in 0..3 {
        assert_eq!(count(subject, 0, &part("a")).await, Counted::Waiting);
    }
    let second = ChordPart { result: RawJson::null(), ..part("a") };
    assert_eq!(count(subject, 0, &second).await, Counted::Waiting);
    let claim = complete(subject, 1, &part("b")).await;
    assert_eq!(claim.parts, [part("a"), part("b")], "what was told first counts");
}

pub async fn parts_of_one_place_all_count(subject: &Subject) {
    subject.results.chords().announce("g", 3, KEEP).await.unwrap();
    count(subject, 0, &part("a")).await;
    let counted = subject.results.chords().count("g", None, &part("z"), "t", KEEP).await.unwrap();
    assert_eq!(counted, Counted::Waiting);
    let claim = complete(subject, 0, &part("b")).await;
    assert_eq!(claim.parts, [part("a"), part("b"), part("z")], "one without a place comes last");
}

pub async fn a_part_may_add_further_parts(subject: &Subject) {
    subject.results.chords().announce("g", 1, KEEP).await.unwrap();
    subject.results.chords().grow("g", 2, KEEP).await.unwrap();
    // Celery gives the added ones the place of the one that added them.
    assert_eq!(count(subject, 0, &part("a")).await, Counted::Waiting);
    assert_eq!(count(subject, 0, &part("b")).await, Counted::Waiting);
    assert_eq!(complete(subject, 0, &part("c")).await.parts.len(), 3);
}

pub async fn one_claims_the_body(subject: &Subject) {
    subject.results.chords().announce("g", 1, KEEP).await.unwrap();
    let first = complete(subject, 0, &part("a")).await;
    assert_eq!(count(subject, 0, &part("a")).await, Counted::Claimed, "told again while the body is claimed");
    let again = count_as(subject, 0, &part("a"), &first.token).await;
    assert_eq!(again, Counted::Complete(first.clone()), "whoever claimed it may not have heard the answer");
    (subject.advance)(CLAIM + Duration::from_secs(1)).await;
    let second = complete(subject, 0, &part("a")).await;
    assert_ne!(first.token, second.token, "the first to claim it may have died");
    assert_eq!(first.parts, second.parts);
    assert!(!subject.results.chords().end("g", &first.token).await.unwrap(), "it has passed to another");
    assert!(subject.results.chords().end("g", &second.token).await.unwrap());
    assert_eq!(count(subject, 0, &part("a")).await, Counted::Sent, "it has been sent");
    (subject.advance)(CLAIM + Duration::from_secs(1)).await;
    assert_eq!(count(subject, 0, &part("a")).await, Counted::Sent);
}

pub async fn a_group_may_be_used_again(subject: &Subject) {
    for _ in 0..2 {
        subject.results.chords().announce("g", 1, KEEP).await.unwrap();
        let claim = complete(subject, 0, &part("a")).await;
        assert!(subject.results.chords().end("g", &claim.token).await.unwrap());
    }
}

pub async fn the_body_is_sent_with_the_settlement(subject: &Subject) {
    subject.results.chords().announce("g", 1, KEEP).await.unwrap();
    let claim = complete(subject, 0, &part("a")).await;
    assert_eq!(settle(subject, end(&claim)).await, Settled::Done);
    assert_eq!(ready(subject).await, 1);
    let Lookup::Stored(record) = subject.results.lookup("body").await.unwrap() else { panic!("not stored") };
    assert_eq!(record.status, "FAILURE");
    assert_eq!(count(subject, 0, &part("a")).await, Counted::Sent);
    assert_eq!(settle(subject, end(&claim)).await, Settled::Done, "the part itself is settled all the same");
    assert_eq!(ready(subject).await, 1, "the body is sent once");
}

pub async fn a_claim_that_was_lost_sends_nothing(subject: &Subject) {
    subject.results.chords().announce("g", 1, KEEP).await.unwrap();
    let first = complete(subject, 0, &part("a")).await;
    (subject.advance)(CLAIM + Duration::from_secs(1)).await;
    let second = complete(subject, 0, &part("a")).await;
    assert_eq!(settle(subject, end(&first)).await, Settled::Done);
    assert_eq!(ready(subject).await, 0);
    assert_eq!(settle(subject, end(&second)).await, Settled::Done);
    assert_eq!(ready(subject).await, 1);
}

pub async fn keeps_groups(subject: &Subject) {
    let record = RawJson::parse(r#"{"result": [["g", null], [[["a", null], null]]]}"#).unwrap();
    assert_eq!(subject.results.chords().group("g").await.unwrap(), None);
    subject.results.chords().save_group("g", &record, Some(Duration::from_secs(1))).await.unwrap();
    assert_eq!(subject.results.chords().group("g").await.unwrap(), Some(record.clone()));
    (subject.advance)(Duration::from_secs(2)).await;
    assert_eq!(subject.results.chords().group("g").await.unwrap(), None, "it has expired");
    subject.results.chords().save_group("g", &record, None).await.unwrap();
    (subject.advance)(KEEP).await;
    assert_eq!(subject.results.chords().group("g").await.unwrap(), Some(record));
    subject.results.chords().forget_group("g").await.unwrap();
    assert_eq!(subject.results.chords().group("g").await.unwrap(), None);
}

pub async fn a_saved_group_is_found_again(subject: &Subject) {
    let client = Client::new(subject.broker.clone(), subject.results.clone(), Routes::default());
    let step = |id: &str| Signature::new("app.step").task_id(id);
    let sent = client.send(&chain([step("before"), group([step("a"), step("b")])])).await.unwrap();
    assert!(client.restore_group(sent.id()).await.unwrap().is_none(), "nobody has kept it");
    sent.save(Some(KEEP)).await.unwrap();
    let found = client.restore_group(sent.id()).await.unwrap().expect("the group");
    assert_eq!(RawJson::from(&found).unwrap(), RawJson::from(&sent).unwrap(), "and what it came after");
    for id in ["a", "b"] {
        let record = ResultRecord::new(id, "SUCCESS", RawJson::string(id));
        subject.results.store(&StoredResult::of(&record, Some(KEEP))).await.unwrap();
    }
    assert_eq!(found.get::<Vec<String>>(KEEP).await.unwrap(), ["a", "b"]);
    found.forget().await.unwrap();
    assert_eq!(found.completed_count().await.unwrap(), 0);
    assert!(client.restore_group(sent.id()).await.unwrap().is_some(), "its members are known all the same");
    client.delete_group(sent.id()).await.unwrap();
    assert!(client.restore_group(sent.id()).await.unwrap().is_none());
}

pub async fn counts_many(subject: &Subject) {
    subject.results.chords().announce("g", 500, KEEP).await.unwrap();
    let parts: Vec<_> = (0..500).map(|n| part(&n.to_string())).collect();
    for (place, part) in (0..).zip(&parts).skip(1) {
        assert_eq!(count(subject, place, part).await, Counted::Waiting);
    }
    assert_eq!(complete(subject, 0, &parts[0]).await.parts, parts);
}
