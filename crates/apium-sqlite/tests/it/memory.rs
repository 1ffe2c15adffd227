//! What large messages cost in memory: no second copy of each, however many callers bring one at the same time.

use std::path::Path;

use apium_core::{Broker, Settlement};

use crate::child::{Child, say};
use crate::{claim, message, open, ready};

/// Callers, and MiB that each brings.
const CALLERS: usize = 24;
const EACH: usize = 8;

#[cfg(target_os = "linux")]
#[test]
fn many_large_messages_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Child::start("flood", &folder.path().join("apium.db"));
    let mut peak = || child.says().unwrap().parse::<usize>().unwrap();
    let (before, published, settled) = (peak(), peak(), peak());
    println!(
        "at its peak {before} MiB before, {published} while {CALLERS} published {EACH} MiB, {settled} while settled"
    );
    // What the callers themselves hold, what is on its way to the writer, and what SQLite needs for the one it writes.
    let bound = before + CALLERS * EACH + 32 + 64;
    assert!(published < bound, "{published} MiB, expected less than {bound}");
}

/// Publishes large messages at once, claims and settles them; says before and after each the peak of its memory in MiB.
pub(crate) async fn flood(file: &Path) {
    let broker = open(file);
    let body = "x".repeat(EACH << 20);
    say(peak());
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (broker, message) = (broker.clone(), message("q", &body));
            tokio::spawn(async move { broker.publish(&[message]).await.unwrap() })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    say(peak());
    for _ in 0..CALLERS {
        for delivery in claim(&broker, "q", 1).await {
            assert_eq!(delivery.bytes.len(), body.len());
            broker.settle(vec![Settlement::ack(delivery.receipt)]).await.unwrap();
        }
    }
    assert_eq!(ready(&broker, "q").await, 0);
    say(peak());
}

/// The most memory this process ever had, in MiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1_024
}
