//! The order in which queues are looked at, by Celery's three words for it.

use apium_core::routing::{QueueCycle, QueueOrder};

fn after(order: &str, served: &[&str]) -> Vec<String> {
    let queues = ["b", "c", "a"].map(str::to_owned).to_vec();
    let mut cycle = QueueCycle::new(order.parse().unwrap(), queues);
    for queue in served {
        cycle.served(queue);
    }
    cycle.queues().to_vec()
}

#[test]
fn a_round_robin_puts_the_queue_just_served_last() {
    assert_eq!(after("round_robin", &[]), ["b", "c", "a"]);
    assert_eq!(after("round_robin", &["b"]), ["c", "a", "b"]);
    assert_eq!(after("round_robin", &["b", "a", "nobody's"]), ["c", "b", "a"]);
}

#[test]
fn the_other_orders_stay_as_they_are() {
    assert_eq!(after("priority", &["b", "c"]), ["b", "c", "a"]);
    assert_eq!(after("sorted", &["a", "b"]), ["a", "b", "c"]);
    let sentence = "fair".parse::<QueueOrder>().unwrap_err().to_string();
    assert_eq!(sentence, "queue_order_strategy must be round_robin, priority or sorted, not \"fair\"");
}
