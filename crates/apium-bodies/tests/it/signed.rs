//! Bodies that `celery.security` has signed.

use apium_bodies::{BodySettings, Serializer, WireBodies};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::kit::{bodies, bytes, golden, lines, open, open_to_all, text};

fn refused(settings: BodySettings, body: &[u8]) -> String {
    open(&bodies(settings), Serializer::Auth, body).unwrap_err().to_string()
}

#[test]
fn a_good_signature_of_a_known_certificate() {
    for line in lines("signed.jsonl").iter().filter(|line| text(line, "name") != "stranger") {
        let opened = open(&bodies(open_to_all()), Serializer::Auth, &bytes(line, "body")).unwrap();
        assert_eq!(opened.args.to_string(), "[\"signed\", 1]");
    }
}

#[test]
fn everything_else_is_refused() {
    let cases = lines("signed.jsonl");
    let body = |name: &str| bytes(cases.iter().find(|line| text(line, "name") == name).unwrap(), "body");
    let told = refused(open_to_all(), &body("stranger"));
    assert!(told.contains("NL stranger") && told.contains("is not in security_cert_store"), "{told}");

    let plain = STANDARD.decode(body("one")).unwrap();
    for at in (0..plain.len()).step_by(97).chain([plain.len() - 3]) {
        let mut spoilt = plain.clone();
        spoilt[at] ^= 1;
        assert!(open(&bodies(open_to_all()), Serializer::Auth, STANDARD.encode(spoilt).as_bytes()).is_err(), "{at}");
    }
    let mut spoilt = plain.clone();
    let last = spoilt.len() - 3;
    spoilt[last] ^= 1;
    let told = refused(open_to_all(), STANDARD.encode(&spoilt).as_bytes());
    assert!(told.contains("is not good: it was changed, or signed by another"), "{told}");

    let without = BodySettings { accept_content: vec![Serializer::Json, Serializer::Auth], ..open_to_all() };
    let told = refused(without.clone(), &body("two"));
    assert!(told.contains("it is pickle") && told.contains("accept_content is json, auth"), "{told}");
    let told = refused(BodySettings { security_cert_store: None, ..without }, &body("one"));
    assert!(told.contains("security_cert_store names no certificates"), "{told}");
    let told = refused(BodySettings::default(), &body("one"));
    assert!(told.contains("it is auth (application/data), and accept_content is json"), "{told}");
}

#[test]
fn a_store_that_cannot_be_used_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let with = |path: &str| {
        let settings = BodySettings { security_cert_store: Some(path.into()), ..BodySettings::default() };
        WireBodies::new(settings).map(drop)
    };
    let empty = folder.path().display().to_string();
    assert!(with(&empty).unwrap_err().contains("holds no certificate"));
    assert!(with("/no/such").unwrap_err().contains("/no/such cannot be read"));
    std::fs::write(folder.path().join("odd.pem"), "no certificate").unwrap();
    assert!(with(&empty).unwrap_err().contains("odd.pem cannot be used"));
    assert!(with(&golden("certs/*.pem")).is_ok());
    assert!(with(&golden("certs/one.pem")).is_ok());
}
