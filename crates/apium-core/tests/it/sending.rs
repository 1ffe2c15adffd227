//! What a client publishes, and what it makes of the records that come back.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use apium_core::client::{iso, parse_iso, value_of};
use apium_core::context::{Attempt, States, Workflow};
use apium_core::memory::Memory;
use apium_core::protocol::{ExceptionRecord, Headers, Message, Properties, RawJson, ResultRecord};
use apium_core::{
    Broker, Claim, Client, Context, Lookup, ResultError, ResultStore, Routes, SendError, Signature, StoredResult,
};

fn client(memory: &Memory) -> Client {
    let routes = Routes::default().with_rule("app.mail", "email");
    Client::new(Arc::new(memory.clone()), Arc::new(memory.clone()), routes)
}

async fn published(memory: &Memory, queue: &str) -> Message {
    let queues = [queue.to_owned()];
    let claim = Claim { queues: &queues, max: 1, lease: Duration::from_secs(1) };
    let delivery = memory.claim(&claim).await.unwrap().pop().unwrap();
    Message::decode(&delivery.bytes).unwrap()
}

#[tokio::test]
async fn a_message_carries_what_the_signature_says() {
    let memory = Memory::default();
    let signature = Signature::new("app.add")
        .arg(1)
        .kwarg("y", "é")
        .priority(5)
        .countdown(Duration::from_secs(10))
        .expires_in(Duration::from_mins(1))
        .time_limit(Duration::from_secs(30))
        .header("x-tenant", 7)
        .remember(Duration::from_hours(1));
    let pending = client(&memory).send(&signature).await.unwrap();
    let message = published(&memory, "celery").await;
    assert_eq!(message.headers.id, pending.id());
    assert_eq!(message.headers.root_id.as_deref(), Some(pending.id()));
    assert_eq!(message.headers.timelimit, (Some(30.0), None));
    assert_eq!(message.headers.argsrepr.as_deref(), Some("(1,)"));
    assert_eq!(message.headers.kwargsrepr.as_deref(), Some("{'y': 'é'}"));
    assert!(message.headers.eta.as_ref().unwrap().ends_with("+00:00"));
    let headers: Vec<_> = message.headers.other.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(headers, [("x-tenant", "7"), ("apium_remember", "3600")]);
    assert_eq!(message.properties.delivery_info.routing_key, "celery");
    assert_eq!(message.properties.expiration.as_deref(), Some("60000"));
    let payload = Message::decode(&message.encode()).unwrap().payload().unwrap();
    assert_eq!((payload.args.as_str(), payload.kwargs.as_str()), ("[1]", "{\"y\": \"\\u00e9\"}"));
    assert!(matches!(pending.lookup().await.unwrap(), Lookup::Waiting));
}

#[tokio::test]
async fn routes_decide_the_queue_unless_the_sender_does() {
    let memory = Memory::default();
    let client = client(&memory);
    client.send(&Signature::new("app.mail")).await.unwrap();
    client.send(&Signature::new("app.mail").queue("fast")).await.unwrap();
    assert_eq!(published(&memory, "email").await.properties.delivery_info.routing_key, "email");
    assert_eq!(published(&memory, "fast").await.headers.task, "app.mail");
}

#[tokio::test]
async fn an_argument_json_cannot_hold_is_told_by_name() {
    let pairs = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = client(&Memory::default()).send(&Signature::new("app.add").arg(pairs)).await.err().unwrap();
    assert!(matches!(error, SendError::Unencodable { .. }));
    assert!(error.to_string().starts_with("app.add was not sent: "), "{error}");
}

#[tokio::test]
async fn a_result_is_waited_for() {
    let memory = Memory::default();
    let pending = client(&memory).pending("a");
    assert!(matches!(pending.get::<i64>(Duration::from_millis(10)).await, Err(ResultError::TimedOut(_))));
    let record = ResultRecord::new("a", "SUCCESS", RawJson::from(&3).unwrap());
    memory.store(&StoredResult::of(&record, None)).await.unwrap();
    assert_eq!(pending.get::<i64>(Duration::from_secs(5)).await.unwrap(), 3);
    assert!(matches!(pending.get::<String>(Duration::from_secs(5)).await, Err(ResultError::Unexpected(_))));
}

#[tokio::test]
async fn a_failure_names_its_exception() {
    let told = ExceptionRecord::new("app.errors", "QuotaExceeded", "8 a minute");
    let mut record = ResultRecord::new("a", "FAILURE", told.to_json());
    record.traceback = Some("Traceback…".to_owned());
    let error = value_of(&record).unwrap_err();
    assert_eq!(error.to_string(), "the task failed with QuotaExceeded: 8 a minute");
    let ResultError::Failed { exception, traceback } = error else { panic!("not a failure") };
    assert_eq!(exception.exc_module.as_deref(), Some("app.errors"));
    assert_eq!(traceback.as_deref(), Some("Traceback…"));
}

#[tokio::test]
async fn a_revoke_reaches_the_fleet_and_the_caller_but_not_what_has_ended() {
    let memory = Memory::default();
    let client = client(&memory);
    assert!(client.revoke("waiting").await.unwrap());
    assert!(matches!(client.pending("waiting").get::<i64>(Duration::from_secs(1)).await, Err(ResultError::Revoked(_))));
    let done = ResultRecord::new("done", "SUCCESS", RawJson::from(&3).unwrap());
    memory.store(&StoredResult::of(&done, None)).await.unwrap();
    assert!(!client.revoke("done").await.unwrap());
    let told = apium_core::Fleet::revocations(&memory, 0, Duration::from_secs(1)).await.unwrap();
    assert_eq!(told.ids, ["waiting"]);
}

#[tokio::test]
async fn a_task_sent_from_a_task_is_its_child() {
    let memory = Memory::default();
    let context = Context::new(Attempt {
        headers: Headers { root_id: Some("root".to_owned()), ..Headers::new("app.parent", "parent") }.into(),
        properties: Properties::default().into(),
        queue: "celery".into(),
        worker: "w@h".to_owned(),
        redelivered: false,
        client: client(&memory),
        result_expires: None,
        extended: Vec::new(),
        ignore_result: false,
        states: States::default(),
        soft_limit: tokio_util::sync::CancellationToken::new(),
        heeds_soft_limit: AtomicBool::new(false),
        cancelled: tokio_util::sync::CancellationToken::new(),
        workflow: Workflow::default(),
    });
    let child = context.send(Signature::new("app.child")).await.unwrap();
    let message = published(&memory, "celery").await;
    assert_eq!(message.headers.id, child.id());
    assert_eq!(
        (message.headers.root_id.as_deref(), message.headers.parent_id.as_deref()),
        (Some("root"), Some("parent"))
    );
}

#[test]
fn moments_are_written_as_python_writes_them() {
    for (sent, written) in [
        ("2026-11-23T16:22:02Z", "2026-11-23T16:22:02.000000+00:00"),
        ("2026-11-23T16:22:02.123456789Z", "2026-11-23T16:22:02.123456+00:00"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999+00:00"),
        ("0987-01-01T00:00:00Z", "0987-01-01T00:00:00.000000+00:00"),
    ] {
        assert_eq!(iso(parse_iso(sent).unwrap()), written);
    }
}
