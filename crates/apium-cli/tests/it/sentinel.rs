//! A Redis whose master changes: three real Sentinels, a master and its replica, our worker, and stock Celery beside it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, FromRedisValue};

use crate::diary::{attempts_of, until_begun};
use crate::peer::{Python, our_worker};
use crate::place::{Place, Program};
use crate::poll::{until, until_within};
use crate::running::Running;
use crate::server::{Server, free_port};

/// So soon after there is a master again, work goes on.
const BACK: Duration = Duration::from_secs(10);
const PASSWORD: &str = "watchword";
const TRANSPORT: &str = r#"{"master_name": "prime", "sentinel_kwargs": {"password": "watchword"}}"#;
const CONF: &str = r#"{"result_backend_transport_options":
    {"master_name": "prime", "sentinel_kwargs": {"password": "watchword"}}}"#;

/// One Sentinel.
struct Sentinel {
    child: Child,
    port: u16,
}

/// Two servers and those who watch them.
struct Set {
    servers: [Server; 2],
    sentinels: Vec<Sentinel>,
}

impl Sentinel {
    fn start(folder: &Path, master: u16) -> Self {
        let port = free_port();
        let file = folder.join(format!("{port}.conf"));
        let lines = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nrequirepass {PASSWORD}\nsentinel sentinel-pass {PASSWORD}\n\
             sentinel monitor prime 127.0.0.1 {master} 2\nsentinel down-after-milliseconds prime 1000\n\
             sentinel failover-timeout prime 6000\n",
            folder.display()
        );
        std::fs::write(&file, lines).unwrap();
        let program = std::env::var("APIUM_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let mut command = Command::new(program);
        command.arg(file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
        Self { child: command.spawn().unwrap(), port }
    }

    fn ask<T: FromRedisValue>(&self, words: &[&str]) -> Option<T> {
        let client = redis::Client::open(format!("redis://:{PASSWORD}@127.0.0.1:{}", self.port)).unwrap();
        let mut connection: Connection = client.get_connection().ok()?;
        redis::cmd("SENTINEL").arg(words).query(&mut connection).ok()
    }

    /// The port of the master as this one knows it.
    fn master(&self) -> Option<u16> {
        self.ask::<(String, u16)>(&["GET-MASTER-ADDR-BY-NAME", "prime"]).map(|(_, port)| port)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Set {
    fn start(place: &Place) -> Self {
        let at_once = ["--repl-diskless-sync-delay", "0"];
        let master = Server::with(&at_once);
        let port = master.port().to_string();
        let replica = Server::with(&[&at_once[..], &["--replicaof", "127.0.0.1", &port]].concat());
        let sentinels = (0..3).map(|_| Sentinel::start(&place.path(""), master.port())).collect();
        let set = Self { servers: [master, replica], sentinels };
        until("the Sentinels to know one another and the replica", || set.is_ready().then_some(()));
        set
    }

    fn is_ready(&self) -> bool {
        self.sentinels.iter().all(|sentinel| {
            let agreed: Option<String> = sentinel.ask(&["CKQUORUM", "prime"]);
            let others: Option<Vec<redis::Value>> = sentinel.ask(&["SENTINELS", "prime"]);
            let replicas: Option<Vec<redis::Value>> = sentinel.ask(&["REPLICAS", "prime"]);
            agreed.is_some() && others.is_some_and(|all| all.len() == 2) && replicas.is_some_and(|all| all.len() == 1)
        }) && self.follows(1, 0)
    }

    /// Whether one of the servers has all that the other has.
    fn follows(&self, replica: usize, master: usize) -> bool {
        // One that is being made a replica closes its connections.
        fn ask<T: FromRedisValue>(server: &Server, command: &mut redis::Cmd) -> Option<T> {
            let mut connection = redis::Client::open(server.url()).unwrap().get_connection().ok()?;
            command.query(&mut connection).ok()
        }
        let told: Option<String> = ask(&self.servers[replica], redis::cmd("INFO").arg("replication"));
        let linked = told.is_some_and(|told| told.contains("role:slave") && told.contains("master_link_status:up"));
        linked && ask::<u64>(&self.servers[master], redis::cmd("WAIT").arg(1).arg(1000)) == Some(1)
    }

    fn url(&self) -> String {
        let each: Vec<String> = self.sentinels.iter().map(|one| format!("sentinel://127.0.0.1:{}", one.port)).collect();
        each.join(";")
    }

    /// Waits until every Sentinel names this server; what is said of times counts from here.
    fn until_master(&self, server: usize) -> Instant {
        let port = Some(self.servers[server].port());
        let agreed = || self.sentinels.iter().all(|sentinel| sentinel.master() == port).then_some(());
        until_within(Duration::from_mins(1), "another master", agreed);
        Instant::now()
    }
}

/// Sends so many notes by stock Celery.
fn sent_by_celery(url: &str, count: usize) -> String {
    let python = Python::with_celery("5.7").set(CONF);
    let mut sender = python.command(url, &["storm.py", "send", "probe.note", &count.to_string(), "0.001"]);
    sender.env("APIUM_TRANSPORT", TRANSPORT);
    Running::start(sender).ended().printed()
}

fn read_by_celery(place: &Place, url: &str, ids: &str) -> String {
    let python = Python::with_celery("5.7").set(CONF);
    let mut reader = python.command(url, &["storm.py", "read", "40"]);
    reader.env("APIUM_TRANSPORT", TRANSPORT).stdin(Stdio::from(std::fs::File::open(place.file("ids", ids)).unwrap()));
    Running::start(reader).ended().printed()
}

#[test]
fn a_failover_that_is_ordered_or_forced_loses_nothing_that_was_replicated() {
    let folder = Place::new();
    let mut set = Set::start(&folder);
    let place = Place::on(&set.url()).with("APIUM_MASTER_NAME", "prime").with("APIUM_SENTINEL_PASSWORD", PASSWORD);
    let hold = |id: &str| {
        let until = format!("[{:?}]", place.path(&format!("go-{id}")).display().to_string());
        place.run(Program::Probe, &["call", "probe.hold", "-a", &until, "--task-id", id]).printed();
        until_begun(&place, id);
    };
    let worker = our_worker(&place, &["-c", "1"]);
    for (id, old) in [("ordered", 0), ("forced", 1)] {
        let new = 1 - old;
        hold(id);
        let ids = sent_by_celery(&set.url(), 100);
        assert_eq!(ids.lines().count(), 100);
        until("the replica to have it", || set.follows(new, old).then_some(()));
        if id == "ordered" {
            until("the Sentinel to obey", || set.sentinels[0].ask::<String>(&["FAILOVER", "prime"]));
        } else {
            set.servers[old].kill();
        }
        let began = set.until_master(new);
        let seen = || worker.stderr().matches("another server is the master now").count();
        until("the worker to see it", || (seen() > old).then_some(()));
        std::fs::write(place.path(&format!("go-{id}")), "").unwrap();
        assert_eq!(place.run(Program::Probe, &["result", id, "--wait"]).printed(), "\"released\"");
        assert_eq!(place.run(Program::Probe, &["call", "probe.echo", "-a", "[1]", "--wait"]).printed(), "1");
        assert!(began.elapsed() < BACK, "{id}: {:?}", began.elapsed());
        assert_eq!(read_by_celery(&place, &set.url(), &ids), "100 sent, 100 read, 0 missing, 0 wrong");
        for task in ids.lines().chain([id]) {
            assert_eq!(attempts_of(&place, task).len(), 1, "{id}: {task}");
        }
        if id == "ordered" {
            until("the old master to follow", || set.follows(old, new).then_some(()));
        }
    }
    assert_eq!(worker.stop().code, Some(0));
}

#[test]
fn what_cannot_be_found_is_told_without_a_secret() {
    let folder = Place::new();
    let set = Set::start(&folder);
    let url = set.url().replacen("sentinel://", "sentinel://:s3cret@", 1);
    let told = |place: Place| {
        let ended = place.run(Program::Probe, &["queues"]);
        assert!(!ended.stderr.contains("s3cret") && !ended.stderr.contains(PASSWORD), "{ended:?}");
        ended.sentence()
    };
    let place = || Place::on(&url).with("APIUM_SENTINEL_PASSWORD", PASSWORD);
    assert!(told(place()).contains("set master_name"));
    assert!(told(place().with("APIUM_MASTER_NAME", "other")).contains("know no master named other"));
    let wrong = Place::on(&url).with("APIUM_MASTER_NAME", "prime").with("APIUM_SENTINEL_PASSWORD", "s3cret");
    assert!(told(wrong).contains("none of the Sentinels"));
    let shown = place().run(Program::Apium, &["settings"]).printed();
    assert!(shown.contains("sentinel_password = ***") && !shown.contains(PASSWORD), "{shown}");
}
