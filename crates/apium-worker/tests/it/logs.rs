//! What the operator reads: one line an attempt, as loud as what it tells.

use std::time::Duration;

use apium_core::protocol::{Headers, Message, Payload, Properties};
use apium_core::{BackendError, Broker, Signature};

use tokio::time::Instant;

use crate::kit::{Rig, keep_log, log};
use crate::probe::Fault;
use crate::tasks;

/// The lines of the log that name this task id.
fn lines(id: &str) -> Vec<String> {
    log().lines().filter(|line| line.contains(id)).map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn what_failed_for_good_is_an_error_and_the_rest_is_not() {
    keep_log();
    let mut rig = Rig::started();
    let mut sent = Vec::new();
    for (call, level, words) in [
        (tasks::add::s(1, 1, None), "INFO", "SUCCESS"),
        (tasks::end::s("fatal".to_owned()), "ERROR", "FAILURE"),
        (tasks::end::s("reject".to_owned()), "ERROR", "dead letter"),
        (Signature::new("t.add").arg("one"), "ERROR", "dead letter"),
        (Signature::new("no.such"), "ERROR", "dead letter"),
        (tasks::end::s("once".to_owned()), "INFO", "SUCCESS"),
    ] {
        let record = rig.outcome(&call).await;
        sent.push((record.task_id, level, words));
    }
    let mut odd = Message::new(Headers::new("t.add", "an odd one"), &Payload::default(), Properties::default());
    odd.body = "!".to_owned();
    rig.publish(odd.encode()).await;
    rig.record("an odd one").await;
    sent.push(("an odd one".to_owned(), "ERROR", "dead letter"));
    rig.stopped().await;
    for (id, level, words) in sent {
        let lines = lines(&id);
        let last = lines.last().expect("a line");
        assert!(
            last.contains(level) && last.contains(words) && last.contains("queue=\"celery\""),
            "{words}: {lines:#?}"
        );
        assert!(lines.len() == 1 || lines[0].contains("RETRY") && lines.len() == 2, "one line an attempt: {lines:#?}");
    }
}

/// A disk that is full, a broker that is away: hundreds of tries, a handful of lines.
#[tokio::test(start_paused = true)]
async fn what_fails_again_and_again_is_told_now_and_then_and_when_it_is_over() {
    keep_log();
    let mut rig = Rig::new();
    let words = "the well of claims is dry";
    (0..100).for_each(|_| rig.probe.plan("claim", Fault::Says(words)));
    let began = Instant::now();
    let vitals = rig.start();
    rig.probe.called("claim", 1).await;
    assert_eq!((lines(words).len(), vitals.trouble()), (1, None), "told at once, but it may be over at the next try");
    rig.probe.called("claim", 60).await;
    let trouble = vitals.trouble().unwrap();
    assert!(trouble.starts_with("claims have failed for ") && trouble.ends_with(words), "{trouble}");
    assert!(vitals.last_claim_age().is_none_or(|age| age >= began.elapsed()), "no answer was heard");
    rig.probe.called("claim", 101).await;
    rig.probe.called("wait", 1).await;
    let (lines, periods) = (lines(words), usize::try_from(began.elapsed().as_secs() / 30).unwrap());
    assert!(lines.len() <= periods + 2, "{lines:#?}");
    assert!(lines.iter().rev().skip(1).all(|line| line.contains("WARN") && line.contains("claims")), "{lines:#?}");
    assert!(lines[1].contains("claims still fail") && lines[1].contains("more="), "{}", lines[1]);
    assert!(lines.last().unwrap().contains("INFO") && lines.last().unwrap().contains("claims go well again"));
    assert_eq!(vitals.trouble(), None);
}

/// The store can be read, so claims go well; it cannot be written.
#[tokio::test(start_paused = true)]
async fn settlements_that_fail_are_a_trouble_although_claims_go_well() {
    keep_log();
    let words = "no room left on this disk";
    let mut rig = Rig::new();
    rig.options.concurrency = 3;
    rig.probe.poison("task_id", BackendError::Unavailable(words.to_owned()));
    let vitals = rig.start();
    let pending = [rig.send(&tasks::add::s(1, 1, None)).await, rig.send(&tasks::add::s(2, 2, None)).await];
    while vitals.trouble().is_none() {
        rig.probe.called("settle", rig.probe.calls("settle") + 1).await;
    }
    let trouble = vitals.trouble().unwrap();
    assert!(trouble.starts_with("settlements have failed for ") && trouble.ends_with(words), "{trouble}");
    assert!(vitals.last_claim_age().unwrap() < Duration::from_secs(10));
    rig.probe.cure();
    for pending in &pending {
        assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    }
    assert_eq!(vitals.trouble(), None);
    rig.stopped().await;
    let lines = lines(words);
    assert!(lines.len() <= 4, "{lines:#?}");
}

/// Claims that find nothing write nothing: they are no proof that it is the outcome's own fault.
#[tokio::test(start_paused = true)]
async fn an_outcome_is_not_refused_while_nothing_at_all_can_be_written() {
    let mut rig = Rig::new();
    rig.probe.poison("task_id", BackendError::Unavailable("the disk is full".to_owned()));
    (0..1000).for_each(|_| rig.probe.plan("beat", Fault::Before));
    rig.start();
    let pending = rig.send(&tasks::add::s(1, 1, None)).await;
    rig.probe.called("settle", 60).await;
    rig.probe.cure();
    assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    rig.stopped().await;
    rig.dead(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_was_flushed_is_not_said_to_have_another_worker() {
    keep_log();
    let mut rig = Rig::started();
    let pending = rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.stage.reached("a begun").await;
    tokio::time::advance(rig.options.lease * 2).await;
    rig.memory.recover().await.unwrap();
    assert_eq!(rig.memory.purge("celery").await.unwrap(), 1);
    rig.stage.cue();
    rig.stage.reached("a ended").await;
    rig.stopped().await;
    let lines = lines(pending.id());
    assert!(lines.iter().any(|line| line.contains("WARN") && line.contains("purged or flushed")), "{lines:#?}");
    assert!(lines.last().unwrap().contains("state=\"LOST\""), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_errback_of_another_program_is_warned_of_once() {
    keep_log();
    let rig = Rig::started();
    for id in ["first", "second"] {
        let errback = Signature::new("theirs.on_error");
        let failing = tasks::end::s("fatal".to_owned()).task_id(id).link_error(&errback);
        assert_eq!(rig.outcome(&failing).await.status, "FAILURE");
    }
    let warned: Vec<String> = lines("theirs.on_error").into_iter().filter(|line| line.contains("WARN")).collect();
    assert!(warned.len() == 1 && warned[0].contains("f(request, exc, traceback)"), "{warned:#?}");
}
