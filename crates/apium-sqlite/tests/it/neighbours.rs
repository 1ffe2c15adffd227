//! Several processes on one file: no message twice, woken at once, idle for nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use apium_core::Broker;

use crate::child::{Child, micros};
use crate::{SOON, claim, message, open, ready};

#[test]
fn a_new_store_may_be_opened_by_several_at_once() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/apium.db");
        let opened: Vec<_> = (0..6)
            .map(|_| {
                std::thread::spawn({
                    let file = file.clone();
                    move || open(&file)
                })
            })
            .collect();
        let opened: Vec<_> = opened.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(opened.iter().all(|store| Broker::home(store) == Broker::home(&opened[0])));
    }
}

#[tokio::test]
async fn two_processes_never_share_a_message() {
    const MESSAGES: usize = 4_000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    let messages: Vec<_> = (0..MESSAGES).map(|number| message("q", &number.to_string())).collect();
    broker.publish(&messages).await.unwrap();
    let drains = [0, 1].map(|_| {
        let mut child = Child::start("drain", &file);
        std::thread::spawn(move || std::iter::from_fn(|| child.says()).collect::<Vec<_>>())
    });
    let got = drains.map(|drain| drain.join().unwrap());
    println!("the two processes got {} and {} messages", got[0].len(), got[1].len());
    let distinct: BTreeSet<_> = got.iter().flatten().collect();
    assert_eq!((got[0].len() + got[1].len(), distinct.len()), (MESSAGES, MESSAGES));
    assert_eq!(ready(&broker, "q").await, 0);
}

#[tokio::test]
async fn a_message_from_another_process_is_picked_up_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    let mut child = Child::start("arrivals", &file);
    assert_eq!(child.says().unwrap(), "waiting");
    let (mut woken, mut claimed) = (Vec::new(), Vec::new());
    // A pause between two messages, so that the child has gone back to waiting.
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for number in 0..50 {
        pace.tick().await;
        broker.publish(&[message("q", &number.to_string())]).await.unwrap();
        let committed = micros();
        let said = child.says().unwrap();
        let fields: Vec<u64> = said.split(' ').map(|field| field.parse().unwrap()).collect();
        assert_eq!(fields[0], number);
        woken.push(fields[1].saturating_sub(committed));
        claimed.push(fields[2].saturating_sub(committed));
    }
    woken.sort_unstable();
    claimed.sort_unstable();
    println!(
        "from publish to another process: woken after {} µs, claimed after {} µs (medians)",
        woken[25], claimed[25]
    );
    println!("at the worst: woken after {} µs, claimed after {} µs", woken[49], claimed[49]);
    // Far below the half second of the fallback, on a machine busy with other tests.
    assert!(claimed[25] < 50_000, "{claimed:?}");
}

#[tokio::test]
async fn a_message_from_a_shell_is_found_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    let shell = rusqlite::Connection::open(&file).unwrap();
    let queues = ["q".to_owned()];
    let began = Instant::now();
    let (waited, ()) = tokio::join!(broker.wait(&queues, SOON), async {
        tokio::task::yield_now().await;
        let sql = "INSERT INTO messages (queue, step, state, published, due, lease, tag, redelivered, priority, bytes)
            VALUES ('q', 0, 2, 1, 1, 1, 1, 0, 0, x'61')";
        shell.execute(sql, []).unwrap();
    });
    waited.unwrap();
    assert!(began.elapsed() < SOON / 2, "{:?}", began.elapsed());
    assert_eq!(claim(&broker, "q", 1).await.len(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_waiting_process_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let mut child = Child::start("idle", &file);
    assert_eq!(child.says().unwrap(), "waiting");
    // One tick passes at once; the start is over after the second.
    let mut pace = tokio::time::interval(Duration::from_secs(2));
    pace.tick().await;
    pace.tick().await;
    let before = ticks(child.id());
    pace.tick().await;
    let spent = ticks(child.id()) - before;
    println!("an idle process used {spent} ticks of 10 ms in 2 s, 0.5 % of a core each");
    assert!(spent <= 10, "{spent} ticks of 10 ms in 2 s");
}

/// Processor time of a process, in ticks of the kernel (100 a second): user and system.
#[cfg(target_os = "linux")]
fn ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
