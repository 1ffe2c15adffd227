//! Poison: what came back too often because leases ran out is given up; suspects run one at a time.

use std::sync::Arc;

use apium_core::{Broker, DeadFilter, DeadReason, TestClock};

use crate::kit::Rig;
use crate::tasks;

/// So many workers take all there is, and die.
async fn die(rig: &Rig, clock: &TestClock, times: usize) {
    for _ in 0..times {
        assert!(!rig.take().await.is_empty());
        clock.advance(rig.options.lease * 2);
        assert!(rig.memory.recover().await.unwrap() > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn after_three_deaths_it_is_not_begun() {
    let clock = Arc::new(TestClock::default());
    let mut rig = Rig::with_clock(clock.clone());
    let pending = rig.send(&tasks::hold::s("a".to_owned())).await;
    die(&rig, &clock, 3).await;
    rig.start();
    let record = rig.record(pending.id()).await;
    assert_eq!(record.status, "FAILURE");
    assert!(record.result.to_string().contains("WorkerLostError"), "{:?}", record.result);
    let letter = rig.memory.dead_letters(&DeadFilter::default()).await.unwrap().remove(0);
    assert_eq!((letter.reason, letter.died_with.len()), (DeadReason::Poison, 3));
    assert_eq!(letter.task_id.as_deref(), Some(pending.id()));
    assert!(rig.stage.notes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_those_whose_next_death_is_the_last_one_runs_at_a_time() {
    let clock = Arc::new(TestClock::default());
    let mut rig = Rig::with_clock(clock.clone());
    let suspects = [rig.send(&tasks::hold::s("a".to_owned())).await, rig.send(&tasks::hold::s("b".to_owned())).await];
    die(&rig, &clock, 2).await;
    rig.start();
    rig.stage.reached("a begun").await;
    rig.probe.settled(1).await;
    assert_eq!((rig.depth().await, rig.stage.notes()), ((0, 1, 1), vec!["a begun".to_owned()]), "the other waits");
    rig.stage.cue();
    assert_eq!(rig.record(suspects[0].id()).await.status, "SUCCESS");
    clock.advance(rig.options.lease / 2);
    rig.stage.reached("b begun").await;
    rig.stage.cue();
    assert_eq!(rig.record(suspects[1].id()).await.status, "SUCCESS");
}
