//! What real Celery 5.4 and 5.7 said over remote control (captured by `interop/capture/control.py`), read and written
//! back, and said again by our own values.

use std::{collections::BTreeSet, fs, path::PathBuf};

use apium_protocol::{
    RawJson,
    control::{
        ActiveQueue, Answer, Autoscaler, BrokerInfo, Command, ControlNames, HelloReply, PoolInfo, Refusal,
        RegisteredTask, Reply, Request, RequestInfo, ScheduledTask, Stats, TaskPlace, glob, query_task,
    },
};
use serde_json::Value;

/// One request, and the reply to it if there was one.
struct Asked {
    version: &'static str,
    request: String,
    reply: Option<String>,
}

impl Asked {
    fn request(&self) -> Request {
        Request::decode(self.request.as_bytes()).unwrap_or_else(|error| panic!("{error}: {}", self.request))
    }

    fn reply(&self) -> Option<Reply> {
        self.reply.as_ref().map(|reply| Reply::decode(reply.as_bytes()).unwrap())
    }
}

/// The lines of a captured file.
pub(crate) fn lines(file: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn asked() -> Vec<Asked> {
    let mut all = Vec::new();
    for version in ["5.4", "5.7"] {
        for line in lines(&format!("control-{version}.jsonl")) {
            let request = line["request"].as_str().unwrap().to_owned();
            all.push(Asked { version, request, reply: line["reply"].as_str().map(str::to_owned) });
        }
    }
    assert!(all.len() > 180);
    all
}

/// The replies to a command, with what it was asked with.
fn replies(method: &str) -> Vec<(Asked, RawJson)> {
    let of = asked().into_iter().filter(|asked| asked.request().method == method);
    let found: Vec<_> = of.filter_map(|asked| asked.reply().map(|reply| (asked, reply.value))).collect();
    assert!(found.len() >= 2, "{method}");
    found
}

/// The keys of an object and of all objects in it.
fn keys(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Value::Object(members) = value {
        for (key, value) in members {
            found.insert(key.clone());
            found.extend(keys(value).into_iter().map(|inner| format!("{key}.{inner}")));
        }
    }
    found
}

fn value(raw: &RawJson) -> Value {
    raw.to().unwrap()
}

#[test]
fn every_request_is_written_back_byte_for_byte() {
    for asked in asked() {
        assert_eq!(String::from_utf8(asked.request().encode()).unwrap(), asked.request);
    }
}

#[test]
fn every_reply_is_written_back_byte_for_byte() {
    for asked in asked() {
        let Some(reply) = asked.reply() else {
            assert!(asked.request().reply_to.is_none(), "{}", asked.request);
            continue;
        };
        assert_eq!(String::from_utf8(reply.encode()).unwrap(), asked.reply.clone().unwrap());
        let made = Reply::to(
            &asked.request(),
            reply.node.clone(),
            reply.value.clone(),
            reply.clock,
            reply.properties.delivery_tag.clone(),
        );
        assert_eq!(made.unwrap(), reply);
    }
}

#[test]
fn a_python_client_and_ours_send_the_same_request() {
    let names = ControlNames::default();
    for asked in asked() {
        let request = asked.request();
        let Ok(command) = request.command() else {
            continue;
        };
        let mut ours = Request::new(&command, &names, request.properties.delivery_tag.clone());
        if let (Some(reply_to), Some(ticket)) = (&request.reply_to, &request.ticket) {
            ours = ours.replying_to(&names, reply_to.routing_key.clone(), ticket.clone());
        }
        ours.clock = request.clock;
        ours.expires = request.expires;
        ours.destination.clone_from(&request.destination);
        ours.pattern.clone_from(&request.pattern);
        ours.matcher.clone_from(&request.matcher);
        // The arguments may say the same otherwise: one id or a list of one, a default or nothing.
        assert_eq!(ours.command().unwrap(), command);
        ours.arguments = request.arguments.clone();
        ours.method.clone_from(&request.method);
        assert_eq!(ours, request);
    }
}

#[test]
fn what_python_refuses_is_refused_in_its_words() {
    let mut refused = 0;
    for asked in asked() {
        let request = asked.request();
        let (Err(refusal), Some(reply)) = (request.command(), asked.reply()) else {
            continue;
        };
        assert_eq!(refusal.to_json(), reply.value, "{} {}", request.method, request.arguments);
        refused += 1;
    }
    assert!(refused >= 26, "{refused}");
}

#[test]
fn every_request_reached_the_node_it_was_for() {
    for asked in asked() {
        let (request, reply) = (asked.request(), asked.reply());
        let node = reply.as_ref().map_or("w1@lab", |reply| &reply.node);
        if request.matcher.as_deref() == Some("pcre") {
            let error = request.is_for(node).unwrap_err().to_string();
            assert_eq!(error, "nodes can be named by a pattern of the kind \"glob\" only, not \"pcre\"");
            continue;
        }
        assert_eq!(request.is_for(node), Ok(true));
        let everybody = request.destination.is_empty() && request.pattern.is_none();
        assert_eq!(request.is_for("x9@elsewhere"), Ok(everybody));
    }
}

#[test]
fn patterns_cover_what_fnmatch_covers() {
    for line in lines("control-glob.jsonl") {
        let pattern = line["pattern"].as_str().unwrap();
        for (name, covered) in line["names"].as_object().unwrap() {
            assert_eq!(glob(pattern, name), covered.as_bool().unwrap(), "{pattern:?} over {name:?}");
        }
    }
    assert!(!glob(&"*a".repeat(200), &"a".repeat(150)));
}

#[test]
fn every_sentence_is_celerys() {
    for asked in asked() {
        let (Ok(command), Some(reply)) = (asked.request().command(), asked.reply()) else {
            continue;
        };
        let said: Vec<_> = answers(&command).iter().map(Answer::to_json).collect();
        if said.is_empty() {
            assert!(command.inspects() || reply.value.is_null(), "{command:?}");
        } else {
            assert!(said.contains(&reply.value), "{} is none of {said:?}", reply.value);
        }
    }
}

/// All that may be said to a command in one sentence.
fn answers(command: &Command) -> Vec<Answer> {
    match command.clone() {
        Command::Ping => vec![Answer::Pong],
        Command::Objgraph { .. } => vec![Answer::NoObjgraph],
        Command::Revoke { task_ids, terminate: true, .. } => {
            vec![Answer::Terminated(task_ids), Answer::Terminated(Vec::new())]
        }
        Command::Revoke { task_ids, .. } => vec![Answer::Revoked(task_ids)],
        Command::Terminate { .. } => vec![Answer::Terminated(Vec::new())],
        Command::RevokeByStampedHeaders { headers, terminate: true, .. } => {
            vec![Answer::StampsTerminated(headers.pairs()), Answer::StampsNotRunning(headers)]
        }
        Command::RevokeByStampedHeaders { headers, .. } => vec![Answer::StampsRevoked(headers)],
        Command::RateLimit { task_name, .. } if task_name == "no.such" => vec![Answer::UnknownTask],
        Command::RateLimit { rate_limit, .. } if rate_limit.is_off() => vec![Answer::RateLimitDisabled],
        Command::RateLimit { .. } => vec![Answer::RateLimitSet],
        Command::TimeLimit { .. } => vec![Answer::TimeLimitsSet, Answer::UnknownTask],
        Command::EnableEvents => vec![Answer::EventsEnabled, Answer::EventsAlreadyEnabled],
        Command::DisableEvents => vec![Answer::EventsDisabled, Answer::EventsAlreadyDisabled],
        Command::AddConsumer { queue, .. } => vec![Answer::ConsumerAdded(queue)],
        Command::CancelConsumer { queue } => vec![Answer::ConsumerCancelled(queue)],
        Command::PoolGrow { .. } => {
            vec![Answer::PoolGrows, Answer::PoolSizesItself { command: "pool_grow".to_owned() }]
        }
        Command::PoolShrink { .. } => {
            let itself = Answer::PoolSizesItself { command: "pool_shrink".to_owned() };
            vec![Answer::PoolShrinks, Answer::PoolBusy, itself]
        }
        Command::PoolRestart { .. } => vec![Answer::PoolRestartsDisabled],
        Command::Autoscale { .. } => vec![Answer::AutoscaleDisabled, Answer::Autoscales { max: 5, min: 1 }],
        _ => Vec::new(),
    }
}

#[test]
fn stats_have_every_member_of_celerys() {
    let ours = Stats {
        total: [("app.slow".to_owned(), 1)].into(),
        pool: PoolInfo { writes: Some(RawJson::empty_object()), ..PoolInfo::default() },
        autoscaler: Some(Autoscaler::default()),
        broker: BrokerInfo::default(),
        ..Stats::default()
    };
    let ours = keys(&value(&RawJson::from(&ours).unwrap()));
    let mut found = 0;
    for (asked, reply) in replies("stats") {
        let theirs = value(&reply);
        let surplus = |key: &String| key.starts_with("pool.writes.") || key.starts_with("total.");
        let mut wanted: BTreeSet<_> = keys(&theirs).into_iter().filter(|key| !surplus(key)).collect();
        for optional in ["pool.writes", "autoscaler", "autoscaler.max", "autoscaler.min", "autoscaler.current"] {
            wanted.insert(optional.to_owned());
        }
        wanted.insert("autoscaler.qty".to_owned());
        wanted.insert("broker.credential_provider".to_owned());
        let ours: BTreeSet<_> = ours.iter().filter(|key| !surplus(key)).cloned().collect();
        assert_eq!(ours, wanted, "{}", asked.version);
        let read: Stats = reply.to().unwrap();
        let mut written = value(&RawJson::from(&read).unwrap());
        if theirs["broker"].get("credential_provider").is_none() {
            written["broker"].as_object_mut().unwrap().shift_remove("credential_provider");
        }
        assert_eq!(written, theirs);
        found += 1;
    }
    assert_eq!(found, 8);
}

#[test]
fn tasks_in_hand_are_shown_as_celery_shows_them() {
    let mut found = 0;
    for method in ["active", "dump_active", "reserved", "dump_reserved"] {
        for (_, reply) in replies(method) {
            let read: Vec<RequestInfo> = reply.to().unwrap();
            assert_eq!(RawJson::from(&read).unwrap(), reply);
            found += read.len();
        }
    }
    assert_eq!(found, 10);
    for (asked, reply) in replies("active") {
        if asked.request().command() == Ok(Command::Active { safe: true }) {
            let plain = replies("dump_active").into_iter().find(|(other, _)| other.version == asked.version).unwrap();
            let shown: Vec<RequestInfo> = plain.1.to().unwrap();
            let shown: Vec<_> = shown.into_iter().map(RequestInfo::safe).collect();
            assert_eq!(RawJson::from(&shown).unwrap(), reply);
        }
    }
    for method in ["scheduled", "dump_schedule"] {
        for (_, reply) in replies(method) {
            let read: Vec<ScheduledTask> = reply.to().unwrap();
            let again: Vec<_> =
                read.into_iter().map(|task| ScheduledTask::new(task.eta.unwrap(), task.request)).collect();
            assert_eq!(RawJson::from(&again).unwrap(), reply);
        }
    }
}

#[test]
fn the_places_of_tasks_are_told_as_celery_tells_them() {
    for (_, reply) in replies("query_task") {
        let Ok(members) = reply.members() else { continue };
        if reply.member("error").is_some() {
            continue;
        }
        let found: Vec<(TaskPlace, RequestInfo)> = members.iter().map(|(_, value)| value.to().unwrap()).collect();
        assert_eq!(query_task(&found), reply);
    }
}

#[test]
fn queues_are_shown_as_celery_shows_them() {
    for (_, reply) in replies("active_queues") {
        let names: Vec<String> =
            reply.elements().unwrap().iter().map(|queue| value(queue)["name"].to_string()).collect();
        let ours: Vec<_> = names.iter().map(|name| ActiveQueue::new(name.trim_matches('"'))).collect();
        assert_eq!(RawJson::from(&ours).unwrap(), reply);
        let read: Vec<ActiveQueue> = reply.to().unwrap();
        assert_eq!(read, ours);
    }
}

#[test]
fn tasks_are_listed_as_celery_lists_them() {
    let mut found = 0;
    for (asked, reply) in replies("registered") {
        let Ok(Command::Registered { items, builtins }) = asked.request().command() else {
            continue;
        };
        let lines: Vec<String> = reply.to().unwrap();
        let limited = lines.iter().any(|line| line.contains("rate_limit"));
        let tasks: Vec<_> = lines
            .iter()
            .rev()
            .map(|line| {
                let name = line.split(' ').next().unwrap();
                let task = RegisteredTask::new(name).with("max_retries", "3");
                if limited && name == "app.add" { task.with("rate_limit", "10/m") } else { task }
            })
            .filter(|task| !task.name.starts_with("celery.") || builtins)
            .collect();
        let listed = RegisteredTask::list(&tasks, &items, builtins);
        // One builtin has limits of its own.
        let same = listed.iter().zip(&lines).filter(|(ours, theirs)| ours == theirs).count();
        assert!(same + usize::from(builtins) * 2 >= lines.len(), "{listed:?} {lines:?}");
        found += 1;
    }
    assert!(found >= 6);
}

#[test]
fn every_worker_is_greeted_back() {
    let mut greeted = 0;
    for (asked, reply) in replies("hello") {
        let Some(hello) = HelloReply::from_json(&reply) else {
            continue;
        };
        assert_eq!(hello.revoked, ["id-1", "id-2"], "{}", asked.version);
        let list = reply.member("revoked").unwrap().is_array();
        assert_eq!(list, asked.version == "5.7");
        if list {
            assert_eq!(hello.to_json(), reply);
        }
        assert_eq!(HelloReply::from_json(&hello.to_json()), Some(hello));
        greeted += 1;
    }
    assert_eq!(greeted, 2);
}

#[test]
fn unknown_commands_are_refused_by_name() {
    assert_eq!(Command::parse("", &RawJson::null()), Err(Refusal::new("KeyError('')")));
    assert_eq!(Command::parse("nosuch", &RawJson::null()), Err(Refusal::raised("KeyError", "nosuch")));
}
