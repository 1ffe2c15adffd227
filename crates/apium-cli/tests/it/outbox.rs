//! An outbox with everything real: a Python program that writes rows in its own transactions, relays that are killed, a
//! broker that goes away, and tasks that run once each all the same.

use std::process::Command;
use std::time::Duration;

use apium_sql::testing::Postgres;

use crate::diary::{attempts, attempts_of};
use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::poll::{until, until_within};
use crate::running::Running;
use crate::server::Server;

const ROWS: usize = 400;

/// What a Python program does that knows Celery's signatures and a driver of SQLite, and nothing of ours: every third
/// transaction is rolled back.
const WRITER: &str = r#"
import json, sqlite3, sys
from celery import Celery
note = Celery().signature
database = sqlite3.connect(sys.argv[1], timeout=30)
for number in range(int(sys.argv[2])):
    for text, end in (("kept", database.commit), ("kept too", database.commit), ("undone", database.rollback)):
        signature = note("probe.note", kwargs={"number": number, "seconds": 0})
        task_id = f"{text.replace(' ', '-')}-{number}"
        database.execute("INSERT INTO apium_outbox (task_id, signature) VALUES (?, ?)", (task_id, json.dumps(signature)))
        database.execute("INSERT INTO orders VALUES (?)", (task_id,))
        end()
"#;

fn relay(place: &Place) -> Running {
    place.start(Program::Apium, &["outbox", "relay", "--outbox-poll", "0.01"])
}

fn waiting(place: &Place) -> u64 {
    let told = place.run(Program::Apium, &["outbox", "status", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    told["waiting"].as_u64().unwrap()
}

#[test]
fn rows_of_a_python_program_run_once_though_relays_and_redis_are_killed() {
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let place = Place::on(&server.url());
    let shop = place.path("shop.db");
    let place = place.with("APIUM_OUTBOX", &format!("sqlite:{}", shop.display()));
    // The caller's own table is there before.
    let mut python = Python::with_celery("5.7").command(&server.url(), &["-c", "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('CREATE TABLE orders (id TEXT)'); d.commit()"]);
    assert!(python.arg(&shop).status().unwrap().success());
    assert_eq!(place.run(Program::Apium, &["outbox", "init"]).code, Some(0));
    let worker = our_worker(&place, &["-c", "8"]);
    let mut writer: Command = Python::with_celery("5.7").command(&server.url(), &["-c", WRITER]);
    let mut writer = writer.arg(&shop).arg(ROWS.to_string()).spawn().unwrap();
    let mut relays = [relay(&place), relay(&place)];
    let mut kills = 0;
    let mut cut_off = false;
    until_within(Duration::from_mins(2), "all rows to be sent", || {
        let relay_at = kills % 2;
        relays[relay_at].kill();
        kills += 1;
        relays[relay_at] = relay(&place);
        let begun = attempts(&place).len();
        if begun > ROWS / 2 && !cut_off {
            cut_off = true;
            server.kill();
            server.start_again();
        }
        (writer.try_wait().unwrap().is_some() && begun >= 2 * ROWS && waiting(&place) == 0).then_some(())
    });
    assert!(cut_off && kills > 5, "{kills} kills");
    until("everything to have ended", || attempts(&place).iter().all(|attempt| attempt.ended.is_some()).then_some(()));
    for number in 0..ROWS {
        for text in ["kept", "kept-too"] {
            assert_eq!(attempts_of(&place, &format!("{text}-{number}")).len(), 1, "{text}-{number}");
        }
    }
    assert_eq!(attempts(&place).len(), 2 * ROWS, "nothing of what was rolled back");
    println!("{} rows, relays killed {kills} times, Redis once: each ran once", 2 * ROWS);
    for relay in relays {
        assert_eq!(relay.stop().code, Some(0));
    }
    assert_eq!(worker.stop().code, Some(0));
}

#[test]
fn a_worker_with_an_outbox_of_postgres_sends_it_and_what_it_prints_makes_the_table() {
    let (server, postgres) = (Server::start(), Postgres::start().unwrap());
    let place = Place::on(&server.url()).with("APIUM_OUTBOX", &postgres.url());
    let psql = |sql: &str| {
        let told =
            Command::new("psql").args(["-qtA", "-v", "ON_ERROR_STOP=1", &postgres.url(), "-c", sql]).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8(told.stdout).unwrap().trim().to_owned()
    };
    let told = place.run(Program::Apium, &["outbox", "relay"]);
    assert!(told.code == Some(1) && told.stderr.contains("apium_outbox"), "{told:?}");
    psql(&place.run(Program::Apium, &["outbox", "sql", "postgres"]).printed());
    let worker = our_worker(&place, &["--outbox-poll", "3600"]);
    let id = psql(
        r#"INSERT INTO apium_outbox (signature) VALUES ('{"task": "probe.echo", "args": ["ñ"]}') RETURNING task_id"#,
    );
    assert_eq!(place.run(Program::Probe, &["result", &id, "--wait"]).printed(), "\"ñ\"");
    psql(r"INSERT INTO apium_outbox (task_id, signature) VALUES ('broken', '{}')");
    let told = until("the row to be refused", || {
        let told = place.run(Program::Apium, &["outbox", "status"]);
        told.stdout.contains("1 cannot be sent").then_some(told)
    });
    assert!(told.code == Some(1) && told.stdout.contains("broken"), "{told:?}");
    assert_eq!(worker.stop().code, Some(0));
}

#[test]
fn what_cannot_be_an_outbox_is_refused_without_its_password() {
    let place = Place::new();
    for url in ["mysql://u:s3cret@h/x", "postgres://u:s3cret@h:port/x", "sqlite:", "nonsense"] {
        let told = place.run(Program::Apium, &["outbox", "status", "--outbox", url]);
        assert!(told.code == Some(2) && !told.stderr.contains("s3cret"), "{url}: {told:?}");
    }
    let told = place.run(Program::Apium, &["outbox", "status"]);
    assert!(told.code == Some(2) && told.stderr.contains("APIUM_OUTBOX"), "{told:?}");
    let told = place.run(Program::Apium, &["outbox", "status", "--outbox", "sqlite:/nowhere/at/all.db"]);
    assert!(told.code == Some(1) && told.stderr.contains("/nowhere/at/all.db"), "{told:?}");
}
