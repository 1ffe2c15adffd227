//! Starts that several processes spend from one file: never more than the pace, whoever is killed meanwhile, and known
//! to who opens the file next.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use apium_core::limits::{Limit, Limits, MOST_STARTS, Spent};
use apium_core::{Broker, Clock, SystemClock, TestClock};
use apium_sqlite::SqliteBackend;

use crate::child::{Child, say};
use crate::{open, open_with};

const DAY: Duration = Duration::from_hours(24);

fn asked() -> [String; 1] {
    ["provider=virustotal".to_owned()]
}

async fn limit(broker: &SqliteBackend, rate: &str) {
    broker.set_limit("provider=*", &Limit { rate: rate.parse().ok(), ..Limit::default() }).await.unwrap();
}

async fn left(broker: &SqliteBackend) -> u32 {
    match broker.spend(&asked(), 0).await.unwrap() {
        Spent::Now { left } => left.unwrap(),
        Spent::After { .. } => panic!("none are always to be had"),
    }
}

/// The role of a child: two at once spend what there is; each start that is had is said.
pub(crate) async fn spend(file: &Path) {
    let broker = open(file);
    let spender = async || {
        while matches!(broker.spend(&asked(), 1).await.unwrap(), Spent::Now { .. }) {
            say("had");
        }
    };
    tokio::join!(spender(), spender());
}

#[tokio::test]
async fn three_processes_spend_as_much_as_may_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let broker = open(&file);
    limit(&broker, "300/31d").await;
    let spenders = [(); 3].map(|()| {
        let mut child = Child::start("spend", &file);
        std::thread::spawn(move || std::iter::from_fn(|| child.says()).count())
    });
    let had = spenders.map(|spender| spender.join().unwrap());
    println!("the three processes had {had:?}");
    assert_eq!(had.iter().sum::<usize>(), 300);
    assert_eq!(left(&broker).await, 0);
}

#[tokio::test]
async fn what_one_that_is_killed_has_spent_is_spent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    limit(&open(&file), "1000/31d").await;
    let mut had = 0;
    for _ in 0..4 {
        let mut child = Child::start("spend", &file);
        for _ in 0..100 {
            child.says().unwrap();
        }
        had += 100 + child.kill().len();
    }
    let counted = 1_000 - left(&open(&file)).await as usize;
    // Each child had two under way.
    assert!((had..=had + 8).contains(&counted), "{had} were had, and {counted} counted");
}

#[tokio::test]
async fn it_is_known_when_the_file_is_opened_again_and_takes_little_room() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apium.db");
    let clock = Arc::new(TestClock::at(SystemClock.now()));
    let broker = open_with(&file, clock.clone());
    limit(&broker, &format!("{MOST_STARTS}/31d")).await;
    for _ in 0..5 {
        assert!(matches!(broker.spend(&asked(), MOST_STARTS).await.unwrap(), Spent::Now { left: Some(0) }));
        clock.advance(DAY * 31);
        broker.recover().await.unwrap();
    }
    assert_eq!(broker.spend(&asked(), 999).await.unwrap(), Spent::Now { left: Some(1) });
    drop(broker);
    clock.advance(DAY * 30);
    let broker = open_with(&file, clock.clone());
    broker.recover().await.unwrap();
    assert_eq!(left(&broker).await, 1);
    let bytes: i64 = rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("SELECT max(length(meter)) FROM limit_meters", [], |row| row.get(0))
        .unwrap();
    assert!(bytes < 20_000, "{bytes} bytes for the latest thousand");
    clock.advance(DAY + DAY);
    broker.recover().await.unwrap();
    assert_eq!(left(&broker).await, MOST_STARTS);
    let rows: i64 = rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("SELECT count(*) FROM limit_meters", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 0, "what counts no more is forgotten");
}
