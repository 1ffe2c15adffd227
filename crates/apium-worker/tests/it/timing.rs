//! When and in which order things run: ETA, priority, free slots.

use std::time::Duration;

use apium_core::protocol::{Headers, Message, Payload, Properties};
use apium_core::{Broker, Outgoing, Signature};
use tokio::time::Instant;

use crate::kit::Rig;
use crate::tasks;

fn hold(name: &str) -> Signature {
    tasks::hold::s(name.to_owned())
}

#[tokio::test(start_paused = true)]
async fn what_is_not_due_waits_in_the_store_and_holds_no_slot() {
    let mut rig = Rig::new();
    rig.options.concurrency = 1;
    let later: Vec<_> =
        [300, 100, 200].map(|seconds| hold(&seconds.to_string()).countdown(Duration::from_secs(seconds))).into();
    for signature in &later {
        rig.send(signature).await;
    }
    let vitals = rig.start();
    rig.stage.cue();
    assert_eq!(rig.outcome(&tasks::add::s(1, 1, None)).await.status, "SUCCESS");
    assert_eq!(rig.depth().await, (0, 3, 0));
    assert_eq!((vitals.active(), vitals.processed()), (0, 1));
    let began = Instant::now();
    for due in [100_u64, 200, 300] {
        rig.stage.reached(&format!("{due} ended")).await;
        let at = began.elapsed().as_secs();
        assert!((due - 1..=due).contains(&at), "{due} ran after {at}");
    }
    // Once to put it off, once to run it.
    assert_eq!(rig.probe.seen().claims.iter().filter(|(max, _)| *max == 1).count(), rig.probe.seen().claims.len());
    rig.probe.settled(7).await;
    assert_eq!(rig.probe.seen().settled, 7);
}

#[tokio::test(start_paused = true)]
async fn an_eta_that_has_passed_is_no_hindrance() {
    let rig = Rig::started();
    let eta = rig.clock.now() - jiff::SignedDuration::from_hours(1);
    assert_eq!(rig.outcome(&tasks::nothing::s().eta(eta)).await.status, "SUCCESS");
    let mut naive = Headers::new("t.nothing", "naive");
    naive.eta = Some("2020-01-01T00:00:00.123456".to_owned());
    rig.publish(Message::new(naive, &Payload::default(), Properties::default()).encode()).await;
    assert_eq!(rig.record("naive").await.status, "SUCCESS");
    assert_eq!(rig.probe.seen().settled, 2);
}

#[tokio::test(start_paused = true)]
async fn what_expires_before_it_is_due_does_not_run() {
    let rig = Rig::started();
    let call = hold("a").countdown(Duration::from_mins(2)).expires_in(Duration::from_mins(1));
    assert_eq!(rig.outcome(&call).await.status, "REVOKED");
    assert!(rig.stage.notes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn low_priorities_first() {
    let mut rig = Rig::new();
    rig.options.concurrency = 1;
    rig.stage.cue();
    for (name, priority) in [("c", 9), ("b", 4), ("a", 0)] {
        rig.send(&hold(name).priority(priority)).await;
    }
    rig.start();
    rig.stage.count(6).await;
    assert_eq!(rig.stage.notes(), ["a begun", "a ended", "b begun", "b ended", "c begun", "c ended"]);
}

#[tokio::test(start_paused = true)]
async fn every_queue_it_was_given_is_served() {
    let mut rig = Rig::new();
    rig.options.queues = vec!["first".to_owned(), "second".to_owned()];
    rig.start();
    for queue in ["second", "first"] {
        assert_eq!(rig.outcome(&tasks::nothing::s().queue(queue)).await.status, "SUCCESS");
    }
    let other = rig.send(&tasks::nothing::s()).await;
    rig.stopped().await;
    assert_eq!(rig.status(other.id()).await, None);
}

#[tokio::test(start_paused = true)]
async fn never_more_attempts_than_slots_nor_more_claimed_than_free() {
    let mut rig = Rig::new();
    rig.options.concurrency = 3;
    let vitals = rig.start();
    let mut pending = Vec::new();
    for n in 0..10 {
        pending.push(rig.send(&hold(&n.to_string())).await);
    }
    rig.stage.count(3).await;
    assert_eq!((rig.depth().await, vitals.active()), ((7, 0, 3), 3));
    rig.stage.cue();
    for pending in &pending {
        assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    }
    // What has ended needs its slot no more while its outcome is written.
    let claims = rig.probe.seen().claims;
    assert!(claims.iter().all(|(max, in_hand)| *max > 0 && max + in_hand <= 2 * 3), "{claims:?}");
    let notes = rig.stage.notes();
    let (mut now, mut most) = (0_i32, 0);
    for note in notes {
        now += if note.ends_with("begun") { 1 } else { -1 };
        most = most.max(now);
    }
    assert_eq!(most, 3);
}

/// Where the store takes no writes, what has ended piles up no further than that: a worker holds at most twice what it runs.
#[tokio::test(start_paused = true)]
async fn while_outcomes_wait_to_be_written_no_more_is_claimed_than_twice_the_slots() {
    let mut rig = Rig::new();
    rig.options.concurrency = 3;
    let gate = rig.probe.gate("settle");
    rig.start();
    for n in 0..10 {
        rig.send(&tasks::add::s(n, 0, None)).await;
    }
    rig.probe.called("settle", 1).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(rig.depth().await, (4, 0, 3), "three are written but not answered, three wait to be");
    gate.notify_one();
    rig.probe.settled(10).await;
}

/// Verdicts that come while others are being written are written together.
#[tokio::test(start_paused = true)]
async fn verdicts_are_written_in_batches() {
    let mut rig = Rig::new();
    rig.options.concurrency = 20;
    let gate = rig.probe.gate("settle");
    rig.start();
    let messages: Vec<_> = (0..20)
        .map(|n| {
            let message =
                Message::new(Headers::new("t.nothing", n.to_string()), &Payload::default(), Properties::default());
            Outgoing { queue: "celery".to_owned(), priority: 0, bytes: message.encode(), not_before: None }
        })
        .collect();
    rig.memory.publish(&messages).await.unwrap();
    rig.probe.called("settle", 1).await;
    // All twenty have run and wait: nothing else is left to do before the next second.
    tokio::time::advance(Duration::from_secs(1)).await;
    gate.notify_one();
    rig.probe.settled(20).await;
    let batches = rig.probe.seen().batches;
    assert!(batches.len() <= 2 && batches.iter().sum::<usize>() == 20, "{batches:?}");
}

/// Python's `datetime.max` says "never" for an ETA and "always" for an expiry; it is later than we can tell.
#[tokio::test(start_paused = true)]
async fn the_end_of_pythons_time_is_a_moment_too() {
    let rig = Rig::started();
    let far = [
        "9999-12-31T23:59:59",
        "9999-12-31T23:59:59.999999+00:00",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
    ];
    let early = ["0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00"];
    let send = async |id: String, eta: Option<&str>, expires: Option<&str>| {
        let mut headers = Headers::new("t.nothing", id);
        headers.eta = eta.map(str::to_owned);
        headers.expires = expires.map(str::to_owned);
        rig.publish(Message::new(headers, &Payload::default(), Properties::default()).encode()).await;
    };
    for (n, text) in far.into_iter().enumerate() {
        send(format!("always {n}"), None, Some(text)).await;
        assert_eq!(rig.record(&format!("always {n}")).await.status, "SUCCESS", "{text}");
    }
    for (n, text) in early.into_iter().enumerate() {
        send(format!("due {n}"), Some(text), None).await;
        assert_eq!(rig.record(&format!("due {n}")).await.status, "SUCCESS", "{text}");
        send(format!("late {n}"), None, Some(text)).await;
        assert_eq!(rig.record(&format!("late {n}")).await.status, "REVOKED", "{text}");
    }
    let settled = rig.probe.seen().settled;
    for (n, text) in far.into_iter().enumerate() {
        send(format!("never {n}"), Some(text), None).await;
    }
    rig.probe.settled(settled + far.len()).await;
    assert_eq!(rig.depth().await, (0, 4, 0));
    rig.dead(0).await;
}
