//! `routes explain` and `routes check`: a team's table from each place it can stand in, and what is said about it.

use serde_json::json;

use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::until;

/// As it stands in a team's Django settings.
const PYTHON: &str = "\
CELERY_TASK_ROUTES = {
    # Tareas de email
    \"hps_core.tasks.send_*\": {\"queue\": \"email\"},
    \"hps_core.tasks.*email*\": {\"queue\": \"email\"},

    # Tareas de monitorización
    \"hps_core.tasks.monitor_*\": {\"queue\": \"email\"},

    # Tareas de análisis
    \"hps_core.tasks.analyze_*\": {\"queue\": \"analysis\"},
    \"hps_core.tasks.process_*\": {\"queue\": \"analysis\"},
    \"hps_core.tasks.generate_*\": {\"queue\": \"analysis\"},

    # Tareas de expiración
    \"hps_core.tasks.check_*\": {\"queue\": \"email\"},
}
";

const TOML: &str = "\
task_default_queue = \"default\"

[task_routes]
\"hps_core.tasks.send_*\" = {queue = \"email\"}
\"hps_core.tasks.*email*\" = {queue = \"email\"}
\"hps_core.tasks.monitor_*\" = \"email\"
\"hps_core.tasks.analyze_*\" = \"analysis\"
\"hps_core.tasks.process_*\" = \"analysis\"
\"hps_core.tasks.generate_*\" = \"analysis\"
\"hps_core.tasks.check_*\" = {queue = \"email\"}
";

const NAMES: &str = "\
# registered
hps_core.send_generic_email
hps_core.monitor_hps_emails
hps_core.analyze_emails
hps_core.send_bulk_emails
hps_core.tasks.analyze_emails_task
hps_core.tasks.check_hps_expiration_task
hps_core.tasks.generate_reports_task
hps_core.tasks.process_hps_responses_task
hps_core.tasks.send_hps_approved_email

# scheduled
hps_core.tasks.monitor_hps_emails_task
hps_core.tasks.weekly_hps_stats_task
";

const CHECK: [&str; 6] = ["routes", "check", "--tasks-from", "names.txt", "--consumed", "email,analysis,default"];

#[test]
fn a_teams_table_yields_its_six_faults_from_wherever_it_is_written() {
    let python = Place::new().with("CELERY_TASK_ROUTES", "routes.py").with("CELERY_TASK_DEFAULT_QUEUE", "default");
    python.file("routes.py", PYTHON);
    let toml = Place::new();
    toml.file("apium.toml", TOML);
    let literal = Place::new().with("APIUM_TASK_ROUTES", PYTHON.split_once("= ").unwrap().1);
    literal.file("apium.toml", "task_default_queue = \"default\"\n");
    let told = [python, toml, literal].map(|place| {
        place.file("names.txt", NAMES);
        let ended = place.run(Program::Apium, &CHECK);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("6 findings in 7 rules and 11 tasks"), "{ended:?}");
        ended.stdout
    });
    assert_eq!((&told[0], &told[0]), (&told[1], &told[2]));
    let lines: Vec<_> = told[0].lines().collect();
    assert_eq!(lines.len(), 6, "{}", told[0]);
    let unrouted =
        |name: &str| lines.iter().any(|line| line.starts_with(&format!("{name} has no rule and goes to default.")));
    for name in [
        "send_generic_email",
        "monitor_hps_emails",
        "analyze_emails",
        "send_bulk_emails",
        "tasks.weekly_hps_stats_task",
    ] {
        assert!(unrouted(&format!("hps_core.{name}")), "{name} in {}", told[0]);
    }
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("hps_core.tasks.analyze_emails_task goes to email and not to analysis"))
    );
}

#[test]
fn findings_can_be_read_by_machines_and_no_finding_is_no_failure() {
    let place = Place::new();
    place.file("apium.toml", "[task_routes]\n\"scan.*\" = \"scans\"\n");
    place.file("names.txt", "scan.a\n");
    let check = ["routes", "check", "--json", "--tasks-from", "names.txt", "--consumed"];
    let found = place.run(Program::Apium, &[&check[..], &["email"]].concat());
    let told: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    let sentence = "nobody consumes the queue scans: scan.a goes there. Start a worker with -Q scans";
    let expected = json!([{"kind": "unconsumed", "queue": "scans", "tasks": ["scan.a"], "sentence": sentence}]);
    assert_eq!((found.code, &told["findings"]), (Some(1), &expected));
    assert_eq!(place.run(Program::Apium, &[&check[..], &["email,scans"]].concat()).json(), json!({"findings": []}));
}

#[test]
fn a_task_goes_where_explain_says() {
    let place = Place::new();
    place.file("apium.toml", TOML);
    let explain = |arguments: &[&str]| place.run(Program::Apium, &[&["routes", "explain"], arguments].concat());
    assert_eq!(
        explain(&["hps_core.tasks.analyze_emails_task"]).printed(),
        "hps_core.tasks.analyze_emails_task goes to email: the rule hps_core.tasks.*email* is the first that covers its \
         name. The rule hps_core.tasks.analyze_* (analysis) covers it too and does not decide."
    );
    assert_eq!(
        explain(&["hps_core.analyze_emails"]).printed(),
        "hps_core.analyze_emails goes to default: no rule says where it is to go."
    );
    assert!(explain(&["hps_core.analyze_emails", "--queue", "x"]).printed().contains("goes to x: its sender says so."));
    assert!(
        explain(&["app.tasks.scan_tasks.perform_osint_scan"]).printed().contains("the task itself names this queue")
    );
    let told = explain(&["hps_core.tasks.process_x", "--json"]).json();
    assert_eq!(
        (&told["queues"], &told["decided_by"], &told["rule"]),
        (&json!(["analysis"]), &json!("rule"), &json!("hps_core.tasks.process_*"))
    );
    place.run(Program::Apium, &["call", "hps_core.tasks.process_x"]).printed();
    let queues = place.run(Program::Apium, &["queues", "--json"]).json();
    let ready = queues.as_array().unwrap().iter().find(|queue| queue["queue"] == "analysis");
    assert_eq!(ready.unwrap()["ready"], 1, "{queues}");
}

#[test]
fn a_message_to_an_exchange_goes_where_declared_queues_are_bound() {
    let place = Place::new();
    place.file(
        "apium.toml",
        "[task_routes]\n\"media.*\" = {exchange = \"media\", routing_key = \"video.hd\", priority = 3}\n\"lost\" = {exchange = \"news\", routing_key = \"x\"}\n\
         [task_queues.videos]\nexchange = \"media\"\nexchange_type = \"topic\"\nrouting_key = \"video.*\"\n\
         [task_queues.images]\nexchange = \"media\"\nexchange_type = \"topic\"\nrouting_key = \"image\"\n",
    );
    let told = place.run(Program::Apium, &["routes", "explain", "media.encode"]).printed();
    assert!(
        told.starts_with(
            "media.encode goes to videos, through the exchange media with the key video.hd, with priority 3"
        ),
        "{told}"
    );
    let lost = place.run(Program::Apium, &["routes", "explain", "lost"]);
    assert_eq!((lost.code, lost.stdout.starts_with("lost goes nowhere")), (Some(1), true), "{lost:?}");
}

#[test]
fn queues_are_consumed_by_live_workers() {
    let place = Place::new();
    place
        .file("apium.toml", "[task_routes]\n\"probe.*\" = \"slow\"\n\"mix.*\" = \"slow\"\n\"isolated.*\" = \"slow\"\n");
    let unasked = place.run(Program::Probe, &["routes", "check"]).sentence();
    assert!(unasked.contains("with --consumed QUEUES no worker is asked"), "{unasked}");
    let worker = our_worker(&place, &["-Q", "slow"]);
    let check = || place.run(Program::Probe, &["routes", "check"]);
    until("a worker that consumes slow", || (check().code == Some(0)).then_some(()));
    worker.stop();
    let ended = check();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("nobody consumes the queue slow: isolated.abort, isolated.both and "), "{ended:?}");
    assert!(ended.stderr.contains("no Apium worker is alive"), "{ended:?}");
}

#[test]
fn what_cannot_be_read_is_refused_at_the_start() {
    for (file, told) in [
        ("task_routes = \"absent.json\"", "task_routes must be a file that can be read, and \"absent.json\" is not"),
        (
            "task_routes = \"broken.py\"",
            "task_routes cannot be used: broken.py: is no table in JSON or Python: line 2 should have ':'",
        ),
        ("task_routes = 3", "task_routes in apium.toml must be a table or the path of a file"),
        ("[task_routes]\na = 3", "task_routes cannot be used: the rule \"a\" must be the name of a queue"),
        ("task_routes = [\"mail.Router\"]", "names a router written in Python, which cannot run here"),
        ("[task_queues]\na = {routing = \"x\"}", "task_queues cannot be used: the queue \"a\" has no option routing"),
        ("task_default_queue = \"\"", "task_default_queue must not be blank"),
        ("task_default_exchange_type = \"headers\"", "task_default_exchange_type must be direct or topic or fanout"),
    ] {
        let place = Place::new();
        place.file("apium.toml", file);
        place.file("broken.py", "ROUTES = {  # of the shop\n    'a' -> 'b'}");
        let sentence = place.run(Program::Apium, &["routes", "explain", "a"]).refusal();
        assert!(sentence.contains(told), "{file}: {sentence}");
    }
    let place = Place::new().with("CELERY_TASK_ROUTES", "redis://:s3cret@h/0");
    let sentence = place.run(Program::Apium, &["queues"]).refusal();
    assert!(sentence.contains("task_routes must be a path") && !sentence.contains("s3cret"), "{sentence}");
    let place = Place::new();
    let sentence =
        place.run(Program::Apium, &["routes", "check", "--tasks-from", "absent", "--consumed", "a"]).refusal();
    assert!(sentence.contains("--tasks-from absent cannot be read"), "{sentence}");
}
