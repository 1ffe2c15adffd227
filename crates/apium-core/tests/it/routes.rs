//! Rules and queues as people write them, and where that leads a task and why.

use apium_core::Routes;
use apium_core::routing::{DeclaredQueue, Route, Rules, Why};

fn explained(routes: &Routes, task: &str, asked: &Route) -> String {
    routes.explain(task, asked).map_or_else(|error| error.to_string(), |explanation| explanation.to_string())
}

fn rules(text: &str) -> Routes {
    Routes::default().with_rules(Rules::parse(text).unwrap())
}

#[test]
fn json_and_python_are_read_alike() {
    let python = "# routes of the shop\nCELERY_TASK_ROUTES = {\n    'mail.*': {'queue': \"email\", 'priority': 3},  # first\n    \
                  'mail.bulk.*': ('slow'),\n    \"other\": None or\n}";
    assert!(Rules::parse(python).is_err(), "an expression is no literal");
    let python = python.replace("None or", "{'exchange': None, 'routing_key': 'a' 'b',},");
    let json = "{\"mail.*\": {\"queue\": \"email\", \"priority\": 3}, \"mail.bulk.*\": \"slow\", \"other\": {\"routing_key\": \"ab\"}}";
    assert_eq!(Rules::parse(&python).unwrap(), Rules::parse(json).unwrap());
    let pairs = "([('mail.*', {'queue': 'email'}), ('mail.bulk.*', 'slow')], {'x': 'y'},)";
    assert_eq!(Rules::parse(pairs).unwrap().len(), 2);
    assert_eq!(Rules::parse("None").unwrap(), Vec::new());
}

#[test]
fn what_cannot_be_read_is_one_sentence() {
    for (text, told) in [
        ("{", "line 1 should have a name in quotes"),
        ("{'a': 'b'\n 'c': 'd'}", "line 2 should have ','"),
        ("{re.compile('a.*'): 'b'}", "a compiled pattern cannot be read here"),
        ("{'a': 'b'} and more", "line 1 should have the end"),
        ("{'a': 'b", "the end of the text in quotes"),
        ("'mail.routers.Router'", "\"mail.routers.Router\" names a router written in Python"),
        ("['mail.routers.route']", "App::router in Rust"),
        ("[['a', 'b', 'c']]", "a list of rules holds pairs"),
        ("{'a': 3}", "the rule \"a\" must be the name of a queue or a table of options"),
        ("{'a': {'queue': 3}}", "queue of the rule \"a\" must be a text, not 3"),
        ("{'a': {'priority': 300}}", "priority of the rule \"a\" must be a whole number from 0 to 255, not 300"),
        ("{'a': {'exchange_type': 'headers'}}", "exchange_type of the rule \"a\" must be direct, topic or fanout"),
        ("17", "routes must be a table"),
        ("{'a': \"\\u12\"}", "a character after \\u"),
        (&"[".repeat(100), "a table less deep"),
        ("", "line 1 should have a value"),
    ] {
        let sentence = Rules::parse(text).unwrap_err().to_string();
        assert!(sentence.contains(told), "{text}: {sentence}");
    }
    for (text, told) in [
        ("{'a': {'exchang': 'x'}}", "the queue \"a\" has no option exchang; known are exchange,"),
        ("{'a': {'exchange': 'x', 'bindings': [{'exchange': 'y'}]}}", "has an exchange and bindings"),
        ("{'a': {'bindings': [{'routing_key': 'y'}]}}", "a binding of the queue \"a\" must be a table such as"),
        ("[1]", "a list of queues must be names, not 1"),
        ("'a'", "task_queues must be a table"),
    ] {
        let sentence = DeclaredQueue::parse(text).unwrap_err().to_string();
        assert!(sentence.contains(told), "{text}: {sentence}");
    }
}

#[test]
fn a_task_that_goes_somewhere_is_told_why() {
    let routes = rules("[{'scan.urgent': {'queue': 'fast', 'priority': 0}, 'scan.*': 'scans', '*deep*': 'slow'}]")
        .with_function(|name| name.starts_with("mail.").then(|| "email".into()))
        .with_own_queue("scan.own", "mine");
    let nothing = Route::default();
    for (task, told) in [
        (
            "scan.urgent",
            "scan.urgent goes to fast, with priority 0: the rule scan.urgent is the first that covers its name. The rule \
             scan.* (scans) covers it too and does not decide.",
        ),
        (
            "scan.deep",
            "scan.deep goes to scans: the rule scan.* is the first that covers its name. The rule *deep* (slow) covers \
             it too and does not decide.",
        ),
        ("mail.send", "mail.send goes to email: a router function of the program says so."),
        ("other", "other goes to celery: no rule says where it is to go."),
        (
            "scan.own",
            "scan.own goes to mine: the task itself names this queue, which goes before every rule. The rule scan.* \
             (scans) covers it too and does not decide.",
        ),
    ] {
        assert_eq!(explained(&routes, task, &nothing), told);
    }
    let asked = Route::queue("now").priority(9);
    let to = routes.route("scan.urgent", &asked).unwrap();
    assert_eq!((to.queue.as_deref(), to.priority, to.why), (Some("now"), Some(9), Why::Sender));
    assert_eq!(routes.route("scan.own", &asked).unwrap().arrives, ["now"]);
    assert_eq!(routes.queue_of("scan.x"), "scans");
}

#[test]
fn a_task_that_is_lost_is_told_what_to_do() {
    let routes = rules("{'a': {'exchange': 'media', 'routing_key': 'x'}, 'b': 'absent'}");
    assert_eq!(
        explained(&routes, "a", &Route::default()),
        "a goes nowhere, through the exchange media with the key x: the rule a is the first that covers its name. No \
         queue is bound there: declare one in task_queues, or name a queue."
    );
    let strict = routes.with_create_missing(false).with_queues([DeclaredQueue::new("celery")]);
    assert_eq!(
        explained(&strict, "b", &Route::default()),
        "b cannot be sent: the queue absent is not among task_queues, and task_create_missing_queues is false. Declare \
         it there, or correct the name"
    );
}

#[test]
fn the_settings_go_before_what_the_program_says() {
    let program = Routes::default()
        .with_rule("scan.*", "scans")
        .with_rule("scan.*", "again")
        .with_queues([DeclaredQueue::new("q")]);
    assert_eq!((program.rules().count(), program.queue_of("scan.x")), (1, "again".to_owned()));
    let both = program.preceded_by(rules("{'scan.x': 'mine'}"));
    assert_eq!((both.queue_of("scan.x"), both.queue_of("scan.y")), ("mine".to_owned(), "again".to_owned()));
    assert_eq!(both.queues().len(), 1);
}

#[test]
fn a_default_priority_is_for_what_has_none() {
    let routes = Routes::default().with_default_priority(6).with_rule("mail.*", Route::queue("mail").priority(3));
    let priority = |task, asked: Route| routes.route(task, &asked).unwrap().priority;
    assert_eq!(priority("scan.a", Route::default()), Some(6));
    assert_eq!(priority("mail.a", Route::default()), Some(3));
    assert_eq!(priority("mail.a", Route::default().priority(0)), Some(0));
}
