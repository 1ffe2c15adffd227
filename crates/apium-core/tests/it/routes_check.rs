//! What is said about routes that are hardly meant, first of all about those of a real team.

use apium_core::Routes;
use apium_core::routing::{Finding, Rules};

/// The table as it stands in that team's settings, comments and all.
const TABLE: &str = r#"CELERY_TASK_ROUTES = {
    # Tareas de email
    "hps_core.tasks.send_*": {"queue": "email"},
    "hps_core.tasks.*email*": {"queue": "email"},
    
    # Tareas de monitorización
    "hps_core.tasks.monitor_*": {"queue": "email"},
    
    # Tareas de análisis
    "hps_core.tasks.analyze_*": {"queue": "analysis"},
    "hps_core.tasks.process_*": {"queue": "analysis"},
    "hps_core.tasks.generate_*": {"queue": "analysis"},
    
    # Tareas de expiración
    "hps_core.tasks.check_*": {"queue": "email"},
}
"#;

/// Its tasks, by the names they are registered or scheduled under.
const TASKS: [&str; 18] = [
    "hps_core.send_generic_email",
    "hps_core.monitor_hps_emails",
    "hps_core.analyze_emails",
    "hps_core.send_bulk_emails",
    "hps_core.tasks.analyze_emails_task",
    "hps_core.tasks.check_hps_expiration_task",
    "hps_core.tasks.generate_reports_task",
    "hps_core.tasks.monitor_hps_emails_task",
    "hps_core.tasks.process_hps_responses_task",
    "hps_core.tasks.send_hps_approved_email",
    "hps_core.tasks.send_hps_confirmation_email",
    "hps_core.tasks.send_hps_credentials_email",
    "hps_core.tasks.send_hps_expiration_reminder_task",
    "hps_core.tasks.send_hps_form_email_task",
    "hps_core.tasks.send_hps_rejected_email",
    "hps_core.tasks.send_hps_status_update_email",
    "hps_core.tasks.weekly_hps_stats_task",
    "celery.backend_cleanup",
];

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn rules(text: &str) -> Routes {
    Routes::default().with_rules(Rules::parse(text).unwrap())
}

fn sentences(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_real_teams_table_has_exactly_the_six_faults_that_were_found_by_hand() {
    let routes = rules(TABLE).with_default_queue("default");
    let findings = routes.check(&owned(&TASKS), Some(&owned(&["email", "analysis", "default"])));
    let unrouted = |task: &str| Finding::Unrouted { task: task.to_owned(), queue: "default".to_owned() };
    let expected = vec![
        unrouted("hps_core.send_generic_email"),
        unrouted("hps_core.monitor_hps_emails"),
        unrouted("hps_core.analyze_emails"),
        unrouted("hps_core.send_bulk_emails"),
        unrouted("hps_core.tasks.weekly_hps_stats_task"),
        Finding::Shadowed {
            rule: "hps_core.tasks.analyze_*".to_owned(),
            meant: "analysis".to_owned(),
            by: "hps_core.tasks.*email*".to_owned(),
            queue: "email".to_owned(),
            tasks: owned(&["hps_core.tasks.analyze_emails_task"]),
        },
    ];
    assert_eq!(findings, expected);
    assert_eq!(
        sentences(&findings)[4..],
        [
            "hps_core.tasks.weekly_hps_stats_task has no rule and goes to default. Write a rule for it; if default is \
             meant, \"hps_core.tasks.weekly_hps_stats_task\" = \"default\" says so",
            "hps_core.tasks.analyze_emails_task goes to email and not to analysis: the rule hps_core.tasks.*email* stands \
             before hps_core.tasks.analyze_* and covers it too. Write hps_core.tasks.analyze_* first, or take it away",
        ]
    );
}

#[test]
fn exceptions_before_what_is_wide_are_no_fault() {
    let routes = rules("{'scan.urgent.*': 'fast', 'scan.*': 'scans', 'scan.own': 'mine', '*': 'rest'}");
    let tasks = owned(&["scan.urgent.a", "scan.a", "scan.own", "other"]);
    assert_eq!(routes.check(&tasks, Some(&owned(&["fast", "scans", "mine", "rest"]))), []);
    assert_eq!(Routes::default().check(&tasks, Some(&owned(&["celery"]))), [], "without rules the default is meant");
}

#[test]
fn a_rule_without_tasks_and_a_queue_without_consumers_are_told() {
    let routes = rules("{'scan.*': 'scans', 'mail.*': 'email'}").with_own_queue("own.task", "mine");
    let findings =
        routes.check(&owned(&["scan.a", "scan.b", "scan.c", "own.task"]), Some(&owned(&["celery", "email"])));
    assert_eq!(
        sentences(&findings),
        [
            "the rule mail.* (email) covers no task that is known. Rules see the name a task is registered under, not \
             the module it stands in: correct the pattern, or take the rule away",
            "nobody consumes the queue mine: own.task goes there. Start a worker with -Q mine",
            "nobody consumes the queue scans: scan.a, scan.b and 1 more go there. Start a worker with -Q scans",
        ]
    );
    assert_eq!(routes.check(&owned(&["scan.a", "mail.a"]), None), [], "who consumes is not known");
    let declared =
        rules("{'scan.*': 'scans'}").with_queues(apium_core::routing::DeclaredQueue::parse("['idle']").unwrap());
    let findings = declared.check(&owned(&["scan.a"]), Some(&owned(&["scans"])));
    assert_eq!(
        sentences(&findings),
        [
            "nobody consumes the queue idle, which a rule or task_queues names. Start a worker with -Q idle, or correct the name"
        ]
    );
}

#[test]
fn a_task_without_a_way_is_told() {
    let findings = rules("{'a': {'exchange': 'media', 'routing_key': 'x'}}").check(&owned(&["a"]), None);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].to_string().starts_with("a would be lost: a goes nowhere, through the exchange media"));
    let json = serde_json::to_value(&findings[0]).unwrap();
    assert_eq!((&json["kind"], &json["task"]), (&"lost".into(), &"a".into()));
}
