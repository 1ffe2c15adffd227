//! Servers that do not answer, answer rubbish, forge, or cut: each is told apart, none stops the
//! scan.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use svc_osint::collectors::dns::{ACCEPTS, collect};
use svc_osint::model::{Gathered, Gathering, SourceStatus};
use svc_osint::target::Target;
use tokio::sync::Notify;

use crate::dns::{asking, scan, source};
use crate::knot::{Knot, Zone, free_port};
use crate::responder::{Responder, answer_to, cut_answer_to, kind_of, record_for};

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const TXT: u16 = 16;

fn status(gathered: &Gathered, kind: &str) -> String {
    gathered.data["status"][kind].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_silent_resolver_is_a_timeout_everywhere_and_soon() {
    let mute = Responder::udp(|_| vec![]);
    let mut settings = asking(mute.address());
    settings.timeout = Duration::from_millis(100);
    let since = Instant::now();
    let gathered = scan(&settings, "apium.test").await;
    assert!(since.elapsed() < Duration::from_secs(3), "the silence is not waited for at each name");
    assert!(gathered.sources.len() >= 20);
    assert!(gathered.sources.iter().all(|report| report.status == SourceStatus::Timeout), "{:?}", gathered.sources);
    for kind in ["SOA", "A", "DNSKEY"] {
        assert_eq!(status(&gathered, kind), "timeout");
    }
    assert!(gathered.data["exists"].is_null());
    assert_eq!(gathered.data["resolvers"][0]["answered"], 0);
    assert_eq!(mute.asked(), 4, "two questions, each asked twice");
}

#[tokio::test]
async fn a_resolver_that_is_not_there_fails() {
    let gathered = scan(&asking(([127, 0, 0, 1], free_port()).into()), "apium.test").await;
    assert_eq!(status(&gathered, "A"), "unreachable");
    assert!(gathered.sources.iter().all(|report| report.status == SourceStatus::Failed));
}

#[tokio::test]
async fn the_second_resolver_helps_out() {
    let knot = Knot::start(&[Zone::new("apium.test", "@ A 192.0.2.1")]);
    let refusing = Responder::udp(|question| vec![answer_to(question, 5)]);
    let mut settings = asking(refusing.address());
    settings.resolvers.push(knot.address());
    settings.axfr = false;
    let gathered = scan(&settings, "apium.test").await;
    assert_eq!(status(&gathered, "A"), "ok");
    assert_eq!(refusing.asked(), 1, "who answers is asked first from then on");
}

#[tokio::test]
async fn refusals_keep_their_names() {
    for (rcode, name) in [(1, "formerr"), (2, "servfail"), (4, "notimp"), (5, "refused"), (9, "rcode_9")] {
        let server = Responder::udp(move |question| vec![answer_to(question, rcode)]);
        let gathered = scan(&asking(server.address()), "apium.test").await;
        assert_eq!(status(&gathered, "A"), name);
        assert_eq!(source(&gathered, "dns:A").status, SourceStatus::Failed);
    }
}

#[tokio::test]
async fn a_server_that_rejects_edns_is_asked_without() {
    let old = Responder::udp(|question| {
        let additional = u16::from_be_bytes([question[10], question[11]]);
        vec![if additional > 0 {
            answer_to(question, 1)
        } else {
            record_for(question, kind_of(question), 0, &[127, 0, 0, 7])
        }]
    });
    let mut settings = asking(old.address());
    settings.max_queries = 3;
    let gathered = scan(&settings, "apium.test").await;
    assert_eq!(status(&gathered, "A"), "ok");
    assert_eq!(gathered.data["records"]["A"][0]["value"], "127.0.0.7");
}

#[tokio::test]
async fn rubbish_is_malformed_and_forgeries_are_ignored() {
    let rubbish = Responder::udp(|question| {
        let mut answer = answer_to(question, 0);
        answer[7] = 200;
        answer.extend_from_slice(&[0xc0, 0xff, 0, 0xff]);
        vec![answer]
    });
    assert_eq!(status(&scan(&asking(rubbish.address()), "apium.test").await, "A"), "malformed");

    // Too short, another number, a question instead of an answer, another name; then the truth.
    let forged = Responder::udp(|question| {
        if kind_of(question) != A {
            return vec![answer_to(question, 0)];
        }
        let mut number = record_for(question, A, 5, &[10, 0, 0, 1]);
        number[1] ^= 0x55;
        let mut other = record_for(question, A, 5, &[10, 0, 0, 2]);
        other[13] = b'z';
        vec![vec![1, 2, 3], number, question.to_vec(), other, record_for(question, A, 5, &[127, 0, 0, 8])]
    });
    let gathered = scan(&asking(forged.address()), "apium.test").await;
    assert_eq!(gathered.data["records"]["A"], json!([{"name": "apium.test", "value": "127.0.0.8", "ttl": 5}]));

    let only_forged = Responder::udp(|question| {
        let mut number = answer_to(question, 0);
        number[0] ^= 0x55;
        vec![number]
    });
    let mut settings = asking(only_forged.address());
    settings.timeout = Duration::from_millis(100);
    assert_eq!(status(&scan(&settings, "apium.test").await, "A"), "timeout");
}

#[tokio::test]
async fn a_cut_answer_is_fetched_over_tcp_or_said_to_be_cut() {
    let whole = Responder::both(
        |question| vec![cut_answer_to(question)],
        |question| {
            vec![if kind_of(question) == A {
                record_for(question, A, 9, &[127, 0, 0, 9])
            } else {
                answer_to(question, 0)
            }]
        },
    );
    let gathered = scan(&asking(whole.address()), "apium.test").await;
    assert_eq!(gathered.data["records"]["A"][0]["value"], "127.0.0.9");
    assert_eq!(status(&gathered, "MX"), "empty");

    let closed = Responder::udp(|question| vec![cut_answer_to(question)]);
    assert_eq!(status(&scan(&asking(closed.address()), "apium.test").await, "A"), "truncated");

    let hangs_up = Responder::both(|question| vec![cut_answer_to(question)], |_| vec![]);
    assert_eq!(status(&scan(&asking(hangs_up.address()), "apium.test").await, "A"), "truncated");
}

#[tokio::test]
async fn any_bytes_at_all_never_stop_a_scan() {
    // A small generator with a fixed seed: the same rubbish in every run.
    let seed = std::sync::Mutex::new(0x2545_f491_4f6c_dd1d_u64);
    let noise = Responder::udp(move |question| {
        let mut state = seed.lock().unwrap();
        let mut answer = answer_to(question, 0);
        answer[7] = 3;
        for _ in 0..64 {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            answer.extend_from_slice(&state.to_be_bytes()[..3]);
        }
        vec![answer]
    });
    let gathered = scan(&asking(noise.address()), "apium.test").await;
    assert_eq!(status(&gathered, "A"), "malformed");
}

#[tokio::test]
async fn records_nobody_asked_for_are_not_believed() {
    let chatty = Responder::udp(|question| {
        let mut answer = record_for(question, kind_of(question), 1, &[127, 0, 0, 1]);
        if kind_of(question) != A {
            return vec![answer_to(question, 0)];
        }
        // A second record, of the root.
        answer[7] = 2;
        answer.extend_from_slice(&[0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 6, 6, 6, 6]);
        vec![answer]
    });
    let gathered = scan(&asking(chatty.address()), "apium.test").await;
    assert_eq!(gathered.data["records"]["A"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_scan_stops_at_its_limit_of_questions() {
    let knot = Knot::start(&[Zone::new("apium.test", "@ A 127.0.0.1")]);
    let mut settings = asking(knot.address());
    settings.max_queries = 12;
    let gathered = scan(&settings, "apium.test").await;
    assert!(gathered.truncated);
    assert_eq!(gathered.data["resolvers"][0]["asked"], 12);
    assert_eq!(status(&gathered, "A"), "ok");
    assert_eq!(source(&gathered, "dns:DKIM").status, SourceStatus::Skipped);
    assert_eq!(source(&gathered, "dns:DKIM").reason.as_deref(), Some("not_asked"));
}

#[tokio::test]
async fn a_zone_that_fails_validation_is_bogus_not_just_broken() {
    // Like a validating resolver: SERVFAIL, unless the question says not to check (CD).
    let validating = Responder::udp(|question| {
        let unchecked = question[3] & 0x10 != 0;
        vec![if unchecked {
            record_for(question, kind_of(question), 60, &[1, 1, 3, 13, 9])
        } else {
            answer_to(question, 2)
        }]
    });
    let gathered = scan(&asking(validating.address()), "apium.test").await;
    assert_eq!(status(&gathered, "A"), "servfail");
    assert_eq!(gathered.data["dnssec"]["verdict"], "bogus");

    let broken = Responder::udp(|question| vec![answer_to(question, 2)]);
    let gathered = scan(&asking(broken.address()), "apium.test").await;
    assert_eq!(gathered.data["dnssec"]["verdict"], "unknown");
}

#[tokio::test]
async fn names_of_our_own_network_are_not_asked_for() {
    let asked_inside = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked_inside);
    let server = Responder::udp(move |question| {
        if question.windows(8).any(|bytes| bytes == b"internal") {
            seen.store(true, Ordering::SeqCst);
        }
        let kind = kind_of(question);
        vec![match kind {
            NS => record_for(question, kind, 60, b"\x03dns\x08internal\x00"),
            TXT => record_for(question, kind, 60, b"\x1ev=spf1 a:db.internal a:pc ~all"),
            _ => answer_to(question, 0),
        }]
    });
    let gathered = scan(&asking(server.address()), "apium.test").await;
    assert!(!asked_inside.load(Ordering::SeqCst));
    assert_eq!(gathered.data["records"]["NS"][0]["value"], "dns.internal");
    assert_eq!(gathered.data["axfr"]["servers"][0]["reason"], "server-without-address");
    assert!(gathered.data["spf"]["reasons"].to_string().contains("not_asked db.internal"));
}

#[tokio::test]
async fn an_alias_leads_to_reverse_names_of_open_addresses_only() {
    // The tests' settings open loopback and nothing else.
    for (alias, open) in [
        ("7.0.0.127.in-addr.arpa", true),
        ("7.0/26.0.0.127.IN-ADDR.arpa", true),
        ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", true),
        ("1.0.0.10.in-addr.arpa", false),
        ("7.1.0.0.10.in-addr.arpa", false),
        ("x.0.168.192.in-addr.arpa", false),
        ("10.in-addr.arpa", false),
        ("0.127.in-addr.arpa", false),
        ("0.0.d.f.ip6.arpa", false),
        ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", false),
        ("7.+0.0.127.in-addr.arpa", false),
        ("_dns.resolver.arpa", false),
    ] {
        let wire: Vec<u8> = alias
            .split('.')
            .flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat())
            .collect();
        let wire = [wire, vec![0]].concat();
        let first = b"\x05apium\x04test\x00";
        let server = Responder::udp(move |question| {
            vec![if kind_of(question) == A && question[12..].starts_with(first) {
                record_for(question, CNAME, 60, &wire)
            } else if kind_of(question) == A && question[12..].windows(4).any(|bytes| bytes == b"arpa") {
                record_for(question, A, 60, &[127, 0, 0, 1])
            } else {
                answer_to(question, 0)
            }]
        });
        let gathered = scan(&asking(server.address()), "apium.test").await;
        assert_eq!(gathered.data["records"]["CNAME"][0]["value"], alias.to_lowercase());
        assert_eq!(status(&gathered, "A"), if open { "ok" } else { "not_asked" }, "{alias}");
    }
}

#[tokio::test]
async fn a_scan_cut_short_keeps_what_it_had() {
    let slow = Responder::udp(|question| match kind_of(question) {
        A => vec![record_for(question, A, 60, &[127, 0, 0, 4])],
        TXT => vec![],
        _ => vec![answer_to(question, 0)],
    });
    let mut settings = asking(slow.address());
    settings.timeout = Duration::from_mins(1);
    // Ten types are asked for; all but TXT are answered.
    let signal = Arc::new(Notify::new());
    let told = Arc::clone(&signal);
    let out = Gathering::with_progress(move |done, _| {
        if done == 9 {
            told.notify_one();
        }
    });
    let target = Target::parse_for("apium.test", &ACCEPTS).unwrap();
    let scan = collect(&settings, &target, &out);
    // A task's future must be able to move between threads.
    let scan: Pin<&mut (dyn Future<Output = ()> + Send)> = pin!(scan);
    tokio::select! {
        () = scan => panic!("TXT was never answered"),
        () = signal.notified() => {}
    }
    let gathered = out.so_far();
    assert_eq!(gathered.data["records"]["A"][0]["value"], "127.0.0.4");
    assert_eq!(status(&gathered, "MX"), "empty");
    assert!(gathered.data["status"].get("TXT").is_none());
    assert_eq!(gathered.progress, (9, 20));
}

#[tokio::test]
async fn of_a_group_it_is_told_that_some_of_it_was_not_answered() {
    const SRV: u16 = 33;
    let scanned = async |others: u8| {
        let resolver = Responder::udp(move |question| {
            let sip = question.get(12..17) == Some(b"\x04_sip");
            vec![match kind_of(question) {
                A => record_for(question, A, 60, &[192, 0, 2, 1]),
                SRV if sip => record_for(question, SRV, 60, b"\x00\x01\x00\x02\x13\xc4\x03sip\x05apium\x04test\x00"),
                SRV => answer_to(question, others),
                _ => answer_to(question, 0),
            }]
        });
        let gathered = scan(&asking(resolver.address()), "apium.test").await;
        let report = source(&gathered, "dns:SRV").clone();
        (report.status, report.reason)
    };
    assert_eq!(scanned(0).await, (SourceStatus::Ok, None));
    let servfail = 2;
    assert_eq!(scanned(servfail).await, (SourceStatus::Ok, Some("partly-unanswered".to_owned())));
}
