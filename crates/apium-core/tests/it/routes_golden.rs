//! Every case of `interop/capture/routes.py`: the same task, rules and queues end where real Celery sends them.

use apium_core::Routes;
use apium_core::routing::{DeclaredQueue, ExchangeType, Route, RouteError, Rules};
use serde_json::{Value, json};

const CASES: &str = include_str!("../golden/routes.jsonl");

fn routes(case: &Value) -> Routes {
    let conf = &case["conf"];
    let text = |key: &str| conf[key].as_str().map(ToOwned::to_owned);
    let exchange_type = match text("task_default_exchange_type").as_deref() {
        Some("topic") => ExchangeType::Topic,
        Some("fanout") => ExchangeType::Fanout,
        _ => ExchangeType::Direct,
    };
    Routes::default()
        .with_default_queue(text("task_default_queue").unwrap_or_else(|| "celery".to_owned()))
        .with_default_exchange(text("task_default_exchange"), exchange_type)
        .with_default_routing_key(text("task_default_routing_key").unwrap_or_default())
        .with_create_missing(conf["task_create_missing_queues"] != false)
        .with_queues(DeclaredQueue::parse(&case["task_queues"].to_string()).unwrap())
        .with_rules(Rules::parse(&case["task_routes"].to_string()).unwrap())
}

fn asked(options: &Value) -> Route {
    let text = |key: &str| options[key].as_str().map(ToOwned::to_owned);
    let priority = options["priority"].as_u64().map(|priority| u8::try_from(priority).unwrap());
    Route {
        queue: text("queue"),
        exchange: text("exchange"),
        routing_key: text("routing_key"),
        priority,
        ..Route::default()
    }
}

/// As the capture tells it, where nothing and an empty text are the same.
fn told(case: &Value) -> Value {
    let task = case["name"].as_str().unwrap();
    match routes(case).route(task, &asked(&case["options"])) {
        Err(RouteError::UnknownQueue { .. }) => json!("no such queue"),
        Err(other) => json!(other.to_string()),
        Ok(to) => {
            let other: serde_json::Map<_, _> =
                to.other.iter().map(|(name, value)| (name.clone(), value.to::<Value>().unwrap())).collect();
            json!({
                "exchange": to.exchange, "routing_key": to.routing_key, "priority": to.priority, "other": other,
                "arrived": to.arrives,
            })
        }
    }
}

fn expected(case: &Value) -> Value {
    let seen = &case["destination"];
    if !seen["error"].is_null() {
        return json!("no such queue");
    }
    let text = |key: &str| seen[key].as_str().unwrap_or_default().to_owned();
    let arrived: Vec<_> = seen["arrived"].as_array().unwrap().iter().filter(|queue| *queue != "").collect();
    json!({
        "exchange": text("exchange"), "routing_key": text("routing_key"), "priority": seen["priority"],
        "other": seen["other"], "arrived": arrived,
    })
}

#[test]
fn every_task_goes_where_celery_sends_it() {
    let cases: Vec<Value> = CASES.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() > 800, "the capture is whole");
    let differ: Vec<_> = cases.iter().filter(|case| told(case) != expected(case)).collect();
    let shown: Vec<_> = differ.iter().take(5).map(|case| format!("{case}\n  here: {}", told(case))).collect();
    assert!(differ.is_empty(), "{} of {} differ:\n{}", differ.len(), cases.len(), shown.join("\n"));
}

#[test]
fn the_queue_is_the_one_celerys_router_names() {
    for case in CASES.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let task = case["name"].as_str().unwrap();
        if let (Some(queue), Ok(to)) =
            (case["destination"]["queue"].as_str(), routes(&case).route(task, &asked(&case["options"])))
        {
            assert_eq!(to.queue.as_deref(), Some(queue), "{case}");
        }
    }
}
