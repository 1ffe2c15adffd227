//! Queues on two Redis servers: chains go to and fro under kills, stock Celery sends and works on either, and one server
//! that is down holds up nobody on the other.

use std::time::Duration;

use apium::{App, Backend, BackendSettings, ShardSettings, Signature};
use apium_core::broker::QueueDepth;
use apium_core::client::fresh_id;
use apium_core::sharded::while_carrying;
use apium_core::{Claim, DeadFilter, Disposition, Outgoing, Settlement};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::diary::attempts_of;
use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::poll::{SOON, alone, until};
use crate::running::Running;
use crate::server::Server;
use crate::storming::{judge, rage};

/// How many chains, and how long each of their tasks takes, in seconds.
const CHAINS: usize = 1_500;
const EACH: f64 = 0.01;

/// Two servers, and the queues `two` and `two.*` on the second.
struct Pair {
    home: Server,
    two: Server,
}

impl Pair {
    fn start() -> Self {
        Self { home: Server::start(), two: Server::start() }
    }

    /// The second keeps what it is told across a kill.
    fn durable() -> Self {
        Self { home: Server::start(), two: Server::with(&["--appendonly", "yes", "--appendfsync", "always"]) }
    }

    fn place(&self) -> Place {
        let shards = json!({"second": {"url": self.two.url(), "queues": ["two", "two.*"]}});
        Place::on(&self.home.url()).with("APIUM_SHARDS", &shards.to_string())
    }

    async fn open(&self) -> Backend {
        let queues = vec!["two".to_owned(), "two.*".to_owned()];
        let shards = vec![ShardSettings { name: "second".to_owned(), url: self.two.url(), queues }];
        let settings = BackendSettings { shards, ..BackendSettings::default() };
        apium::open_with(&self.home.url(), None, settings).await.unwrap()
    }

    /// A stock Celery that sends to, or works on, one of them; its results are where everybody's are.
    fn python(&self, broker: &Server, arguments: &[&str]) -> std::process::Command {
        let conf = json!({"result_backend": self.home.url()}).to_string();
        let mut command = Python::with_celery("5.7").command(&broker.url(), arguments);
        command.env("APIUM_CONF", conf).env("APIUM_OTHER", self.two.url());
        command
    }
}

fn note(queue: &str, id: &str) -> Signature {
    Signature::new("probe.note").arg(1).arg(EACH).immutable().queue(queue).task_id(id)
}

fn left(depth: &QueueDepth) -> u64 {
    depth.ready + depth.delayed + depth.claimed
}

#[test]
fn chains_to_and_fro_lose_nothing_while_workers_are_killed() {
    let _alone = alone();
    let pair = Pair::start();
    // On a busy machine a task may be under way at more than three kills.
    let place = pair.place().with("APIUM_MAX_DEATHS", "100");
    let runtime = Runtime::new().unwrap();
    let backend = runtime.block_on(pair.open());
    let client = App::new("sender").client(&backend);
    let ids: Vec<[String; 3]> = (0..CHAINS).map(|n| ["a", "b", "c"].map(|step| format!("{step}{n}"))).collect();
    runtime.block_on(async {
        for (number, [a, b, c]) in ids.iter().enumerate() {
            let (near, far) = if number % 2 == 0 { ("celery", "two") } else { ("two", "celery") };
            client.send(&note(near, a).then(note(far, b)).then(note(near, c))).await.unwrap();
        }
    });
    let is_empty = async || backend.broker.depths(&[]).await.unwrap().iter().all(|depth| left(depth) == 0);
    let killed = rage(&place, "celery,two", || runtime.block_on(is_empty()));
    let tasks: Vec<&str> = ids.iter().flatten().map(String::as_str).collect();
    judge(&place, &tasks, &killed);
    runtime.block_on(async {
        for [a, _, c] in [&ids[0], &ids[CHAINS - 1]] {
            for id in [a, c] {
                assert_eq!(client.pending(id).get::<i64>(SOON).await.unwrap(), 1, "{id}");
            }
        }
    });
    for server in [&pair.home, &pair.two] {
        let mut look = server.look();
        assert_eq!(look.ask::<u64>(&["HLEN", "unacked"]), 0);
        // What has crossed leaves its key for ten minutes; what was carried by one that was killed, for a day.
        let keys: Vec<String> = look.ask(&["KEYS", "apium:unique:*"]);
        let left: Vec<i64> = keys.iter().map(|key| look.ask(&["TTL", key])).collect();
        assert!(left.iter().all(|seconds| *seconds > 0), "{left:?}");
        let long = left.iter().filter(|seconds| **seconds > 600).count();
        assert!(long < CHAINS / 4, "{long} keys are kept for a day");
    }
}

#[test]
fn what_is_on_the_other_server_goes_on_while_one_is_down() {
    let mut pair = Pair::durable();
    let place = pair.place();
    let mut worker = our_worker(&place, &["-Q", "celery,two", "--lease", "2"]);
    let echo = |queue: &str| {
        let asked = ["call", "probe.echo", "-a", "[7]", "--wait", "--queue", queue];
        place.run(Program::Probe, &asked)
    };
    assert_eq!(echo("two").printed(), "7");
    assert_eq!(echo("celery").printed(), "7");
    pair.two.kill();
    worker.until_says("a shard cannot be used");
    let sentence = echo("two").sentence();
    assert!(sentence.contains("shard second: ") && !sentence.contains("home"), "{sentence}");
    for _ in 0..3 {
        assert_eq!(echo("celery").printed(), "7");
    }
    // One that starts now works as well.
    let mut late = place.start(Program::Probe, &["worker", "-n", "late@%h", "-Q", "celery,two", "--lease", "2"]);
    late.until_says("opened while it is out of reach");
    late.until_says("Ctrl-C stops.");
    late.until_says("a shard cannot be used");
    let runtime = Runtime::new().unwrap();
    let home = runtime.block_on(apium::open(&pair.home.url(), None)).unwrap();
    let chain = note("celery", "first").then(note("two", "second"));
    runtime.block_on(async {
        // Routes know nothing of shards: whoever runs the first step sends the second where it lives.
        let client = App::new("sender").client(&home);
        client.send(&chain).await.unwrap();
        client.pending("first").get::<i64>(SOON).await.unwrap();
    });
    let crossing = || runtime.block_on(home.broker.depths(&["apium.to.second".to_owned()])).unwrap()[0].ready;
    until("the second step to wait for its server", || (crossing() == 1).then_some(()));
    assert_eq!(worker.stop().code, Some(0), "a stop does not wait for it either");
    pair.two.start_again();
    late.until_says("the shard answers again");
    let second = runtime.block_on(App::new("sender").client(&home).pending("second").get::<i64>(SOON));
    assert_eq!((second.unwrap(), attempts_of(&place, "second").len()), (1, 1));
    assert_eq!(crossing(), 0);
    assert_eq!(echo("two").printed(), "7");
    assert_eq!(late.stop().code, Some(0));
}

#[test]
fn every_program_that_lives_carries_what_others_have_left() {
    let pair = Pair::start();
    let place = pair.place();
    let outbox = format!("sqlite:{}", place.file("outbox.db", "").display());
    assert_eq!(place.run(Program::Apium, &["outbox", "init", "--outbox", &outbox]).code, Some(0));
    let runtime = Runtime::new().unwrap();
    let home = runtime.block_on(apium::open(&pair.home.url(), None)).unwrap().broker;
    let leave = |count: usize| {
        let left: Vec<_> = (0..count).map(|_| crossing(&fresh_id())).collect();
        runtime.block_on(home.publish(&left)).unwrap();
    };
    let (mut here, mut there) = (pair.home.look(), pair.two.look());
    let mut arrived = || there.ask::<usize>(&["LLEN", "two"]);
    let relay = ["outbox", "relay", "--outbox", &outbox];
    let programs: [&[&str]; 4] =
        [&relay, &["beat"], &["worker", "-Q", "celery"], &["serve", "--listen", "127.0.0.1:0"]];
    for (number, program) in programs.into_iter().enumerate() {
        leave(1);
        let running = place.start(Program::Probe, program);
        until("it to be carried", || (arrived() == number + 1).then_some(()));
        assert_eq!(running.stop().code, Some(0));
    }
    // One that is stopped on the way leaves nothing in its hands.
    leave(3_000);
    let running = place.start(Program::Probe, &["beat"]);
    until("the first to arrive", || (arrived() > 4).then_some(()));
    assert_eq!(running.stop().code, Some(0));
    let left = runtime.block_on(home.depths(&["apium.to.second".to_owned()])).unwrap()[0].ready;
    assert_eq!((here.ask::<u64>(&["HLEN", "unacked"]), usize::try_from(left).unwrap() + arrived()), (0, 3_004));
}

#[test]
fn what_a_server_refuses_waits_and_is_no_dead_letter() {
    let pair = Pair::start();
    let mut there = pair.two.look();
    there.ask::<String>(&["ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@all", "-@scripting"]);
    let url = pair.two.url().replace("redis://", "redis://poor:pw@");
    let queues = vec!["two".to_owned()];
    let shards = vec![ShardSettings { name: "second".to_owned(), url, queues }];
    let open = async || {
        let settings = BackendSettings { shards: shards.clone(), ..BackendSettings::default() };
        apium::open_with(&pair.home.url(), None, settings).await.unwrap().broker
    };
    let message =
        |queue: &str| Outgoing { queue: queue.to_owned(), priority: 0, bytes: b"{}".to_vec(), not_before: None };
    Runtime::new().unwrap().block_on(async {
        open().await.publish(&[message("celery"), message("two")]).await.unwrap();
        let home = apium::open(&pair.home.url(), None).await.unwrap().broker;
        assert_eq!(home.depths(&["apium.to.second".to_owned()]).await.unwrap()[0].ready, 1);
        assert!(home.dead_letters(&DeadFilter::default()).await.unwrap().is_empty());
        there.ask::<String>(&["ACL", "SETUSER", "poor", "+@scripting"]);
        while_carrying(&*open().await, std::future::ready(())).await;
    });
    assert_eq!(there.ask::<u64>(&["LLEN", "two"]), 1);
}

/// What an early acknowledged task sends is settled without a receipt, and told again when the answer is lost.
#[test]
fn what_is_told_twice_crosses_once() {
    let pair = Pair::start();
    let message = json!({
        "body": "W1tdLCB7fSwge31d",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "probe.echo", "id": "7"},
        "properties": {"delivery_tag": "1", "body_encoding": "base64"},
    });
    let bytes = message.to_string().into_bytes();
    let next = Outgoing { queue: "two".to_owned(), priority: 0, bytes, not_before: None };
    let queue = Some("celery".into());
    let told = Settlement { queue, ..Settlement::without_delivery(Disposition::Ack) }.sending(next);
    Runtime::new().unwrap().block_on(async {
        let broker = pair.open().await.broker;
        for _ in 0..2 {
            broker.settle(vec![told.clone()]).await.unwrap();
        }
    });
    assert_eq!(pair.two.look().ask::<u64>(&["LLEN", "two"]), 1);
}

#[test]
fn what_a_full_server_holds_can_be_worked_off() {
    let pair = Pair::start();
    let message =
        |queue: &str| Outgoing { queue: queue.to_owned(), priority: 0, bytes: b"{}".to_vec(), not_before: None };
    Runtime::new().unwrap().block_on(async {
        let broker = pair.open().await.broker;
        broker.publish(&[message("two")]).await.unwrap();
        pair.two.look().ask::<String>(&["CONFIG", "SET", "maxmemory", "1"]);
        broker.publish(&[message("celery"), message("two")]).await.unwrap();
        let (queues, lease) = (["celery", "two"].map(ToOwned::to_owned), Duration::from_secs(30));
        let claimed = broker.claim(&Claim { queues: &queues, max: 10, lease }).await.unwrap();
        assert_eq!(claimed.len(), 2);
        let carried = broker.depths(&["apium.to.second".to_owned()]).await.unwrap();
        assert_eq!(carried[0].ready, 1, "what it has no room for waits");
    });
}

/// A message for `two`, as it waits to be carried.
fn crossing(key: &str) -> Outgoing {
    // Base64 of what is in an empty message.
    let (queue, body) = ("apium.to.second".to_owned(), "e30=");
    let envelope = json!({
        "body": body,
        "content-type": "application/data",
        "content-encoding": "binary",
        "headers": {"id": key, "task": queue, "apium_to": {"queue": "two", "priority": 0, "not_before": null}},
        "properties": {
            "delivery_tag": key, "delivery_mode": 2, "body_encoding": "base64", "priority": 0,
            "delivery_info": {"exchange": "", "routing_key": queue},
        },
    });
    Outgoing { queue, priority: 0, bytes: envelope.to_string().into_bytes(), not_before: None }
}

#[test]
fn stock_celery_sends_to_each_server_and_works_on_either() {
    let pair = Pair::start();
    let place = pair.place();
    let worker = our_worker(&place, &["-Q", "celery,two"]);
    let send = "import sys; from app import app; \
                print(app.send_task('probe.echo', [3], queue=sys.argv[1]).get(timeout=30))";
    for (server, queue) in [(&pair.home, "celery"), (&pair.two, "two")] {
        assert_eq!(Running::start(pair.python(server, &["-c", send, queue])).ended().printed(), "3");
    }
    // The same from one application: the connection says which server.
    let both = "import os; from app import app; from kombu import Connection\n\
                with Connection(os.environ['APIUM_OTHER']) as other:\n    \
                    sent = [app.send_task('probe.echo', [1]), app.send_task('probe.echo', [2], queue='two', connection=other)]\n\
                print([result.get(timeout=30) for result in sent])";
    assert_eq!(Running::start(pair.python(&pair.home, &["-c", both])).ended().printed(), "[1, 2]");
    let mut python = pair.python(&pair.two, &["-m", "celery", "-A", "app", "worker", "-P", "solo", "-Q", "two.py"]);
    let mut python = Running::start({
        python.args(["--without-gossip", "--without-mingle", "-l", "INFO"]);
        python
    });
    python.until_says("ready.");
    let sum = Runtime::new().unwrap().block_on(async {
        let first = Signature::new("probe.echo").arg(4);
        let chain = first.then(Signature::new("app.add").arg(5).queue("two.py"));
        let sent = App::new("sender").client(&pair.open().await).send(&chain).await.unwrap();
        sent.get::<i64>(Duration::from_secs(30)).await.unwrap()
    });
    assert_eq!(sum, 9);
    assert_eq!(worker.stop().code, Some(0));
}

#[test]
fn commands_look_at_both() {
    let pair = Pair::start();
    let place = pair.place();
    for queue in ["celery", "two", "two.x"] {
        place.run(Program::Probe, &["call", "probe.echo", "-a", "[1]", "--queue", queue]).printed();
    }
    let known = place.run(Program::Apium, &["queues", "--json"]).json();
    let ready: Vec<(&str, u64)> = known
        .as_array()
        .unwrap()
        .iter()
        .map(|told| (told["queue"].as_str().unwrap(), told["ready"].as_u64().unwrap()))
        .collect();
    assert_eq!(ready, [("celery", 1), ("two", 1), ("two.x", 1)]);
    assert_eq!(pair.two.look().ask::<u64>(&["LLEN", "two.x"]), 1);
    let purged = place.run(Program::Apium, &["purge", "two.x", "--force", "--json"]).json();
    assert_eq!(purged, json!({"two.x": 1}));
    let worker = our_worker(&place, &["-Q", "celery,two"]);
    place.run(Program::Probe, &["call", "probe.reject", "--queue", "two"]).printed();
    place.run(Program::Probe, &["call", "probe.reject"]).printed();
    let letters = || place.run(Program::Apium, &["dead", "list", "--json"]).json().as_array().unwrap().clone();
    until("two dead letters", || (letters().len() == 2).then_some(()));
    let of_two = letters().into_iter().find(|letter| letter["queue"] == "two").unwrap();
    let id = of_two["id"].as_str().unwrap();
    place.run(Program::Apium, &["dead", "replay", id]).printed();
    until("it to be given up again", || {
        letters().iter().any(|letter| letter["id"] != id && letter["queue"] == "two").then_some(())
    });
    let told = place.run(Program::Apium, &["limits", "set", "task:probe.echo", "--concurrency", "2"]);
    assert!(told.stderr.contains("each shard counts for itself"), "{told:?}");
    assert!(pair.two.look().ask::<u64>(&["HLEN", "apium:limits"]) == 1);
    let status: Value = place.run(Program::Apium, &["status", "--json"]).json();
    assert!(status.to_string().contains("ours@"), "{status}");
    assert_eq!(worker.stop().code, Some(0));
    pair.two.look().ask::<u64>(&["LPUSH", "celery", "left behind"]);
    pair.home.look().ask::<u64>(&["LPUSH", "apium.to.third", "left behind"]);
    pair.home.look().ask::<u64>(&["SADD", "_kombu.binding.third", "third\u{6}\u{16}\u{6}\u{16}apium.to.third"]);
    pair.two.look().ask::<u64>(&["SADD", "_kombu.binding.celery", "celery\u{6}\u{16}\u{6}\u{16}celery"]);
    let findings = place.run(Program::Apium, &["doctor", "--json"]);
    assert!(findings.stdout.contains("misplaced_messages"), "{findings:?}");
    assert!(findings.stdout.contains("stranded_crossings"), "{findings:?}");
    assert!(!findings.stdout.contains("wait in apium.to.third, which no worker"), "{findings:?}");
}

#[test]
fn a_wrong_table_is_one_sentence_and_shows_no_password() {
    let place = Place::new();
    let table = "[shards.two]\nurl = \"redis://:s3cret@h/0\"\nqueues = [\"a\", \"b.*\"]\n";
    let file = place.file("good.toml", table);
    let shown = place.run(Program::Apium, &["settings", "--config", file.to_str().unwrap()]).printed();
    assert!(
        shown.contains("shards = two: redis://***@h/0 for a, b.* (from") || shown.contains(":***@h/0 for a, b.*"),
        "{shown}"
    );
    assert!(!shown.contains("s3cret"), "{shown}");
    for (further, told) in [
        (
            "[shards.three]\nurl = \"redis://:s3cret@g/0\"\nqueues = [\"a\"]\n",
            "the queue a is given to the shards twice",
        ),
        ("[shards.three]\nurl = \"rdis://:s3cret@g/0\"\nqueues = [\"c\"]\n", "rdis:// is not known to Apium"),
        ("[shards.three]\nurl = \"redis://:s3cret@g/0\"\nqueue = [\"c\"]\n", "its url and queues"),
        ("[shards.home]\nurl = \"redis://:s3cret@g/0\"\nqueues = [\"c\"]\n", "two shards are named home"),
    ] {
        let file = place.file("bad.toml", format!("{table}{further}"));
        let sentence = place.run(Program::Apium, &["queues", "--config", file.to_str().unwrap()]).refusal();
        assert!(sentence.contains(told) && !sentence.contains("s3cret"), "{sentence}");
    }
}
