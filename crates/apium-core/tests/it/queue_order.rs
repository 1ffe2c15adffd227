//! The order in which queues are looked at, by Celery's three words for it.

use apium_core::routing::{QueueCycle, QueueOrder};

fn after(order: &str, turns: usize) -> Vec<String> {
    let queues = ["b", "c", "a"].map(str::to_owned).to_vec();
    let mut cycle = QueueCycle::new(order.parse().unwrap(), queues);
    for _ in 0..turns {
        cycle.turn();
    }
    cycle.queues().to_vec()
}

#[test]
fn in_a_round_robin_each_queue_comes_first_in_its_turn() {
    assert_eq!(after("round_robin", 0), ["b", "c", "a"]);
    assert_eq!(after("round_robin", 1), ["c", "a", "b"]);
    assert_eq!(after("round_robin", 3), ["b", "c", "a"]);
}

#[test]
fn the_other_orders_stay_as_they_are() {
    assert_eq!(after("priority", 2), ["b", "c", "a"]);
    assert_eq!(after("sorted", 2), ["a", "b", "c"]);
    let sentence = "fair".parse::<QueueOrder>().unwrap_err().to_string();
    assert_eq!(sentence, "queue_order_strategy must be round_robin, priority or sorted, not \"fair\"");
}
