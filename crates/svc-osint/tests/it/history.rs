//! What is remembered of scans, on SQLite and on a real Postgres: one list of promises for both.

use std::sync::Arc;
use std::time::Duration;

use apium_core::memory::Memory;
use apium_core::protocol::Headers;
use apium_sql::testing::Postgres;
use jiff::Timestamp;
use serde_json::json;
use svc_osint::Osint;
use svc_osint::connector::Fetched;
use svc_osint::contract::{SCAN, ScanOptions};
use svc_osint::enquiry::Answers as _;
use svc_osint::order::Order;
use svc_osint::store::{Deed, Filter, Finished, NewScan, Question, Store};
use tokio_util::sync::CancellationToken;

use crate::bench::{client, context};
use crate::provider_fakes::{Fake, asking};

const HOUR: Duration = Duration::from_hours(1);

fn scan(id: &str, collector: &str, created: Timestamp) -> NewScan {
    NewScan {
        id: id.to_owned(),
        parent_id: None,
        owner: "ana".to_owned(),
        target: "Ejemplo.es".to_owned(),
        target_key: "ejemplo.es".to_owned(),
        target_kind: "domain",
        collector: collector.to_owned(),
        options: "{}".to_owned(),
        created,
    }
}

fn success(result: &serde_json::Value, at: Timestamp) -> Finished<'_> {
    Finished { state: "SUCCESS", error: None, result: Some(result), cached_from: None, at }
}

/// Microseconds are kept, and no more.
fn now() -> Timestamp {
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap()
}

async fn a_scan_is_announced_begun_and_ended_once(store: &Store) {
    let at = now();
    store.expect(&[scan("a", "dns", at)]).await.unwrap();
    store.expect(&[scan("a", "otro", at)]).await.unwrap();
    let found = store.scan("a").await.unwrap().unwrap();
    assert_eq!((found.collector.as_str(), found.state.as_str(), found.owner.as_str()), ("dns", "PENDING", "ana"));
    assert_eq!((found.created, found.started, found.finished), (at, None, None));
    store.began(&scan("a", "dns", at), at + HOUR).await.unwrap();
    assert_eq!(store.scan("a").await.unwrap().unwrap().started, Some(at + HOUR));
    let result = json!({ "data": { "ñ": "€".repeat(5_000) } });
    store.ended("a", &success(&result, at + HOUR)).await.unwrap();
    let late = Finished { state: "FAILURE", error: Some("tarde"), result: None, cached_from: None, at };
    store.ended("a", &late).await.unwrap();
    let found = store.scan("a").await.unwrap().unwrap();
    assert_eq!((found.state.as_str(), found.error, found.finished), ("SUCCESS", None, Some(at + HOUR)));
    assert_eq!(store.result("a").await.unwrap(), Some(result));
    assert!(store.scan("b").await.unwrap().is_none() && store.result("b").await.unwrap().is_none());
}

async fn a_failed_scan_may_run_again_and_a_successful_one_may_not(store: &Store) {
    let at = now();
    for (id, state) in [("f", "FAILURE"), ("r", "REVOKED"), ("s", "SUCCESS")] {
        store.began(&scan(id, "dns", at), at).await.unwrap();
        let how = Finished { state, error: Some("x"), result: None, cached_from: None, at };
        store.ended(id, &how).await.unwrap();
        store.began(&scan(id, "dns", at), at).await.unwrap();
        let found = store.scan(id).await.unwrap().unwrap();
        assert_eq!(found.finished.is_some(), state == "SUCCESS", "{state}");
    }
}

async fn what_was_not_sent_is_taken_back(store: &Store) {
    let at = now();
    store.expect(&[scan("n", "dns", at), scan("m", "dns", at)]).await.unwrap();
    store.began(&scan("m", "dns", at), at).await.unwrap();
    store.unexpect("n").await.unwrap();
    store.unexpect("m").await.unwrap();
    assert!(store.scan("n").await.unwrap().is_none());
    assert!(store.scan("m").await.unwrap().is_some(), "it runs: somebody has sent it");
}

async fn parts_stand_under_their_scan(store: &Store) {
    let at = now();
    let part = |id: &str, collector| NewScan { parent_id: Some("w".to_owned()), ..scan(id, collector, at) };
    store.expect(&[scan("w", "dns,whois", at), part("w2", "whois"), part("w1", "dns")]).await.unwrap();
    let parts: Vec<_> = store.parts("w").await.unwrap().into_iter().map(|part| part.id).collect();
    assert_eq!(parts, ["w1", "w2"]);
    assert!(store.scan("w").await.unwrap().unwrap().is_several());
    store.called_off("w", "eva").await.unwrap();
    for id in ["w", "w1", "w2"] {
        assert_eq!(store.scan(id).await.unwrap().unwrap().cancelled_by.as_deref(), Some("eva"));
    }
    let listed =
        store.list(&Filter { collector: "dns,whois".to_owned(), limit: 10, ..Filter::default() }).await.unwrap();
    assert_eq!(listed.len(), 1, "parts are not listed by themselves");
}

async fn pages_follow_each_other_without_a_gap(store: &Store) {
    let at = now();
    for n in 0..7 {
        // Three of one moment: the id decides.
        let created = at + Duration::from_secs(n / 3);
        let scan = NewScan { owner: "pia".to_owned(), ..scan(&format!("p{n}"), "dns", created) };
        store.expect(&[scan]).await.unwrap();
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let filter = Filter { owner: "pia".to_owned(), limit: 2, before, ..Filter::default() };
        let page = store.list(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.created, last.id.clone()));
        seen.extend(page.into_iter().map(|scan| scan.id));
    }
    assert_eq!(seen, ["p6", "p5", "p4", "p3", "p2", "p1", "p0"]);
    let filter = Filter { owner: "pia".to_owned(), state: "SUCCESS".to_owned(), limit: 10, ..Filter::default() };
    assert!(store.list(&filter).await.unwrap().is_empty());
}

async fn the_newest_young_first_hand_result_is_found_again(store: &Store) {
    let at = now();
    let asked = |id: &str| NewScan { target_key: "cache.es".to_owned(), ..scan(id, "dns", at) };
    for (id, age) in [("c1", 3), ("c2", 2)] {
        store.began(&asked(id), at).await.unwrap();
        store.ended(id, &success(&json!({ "id": id }), at - HOUR * age)).await.unwrap();
    }
    store.began(&asked("c3"), at).await.unwrap();
    let copy = json!({ "id": "c3" });
    store.ended("c3", &Finished { cached_from: Some("c2"), ..success(&copy, at) }).await.unwrap();
    let found = store.cached(&asked("c4"), at - HOUR * 5).await.unwrap().unwrap();
    assert_eq!(found, ("c2".to_owned(), at - HOUR * 2, json!({ "id": "c2" })));
    assert!(store.cached(&asked("c4"), at - HOUR).await.unwrap().is_none());
    for other in [
        NewScan { collector: "whois".to_owned(), ..asked("c4") },
        NewScan { options: r#"{"axfr":false}"#.to_owned(), ..asked("c4") },
        NewScan { target_key: "otro.es".to_owned(), ..asked("c4") },
    ] {
        assert!(store.cached(&other, at - HOUR * 5).await.unwrap().is_none());
    }
}

async fn the_scan_before_asked_the_same_and_may_be_seen(store: &Store) {
    let at = now();
    let asked = |id: &str, owner: &str, options: &str| NewScan {
        target_key: "antes.es".to_owned(),
        owner: owner.to_owned(),
        options: options.to_owned(),
        ..scan(id, "dns", at)
    };
    let told = json!({});
    let scans =
        [("b1", "ana", "{}", 9), ("b2", "", "{}", 8), ("b3", "eva", "{}", 7), ("b4", "ana", r#"{"axfr":false}"#, 6)];
    for (id, owner, options, age) in scans {
        store.began(&asked(id, owner, options), at).await.unwrap();
        store.ended(id, &success(&told, at - HOUR * age)).await.unwrap();
    }
    store.began(&asked("b5", "", "{}"), at).await.unwrap();
    let copy = Finished { cached_from: Some("b9"), ..success(&told, at - HOUR * 5) };
    store.ended("b5", &copy).await.unwrap();
    store.began(&asked("b6", "", "{}"), at).await.unwrap();
    store.ended("b6", &Finished { state: "FAILURE", result: None, ..success(&told, at - HOUR * 4) }).await.unwrap();
    store.expect(&[asked("b7", "", "{}")]).await.unwrap();
    let question = Question::from(store.scan("b1").await.unwrap().unwrap());
    let before = async |owner: &str, hours: u32, id: &str, origin: &str| {
        let found = store.previous(&question, owner, (at - HOUR * hours, id), origin).await.unwrap();
        found.map(|scan| scan.id)
    };
    let is = |id: &str| Some(id.to_owned());
    assert_eq!(before("", 1, "x", "x").await, is("b5"));
    assert_eq!(before("", 1, "x", "b9").await, is("b3"), "a copy of the same answers says nothing");
    assert_eq!(before("", 1, "x", "b3").await, is("b5"));
    assert_eq!(before("ana", 6, "x", "x").await, is("b2"), "nobody's, and not somebody else's");
    assert_eq!(before("", 9, "b1", "x").await, None);
    assert_eq!(before("", 9, "b2", "x").await, is("b1"), "of one moment the id decides");
    let other = Question { collector: "whois".to_owned(), ..question.clone() };
    assert!(store.previous(&other, "", (at, "x"), "x").await.unwrap().is_none());
}

async fn answers_are_kept_for_their_scan_until_they_are_old(store: &Store) {
    let answer = Fetched {
        url: "https://example.com/".to_owned(),
        status: 200,
        content_type: None,
        headers: [("server".to_owned(), "x".to_owned())].into(),
        cut: false,
        body: (0..=255).collect(),
        trail: vec![],
        took: Duration::from_millis(5),
    };
    store.answers("a").keep("shodan:host /1", &answer).await;
    let kept = store.answers("a").recall("shodan:host /1").await.unwrap();
    assert_eq!((kept.status, kept.body, kept.headers), (200, answer.body, answer.headers));
    assert!(store.answers("b").recall("shodan:host /1").await.is_none());
    assert!(store.answers("a").recall("shodan:host /2").await.is_none());
    assert_eq!(store.forget_answers(Timestamp::now() - HOUR).await.unwrap(), 0);
    assert_eq!(store.forget_answers(Timestamp::now() + HOUR).await.unwrap(), 1);
    assert!(store.answers("a").recall("shodan:host /1").await.is_none());
}

async fn a_spent_quota_is_known_to_all(store: &Store) {
    let at = now();
    assert_eq!(store.spent_until("shodan").await.unwrap(), None);
    store.spent("shodan", at).await.unwrap();
    store.spent("shodan", at + HOUR).await.unwrap();
    assert_eq!(store.spent_until("shodan").await.unwrap(), Some(at + HOUR));
    assert_eq!(store.spent_until("virustotal").await.unwrap(), None);
}

async fn a_token_is_told_once_and_found_by_its_text(store: &Store) {
    assert!(!store.has_tokens().await.unwrap());
    let text = store.add_token("ana", 10).await.unwrap().unwrap();
    assert!(store.has_tokens().await.unwrap());
    assert!(text.len() > 60 && store.add_token("ana", 5).await.unwrap().is_none(), "the name is taken");
    let token = store.token(&text).await.unwrap().unwrap();
    assert_eq!((token.name.as_str(), token.per_minute), ("ana", 10));
    assert!(store.token("osint_x").await.unwrap().is_none());
    assert!(!format!("{:?}", store.tokens().await.unwrap()).contains(&text[6..20]));
    assert!(store.revoke_token("ana").await.unwrap() && !store.revoke_token("ana").await.unwrap());
    assert!(store.token(&text).await.unwrap().is_none());
    assert!(store.has_tokens().await.unwrap(), "the door stays locked");
}

async fn deeds_are_told_newest_first(store: &Store) {
    let at = now();
    let deed = |who: &str, action: &str, hours: u32| Deed {
        at: at - HOUR * hours,
        who: who.to_owned(),
        address: "192.0.2.1".to_owned(),
        action: action.to_owned(),
        scan_id: Some("a".to_owned()),
        target: None,
        detail: None,
    };
    for deed in [deed("ana", "scan", 3), deed("eva", "cancel", 2), deed("ana", "export", 1)] {
        store.note(&deed).await.unwrap();
    }
    let told = store.deeds("", "", Timestamp::UNIX_EPOCH, 10).await.unwrap();
    assert_eq!(told.iter().map(|deed| deed.action.as_str()).collect::<Vec<_>>(), ["export", "cancel", "scan"]);
    assert_eq!(store.deeds("ana", "a", at - HOUR * 2, 10).await.unwrap(), [deed("ana", "export", 1)]);
    assert_eq!(store.forget_deeds(at - HOUR * 2).await.unwrap(), 1);
}

async fn old_scans_are_forgotten_and_waiting_ones_are_not(store: &Store) {
    let at = now() - HOUR * 1_000;
    store.began(&scan("old", "dns", at), at).await.unwrap();
    store.ended("old", &success(&json!({}), at)).await.unwrap();
    store.expect(&[scan("waits", "dns", at)]).await.unwrap();
    let unfinished = store.unfinished(at + HOUR, 10).await.unwrap();
    assert_eq!(unfinished.iter().map(|scan| scan.id.as_str()).collect::<Vec<_>>(), ["waits"]);
    assert_eq!(store.forget_scans(at + HOUR).await.unwrap(), 1);
    assert!(store.scan("old").await.unwrap().is_none() && store.scan("waits").await.unwrap().is_some());
}

/// Several that write at once, as an API and workers do.
async fn many_write_at_once(store: &Store) {
    let write = |n: usize| async move {
        let (id, at) = (format!("many{n}"), now());
        store.expect(&[scan(&id, "dns", at)]).await.unwrap();
        store.began(&scan(&id, "dns", at), at).await.unwrap();
        store.ended(&id, &success(&json!({ "n": n }), at)).await.unwrap();
        store.result(&id).await.unwrap().unwrap()["n"].as_u64().unwrap()
    };
    let all = futures_util::future::join_all((0..100).map(write)).await;
    assert_eq!(all.iter().sum::<u64>(), 4_950);
}

async fn every_promise(store: &Store) {
    a_scan_is_announced_begun_and_ended_once(store).await;
    a_failed_scan_may_run_again_and_a_successful_one_may_not(store).await;
    what_was_not_sent_is_taken_back(store).await;
    parts_stand_under_their_scan(store).await;
    pages_follow_each_other_without_a_gap(store).await;
    the_newest_young_first_hand_result_is_found_again(store).await;
    the_scan_before_asked_the_same_and_may_be_seen(store).await;
    answers_are_kept_for_their_scan_until_they_are_old(store).await;
    a_spent_quota_is_known_to_all(store).await;
    a_token_is_told_once_and_found_by_its_text(store).await;
    deeds_are_told_newest_first(store).await;
    old_scans_are_forgotten_and_waiting_ones_are_not(store).await;
    many_write_at_once(store).await;
}

#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    // The folder of the file is made too.
    let url = format!("sqlite:{}/a/b/osint.db", folder.path().display());
    every_promise(&Store::at(&url)).await;
    let again = Store::at(&url);
    assert!(again.scan("waits").await.unwrap().is_some(), "it is all there when the program starts again");
}

#[tokio::test]
async fn on_postgres() {
    let server = Postgres::start().unwrap();
    every_promise(&Store::at(server.url())).await;
    // Two programs that start at once make the tables once.
    let both = [Store::at(server.url()), Store::at(server.url())];
    let (one, two) = tokio::join!(both[0].open(), both[1].open());
    assert!(one.is_ok() && two.is_ok());
}

#[tokio::test]
async fn in_memory_and_where_there_is_no_place() {
    every_promise(&Store::at("sqlite::memory:")).await;
    let nowhere = Store::at("sqlite:/proc/nowhere/osint.db");
    let sentence = nowhere.scan("a").await.unwrap_err().to_string();
    assert!(sentence.contains("/proc/nowhere/osint.db"), "{sentence}");
}

/// The parts of a scan that is called off while it is taken apart cannot be told: they look by themselves.
#[tokio::test]
async fn a_part_of_a_scan_that_was_called_off_asks_nobody() {
    let fake = Fake::with(&[("/", 200, "[]")]).await;
    let (osint, at) = (Osint::new(asking(&fake)), now());
    let part = "11111111-2222-4333-8444-555555555555";
    let options = || ScanOptions { parent: Some("whole".to_owned()), ..ScanOptions::default() };
    let order = Order::read("example.com", "crtsh", options()).unwrap();
    osint.store.expect(&[scan("whole", "crtsh,dns", at)]).await.unwrap();
    osint.store.called_off("whole", "ana").await.unwrap();
    osint.store.expect(&[order.announced(part, "", at)]).await.unwrap();
    let memory = Arc::new(Memory::default());
    let client = client(memory.clone(), memory);
    let attempt = context(&client, Osint::new(asking(&fake)), Headers::new(SCAN, part), CancellationToken::new());
    let result = order.perform(&osint, &attempt).await.unwrap();
    assert_eq!((result.success, result.error.as_deref()), (false, Some("Escaneo cancelado.")));
    assert!(fake.paths().is_empty());
    assert_eq!(osint.store.scan(part).await.unwrap().unwrap().state, "REVOKED");
}
