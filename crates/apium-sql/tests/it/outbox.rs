//! What is written in a caller's transaction is sent once that is committed: all of it, once, and nothing else.

use std::time::Duration;

use apium_core::signature::{Signature, group};
use apium_core::{Broker, OutboxRow};
use jiff::Timestamp;

use crate::kit::{Caller, client, taken};

const OFTEN: Duration = Duration::from_millis(10);
const NEVER: Duration = Duration::from_hours(1);

fn row(task: &str, options: &str) -> String {
    format!(
        r#"INSERT INTO apium_outbox (signature) VALUES ('{{"task": "{task}", "args": [1], "options": {options}}}');"#
    )
}

async fn only_what_is_committed_is_sent(caller: Caller) {
    let (client, broker) = client();
    let relay = caller.relay(&client, OFTEN).await;
    caller.run(&format!("BEGIN; INSERT INTO orders VALUES (1); {} COMMIT;", row("shop.kept", "{}"))).await;
    caller.run(&format!("BEGIN; INSERT INTO orders VALUES (2); {} ROLLBACK;", row("shop.undone", "{}"))).await;
    caller.run(&row("shop.late", r#"{"queue": "later"}"#)).await;
    caller.until_sent().await;
    relay.stop().await;
    let names = |messages: Vec<apium_core::protocol::Message>| -> Vec<_> {
        messages.into_iter().map(|message| message.headers.task).collect()
    };
    assert_eq!(names(taken(&broker, "celery").await), ["shop.kept"]);
    assert_eq!(names(taken(&broker, "later").await), ["shop.late"]);
    let state = caller.outbox.state(10).await.unwrap();
    assert_eq!((state.waiting, state.refused, state.oldest), (0, 0, None));
}

async fn a_row_that_cannot_be_sent_holds_up_nothing(caller: Caller) {
    let (client, broker) = client();
    caller.run("INSERT INTO apium_outbox (task_id, signature) VALUES ('torn', '{\"task\": ')").await;
    caller.run(&row("shop.fine", "{}")).await;
    let relay = caller.relay(&client, OFTEN).await;
    caller.until_sent().await;
    assert_eq!(taken(&broker, "celery").await.len(), 1);
    let state = caller.outbox.state(10).await.unwrap();
    assert_eq!((state.refused, state.problems.len()), (1, 1));
    let (id, problem) = &state.problems[0];
    assert!(id == "torn" && problem.contains("the outbox as torn"), "{id}: {problem}");
    // Mended by hand, and tried again.
    caller.run("UPDATE apium_outbox SET signature = '{\"task\": \"shop.mended\"}' WHERE task_id = 'torn'").await;
    assert_eq!(caller.outbox.forgive().await.unwrap(), 1);
    caller.until_sent().await;
    relay.stop().await;
    let sent = taken(&broker, "celery").await;
    assert_eq!((sent.len(), sent[0].headers.id.as_str()), (1, "torn"));
}

async fn several_relays_send_each_row_once(caller: Caller) {
    let (client, broker) = client();
    let mut relays = Vec::new();
    for _ in 0..3 {
        relays.push(caller.relay(&client, OFTEN).await);
    }
    let mut ids = Vec::new();
    for number in 0..300 {
        let row = OutboxRow::of(&Signature::new("shop.count").arg(number)).unwrap();
        caller.insert(&row).await;
        ids.push(row.task_id);
    }
    caller.until_sent().await;
    for relay in relays {
        relay.stop().await;
    }
    let sent: Vec<_> = taken(&broker, "celery").await.into_iter().map(|message| message.headers.id).collect();
    let mut once = sent.clone();
    once.sort_unstable();
    ids.sort_unstable();
    assert_eq!(once, ids, "each once");
}

async fn one_relay_sends_in_the_order_of_writing(caller: Caller) {
    let (client, broker) = client();
    let mut ids = Vec::new();
    for number in 0..250 {
        let row = OutboxRow::of(&Signature::new("shop.count").arg(number)).unwrap();
        caller.insert(&row).await;
        ids.push(row.task_id);
    }
    let relay = caller.relay(&client, OFTEN).await;
    caller.until_sent().await;
    relay.stop().await;
    let sent: Vec<_> = taken(&broker, "celery").await.into_iter().map(|message| message.headers.id).collect();
    assert_eq!(sent, ids);
}

async fn a_countdown_counts_from_the_writing(caller: Caller) {
    let (client, broker) = client();
    let hour_ago = Timestamp::now().as_second() - 3_600;
    let hour_ago = Timestamp::from_second(hour_ago).unwrap();
    let late = |countdown: u32| {
        let written = hour_ago.as_microsecond();
        format!(
            r#"INSERT INTO apium_outbox (signature, written) VALUES ('{{"task": "shop.remind", "options": {{"countdown": {countdown}}}}}', {written})"#
        )
    };
    caller.run(&late(3_000)).await;
    caller.run(&late(7_200)).await;
    let relay = caller.relay(&client, OFTEN).await;
    caller.until_sent().await;
    relay.stop().await;
    let due: Vec<_> = taken(&broker, "celery").await.into_iter().filter_map(|message| message.headers.eta).collect();
    let due: Vec<Timestamp> = due.iter().map(|eta| eta.parse().unwrap()).collect();
    let told: Vec<_> = due.iter().map(|due| due.duration_since(hour_ago).as_secs()).collect();
    assert_eq!(told, [3_000, 7_200]);
}

async fn a_canvas_is_sent_as_a_whole(caller: Caller) {
    let (client, broker) = client();
    let add = |x: i32| Signature::new("shop.add").arg(x).arg(x);
    let chord = group([add(1), add(2), add(3)]).then(Signature::new("shop.sum"));
    caller.insert(&OutboxRow::of(&chord).unwrap()).await;
    caller.insert(&OutboxRow::of(&add(1).then(add(2)).task_id("the-end")).unwrap()).await;
    let relay = caller.relay(&client, OFTEN).await;
    caller.until_sent().await;
    relay.stop().await;
    let sent = taken(&broker, "celery").await;
    assert_eq!(sent.len(), 4, "three parts of the chord, and the first step of the chain");
    let last = String::from_utf8(sent[3].encode()).unwrap();
    assert!(sent[3].headers.task == "shop.add" && sent[3].headers.id != "the-end", "{last}");
}

/// Every promise, on both databases.
macro_rules! on_both {
    ($($promise:ident: $on_postgres:ident, $on_sqlite:ident;)+) => {
        $(
            #[tokio::test]
            async fn $on_postgres() {
                $promise(Caller::on_postgres().await).await;
            }

            #[tokio::test]
            async fn $on_sqlite() {
                $promise(Caller::on_sqlite().await).await;
            }
        )+
    };
}

on_both! {
    only_what_is_committed_is_sent: only_what_is_committed_is_sent_from_postgres, only_what_is_committed_is_sent_from_sqlite;
    a_row_that_cannot_be_sent_holds_up_nothing: a_bad_row_holds_up_nothing_in_postgres, a_bad_row_holds_up_nothing_in_sqlite;
    several_relays_send_each_row_once: several_relays_send_each_row_of_postgres_once, several_relays_send_each_row_of_sqlite_once;
    one_relay_sends_in_the_order_of_writing: one_relay_sends_in_order_from_postgres, one_relay_sends_in_order_from_sqlite;
    a_countdown_counts_from_the_writing: a_countdown_counts_from_the_writing_in_postgres, a_countdown_counts_from_the_writing_in_sqlite;
    a_canvas_is_sent_as_a_whole: a_canvas_is_sent_as_a_whole_from_postgres, a_canvas_is_sent_as_a_whole_from_sqlite;
}

#[tokio::test]
async fn postgres_tells_of_a_commit() {
    let (caller, (client, broker)) = (Caller::on_postgres().await, client());
    caller.run(&row("shop.before", "{}")).await;
    let relay = caller.relay(&client, NEVER).await;
    // Once this is gone the relay waits for news.
    caller.until_sent().await;
    caller.run(&row("shop.told", "{}")).await;
    caller.until_sent().await;
    relay.stop().await;
    assert_eq!(taken(&broker, "celery").await.len(), 2);
}

#[tokio::test]
async fn a_relay_that_died_before_it_deleted_sends_nothing_twice() {
    let (client, broker) = client();
    let row = OutboxRow::of(&Signature::new("shop.once")).unwrap();
    for _ in 0..3 {
        client.send_from_outbox(&row, Timestamp::now()).await.unwrap();
    }
    assert_eq!(broker.depths(&["celery".to_owned()]).await.unwrap()[0].ready, 1);
}

#[test]
fn what_is_to_be_unique_is_refused() {
    let unique = Signature::new("shop.once").unique(apium_core::Unique::until_done());
    let error = OutboxRow::of(&unique).unwrap_err().to_string();
    assert!(error.contains("unique"), "{error}");
}
