//! The tasks, called as a worker calls them: what they give back, what they tell meanwhile, how they fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apium_core::chords::Chords;
use apium_core::error::Remedy;
use apium_core::memory::Memory;
use apium_core::protocol::{Headers, RawJson, ResultRecord};
use apium_core::{BackendError, Context, Lookup, Registry, ResultStore, StoredResult, TaskError};
use async_trait::async_trait;
use serde_json::{Value, json};
use svc_osint::collectors::Collector;
use svc_osint::contract::{CollectorResult, GATHER, HEALTH_CHECK, HOUSEKEEPING, QUEUE, SCAN, WorkerHealth};
use svc_osint::order::file_name;
use svc_osint::{Osint, register};
use tokio_util::sync::CancellationToken;

use crate::bench::{client, context, run, settings};
use crate::knot::free_port;
use crate::responder::{Responder, answer_to, kind_of, record_for};

const ID: &str = "11111111-2222-4333-8444-555555555555";
const A: u16 = 1;
const MX: u16 = 15;

/// A store that counts the states written into it.
struct Counting {
    inner: Memory,
    stored: AtomicUsize,
}

#[async_trait]
impl ResultStore for Counting {
    fn home(&self) -> &'static str {
        "counting"
    }

    fn chords(&self) -> &dyn Chords {
        self.inner.chords()
    }

    async fn store(&self, result: &StoredResult) -> Result<bool, BackendError> {
        self.stored.fetch_add(1, Ordering::SeqCst);
        self.inner.store(result).await
    }

    async fn lookup(&self, task_id: &str) -> Result<Lookup, BackendError> {
        self.inner.lookup(task_id).await
    }

    async fn wait(&self, task_id: &str, at_most: Duration) -> Result<Option<ResultRecord>, BackendError> {
        ResultStore::wait(&self.inner, task_id, at_most).await
    }

    async fn forget(&self, task_id: &str) -> Result<(), BackendError> {
        self.inner.forget(task_id).await
    }

    async fn remember(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        self.inner.remember(task_id, keep).await
    }
}

/// One attempt at a worker, its store at hand.
struct Attempt {
    store: Arc<Counting>,
    soft_limit: CancellationToken,
    context: Context,
}

impl Attempt {
    fn new(osint: Osint) -> Self {
        let inner = Memory::default();
        let store = Arc::new(Counting { inner: inner.clone(), stored: AtomicUsize::new(0) });
        let soft_limit = CancellationToken::new();
        let client = client(Arc::new(inner), store.clone());
        let context = context(&client, osint, Headers::new(SCAN, ID), soft_limit.clone());
        Self { store, soft_limit, context }
    }

    async fn scan(&self, target: &str, kind: &str, options: Value) -> Result<CollectorResult, TaskError> {
        let args = [json!(target), json!(kind), options].map(|value| RawJson::from(&value).unwrap());
        run(SCAN, args.into(), Vec::new(), self.context.clone()).await.map(|json| json.to().unwrap())
    }

    /// The metadata of the state stored last, if it is PROCESSING.
    async fn processing(&self) -> Option<Value> {
        match self.store.lookup(ID).await.unwrap() {
            Lookup::Stored(record) if record.status == "PROCESSING" => Some(record.result.to().unwrap()),
            _ => None,
        }
    }
}

fn asking(server: &Responder) -> Osint {
    let resolver = server.address().to_string();
    Osint::new(settings(&[("OSINT_RESOLVERS", &resolver), ("OSINT_AXFR", "false")]).unwrap())
}

/// Answers A with an address, and everything else with nothing.
fn sparse(question: &[u8]) -> Vec<Vec<u8>> {
    vec![if kind_of(question) == A { record_for(question, A, 60, &[192, 0, 2, 1]) } else { answer_to(question, 0) }]
}

#[test]
fn the_tasks_have_the_names_and_options_of_the_service_they_replace() {
    let mut registry = Registry::default();
    register(&mut registry);
    let ours = [GATHER, HEALTH_CHECK, HOUSEKEEPING, SCAN, "health_check", "perform_osint_scan"];
    assert_eq!(registry.names(), ours);
    for name in [SCAN, "perform_osint_scan"] {
        let options = registry.get(name).unwrap().options();
        assert_eq!(options.queue.as_deref(), Some(QUEUE));
        assert_eq!((options.max_retries, options.retry_backoff), (3, Duration::from_secs(1)));
        assert!(options.acks_late && !options.retry_jitter && !options.autoretry);
        assert_eq!(options.track_started, Some(true));
        assert_eq!(options.time_limit, Some(Duration::from_mins(5)));
        assert_eq!(options.soft_time_limit, Some(Duration::from_mins(4)));
        assert_eq!(options.result_expires, Some(Duration::from_hours(1)));
    }
    assert_eq!(registry.get("health_check").unwrap().options().queue.as_deref(), Some(QUEUE));
}

#[tokio::test]
async fn the_health_check_names_its_worker() {
    let attempt = Attempt::new(Osint::new(settings(&[]).unwrap()));
    let json = run(HEALTH_CHECK, vec![], vec![], attempt.context.clone()).await.unwrap();
    let health: WorkerHealth = json.to().unwrap();
    assert_eq!((health.status.as_str(), health.worker.as_str()), ("healthy", "celery@prueba"));
    assert_eq!(health.collectors, Collector::names());
}

#[tokio::test]
async fn a_scan_gives_the_shape_of_the_original() {
    let server = Responder::udp(sparse);
    let attempt = Attempt::new(asking(&server));
    let result = attempt.scan(" Ejemplo.es ", "dns", Value::Null).await.unwrap();
    assert_eq!((result.id.as_str(), result.collector_name.as_str()), (ID, "dns"));
    assert_eq!((result.target.as_str(), result.success, result.error.as_deref()), ("Ejemplo.es", true, None));
    assert_eq!(result.data["records"]["A"][0]["value"], "192.0.2.1");
    let findings = result.data["findings"].as_array().unwrap();
    assert_eq!(result.metadata.findings_total, findings.len());
    assert!(!findings.is_empty() && !result.metadata.truncated && result.metadata.duration > 0.0);
    assert!(result.metadata.sources.iter().any(|report| report.source == "dns:MX"));
    assert!(result.timestamp.ends_with("+00:00"));
    let json = serde_json::to_value(&result).unwrap();
    let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    let expected = ["id", "collector_name", "target", "success", "data", "error", "timestamp", "metadata"];
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn python_callers_pass_arguments_by_name_and_leave_options_out() {
    let server = Responder::udp(sparse);
    let attempt = Attempt::new(asking(&server));
    let kwargs = [("target", "ejemplo.es"), ("collector_type", "dns")];
    let kwargs = kwargs.map(|(name, value)| (name.to_owned(), RawJson::string(value)));
    assert!(run("perform_osint_scan", vec![], kwargs.into(), attempt.context.clone()).await.is_ok());
}

#[tokio::test]
async fn nothing_there_is_a_success_with_nothing_in_it() {
    let server = Responder::udp(|question| vec![answer_to(question, 3)]);
    let attempt = Attempt::new(asking(&server));
    let result = attempt.scan("no-existe.es", "dns", Value::Null).await.unwrap();
    assert_eq!((result.success, result.metadata.findings_total), (true, 0));
    assert_eq!(result.data["exists"], json!(false));
}

#[tokio::test]
async fn progress_is_stored_while_it_runs_but_not_at_every_step() {
    let server = Responder::udp(sparse);
    let attempt = Attempt::new(asking(&server));
    let began = Instant::now();
    let result = attempt.scan("ejemplo.es", "dns", Value::Null).await.unwrap();
    let meta = attempt.processing().await.expect("the state of a scan at work");
    assert_eq!((&meta["target"], &meta["collector_type"]), (&json!("ejemplo.es"), &json!("dns")));
    assert_eq!(meta["worker"], "celery@prueba");
    assert!(meta["progress"]["done"].is_u64() && meta["progress"]["total"].is_u64());
    let stored = attempt.store.stored.load(Ordering::SeqCst);
    let allowed = 1 + usize::try_from(began.elapsed().as_millis() / 500).unwrap();
    assert!((1..=allowed).contains(&stored), "{stored} states for {} sources", result.metadata.sources.len());
}

#[tokio::test]
async fn what_was_gathered_until_the_soft_limit_is_kept() {
    let server = Responder::udp(|question| if kind_of(question) == MX { vec![] } else { sparse(question) });
    let attempt = Attempt::new(asking(&server));
    let cut = async {
        let deadline = Instant::now() + Duration::from_secs(20);
        while attempt.processing().await.is_none_or(|meta| meta["progress"]["done"] == 0) {
            assert!(Instant::now() < deadline, "no progress was ever stored");
            tokio::task::yield_now().await;
        }
        attempt.soft_limit.cancel();
    };
    let (result, ()) = tokio::join!(attempt.scan("ejemplo.es", "dns", Value::Null), cut);
    let result = result.unwrap();
    assert_eq!((result.success, result.error.as_deref()), (true, Some("soft time limit")));
    assert!(result.metadata.truncated);
    assert_eq!(result.data["records"]["A"][0]["value"], "192.0.2.1");
    assert!(!result.metadata.sources.iter().any(|report| report.source == "dns:MX"), "it was still being asked");
}

#[tokio::test]
async fn silence_until_the_soft_limit_is_worth_another_attempt() {
    let mute = Responder::udp(|_| vec![]);
    let attempt = Attempt::new(asking(&mute));
    attempt.soft_limit.cancel();
    let error = attempt.scan("ejemplo.es", "dns", Value::Null).await.unwrap_err();
    assert_eq!((error.record().exc_type.as_str(), error.remedy()), ("CollectorUnavailable", Remedy::Retry(None)));
}

#[tokio::test]
async fn a_resolver_that_is_away_is_tried_again_and_says_so() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let settings = settings(&[("OSINT_RESOLVERS", &nobody), ("OSINT_AXFR", "false")]).unwrap();
    let error = Attempt::new(Osint::new(settings)).scan("ejemplo.es", "dns", Value::Null).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Retry(None));
    let record = error.record();
    assert_eq!(record.exc_type, "CollectorUnavailable");
    assert_eq!(record.exc_module.as_deref(), Some("app.collectors.errors"));
    let arguments = record.exc_message.elements().unwrap();
    let sentence: String = arguments[0].to().unwrap();
    assert!(sentence.starts_with("Ninguna fuente ha respondido; puede ser pasajero. dns:"), "{sentence}");
    let sources: Value = arguments[1].to().unwrap();
    assert_eq!(sources[0]["status"], "failed");
    assert!(sources.as_array().unwrap().len() <= 20);
}

#[tokio::test]
async fn wrong_arguments_fail_for_good() {
    let attempt = Attempt::new(Osint::new(settings(&[]).unwrap()));
    let file = |content: &str| json!({ "file": { "content_base64": content } });
    let large = "A".repeat((10 << 20) / 3 * 4 + 8);
    let cases = [
        ("ejemplo.es", "nmap", Value::Null, "no existe"),
        ("intranet.local", "dns", Value::Null, "Se admite un dominio"),
        ("ana@ejemplo.es", "dns", Value::Null, "Se admite"),
        ("a.pdf", "dns", file("aGk="), "no admite ficheros"),
        ("a.pdf", "metadata", file(""), "vacío"),
        ("a.pdf", "metadata", file("%%%"), "base64"),
        ("a.pdf", "metadata", file(&large), "10 MiB"),
    ];
    for (target, kind, options, part) in cases {
        let error = attempt.scan(target, kind, options).await.unwrap_err();
        assert_eq!((error.record().exc_type.as_str(), error.remedy()), ("ValueError", Remedy::Fail), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let error = attempt.scan("ejemplo.es", "dns", json!({ "axrf": true })).await.unwrap_err();
    assert_eq!((error.record().exc_type.as_str(), error.remedy()), ("TypeError", Remedy::Refuse));
    assert_eq!(attempt.store.stored.load(Ordering::SeqCst), 0, "no attempt was begun");
}

#[tokio::test]
async fn a_forbidden_address_is_a_failure_that_is_not_tried_again() {
    let attempt = Attempt::new(Osint::new(settings(&[]).unwrap()));
    let error = attempt.scan("http://169.254.169.254/latest/", "metadata", Value::Null).await.unwrap_err();
    assert_eq!((error.record().exc_type.as_str(), error.remedy()), ("CollectorError", Remedy::Fail));
    assert!(error.to_string().contains("No se consulta «169.254.169.254»"), "{error}");
}

#[test]
fn file_names_are_shown_and_never_paths() {
    let cases = [
        ("informe.pdf", "informe.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ana\\foto.jpg", "foto.jpg"),
        (" ñandú 2026.docx ", "ñandú 2026.docx"),
        ("a\u{202e}fdp.exe\0", "afdp.exe"),
        ("..", "fichero"),
        ("carpeta/", "fichero"),
        ("", "fichero"),
    ];
    for (text, expected) in cases {
        assert_eq!(file_name(text), expected, "{text:?}");
    }
    assert_eq!(file_name(&"ñ".repeat(500)).chars().count(), 128);
}

#[test]
fn settings_are_read_and_their_faults_name_them() {
    let read = settings(&[
        ("OSINT_RESOLVERS", "192.0.2.53, [2001:db8::53]:5353"),
        ("OSINT_DNS_TIMEOUT", "0.5"),
        ("OSINT_DNS_MAX_QUERIES", "40"),
        ("OSINT_AXFR", "false"),
        ("OSINT_METADATA_FILES", "2"),
        ("OSINT_SANDBOX_PROGRAM", "/opt/apium/apium"),
        ("OSINT_REFUSE_ADDRESSES", "198.51.100.7,2001:db8::7"),
        ("OSINT_ALLOW_SOCKETS", "127.0.0.1:8080"),
        ("OSINT_USER_AGENT", "empresa-osint/1"),
        ("OSINT_EXTRA_AUTHORITIES", " "),
    ])
    .unwrap();
    assert_eq!((read.dns.resolvers.len(), read.dns.max_queries, read.dns.axfr), (2, 40, false));
    assert_eq!(read.dns.timeout, Duration::from_millis(500));
    assert_eq!(read.connector.resolvers, read.dns.resolvers);
    assert_eq!((read.connector.refuse.len(), read.connector.allow_loopback.len()), (2, 1));
    assert_eq!((read.metadata.files, read.connector.user_agent.as_str()), (2, "empresa-osint/1"));
    assert_eq!(read.metadata.sandbox.program.as_deref(), Some("/opt/apium/apium".as_ref()));
    assert_eq!(read.connector.extra_authorities, None);
    assert!(!(read.dns.may_contact)([127, 0, 0, 1].into()));
    assert!((read.dns.may_contact)([9, 9, 9, 9].into()));

    for (name, text) in [
        ("OSINT_RESOLVERS", "dns.example"),
        ("OSINT_DNS_TIMEOUT", "0"),
        ("OSINT_DNS_TIMEOUT", "NaN"),
        ("OSINT_DNS_MAX_QUERIES", "-1"),
        ("OSINT_AXFR", "maybe"),
        ("OSINT_METADATA_FILES", "five"),
        ("OSINT_REFUSE_ADDRESSES", "10.0.0.0/8"),
        ("OSINT_ALLOW_SOCKETS", "127.0.0.1"),
    ] {
        let sentence = settings(&[(name, text)]).err().expect("refused");
        assert!(sentence.contains(name) && sentence.contains(text), "{sentence}");
    }
}

#[tokio::test]
async fn what_the_operator_excludes_is_not_asked_about_by_dns_either() {
    let resolver = Responder::udp(|question| vec![answer_to(question, 0)]);
    let resolvers = resolver.address().to_string();
    let read = settings(&[("OSINT_RESOLVERS", &resolvers), ("OSINT_REFUSE_ADDRESSES", "9.9.9.9,2620:fe::fe")]).unwrap();
    for (target, status) in [("9.9.9.9", "blocked"), ("2620:fe::fe", "blocked"), ("9.9.9.10", "empty")] {
        let gathered = crate::dns::scan(&read.dns, target).await;
        assert_eq!(gathered.data["ptr"][0]["status"], status, "{target}");
    }
    assert_eq!(resolver.asked(), 1, "only about the address that is not excluded");
}
