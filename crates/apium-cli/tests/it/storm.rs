//! Twenty thousand tasks while a worker is killed every second: none is lost, and only what was in flight runs twice.

use std::process::Stdio;
use std::time::Instant;

use apium::{App, Backend, Signature};

use crate::peer::Python;
use crate::place::Place;
use crate::poll::alone;
use crate::running::Running;
use crate::server::Server;
use crate::storming::{EACH, TASKS, judge, patience, rage};

/// Sends in flight at once: enough for the store to write many in one commit.
const AT_ONCE: usize = 500;

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
    let killed = rage(&place, || {
        // The sender is done when it has printed the ids, which it does at its end.
        if sender.as_mut().is_some_and(Running::has_ended) {
            sent = sender.take().unwrap().ended().printed();
            eprintln!("sent by Celery within {:.1} s", began.elapsed().as_secs_f64());
        }
        sender.is_none() && runtime.block_on(is_empty(&backend))
    });
    let tasks: Vec<String> = sent.lines().map(ToOwned::to_owned).collect();
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
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = format!("sqlite:{}", place.path("apium-data/apium.db").display());
    let backend = runtime.block_on(apium::open(&url, None)).unwrap();
    let client = App::new("storm").client(&backend);
    let tasks: Vec<String> = (0..TASKS).map(|number| format!("storm-{number}")).collect();

    let began = Instant::now();
    let sending = runtime.spawn({
        let (client, tasks) = (client.clone(), tasks.clone());
        async move {
            for (first, part) in tasks.chunks(AT_ONCE).enumerate().map(|(number, part)| (number * AT_ONCE, part)) {
                let mut sends = tokio::task::JoinSet::new();
                for (number, id) in part.iter().enumerate() {
                    let signature = Signature::new("probe.note").arg(first + number).arg(EACH).task_id(id);
                    let client = client.clone();
                    sends.spawn(async move { client.send(&signature).await.map(drop) });
                }
                sends.join_all().await.into_iter().for_each(Result::unwrap);
            }
            eprintln!("sent by our client within {:.1} s", began.elapsed().as_secs_f64());
        }
    });
    let killed = rage(&place, || sending.is_finished() && runtime.block_on(is_empty(&backend)));
    runtime.block_on(sending).unwrap();

    let began = Instant::now();
    runtime.block_on(async {
        for (number, id) in tasks.iter().enumerate() {
            let read: usize = client.pending(id).get(std::time::Duration::ZERO).await.unwrap();
            assert_eq!(read, number, "{id}");
        }
    });
    eprintln!("{TASKS} results read by our client within {:.1} s", began.elapsed().as_secs_f64());
    judge(&place, &tasks, &killed);
}

/// True when nothing waits and nobody works.
async fn is_empty(backend: &Backend) -> bool {
    let depths = backend.broker.depths(&["celery".to_owned()]).await.unwrap();
    depths.iter().all(|depth| depth.ready + depth.delayed + depth.claimed == 0)
}
