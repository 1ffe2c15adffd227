//! A worker on two stores: one that does not answer holds up nobody on the other, and what it is owed is written once it
//! answers.

use std::sync::Arc;
use std::time::Duration;

use apium_core::memory::Memory;
use apium_core::sharded::{Shard, Sharded};
use apium_core::{Broker, Client, DeadFilter, Routes};

use crate::kit::Rig;
use crate::probe::{Fault, Probe};
use crate::tasks;

/// A world with a second store, where the queue `two` lives; results are at home.
fn over_two() -> (Rig, Memory, Arc<Probe>) {
    let mut rig = Rig::new();
    let memory = Memory::with_clock(rig.clock.clone());
    let two = Arc::new(Probe::new(memory.clone()));
    let further = vec![(Shard::new("two", two.clone()), vec!["two".to_owned()])];
    let broker = Sharded::new(rig.probe.clone(), further).unwrap();
    rig.client = Client::new(Arc::new(broker), rig.probe.clone(), Routes::default());
    rig.options.queues = vec!["celery".to_owned(), "two".to_owned()];
    (rig, memory, two)
}

/// Waits until nothing of the queue `two` is left.
async fn emptied(two: &Memory) {
    let mut look = tokio::time::interval(Duration::from_millis(100));
    while two.depths(&["two".to_owned()]).await.unwrap().iter().any(|depth| depth.ready + depth.claimed > 0) {
        look.tick().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_delays_no_renewal_on_the_other() {
    let (mut rig, _, two) = over_two();
    rig.start();
    rig.send(&tasks::hold::s("a".to_owned())).await;
    rig.send(&tasks::hold::s("b".to_owned()).queue("two")).await;
    rig.stage.reached("a begun").await;
    rig.stage.reached("b begun").await;
    two.plan("renew", Fault::Hangs);
    two.called("renew", two.calls("renew") + 1).await;
    rig.probe.called("renew", rig.probe.calls("renew") + 5).await;
}

#[tokio::test(start_paused = true)]
async fn what_one_store_cannot_write_for_long_is_not_refused_because_the_other_writes() {
    let (mut rig, memory, two) = over_two();
    rig.options.lease = Duration::from_mins(10);
    rig.start();
    let pending = rig.send(&tasks::hold::s("b".to_owned()).queue("two")).await;
    rig.stage.reached("b begun").await;
    two.set_down(true);
    rig.stage.cue();
    let mut pace = tokio::time::interval(Duration::from_secs(5));
    for _ in 0..40 {
        pace.tick().await;
        rig.outcome(&tasks::nothing::s()).await;
    }
    two.set_down(false);
    emptied(&memory).await;
    assert!(memory.dead_letters(&DeadFilter::default()).await.unwrap().is_empty());
    assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    assert_eq!(rig.stage.notes(), ["b begun", "b ended"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_store_that_is_down_keeps_no_slot_for_longer_than_its_lease() {
    let (mut rig, memory, two) = over_two();
    rig.start();
    // As many as run at once, and as many as are written beside those.
    let mut sent = Vec::new();
    for name in ["a", "b", "c", "d"] {
        sent.push(rig.send(&tasks::hold::s(name.to_owned()).queue("two")).await);
        (0..5).for_each(|_| two.plan("settle", Fault::Before));
    }
    rig.stage.reached("b begun").await;
    rig.stage.cue();
    rig.stage.reached("d ended").await;
    two.set_down(true);
    rig.outcome(&tasks::nothing::s()).await;
    two.set_down(false);
    emptied(&memory).await;
    for pending in sent {
        assert_eq!(rig.record(pending.id()).await.status, "SUCCESS");
    }
}
