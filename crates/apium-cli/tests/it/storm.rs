//! Twenty thousand tasks while a worker is killed every second: none is lost, and only what was in flight runs twice.

use std::process::Stdio;
use std::time::Instant;

use crate::peer::Python;
use crate::place::{Place, Program};
use crate::poll::alone;
use crate::running::Running;
use crate::server::Server;
use crate::storming::{AT_MOST, EACH, TASKS, judge, patience, rage};

#[test]
fn sent_and_read_by_real_celery_through_redis() {
    let _alone = alone();
    let server = Server::start();
    let place = Place::on(&server.url());
    let python = Python::with_celery("5.7");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let backend = runtime.block_on(apium::open(&server.url(), None)).unwrap();

    let began = Instant::now();
    let mut sender = Some(Running::start(
        python.command(&server.url(), &["storm.py", "send", "probe.note", &TASKS.to_string(), &EACH.to_string()]),
    ));
    let mut sent = String::new();
    let is_empty = async || {
        let depths = backend.broker.depths(&["celery".to_owned()]).await.unwrap();
        depths.iter().all(|depth| depth.ready + depth.delayed + depth.claimed == 0)
    };
    let killed = rage(&place, "celery", || {
        // The sender is done when it has printed the ids, which it does at its end.
        if sender.as_mut().is_some_and(Running::has_ended) {
            sent = sender.take().unwrap().ended().printed();
            eprintln!("sent by Celery within {:.1} s", began.elapsed().as_secs_f64());
        }
        sender.is_none() && runtime.block_on(is_empty())
    });
    let tasks: Vec<&str> = sent.lines().collect();
    assert_eq!(tasks.len(), TASKS);

    let began = Instant::now();
    let ids = place.file("ids", &sent);
    let mut reader = python.command(&server.url(), &["storm.py", "read", &patience()]);
    reader.stdin(Stdio::from(std::fs::File::open(ids).unwrap()));
    let read = Running::start(reader).ended().printed();
    eprintln!("{read}, by Celery within {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(read, format!("{TASKS} sent, {TASKS} read, 0 missing, 0 wrong"));
    judge(&place, &tasks, &killed);
    let mut look = server.look();
    assert_eq!(
        look.ask::<u64>(&["HLEN", "unacked"]) + look.ask::<u64>(&["ZCARD", "unacked_index"]),
        0,
        "nothing is left"
    );
}

#[test]
fn sent_and_read_by_our_client_through_sqlite() {
    let _alone = alone();
    let place = Place::new();
    let load = format!("--tasks {TASKS} --task-time {EACH}s --workers 4 --concurrency 8 --lease 2 --kill-every 1");
    let words: Vec<&str> = ["verify"].into_iter().chain(load.split_whitespace()).collect();
    eprintln!("{}", place.start(Program::Apium, &words).ended_within(AT_MOST).printed());
}
