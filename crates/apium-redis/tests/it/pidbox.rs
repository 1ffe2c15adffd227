//! Remote control and events between us and a real Celery: each side asks, answers, speaks and hears.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use apium_core::Broker;
use apium_core::broadcast::{Ear, Topic};
use apium_protocol::RawJson;
use apium_protocol::control::{Command as Asked, ControlNames, Reply, Request};
use apium_protocol::event::{Event, EventKind, EventMessage, EventNames, Heartbeat};
use apium_redis::RedisBackend;

use crate::python::celery;
use crate::server::Server;

const LONG: Duration = Duration::from_mins(1);

const INSPECTOR: &str = r#"
import json, sys, celery
app = celery.Celery(broker=sys.argv[1])
print(json.dumps(app.control.inspect(timeout=30, limit=1).ping()), flush=True)
print(json.dumps(app.control.broadcast("clock", reply=True, timeout=30, limit=2)), flush=True)
"#;

const WORKER: &str = r#"
import sys, celery
app = celery.Celery(broker=sys.argv[1])
app.worker_main(["worker", "-n", "w1@lab", "-P", "solo", "-l", "ERROR"])
"#;

/// As `celery events --dump`.
const RECEIVER: &str = r#"
import sys, celery
app = celery.Celery(broker=sys.argv[1])
def heard(event):
    if event["hostname"] == "w1@apium":
        print(event["type"], event["freq"], flush=True)
        raise SystemExit
with app.connection_for_read() as connection:
    app.events.Receiver(connection, handlers={"*": heard}).capture(limit=None, timeout=60)
"#;

/// A Python; killed when dropped.
struct Python {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Python {
    fn start(script: &str, server: &Server) -> Self {
        let mut command: Command = celery(script, &server.url());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        // A worker of Celery refuses to run as root otherwise.
        let mut process = command.env("C_FORCE_ROOT", "1").spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    /// The next line it says; read elsewhere, so that the test goes on meanwhile.
    async fn says(mut self) -> (String, Self) {
        let read = move || {
            let mut line = String::new();
            self.lines.read_line(&mut line).unwrap();
            (line.trim_end().to_owned(), self)
        };
        tokio::time::timeout(LONG, tokio::task::spawn_blocking(read)).await.unwrap().unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Answers the next request, as a worker of this name.
async fn serve(backend: &RedisBackend, ear: &mut Box<dyn Ear>, node: &str) -> Request {
    let heard = ear.next(LONG).await.unwrap().expect("a request");
    assert_eq!(heard.topic, Topic::Control);
    let request = Request::decode(&heard.bytes).unwrap();
    let value = RawJson::parse(r#"{"ok": "pong"}"#).unwrap();
    let reply = Reply::to(&request, node, value, request.clock + 1, uuid::Uuid::new_v4()).unwrap();
    backend.broadcast().answer(request.reply_to.as_ref().unwrap(), &reply.encode()).await.unwrap();
    request
}

#[tokio::test]
async fn python_asks_and_reads_our_answers() {
    let server = Server::start().await;
    let backend = server.backend().await;
    let mut ears = [
        backend.broadcast().listen(&[Topic::Control]).await.unwrap(),
        backend.broadcast().listen(&[Topic::Control]).await.unwrap(),
    ];
    let python = Python::start(INSPECTOR, &server);
    assert_eq!(serve(&backend, &mut ears[0], "w1@apium").await.method, "ping");
    ears[1].next(LONG).await.unwrap().expect("the same request");
    let (line, python) = python.says().await;
    assert_eq!(line, r#"{"w1@apium": {"ok": "pong"}}"#);
    for (ear, node) in ears.iter_mut().zip(["w1@apium", "w2@apium"]) {
        assert_eq!(serve(&backend, ear, node).await.method, "clock");
    }
    let (line, _python) = python.says().await;
    assert!(line.contains("w1@apium") && line.contains("w2@apium"), "{line}");
}

#[tokio::test]
async fn a_python_worker_answers_us_and_its_heart_is_heard() {
    let server = Server::start().await;
    let backend = server.backend().await;
    let topics = ["worker.online", "worker.heartbeat"].map(|key| Topic::Event(key.to_owned()));
    let mut ear = backend.broadcast().listen(&topics).await.unwrap();
    let _worker = Python::start(WORKER, &server);
    for topic in &topics {
        let heard = loop {
            let heard = ear.next(LONG).await.unwrap().expect("an event");
            if heard.topic == *topic {
                break heard;
            }
        };
        let said = EventMessage::decode(&heard.bytes).unwrap();
        assert_eq!(said.events[0].hostname, "w1@lab");
    }

    let (names, id) = (ControlNames::default(), uuid::Uuid::new_v4().to_string());
    let mut inbox = backend.broadcast().open_inbox(&id).await.unwrap();
    let mut other = backend.broadcast().open_inbox("other").await.unwrap();
    let ask = Request::new(&Asked::Ping, &names, uuid::Uuid::new_v4()).replying_to(&names, &id, "ticket");
    backend.broadcast().say(&Topic::Control, &ask.encode()).await.unwrap();
    let reply = Reply::decode(&inbox.next(LONG).await.unwrap().expect("an answer").bytes).unwrap();
    assert_eq!((reply.node.as_str(), reply.ticket.as_deref()), ("w1@lab", Some("ticket")));
    assert_eq!(reply.ok().unwrap().as_str(), r#""pong""#);
    assert_eq!(other.next(Duration::ZERO).await.unwrap(), None);
}

#[tokio::test]
async fn a_python_receiver_hears_our_event() {
    let server = Server::start().await;
    let backend = server.backend().await;
    let python = Python::start(RECEIVER, &server);
    let heard = tokio::spawn(python.says());
    let kind = EventKind::WorkerHeartbeat(Heartbeat { freq: 2.0, ..Heartbeat::default() });
    let now = jiff::Timestamp::now().as_duration().as_secs_f64();
    let event = Event::new("w1@apium", 7, 3, now, kind);
    let said = EventMessage::single(event, &EventNames::default(), uuid::Uuid::new_v4());
    let topic = Topic::Event(said.properties.delivery_info.routing_key.clone());
    let began = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    // Nobody tells when the receiver has begun to listen.
    while !heard.is_finished() {
        assert!(began.elapsed() < LONG, "it heard nothing");
        pace.tick().await;
        backend.broadcast().say(&topic, &said.encode()).await.unwrap();
    }
    assert_eq!(heard.await.unwrap().0, "worker-heartbeat 2.0");
}
