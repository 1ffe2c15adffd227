//! The API over the in-memory ports, and a pair of hands that do what a worker would.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use apium_core::client::{REMEMBER_HEADER, iso};
use apium_core::context::{Attempt, States, Workflow};
use apium_core::memory::Memory;
use apium_core::protocol::{Headers, Message, Properties, RawJson, ResultRecord};
use apium_core::{
    Broker, Call, Claim, Client, Clock, Context, Delivery, Registry, ResultStore, Routes, Settlement, StoredResult,
    TaskError, TaskResult, TestClock,
};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use serde_json::Value;
use svc_osint::contract::QUEUE;
use svc_osint::store::Store;
use svc_osint::{Osint, OsintApi, OsintSettings, register, router};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A history that is gone with its test.
pub(crate) const MEMORY: &str = "sqlite::memory:";

/// An API, its broker and store, and the clock they read.
pub(crate) struct Bench {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) memory: Memory,
    pub(crate) client: Client,
    pub(crate) router: Router,
}

/// What a client of the API got.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// A message in the hands of a worker.
pub(crate) struct Claimed {
    pub(crate) message: Message,
    delivery: Delivery,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|api| api)
    }

    /// A bench whose API is set up by `set_up`.
    pub(crate) fn with(set_up: impl FnOnce(OsintApi) -> OsintApi) -> Self {
        Self::made(|client| set_up(OsintApi::new(client, Store::at(MEMORY))))
    }

    /// A bench whose API is made by `make`.
    pub(crate) fn made(make: impl FnOnce(Client) -> OsintApi) -> Self {
        let clock = Arc::new(TestClock::default());
        let memory = Memory::with_clock(clock.clone());
        let client = client(Arc::new(memory.clone()), Arc::new(memory.clone()));
        let router = apium_web::manners(router(make(client.clone())));
        Self { clock, memory, client, router }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Answer { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(crate) async fn call(&self, method: &str, path: &str) -> Answer {
        self.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(posted(path, body)).await
    }

    /// Queues a scan and gives its id.
    pub(crate) async fn queued(&self) -> String {
        let answer = self.post("/api/v1/scan", &serde_json::json!({ "target": "ejemplo.es", "type": "dns" })).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["task_id"].as_str().unwrap().to_owned()
    }

    /// How many messages wait.
    pub(crate) async fn waiting(&self) -> u64 {
        self.memory.depths(&[QUEUE.to_owned()]).await.unwrap()[0].ready
    }

    /// Takes the next message.
    pub(crate) async fn claim(&self) -> Claimed {
        let queues = [QUEUE.to_owned()];
        let claim = Claim { queues: &queues, max: 1, lease: Duration::from_mins(1) };
        let delivery = self.memory.claim(&claim).await.unwrap().pop().expect("a message waits");
        Claimed { message: Message::decode(&delivery.bytes).unwrap(), delivery }
    }

    /// Stores a state of a scan as an attempt does, for one hour.
    pub(crate) async fn store(&self, id: &str, state: &str, result: RawJson, date_done: bool) {
        let mut record = ResultRecord::new(id, state, result);
        record.date_done = date_done.then(|| iso(self.clock.now()));
        let keep = Some(Duration::from_hours(7 * 24));
        let stored = StoredResult { remember: keep, ..StoredResult::of(&record, Some(Duration::from_hours(1))) };
        assert!(self.memory.store(&stored).await.unwrap());
    }

    /// Runs the next message with the registered task and settles it as the verdict table says.
    pub(crate) async fn work(&self, osint: Osint) -> TaskResult {
        let Claimed { message, delivery } = self.claim().await;
        let remembered = message.headers.other.iter().any(|(name, _)| name == REMEMBER_HEADER);
        assert!(remembered, "the worker is told to remember the id");
        let payload = message.payload().unwrap();
        let (args, kwargs) = (payload.args.elements().unwrap(), payload.kwargs.members().unwrap());
        let id = message.headers.id.clone();
        let context = context(&self.client, osint, message.headers.clone(), CancellationToken::new());
        let result = run(&message.headers.task, args, kwargs, context).await;
        match &result {
            Ok(value) => self.store(&id, "SUCCESS", value.clone(), true).await,
            Err(error) => self.store(&id, "FAILURE", error.to_result(), true).await,
        }
        self.memory.settle(vec![Settlement::ack(delivery.receipt)]).await.unwrap();
        result
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Checks that it is an error of this status and code, told twice; gives its sentence.
    pub(crate) fn error(&self, status: u16, code: &str) -> String {
        let json = self.json();
        assert_eq!((self.status, json["error"]["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(json["error"]["message"], json["detail"]);
        json["detail"].as_str().unwrap().to_owned()
    }
}

/// A request with a JSON body.
pub(crate) fn posted(path: &str, body: &Value) -> Request<Body> {
    Request::post(path).header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())).unwrap()
}

pub(crate) fn client(broker: Arc<dyn Broker>, results: Arc<dyn ResultStore>) -> Client {
    Client::new(broker, results, Routes::default())
}

/// Settings as from an environment with these variables.
pub(crate) fn settings(variables: &[(&str, &str)]) -> Result<OsintSettings, String> {
    // Never the machine's own resolvers: no test leaves this machine.
    let resolvers = ("OSINT_RESOLVERS", "127.0.0.1:9");
    let history = ("OSINT_DATABASE", MEMORY);
    let all = || variables.iter().chain([&resolvers, &history]);
    OsintSettings::from_lookup(|name| all().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()))
}

/// The context of one attempt.
pub(crate) fn context(client: &Client, osint: Osint, headers: Headers, soft_limit: CancellationToken) -> Context {
    Context::new(Attempt {
        headers: headers.into(),
        properties: Properties::default().into(),
        queue: QUEUE.into(),
        worker: "celery@prueba".to_owned(),
        redelivered: false,
        client: client.clone(),
        result_expires: Some(Duration::from_hours(1)),
        extended: Vec::new(),
        ignore_result: false,
        states: States::default().with(osint),
        soft_limit,
        heeds_soft_limit: AtomicBool::new(false),
        cancelled: CancellationToken::new(),
        workflow: Workflow::default(),
    })
}

/// Calls a registered task.
pub(crate) async fn run(
    task: &str,
    args: Vec<RawJson>,
    kwargs: Vec<(String, RawJson)>,
    context: Context,
) -> Result<RawJson, TaskError> {
    let mut registry = Registry::default();
    register(&mut registry);
    let task = registry.get(task).expect("a registered task").clone();
    task.call(Call { args, kwargs, context }).await
}
