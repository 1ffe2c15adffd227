//! What is different between two scans, and what only looks so because somebody did not answer.

use serde_json::{Value, json};
use svc_osint::contract::{CollectorResult, ScanDiff};
use svc_osint::diff::{diff, report};

/// The name of a source, its status, and the reason.
type Source<'s> = (&'s str, &'s str, &'s str);

/// A result of these facts and these sources.
fn scan(findings: &Value, sources: &[Source<'_>]) -> Value {
    let row = |(name, status, reason): &(&str, &str, &str)| {
        let mut row = json!({ "source": name, "status": status, "requests": 1, "ms": 5 });
        if !reason.is_empty() {
            row["reason"] = json!(reason);
        }
        row
    };
    json!({
        "id": "11111111-2222-4333-8444-555555555555", "collector_name": "dns", "target": "example.com", "success": true,
        "data": { "findings": findings }, "error": null, "timestamp": "2026-11-23T10:00:00.000000+00:00",
        "metadata": {
            "sources": sources.iter().map(row).collect::<Vec<_>>(), "findings_total": 1, "truncated": false, "duration": 1.0,
        },
    })
}

fn fact(kind: &str, value: &str, sources: &[&str], attributes: &Value) -> Value {
    let evidence: Vec<_> = sources.iter().map(|source| json!({ "source": source })).collect();
    json!({ "type": kind, "value": value, "source": sources[0], "confidence": 0.9, "attributes": attributes,
        "evidence": evidence })
}

fn compared(old: &Value, new: &Value) -> ScanDiff {
    let read = |result: &Value| serde_json::from_value::<CollectorResult>(result.clone()).unwrap();
    diff(&read(old), &read(new)).unwrap()
}

/// The numbers, in the order added, newly visible, removed, unconfirmed, changed, perhaps changed, unchanged.
fn counts(diff: &ScanDiff) -> [usize; 7] {
    let told = &diff.summary;
    let lists = [&diff.added, &diff.newly_visible, &diff.removed, &diff.unconfirmed].map(Vec::len);
    let changes = [diff.changed.len(), diff.perhaps_changed.len()];
    let counted = [told.added, told.newly_visible, told.removed, told.unconfirmed, told.changed, told.perhaps_changed];
    assert_eq!(lists.into_iter().chain(changes).collect::<Vec<_>>(), counted);
    [counted[0], counted[1], counted[2], counted[3], counted[4], counted[5], told.unchanged]
}

/// Why the one fact that is missing in the new scan is not said to be gone: the status, and who.
fn doubt(old: &Value, new: &Value) -> Option<(String, String)> {
    let diff = compared(old, new);
    assert_eq!(diff.removed.len() + diff.unconfirmed.len(), 1, "{diff:#?}");
    let doubt = diff.unconfirmed.first()?.unanswered.first().unwrap().clone();
    assert_eq!(doubt.scan, "new");
    Some((doubt.status, doubt.source))
}

#[test]
fn facts_come_and_go_where_all_have_answered() {
    let sources = [("dns:A", "ok", ""), ("dns:MX", "empty", "empty")];
    let kept = fact("ip", "9.9.9.9", &["dns:A"], &json!({}));
    let old = scan(&json!([kept, fact("ip", "1.1.1.1", &["dns:A"], &json!({}))]), &sources);
    let new = scan(&json!([kept, fact("subdomain", "mx.example.com", &["dns:MX"], &json!({}))]), &sources);
    let diff = compared(&old, &new);
    assert_eq!(counts(&diff), [1, 0, 1, 0, 0, 0, 1]);
    assert_eq!((diff.added[0].value.as_str(), diff.removed[0].value.as_str()), ("mx.example.com", "1.1.1.1"));
    assert_eq!(diff.added[0].sources, ["dns:MX"]);
    assert_eq!(counts(&compared(&old, &old)), [0, 0, 0, 0, 0, 0, 2]);
}

#[test]
fn nothing_is_gone_or_new_because_somebody_did_not_answer() {
    let told = json!([fact("subdomain", "a.example.com", &["crtsh"], &json!({}))]);
    let full = scan(&told, &[("crtsh", "ok", "")]);
    for status in ["failed", "rate_limited", "missing_key", "skipped", "timeout", "blocked"] {
        let silent = scan(&json!([]), &[("crtsh", status, "http-503")]);
        let diff = compared(&full, &silent);
        assert_eq!(counts(&diff), [0, 0, 0, 1, 0, 0, 0], "{status}");
        let why = &diff.unconfirmed[0].unanswered;
        assert_eq!(why.len(), 1);
        assert_eq!((why[0].status.as_str(), why[0].source.as_str(), why[0].scan.as_str()), (status, "crtsh", "new"));
        assert_eq!(why[0].reason.as_deref(), Some("http-503"));
        let back = compared(&silent, &full);
        assert_eq!(counts(&back), [0, 1, 0, 0, 0, 0, 0], "{status}");
        assert_eq!(back.newly_visible[0].unanswered[0].scan, "old");
    }
    let unasked = scan(&json!([]), &[("dns:A", "ok", "")]);
    assert_eq!(doubt(&full, &unasked), Some(("not_asked".to_owned(), "crtsh".to_owned())));
    let mut cut = scan(&json!([]), &[("crtsh", "ok", "")]);
    cut["metadata"]["truncated"] = json!(true);
    cut["error"] = json!("soft time limit");
    assert_eq!(doubt(&full, &cut), Some(("truncated".to_owned(), "crtsh".to_owned())));
    assert_eq!(counts(&compared(&cut, &full)), [0, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn of_several_types_only_what_was_cut_short_is_in_doubt() {
    let (name, address) =
        (fact("subdomain", "a.example.com", &["crtsh"], &json!({})), fact("ip", "9.9.9.9", &["dns:A"], &json!({})));
    let all = [("dns:A", "ok", ""), ("crtsh", "ok", "")];
    let full = scan(&json!([name, address]), &all);
    let parts = |noted: bool| {
        let part = |kind: &str, truncated: bool| {
            let mut part =
                json!({ "type": kind, "task_id": "x", "status": "ok", "findings": 1, "requests": 1, "duration": 1.0 });
            if noted {
                part["truncated"] = json!(truncated);
            }
            part
        };
        let mut cut = scan(&json!([]), &all);
        cut["metadata"]["truncated"] = json!(true);
        cut["metadata"]["parts"] = json!([part("dns", false), part("crtsh", true)]);
        cut
    };
    assert_eq!(counts(&compared(&full, &parts(true))), [0, 0, 1, 1, 0, 0, 0]);
    assert_eq!(counts(&compared(&parts(true), &full)), [1, 1, 0, 0, 0, 0, 0]);
    assert_eq!(counts(&compared(&full, &parts(false))), [0, 0, 0, 2, 0, 0, 0], "of scans before that was noted");
    // Who tells a fact both times was not cut short before it.
    let mut otherwise = scan(&json!([fact("ip", "9.9.9.9", &["dns:A"], &json!({ "name": "b.example.com" }))]), &all);
    otherwise["metadata"]["truncated"] = json!(true);
    assert_eq!(counts(&compared(&full, &otherwise)), [0, 0, 0, 1, 1, 0, 0]);
}

#[test]
fn of_several_sources_each_counts() {
    let both = ["dns:A", "shodan:domain"];
    let old = scan(&json!([fact("ip", "9.9.9.9", &both, &json!({}))]), &[("dns:A", "ok", ""), (both[1], "ok", "")]);
    let new = scan(&json!([]), &[("dns:A", "ok", ""), (both[1], "timeout", "timeout")]);
    assert_eq!(doubt(&old, &new), Some(("timeout".to_owned(), both[1].to_owned())), "the other may still say so");
    // New to the one that had answered.
    assert_eq!(counts(&compared(&new, &old)), [1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn what_is_told_otherwise_has_changed_if_the_same_have_told_it() {
    let domain = |status: &str, more: &[&str]| {
        fact("domain", "example.com", more, &json!({ "status": [status, "x"], "ttl": 5 }))
    };
    let all = [("rdap:registry", "ok", ""), ("virustotal", "ok", "")];
    let old = scan(&json!([domain("active", &["rdap:registry"])]), &all);
    let new = scan(&json!([domain("hold", &["rdap:registry"])]), &all);
    let diff = compared(&old, &new);
    assert_eq!(counts(&diff), [0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(diff.changed[0].fields, ["status"]);
    assert_eq!(
        (&diff.changed[0].old.attributes["status"][0], &diff.changed[0].new.attributes["status"][0]),
        (&json!("active"), &json!("hold"))
    );

    let silent = [("rdap:registry", "ok", ""), ("virustotal", "rate_limited", "http-429")];
    let old = scan(&json!([domain("active", &["rdap:registry", "virustotal"])]), &all);
    let new = scan(&json!([domain("hold", &["rdap:registry"])]), &silent);
    let diff = compared(&old, &new);
    assert_eq!(counts(&diff), [0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(diff.perhaps_changed[0].unanswered[0].source, "virustotal");

    let mut surer = old.clone();
    surer["data"]["findings"][0]["confidence"] = json!(1.0);
    assert_eq!(compared(&old, &surer).changed[0].fields, ["confidence"]);
}

#[test]
fn looking_again_is_no_change() {
    let record = |ttl: u32, seen: &str| {
        fact(
            "dns_record",
            "example.com A 9.9.9.9",
            &["dns:A"],
            &json!({ "ttl": ttl, "last_seen": seen, "names": ["a", "b"] }),
        )
    };
    let mut old = scan(&json!([record(60, "ayer")]), &[("dns:A", "ok", "")]);
    let mut new = scan(&json!([record(31, "hoy")]), &[("dns:A", "ok", "")]);
    new["data"]["findings"][0]["attributes"]["names"] = json!(["b", "a"]);
    assert_eq!(counts(&compared(&old, &new)), [0, 0, 0, 0, 0, 0, 1]);
    // Of another kind of fact that is what it says.
    for result in [&mut old, &mut new] {
        result["data"]["findings"][0]["type"] = json!("otro");
    }
    assert_eq!(compared(&old, &new).changed[0].fields, ["ttl"]);
}

#[test]
fn a_record_of_the_registries_is_put_together_from_all_of_them() {
    let told = |organisation: &Value| {
        json!([fact("domain", "example.com", &["rdap:registry"], &json!({ "organisation": organisation }))])
    };
    let old = scan(&told(&json!("Ejemplo")), &[("rdap:registry", "ok", ""), ("rdap:registrar", "ok", "")]);
    for registrar in [("rdap:registrar", "timeout", "timeout"), ("rdap:bootstrap", "ok", "referral")] {
        let new = scan(&told(&Value::Null), &[("rdap:registry", "ok", ""), registrar]);
        let diff = compared(&old, &new);
        assert_eq!(counts(&diff), [0, 0, 0, 0, 0, 1, 0], "{registrar:?}");
        assert_eq!(diff.perhaps_changed[0].unanswered[0].source, "rdap:registrar");
    }
}

#[test]
fn a_name_that_is_not_there_any_more_has_no_records() {
    let old = scan(&json!([fact("ip", "9.9.9.9", &["dns:A"], &json!({}))]), &[("dns:A", "ok", "")]);
    assert_eq!(doubt(&old, &scan(&json!([]), &[("dns:SOA", "empty", "nxdomain")])), None);
    assert!(doubt(&old, &scan(&json!([]), &[("dns:SOA", "empty", "empty")])).is_some());
    let group = [("dns:A", "ok", "partly-unanswered")];
    assert_eq!(doubt(&old, &scan(&json!([]), &group)).unwrap().0, "partial");
    // Who refuses a transfer says nothing of what is in the zone.
    let axfr = "dns:AXFR:ns.example.com";
    let old = scan(&json!([fact("subdomain", "a.example.com", &[axfr], &json!({}))]), &[(axfr, "ok", "")]);
    assert!(doubt(&old, &scan(&json!([]), &[(axfr, "empty", "refused (5)")])).is_some());
}

#[test]
fn facts_of_a_file_are_gone_with_it_or_when_it_was_read() {
    let url = "https://example.com/a.pdf";
    let reading = format!("parse:{url}");
    let reading = reading.as_str();
    let person = json!([fact("person", "Ana", &["metadata"], &json!({ "role": "author", "document": url }))]);
    let old = scan(&person, &[(url, "ok", ""), (reading, "ok", "")]);
    for gone in [&[(url, "empty", "http-404")][..], &[(url, "ok", ""), (reading, "ok", "")]] {
        assert_eq!(doubt(&old, &scan(&json!([]), gone)), None, "{gone:?}");
    }
    let unread: [(&[Source<'_>], &str); 4] = [
        (&[(url, "ok", ""), (reading, "ok", "partly-read")], "partial"),
        (&[(url, "ok", ""), (reading, "timeout", "timeout")], "timeout"),
        (&[(url, "blocked", "http-403")], "blocked"),
        (&[("https://example.com/robots.txt", "ok", "")], "not_asked"),
    ];
    for (sources, status) in unread {
        assert_eq!(doubt(&old, &scan(&json!([]), sources)).unwrap().0, status);
    }
    let document = scan(&json!([fact("document", url, &["metadata"], &json!({}))]), &[(reading, "ok", "")]);
    assert_eq!(doubt(&document, &scan(&json!([]), &[(url, "empty", "http-404")])), None);
}

#[test]
fn an_account_is_gone_where_its_site_says_so() {
    let url = "https://foro.example/ana";
    let account = fact("account", url, &["username:lista"], &json!({ "site": "Foro", "username": "ana" }));
    let old = scan(&json!([account]), &[("username:lista", "ok", "")]);
    let new = |status: &str, whole: bool| {
        let mut new = scan(&json!([]), &[("username:lista", "empty", "partly-unknown")]);
        let sites = json!([{ "site": "Foro", "url": url, "status": status, "reason": "http-503" }]);
        if whole {
            new["data"]["sites"] = sites;
        } else {
            new["data"]["username"] = json!({ "sites": sites });
        }
        new
    };
    for whole in [true, false] {
        assert_eq!(doubt(&old, &new("available", whole)), None);
        for status in ["unknown", "blocked"] {
            assert_eq!(doubt(&old, &new(status, whole)), Some((status.to_owned(), "Foro".to_owned())));
        }
    }
    let other = scan(&json!([]), &[("username:lista", "empty", "")]);
    assert_eq!(doubt(&old, &other), Some(("not_asked".to_owned(), "username:lista".to_owned())));
}

#[test]
fn people_read_it_in_a_text_that_cannot_move_their_cursor() {
    let sources = [("dns:A", "ok", ""), ("crtsh", "ok", "")];
    let at = |organisation: &str| fact("domain", "example.com", &["dns:A"], &json!({ "organisation": organisation }));
    let old = json!([
        at("Una"),
        fact("ip", "1.1.1.1", &["dns:A"], &json!({})),
        fact("subdomain", "b.example.com", &["crtsh"], &json!({}))
    ]);
    let new = json!([at("Otra\u{1b}[2J"), fact("ip", "9.9.9.9", &["dns:A"], &json!({}))]);
    let told = compared(&scan(&old, &sources), &scan(&new, &[("dns:A", "ok", ""), ("crtsh", "timeout", "timeout")]));
    let expected = "Cambios en example.com (dns)\n\
        \x20 antes  2026-11-23T10:00:00.000000+00:00 · 11111111-2222-4333-8444-555555555555\n\
        \x20 ahora  2026-11-23T10:00:00.000000+00:00 · 11111111-2222-4333-8444-555555555555\n\
        3 cambios · 1 sin poder asegurarlo · 0 sin cambios\n\
        \n\
        Nuevos (1)\n\
        \x20 + ip 9.9.9.9  [dns:A]\n\
        \n\
        Desaparecidos (1)\n\
        \x20 - ip 1.1.1.1  [dns:A]\n\
        \n\
        Cambiados (1)\n\
        \x20 ~ domain example.com\n\
        \x20     organisation: Una → Otra [2J\n\
        \n\
        Sin confirmar, quizá siguen ahí: ahora no han respondido sus fuentes (1)\n\
        \x20 ? subdomain b.example.com  (crtsh: sin respuesta a tiempo)\n";
    assert_eq!(report(&told), expected);
}
