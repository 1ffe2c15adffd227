//! The `crtsh` collector against a fake of crt.sh: names, certificates, its ways to be away, its size.

use axum::body::Body;
use proptest::prelude::*;
use serde_json::{Value, json};
use svc_osint::collectors::crtsh::{Name, name};
use svc_osint::model::SourceStatus;

use crate::provider_fakes::{Fake, Told, asking, keyless, reply, scan};

/// What crt.sh gives for `example.com`: a pre-certificate and its certificate, wildcards, an address, strangers.
pub(crate) const ROWS: &str = r#"[
{"issuer_ca_id":295815,"issuer_name":"C=US, O=Let's Encrypt, CN=R11","common_name":"www.example.com",
 "name_value":"WWW.Example.com\n*.example.com\nexample.com","id":15000000002,"entry_timestamp":"2026-10-01T01:02:03.456",
 "not_before":"2026-10-01T00:00:00","not_after":"2126-12-30T23:59:59","serial_number":"04ab","result_count":2},
{"issuer_ca_id":295815,"issuer_name":"C=US, O=Let's Encrypt, CN=R11","common_name":"www.example.com",
 "name_value":"www.example.com","id":15000000001,"entry_timestamp":"2026-10-01T01:02:03.123",
 "not_before":"2026-10-01T00:00:00","not_after":"2126-12-30T23:59:59","serial_number":"04ab","result_count":2},
{"issuer_ca_id":1,"issuer_name":"O=Vieja","common_name":null,
 "name_value":"Ana@Example.com\nfoo.example.com\nexample.com.evil.org\nnotexample.com\nana@evil.org","id":7,
 "entry_timestamp":null,"not_before":"2015-01-01T00:00:00","not_after":"2016-01-01T00:00:00","serial_number":"01"},
{"issuer_ca_id":1,"issuer_name":"O=Otra","common_name":"*.dev.example.com","name_value":"*.dev.example.com","id":8,
 "not_before":null,"not_after":null,"serial_number":null},
{"issuer_ca_id":1,"issuer_name":"O=Ajena","common_name":"evil.org","name_value":"evil.org","id":9,
 "not_before":"2015-01-01T00:00:00","not_after":"2016-01-01T00:00:00","serial_number":"02"}
]"#;

async fn told(fake: &Fake) -> Told {
    scan(&keyless(fake), "crtsh", "Example.COM", json!({})).await
}

#[tokio::test]
async fn names_and_certificates_are_sorted_out() {
    let fake = Fake::with(&[("/", 200, ROWS)]).await;
    let told = told(&fake).await;
    assert_eq!(fake.paths(), ["/?q=%25.example.com&output=json"]);
    assert_eq!(told.verdict("crtsh"), (SourceStatus::Ok, ""));
    assert!(told.success && !told.truncated);
    let lasting = json!("2126-12-30T23:59:59Z");
    let expected = json!([
        { "name": "dev.example.com", "wildcard": true, "valid_until": null },
        { "name": "example.com", "wildcard": true, "valid_until": lasting },
        { "name": "foo.example.com", "wildcard": false, "valid_until": "2016-01-01T00:00:00Z" },
        { "name": "www.example.com", "wildcard": false, "valid_until": lasting },
    ]);
    assert_eq!(told.data["subdomains"], expected);
    assert_eq!(told.data["emails"], json!(["ana@example.com"]));
    assert_eq!(told.data["certificates_total"], 3);
    assert_eq!(told.data["expired_included"], true);
    let first = json!({
        "id": 15_000_000_002_u64, "issuer": "C=US, O=Let's Encrypt, CN=R11", "not_before": "2026-10-01T00:00:00Z",
        "not_after": lasting, "serial": "04ab",
    });
    assert_eq!(told.data["certificates"][0], first);
    assert_eq!(told.values("subdomain"), ["dev.example.com", "foo.example.com", "www.example.com"]);
    assert_eq!(told.values("domain"), ["example.com"]);
    assert_eq!(told.values("email"), ["ana@example.com"]);
    assert_eq!(told.values("certificate"), ["04ab", "01", "8"]);
    assert_eq!(told.findings("certificate")[0]["source_url"], "https://crt.sh/?id=15000000002");
    // A name whose certificates have all expired may be gone.
    let sure =
        |name: &str| told.findings("subdomain").iter().find(|it| it["value"] == name).unwrap()["confidence"].clone();
    assert!(sure("www.example.com").as_f64() > sure("foo.example.com").as_f64());
}

#[tokio::test]
async fn nothing_known_is_an_empty_answer() {
    let fake = Fake::with(&[("/", 200, "[]")]).await;
    let told = told(&fake).await;
    assert_eq!((told.verdict("crtsh"), told.success), ((SourceStatus::Empty, ""), true));
}

#[tokio::test]
async fn it_is_asked_again_when_it_is_away_and_believed_when_it_is_back() {
    for (status, body) in [(502, ""), (503, ""), (404, ""), (429, ""), (200, "<html>Sorry</html>")] {
        let fake = Fake::answering(move |asked| match asked.before {
            0 | 1 => reply(status, body),
            _ => reply(200, ROWS),
        })
        .await;
        let told = told(&fake).await;
        assert_eq!(told.verdict("crtsh"), (SourceStatus::Ok, ""), "{status}");
        assert_eq!(told.source("crtsh").requests, 3, "{status}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_asked_for_without_the_expired_ones() {
    let fake = Fake::answering(|asked| {
        if asked.path.contains("exclude=expired") {
            return reply(200, ROWS);
        }
        let row = ROWS.trim_matches(['[', ']', '\n']).to_owned() + ",";
        let pieces = futures_util::stream::iter(std::iter::repeat_n(row, 60_000).map(Ok::<_, std::io::Error>));
        reply(200, Body::from_stream(pieces))
    })
    .await;
    let told = told(&fake).await;
    assert_eq!(told.verdict("crtsh"), (SourceStatus::Failed, "too-large"));
    assert_eq!(told.verdict("crtsh:current"), (SourceStatus::Ok, ""));
    assert_eq!(told.data["expired_included"], false);
    assert!(told.success && told.truncated);
}

#[tokio::test]
async fn what_is_kept_of_a_long_list_is_bounded_and_says_so() {
    let row = |n: usize| {
        json!({ "id": n, "name_value": format!("n{n}.example.com"), "serial_number": format!("{n:x}"), "issuer_name": "O=X",
                "not_before": "2026-01-01T00:00:00", "not_after": "2027-01-01T00:00:00" })
    };
    let rows = Value::Array((0..12_000).map(row).collect()).to_string();
    let fake = Fake::with(&[("/", 200, &rows)]).await;
    let told = told(&fake).await;
    assert_eq!(told.data["subdomains"].as_array().unwrap().len(), 5_000);
    assert_eq!(told.data["certificates"].as_array().unwrap().len(), 1_000);
    assert_eq!(told.data["certificates_total"], 12_000);
    assert!(told.truncated);
}

#[tokio::test]
async fn no_key_of_another_provider_goes_there() {
    let fake = Fake::with(&[("/", 200, ROWS)]).await;
    scan(&asking(&fake), "crtsh", "example.com", json!({})).await;
    assert!(!format!("{:?}", fake.asked()).contains(crate::provider_fakes::KEY));
}

#[test]
fn a_name_is_one_of_the_domain_or_none() {
    let host = |name: &str, wildcard| Some(Name::Host { name: name.to_owned(), wildcard });
    let cases = [
        ("example.com", host("example.com", false)),
        (" *.Example.com ", host("example.com", true)),
        ("a.b.EXAMPLE.com.", host("a.b.example.com", false)),
        ("_dmarc.example.com", host("_dmarc.example.com", false)),
        ("ñandú.example.com", host("xn--and-6ma2c.example.com", false)),
        ("Ana.Paz@mail.example.com", Some(Name::Email("ana.paz@mail.example.com".to_owned()))),
        ("*.*.example.com", None),
        ("w*.example.com", None),
        ("badexample.com", None),
        ("example.com.evil.org", None),
        ("ana@evil.org", None),
        ("a b@example.com", None),
        ("@example.com", None),
        (".example.com", None),
        ("a..example.com", None),
        ("<script>.example.com", None),
        ("example.com\0.example.com", None),
        ("", None),
    ];
    for (line, expected) in cases {
        assert_eq!(name(line, "example.com"), expected, "{line:?}");
    }
    assert_eq!(name(&format!("{}.example.com", "a".repeat(64)), "example.com"), None);
    assert_eq!(name(&format!("{}example.com", "a.".repeat(130)), "example.com"), None);
}

proptest! {
    #[test]
    fn whatever_stands_in_a_certificate_gives_a_proper_name_or_none(line in "\\PC{0,40}(\\.?example\\.com)?") {
        match name(&line, "example.com") {
            None => {}
            Some(Name::Host { name, .. }) => {
                prop_assert!(name == "example.com" || name.ends_with(".example.com"), "{name}");
                prop_assert!(name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len())));
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
                prop_assert!(name.bytes().all(plain), "{name}");
            }
            Some(Name::Email(address)) => {
                let (local, domain) = address.rsplit_once('@').unwrap();
                prop_assert!(!local.is_empty() && !local.contains(char::is_whitespace));
                prop_assert!(domain == "example.com" || domain.ends_with(".example.com"));
            }
        }
    }

    #[test]
    fn what_is_found_is_found_again(label in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", wildcard: bool) {
        let star = if wildcard { "*." } else { "" };
        let found = name(&format!("{star}{}.Example.COM.", label.to_uppercase()), "example.com");
        prop_assert_eq!(found, Some(Name::Host { name: format!("{label}.example.com"), wildcard }));
    }
}
