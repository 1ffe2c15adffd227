//! Remote control beyond what was captured: names, clocks, settings, and requests that are not as they should be.

use apium_protocol::{
    DecodeError, RawJson,
    control::{
        Binding, Candidate, Command, ControlNames, HelloReply, LamportClock, Rate, Refusal, Reply, Request, Signal,
        Stats, conf, leader, revoked_ids,
    },
};

fn json(text: &str) -> RawJson {
    RawJson::parse(text).unwrap()
}

fn envelope(headers: &str, body: &str) -> String {
    let body = RawJson::string(body);
    format!(r#"{{"body": {body}, "content-type": "application/json", "headers": {headers}}}"#)
}

fn request(body: &str) -> Result<Request, DecodeError> {
    Request::decode(envelope("{}", body).as_bytes())
}

fn command(method: &str, arguments: &str) -> Result<Command, Refusal> {
    Command::parse(method, &json(arguments))
}

#[test]
fn names_follow_from_the_exchange() {
    let names = ControlNames::new("shop");
    assert_eq!(names.channel(3), "/3.shop.pidbox");
    assert_eq!(names.reply_exchange(), "reply.shop.pidbox");
    assert_eq!(Binding::key(&names.reply_exchange()), "_kombu.binding.reply.shop.pidbox");
    assert_eq!(names.reply_queue("oid"), "oid.reply.shop.pidbox");
    let binding = names.reply_binding("oid");
    assert_eq!(binding.to_string(), "oid\u{6}\u{16}\u{6}\u{16}oid.reply.shop.pidbox");
    assert_eq!(Binding::parse(&binding.to_string()), Some(binding));
    assert_eq!(names.node_binding("w1@lab").to_string(), "\u{6}\u{16}\u{6}\u{16}w1@lab.shop.pidbox");
    assert_eq!(Binding::parse("no binding"), None);
    assert_eq!(ControlNames::default().channel(0), "/0.celery.pidbox");
}

#[test]
fn the_clock_only_rises() {
    let mut clock = LamportClock::default();
    assert_eq!((clock.forward(), clock.forward()), (1, 2));
    assert_eq!((clock.adjust(10), clock.adjust(3)), (11, 12));
    assert_eq!((clock.adjust(u64::MAX), clock.forward()), (u64::MAX, u64::MAX));
    assert_eq!(LamportClock::new(4).value(), 4);
}

#[test]
fn the_oldest_wins_and_names_break_a_tie() {
    let candidates = [Candidate::new(7, "w2@lab", 12), Candidate::new(7, "w2@lab", 1), Candidate::new(9, "a", 1)];
    assert_eq!(leader(&candidates).unwrap().process, "w2@lab.1");
    assert_eq!(leader(&[]), None);
}

#[test]
fn a_request_may_leave_most_things_out() {
    let request = request(r#"{"method": "ping"}"#).unwrap();
    assert_eq!(request.command(), Ok(Command::Ping));
    assert_eq!((request.clock, request.expires, request.reply_to.as_ref()), (0, None, None));
    assert_eq!(request.is_for("anyone"), Ok(true));
    assert!(Reply::to(&request, "w", RawJson::null(), 1, "t").is_none());
    assert_eq!(Request::decode(&request.encode()).unwrap(), request);
}

#[test]
fn a_request_is_for_the_nodes_it_names() {
    let is_for = |body: &str, node: &str| request(body).unwrap().is_for(node).unwrap();
    let named = r#"{"method": "ping", "destination": ["a", 5, "b"], "pattern": "*", "matcher": "glob"}"#;
    assert!(is_for(named, "b") && !is_for(named, "c"));
    assert!(is_for(r#"{"method": "ping", "destination": "a"}"#, "a"));
    assert!(is_for(r#"{"method": "ping", "destination": [], "pattern": "x"}"#, "a"));
    assert!(is_for(r#"{"method": "ping", "destination": ""}"#, "a"));
    assert!(!is_for(r#"{"method": "ping", "pattern": "x*", "matcher": "glob"}"#, "a"));
    assert!(is_for(r#"{"method": "ping", "pattern": "", "matcher": "nosuch"}"#, "a"));
    let error = request(r#"{"method": "ping", "pattern": "x", "matcher": "nosuch"}"#).unwrap().is_for("x");
    assert_eq!(error.unwrap_err().matcher, "nosuch");
}

#[test]
fn what_is_no_request_says_why() {
    let said = |text: &str| Request::decode(text.as_bytes()).unwrap_err().to_string();
    assert!(said("[]").starts_with("not a message envelope"));
    assert_eq!(said(&envelope("{}", "[]")), "the field body of the message should be an object");
    assert_eq!(said(&envelope("{}", "{}")), "the field body.method of the message is missing");
    assert_eq!(
        said(&envelope("{}", r#"{"method": 5}"#)),
        "the field body.method of the message should be a string, not 5"
    );
    assert_eq!(
        said(&envelope(r#"{"clock": -1}"#, r#"{"method": "ping"}"#)),
        "the field headers.clock of the message should be a whole number, not -1"
    );
    assert_eq!(
        said(&envelope("{}", r#"{"method": "ping", "reply_to": {"exchange": "e"}}"#)),
        "the field body.reply_to.routing_key of the message is missing"
    );
    assert!(said(&envelope("{}", r#"{"method": "ping", "destination": 5}"#)).contains("body.destination"));
    assert!(said(&envelope("[]", "{}")).contains("the field headers of the message should be an object, not []"));
    assert!(said(&envelope("{}", "{")).starts_with("the body of the message cannot be read"));
    assert!(said(&envelope(r#"{"compression": "application/x-gzip"}"#, "{}")).contains("compressed"));
    assert!(said(r#"{"content-type": "application/x-yaml"}"#).contains("application/x-yaml"));
}

#[test]
fn a_reply_is_of_one_node() {
    let reply = |body: &str| Reply::decode(envelope(r#"{"ticket": null}"#, body).as_bytes());
    assert!(reply("{}").is_err() && reply(r#"{"a": 1, "b": 2}"#).is_err());
    let refused = reply(r#"{"a": {"error": ["odd"]}}"#).unwrap();
    assert_eq!((refused.error().unwrap().as_str(), refused.ok()), (r#"["odd"]"#, None));
    assert_eq!(reply(r#"{"a": {"ok": "pong"}}"#).unwrap().ok(), Some(RawJson::string("pong")));
}

#[test]
fn arguments_are_read_leniently() {
    let revoked = |ids: &[&str]| {
        let task_ids = ids.iter().map(ToString::to_string).collect();
        Ok(Command::Revoke { task_ids, terminate: false, signal: Signal::default() })
    };
    assert_eq!(command("revoke", r#"{"task_id": "a", "nonsense": 1, "signal": "odd"}"#), revoked(&["a"]));
    assert_eq!(command("revoke", r#"{"task_id": null, "terminate": 0}"#), revoked(&[]));
    assert_eq!(command("dump_active", "null"), Ok(Command::Active { safe: false }));
    assert_eq!(command("active", r#"{"safe": "no"}"#), Ok(Command::Active { safe: true }));
    assert_eq!(command("pool_grow", r#"{"n": null}"#), Ok(Command::PoolGrow { n: 1 }));
    let Ok(Command::AddConsumer { exchange_type, options, .. }) =
        command("add_consumer", r#"{"queue": "q", "exchange_type": "", "auto_delete": true}"#)
    else {
        panic!();
    };
    assert_eq!(options, [("auto_delete".to_owned(), json("true"))]);
    assert_eq!(exchange_type, "direct");
}

#[test]
fn arguments_of_the_wrong_type_are_refused() {
    let refused = |method: &str, arguments: &str| command(method, arguments).unwrap_err().to_string();
    for (method, arguments, said) in [
        ("pool_grow", r#"{"n": "x"}"#, r#"TypeError('n should be a whole number, not "x"')"#),
        ("revoke", r#"{"task_id": 5}"#, "TypeError('task_id should be a string, not 5')"),
        ("cancel_consumer", r#"{"queue": null}"#, "TypeError('queue should be a string, not null')"),
        ("ping", "[1]", "TypeError('ping() argument after ** must be a mapping')"),
        (
            "revoke",
            r#"{"task_id": "a", "terminate": true, "signal": "kill"}"#,
            "TypeError('signal name must be uppercase string.')",
        ),
    ] {
        assert_eq!(refused(method, arguments), said);
    }
    assert_eq!(
        Signal::unknown("SIGNONE").to_string(),
        r#"AttributeError("module 'signal' has no attribute 'SIGNONE'")"#
    );
    assert_eq!(Signal::parse(&json(r#""KILL""#)), Ok(Signal::Name("SIGKILL".to_owned())));
    assert_eq!(Signal::parse(&json("9")), Ok(Signal::Number(9)));
}

#[test]
fn rates_are_read_as_python_reads_them() {
    let rate = |text: &str| Rate::parse(&json(text)).unwrap();
    for (text, per_second, off) in [
        (r#""10/m""#, Some(10.0 / 60.0), false),
        (r#"" 36 /h""#, Some(0.01), false),
        (r#""5/""#, Some(5.0), false),
        ("2.5", Some(2.5), false),
        (r#""0""#, None, false),
        (r#""nan""#, None, false),
        ("-1", None, false),
        (r#""""#, None, true),
        ("0", None, true),
        ("null", None, true),
    ] {
        assert_eq!((rate(text).per_second(), rate(text).is_off()), (per_second, off), "{text}");
    }
    assert!(Rate::parse(&json("[]")).is_err());
    assert_eq!(Rate::parse(&json(r#""5/m/x""#)).unwrap_err().to_string(), "KeyError('m/x')");
}

#[test]
fn settings_are_shown_without_secrets() {
    let setting = |name: &str, value: &str| (name.to_owned(), json(value));
    let shown = conf(&[
        setting("broker_url", r#""redis://me:pa:s@s/#@host/0;redis://:p@b""#),
        setting("result_backend", r#""redis://host/0""#),
        setting("security_key", r#""k""#),
        setting("broker_read_url", r#"["amqp://u:p@h"]"#),
        setting("other", r#"{"PassWord": [1], "deep": {"api_token": 5, "n": 1.50}}"#),
        setting("redis_password", "null"),
    ]);
    assert_eq!(
        shown.as_str(),
        concat!(
            r#"{"broker_url": "redis://me:********@host/0;redis://:********@b", "result_backend": "redis://host/0", "#,
            r#""security_key": "********", "broker_read_url": ["amqp://u:********@h"], "#,
            r#""other": {"PassWord": "********", "deep": {"api_token": "********", "n": 1.50}}, "redis_password": null}"#,
        )
    );
}

#[test]
fn ids_called_off_come_as_a_list_or_by_id() {
    assert_eq!(revoked_ids(&json(r#"["a", 5, "b"]"#)), ["a", "b"]);
    assert_eq!(revoked_ids(&json(r#"{"a": [1.5, "a"], "b": 2}"#)), ["a", "b"]);
    assert!(revoked_ids(&RawJson::null()).is_empty());
    assert_eq!(HelloReply::from_json(&RawJson::null()), None);
}

#[test]
fn stats_of_other_versions_are_read_too() {
    let stats: Stats =
        json(r#"{"clock": "7", "pool": {"max-concurrency": 4, "free-threads": 2}, "new": 1}"#).to().unwrap();
    assert_eq!((stats.clock, stats.pool.max_concurrency, stats.pid), (7, 4, 0));
}
