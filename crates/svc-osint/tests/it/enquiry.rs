//! The asking itself: keys, windows, spent quotas, answers from before, retries, redirects, and what is said of each.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use jiff::Timestamp;
use proptest::prelude::*;
use serde::Deserialize;
use svc_osint::OsintSettings;
use svc_osint::connector::{Connector, Fetched};
use svc_osint::enquiry::{
    Alone, Answers, Enquiry, KeyPlace, Leave, Object, Question, Quotas, Refusal, Tools, object, retry_after,
    to_next_month,
};
use svc_osint::model::{Gathered, Gathering, SourceReport, SourceStatus};
use svc_osint::providers::{CRTSH, Provider, SHODAN, VIRUSTOTAL};

use crate::provider_fakes::{Fake, KEY, OTHER, asking, keyless, reply};

const MONTH: Duration = Duration::from_hours(32 * 24);

/// Windows by a script: what each request in turn is told, and leave after that.
#[derive(Default)]
struct Scripted {
    script: Mutex<Vec<Leave>>,
    taken: AtomicU32,
    spent: Mutex<Vec<(&'static str, Timestamp)>>,
}

/// Answers kept in memory, by the label of the question.
#[derive(Default)]
struct Memory(Mutex<HashMap<String, Fetched>>);

#[derive(Deserialize)]
struct Greeting {
    hola: String,
}

#[async_trait]
impl Quotas for Scripted {
    async fn take(&self, _: &'static Provider, _: &[String]) -> Leave {
        self.taken.fetch_add(1, Ordering::SeqCst);
        self.script.lock().unwrap().pop().unwrap_or(Leave::Now)
    }

    async fn spent(&self, provider: &'static Provider, until: Timestamp) {
        self.spent.lock().unwrap().push((provider.name, until));
    }
}

#[async_trait]
impl Answers for Memory {
    async fn recall(&self, question: &str) -> Option<Fetched> {
        self.0.lock().unwrap().get(question).cloned()
    }

    async fn keep(&self, question: &str, answer: &Fetched) {
        self.0.lock().unwrap().insert(question.to_owned(), answer.clone());
    }
}

/// Who asks, of whom, and what they have.
struct Desk {
    settings: OsintSettings,
    connector: Connector,
    quotas: Scripted,
    answers: Memory,
}

impl Desk {
    fn new(settings: OsintSettings) -> Self {
        let connector = Connector::new(settings.connector.clone());
        Self { settings, connector, quotas: Scripted::default(), answers: Memory::default() }
    }

    fn tools(&self) -> Tools<'_> {
        Tools {
            connector: &self.connector,
            providers: &self.settings.providers,
            quotas: &self.quotas,
            answers: &self.answers,
            patience: &self.settings.patience,
        }
    }

    /// Asks each question in turn within one scan; what was answered, and all that was gathered.
    async fn ask(&self, questions: &[Question]) -> (Vec<Option<String>>, Gathered) {
        let out = Gathering::default();
        let enquiry = Enquiry::new(self.tools(), &out);
        let mut told = Vec::new();
        for question in questions {
            told.push(enquiry.ask(question, read).await);
        }
        (told, out.so_far())
    }

    async fn ask_one(&self, question: &Question) -> (Option<String>, SourceReport) {
        let (mut told, mut gathered) = self.ask(std::slice::from_ref(question)).await;
        (told.pop().unwrap(), gathered.sources.pop().unwrap())
    }
}

fn read(answer: &Fetched) -> Result<Option<String>, Refusal> {
    match answer.status {
        200 => object::<Greeting>(answer).map(|greeting| Some(greeting.hola)),
        404 => Ok(None),
        _ => Err(Refusal::by_status(&SHODAN, answer)),
    }
}

/// With the key in the address.
fn by_parameter(source: &str) -> Question {
    Question::new(source, &SHODAN, &["a b", "c/d"]).with("x", "1&2").key(KeyPlace::Parameter("key"))
}

/// With the key in a header.
fn by_header(source: &str) -> Question {
    Question::new(source, &VIRUSTOTAL, &["a"]).key(KeyPlace::Header("x-apikey"))
}

fn without_key(source: &str) -> Question {
    Question::new(source, &CRTSH, &["a"])
}

fn verdict(report: &SourceReport) -> (SourceStatus, &str, u32) {
    (report.status, report.reason.as_deref().unwrap_or_default(), report.requests)
}

const GOOD: &str = r#"{"hola":"mundo"}"#;

#[tokio::test]
async fn a_question_is_encoded_and_its_key_put_where_it_belongs() {
    let fake = Fake::with(&[("/", 200, GOOD)]).await;
    let desk = Desk::new(asking(&fake));
    let questions = [by_parameter("uno"), by_header("dos"), without_key("tres")];
    let (told, gathered) = desk.ask(&questions).await;
    assert_eq!(told, vec![Some("mundo".to_owned()); 3]);
    assert_eq!(fake.paths(), [format!("/a%20b/c%2Fd?x=1%262&key={KEY}"), "/a".to_owned(), "/a".to_owned()]);
    let keyed: Vec<_> = fake.asked().iter().map(|asked| asked.headers.contains_key("x-apikey")).collect();
    assert_eq!(keyed, [false, true, false]);
    for report in &gathered.sources {
        assert_eq!((verdict(report), report.http_status), ((SourceStatus::Ok, "", 1), Some(200)));
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    let fake = Fake::with(&[("/", 200, GOOD)]).await;
    let desk = Desk::new(keyless(&fake));
    let (told, report) = desk.ask_one(&by_header("uno")).await;
    assert_eq!((told, verdict(&report)), (None, (SourceStatus::MissingKey, "missing-key", 0)));
    assert_eq!(report.detail.unwrap(), "Falta la clave de VirusTotal: el administrador la pone en VIRUSTOTAL_API_KEY.");
    assert!(fake.paths().is_empty());
    assert_eq!(desk.quotas.taken.load(Ordering::SeqCst), 0, "no window is touched either");
}

#[tokio::test]
async fn a_full_window_is_waited_for_if_that_is_not_long() {
    let fake = Fake::with(&[("/", 200, GOOD)]).await;
    let desk = Desk::new(asking(&fake));
    *desk.quotas.script.lock().unwrap() = vec![Leave::After(Duration::from_millis(20)), Leave::After(Duration::ZERO)];
    let (told, report) = desk.ask_one(&by_header("uno")).await;
    assert_eq!((told.is_some(), verdict(&report)), (true, (SourceStatus::Ok, "", 1)));
    assert!(report.ms >= 30, "{report:?}");
    assert_eq!(desk.quotas.taken.load(Ordering::SeqCst), 3);

    *desk.quotas.script.lock().unwrap() = vec![Leave::After(Duration::from_secs(40))];
    let (told, report) = desk.ask_one(&by_parameter("dos")).await;
    assert_eq!((told, verdict(&report)), (None, (SourceStatus::RateLimited, "window-full", 0)));
    assert_eq!((report.retry_after, report.passing), (Some(40), true));
    assert_eq!(report.detail.unwrap(), "La cuota de Shodan está ocupada durante 40 s.");
    assert_eq!(fake.paths().len(), 1);
}

#[tokio::test]
async fn a_spent_quota_says_until_when_and_closes_the_provider() {
    let fake = Fake::with(&[("/", 200, GOOD)]).await;
    let desk = Desk::new(asking(&fake));
    let until: Timestamp = "2099-01-02T03:04:05Z".parse().unwrap();
    *desk.quotas.script.lock().unwrap() = vec![Leave::SpentUntil(until)];
    let (_, gathered) = desk.ask(&[by_header("uno"), by_header("dos"), without_key("tres")]).await;
    for report in &gathered.sources[..2] {
        assert_eq!(verdict(report), (SourceStatus::RateLimited, "quota-spent", 0));
        assert!(report.detail.as_ref().unwrap().contains("2099-01-02 03:04:05 UTC"), "{report:?}");
        assert!(report.retry_after.unwrap() > 1_000_000_000);
    }
    assert_eq!(verdict(&gathered.sources[2]), (SourceStatus::Ok, "", 1), "it is another provider");
    assert_eq!(desk.quotas.taken.load(Ordering::SeqCst), 2, "the closed one is not asked for leave again");
}

#[tokio::test]
async fn who_says_too_many_is_left_alone_by_all() {
    let slow = |wait: &'static str| {
        Fake::answering(move |_| {
            let mut answer = reply(429, "");
            answer.headers_mut().insert(header::RETRY_AFTER, wait.parse().unwrap());
            answer
        })
    };
    let day = 24 * 3_600;
    for (wait, told, left_alone, requests) in [("30", 30, 30, 1), ("2000000", 2_000_000, day, 1), ("0", 60, 60, 3)] {
        let fake = slow(wait).await;
        let desk = Desk::new(asking(&fake));
        let before = Timestamp::now();
        let (_, gathered) = desk.ask(&[by_header("uno"), by_header("dos")]).await;
        assert_eq!(verdict(&gathered.sources[0]), (SourceStatus::RateLimited, "http-429", requests), "{wait}");
        assert_eq!(gathered.sources[0].retry_after, Some(told));
        assert_eq!(verdict(&gathered.sources[1]), (SourceStatus::RateLimited, "quota-spent", 0));
        let (name, until) = desk.quotas.spent.lock().unwrap()[0];
        let seconds = until.duration_since(before).as_secs();
        assert_eq!(name, "virustotal");
        assert!((left_alone..=left_alone + 5).contains(&seconds), "{wait}: {seconds}");
    }
}

#[tokio::test]
async fn a_rejected_key_closes_its_provider_and_no_other() {
    let fake = Fake::answering(|asked| reply(if asked.path.starts_with("/a%20b") { 401 } else { 200 }, GOOD)).await;
    let desk = Desk::new(asking(&fake));
    let (_, gathered) = desk.ask(&[by_parameter("uno"), by_parameter("dos"), by_header("tres")]).await;
    let verdicts: Vec<_> = gathered.sources.iter().map(verdict).collect();
    let expected = [
        (SourceStatus::Failed, "key-rejected", 1),
        (SourceStatus::Skipped, "key-rejected", 0),
        (SourceStatus::Ok, "", 1),
    ];
    assert_eq!(verdicts, expected);
    let (_, again) = desk.ask_one(&by_parameter("uno")).await;
    assert_eq!(verdict(&again).2, 1, "another scan asks: the key may have been mended");
}

#[tokio::test]
async fn an_answer_from_before_is_not_asked_for_again() {
    let fake = Fake::with(&[("/", 200, GOOD)]).await;
    let desk = Desk::new(asking(&fake));
    for question in [by_parameter("uno"), by_header("dos")] {
        let (first, report) = desk.ask_one(&question).await;
        assert_eq!(verdict(&report), (SourceStatus::Ok, "", 1));
        let (second, report) = desk.ask_one(&question).await;
        assert_eq!((first, verdict(&report)), (second, (SourceStatus::Ok, "", 0)));
        assert_eq!(report.http_status, Some(200));
    }
    assert_eq!(fake.paths().len(), 2);
    let kept = desk.answers.0.lock().unwrap();
    assert_eq!(kept.len(), 2);
    for (label, answer) in kept.iter() {
        let kept = serde_json::to_string(answer).unwrap();
        assert!(!label.contains(KEY) && !kept.contains(KEY), "{label}: {kept}");
    }
    assert!(kept.values().any(|answer| answer.url.ends_with("/a%20b/c%2Fd?x=1%262")), "only the key was taken off");
}

#[tokio::test]
async fn what_was_refused_unkept_or_large_is_not_kept() {
    let large = format!(r#"{{"hola":"{}"}}"#, "x".repeat(1 << 20));
    let desk = async |status, body: &str| Desk::new(asking(&Fake::with(&[("/", status, body)]).await));
    for (desk, question) in [
        (desk(400, "{}").await, by_header("uno")),
        (desk(200, &large).await, by_header("uno")),
        (desk(200, GOOD).await, by_header("uno").unkept()),
    ] {
        desk.ask_one(&question).await;
        assert!(desk.answers.0.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_may_pass_is_asked_again_and_the_rest_is_not() {
    let cases = [
        (500, "", 3, true, "http-500"),
        (408, "", 3, true, "http-408"),
        (400, "", 1, false, "http-400"),
        (200, "", 3, true, "empty-answer"),
        (200, " <html>", 3, true, "html-instead-of-json"),
        (200, r#"{"hola":"#, 3, true, "truncated-json"),
        (200, "[]", 1, false, "invalid-response"),
        (200, r#"{"hola":1}"#, 1, false, "invalid-response"),
        (200, r#"{"hola":"a"} x"#, 1, false, "invalid-response"),
    ];
    for (status, body, requests, passing, reason) in cases {
        let fake = Fake::with(&[("/", status, body)]).await;
        let (told, report) = Desk::new(asking(&fake)).ask_one(&by_header("uno")).await;
        assert_eq!((told, verdict(&report)), (None, (SourceStatus::Failed, reason, requests)), "{status} {body}");
        assert_eq!((report.passing, report.http_status), (passing, Some(status)));
        assert_eq!(fake.paths().len(), usize::try_from(requests).unwrap());
    }
}

#[tokio::test]
async fn a_redirect_takes_no_secret_along() {
    let other = Fake::with(&[("/", 200, GOOD)]).await;
    let away = format!("http://{OTHER}:{}/", other.address.port());
    let fake = Fake::answering(move |asked| match asked.path.as_str() {
        "/dentro" => reply(200, GOOD),
        "/a" if asked.headers.contains_key("quedate") => {
            (StatusCode::FOUND, [(header::LOCATION, "/dentro")]).into_response()
        }
        _ => (StatusCode::FOUND, [(header::LOCATION, away.clone())]).into_response(),
    })
    .await;
    let mut settings = asking(&fake);
    settings.connector.allow_loopback.push(other.address);
    let desk = Desk::new(settings);
    let (_, gathered) = desk.ask(&[by_parameter("uno"), by_header("dos"), without_key("tres")]).await;
    let verdicts: Vec<_> = gathered.sources.iter().map(verdict).collect();
    let expected =
        [(SourceStatus::Failed, "redirected", 1), (SourceStatus::Failed, "redirected", 2), (SourceStatus::Ok, "", 2)];
    assert_eq!(verdicts, expected);
    assert_eq!(other.asked().len(), 2);
    assert!(!format!("{:?}", other.asked()).contains(KEY));

    let (told, report) = desk.ask_one(&by_header("dos").header("quedate", "1")).await;
    assert_eq!((told.is_some(), verdict(&report)), (true, (SourceStatus::Ok, "", 2)), "within the provider it goes on");
    assert_eq!(fake.asked().last().unwrap().headers["x-apikey"], KEY);
}

#[tokio::test]
async fn no_key_is_shown_anywhere() {
    let fake = Fake::with(&[("/", 500, "")]).await;
    let settings = asking(&fake);
    let shown = format!("{:?} {:?}", settings.providers, by_parameter("uno"));
    let (_, gathered) = Desk::new(settings).ask(&[by_parameter("uno"), by_header("dos")]).await;
    assert!(!shown.contains(KEY), "{shown}");
    assert!(!format!("{gathered:?}").contains(KEY));
}

#[tokio::test]
async fn who_asks_alone_knows_nothing_from_before_and_waits_for_nobody() {
    let fake = Fake::with(&[("/", 200, GOOD)]).await;
    let desk = Desk::new(asking(&fake));
    let out = Gathering::default();
    let tools = Tools { quotas: &Alone, answers: &Alone, ..desk.tools() };
    for _ in 0..2 {
        let told = Enquiry::new(tools, &out).ask(&without_key("uno"), read).await;
        assert_eq!(told.as_deref(), Some("mundo"));
    }
    assert_eq!(fake.paths().len(), 2);
}

#[test]
fn an_object_is_not_read_from_a_list() {
    #[derive(Deserialize)]
    struct Loose {
        #[serde(default)]
        any: Option<String>,
    }
    assert!(serde_json::from_str::<Loose>("[]").is_ok_and(|loose| loose.any.is_none()), "what it is there for");
    assert!(serde_json::from_str::<Object<Loose>>("[]").is_err());
    assert!(serde_json::from_str::<Object<Loose>>("null").is_err());
    assert!(serde_json::from_str::<Object<Loose>>("{}").is_ok());
    assert!(serde_json::from_str::<Vec<Object<Loose>>>("[{}, []]").is_err());
}

#[test]
fn the_next_month_is_not_far() {
    let cases = [
        ("2026-11-23T20:00:00Z", (7 * 24 + 4) * 3_600),
        ("2026-12-31T23:59:59Z", 1),
        ("2028-02-01T00:00:00Z", 29 * 86_400),
    ];
    for (now, seconds) in cases {
        assert_eq!(to_next_month(now.parse().unwrap()).as_secs(), seconds, "{now}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_and_else_nothing() {
    let now: Timestamp = "2026-11-23T20:00:00Z".parse().unwrap();
    let cases = [
        ("120", Some(120)),
        (" 7 ", Some(7)),
        ("1.5", Some(1)),
        ("0", Some(0)),
        ("Mon, 23 Nov 2026 20:01:30 GMT", Some(90)),
        ("Mon, 23 Nov 2026 19:00:00 GMT", Some(0)),
        ("Sun, 23 Nov 2026 20:00:10 GMT", Some(10)),
        ("99999999999", Some(MONTH.as_secs())),
        ("Mon, 23 Nov 2099 20:00:00 GMT", Some(MONTH.as_secs())),
        ("-5", None),
        ("inf", None),
        ("NaN", None),
        ("1e999", None),
        ("", None),
        ("mañana", None),
        ("2026-11-23", None),
    ];
    for (text, seconds) in cases {
        assert_eq!(retry_after(text, now).map(|wait| wait.as_secs()), seconds, "{text}");
    }
}

proptest! {
    #[test]
    fn whatever_a_server_writes_no_wait_is_longer_than_a_month(text in "\\PC{0,40}|[-+0-9.eE]{0,24}", now in 0_i64..4_000_000_000) {
        let now = Timestamp::from_second(now).unwrap();
        if let Some(wait) = retry_after(&text, now) {
            prop_assert!(wait <= MONTH, "{text}: {wait:?}");
        }
    }

    #[test]
    fn seconds_and_dates_say_the_same(seconds in 0_i64..2_000_000, now in 0_i64..4_000_000_000) {
        let now = Timestamp::from_second(now).unwrap();
        let later = Timestamp::from_second(now.as_second() + seconds).unwrap();
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&later).unwrap();
        let expected = Some(Duration::from_secs(seconds.unsigned_abs()));
        prop_assert_eq!(retry_after(&seconds.to_string(), now), expected);
        prop_assert_eq!(retry_after(&date, now), expected);
    }
}
