//! The mail policies of hostile and of honest zones: SPF with its limits, DMARC, DKIM, MTA-STS,
//! TLS reporting.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::dns::{asking, scan, source};
use crate::knot::{Knot, Zone};
use svc_osint::model::{Gathered, SourceStatus};

/// A 2,048-bit RSA key made for this test with `openssl genrsa`, as SubjectPublicKeyInfo.
const RSA_2048: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAq3I11VJpMJa+ig9Ew8TqeaETC14rhrifvc9j8X65Xr0zI1Ga72tB\
    Em2mAi51gCgtPTUv97dkH2V1jhW9Q3sH7eiEAGnnxOwXXjAypfed2SFDLB6kTUdml9BqevyDeRgHYM0tx8GY5ANjlvkmAAsV\
    JVAu38kcpEzxaod0oUGhIswLmTV4cJCmav+e7FL/nI/dtv/fQiVa68iT4VFRteXG3ag9cFaRlOR4oGRMcuY4gTAWxHEoAIt4\
    Jaf/I1122ksAKrTd8yHMu7js3rNAj2W+pK4xAytJtCaAWNzWK98zTmBB6v4hnDZHei5Z7QhZ8SqSvKaAhalAO9UUdPiVJTWb\
    PQIDAQAB";
/// The same with 512 bits.
const RSA_512: &str = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAOsQuN9hh+O5Gf6CXvxkVlRnxDzoSG6a0Yavv1HazDTJME29m/nOhQ6fXKL8ttLyaclKMUTR2+9PdpjYrQznvBUCAwEAAQ==";
/// 32 bytes of an Ed25519 key.
const ED25519: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

async fn in_zone(records: &str, target: &str) -> Gathered {
    let knot = Knot::start(&[Zone::new("apium.test", records)]);
    scan(&asking(knot.address()), target).await
}

/// A TXT record of any length, cut into strings.
fn txt(name: &str, text: &str) -> String {
    let strings = text.as_bytes().chunks(200).fold(String::new(), |mut line, part| {
        write!(line, " \"{}\"", std::str::from_utf8(part).unwrap()).unwrap();
        line
    });
    format!("{name} TXT{strings}\n")
}

fn reasons(spf: &Value) -> Vec<&str> {
    spf["reasons"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap()).collect()
}

#[tokio::test]
async fn spf_is_expanded_and_its_lookups_counted() {
    let zone = [
        txt(
            "@",
            "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a mx:apium.test include:_spf.apium.test exists:%{i}.x.test -all",
        ),
        txt("_spf", "v=spf1 include:_spf2.apium.test ?all"),
        txt("_spf2", "v=spf1 ip4:198.51.100.1 ~all"),
        "@ A 127.0.0.1\n@ MX 10 mail\nmail A 127.0.0.1\n".to_owned(),
        txt("redirected", "v=spf1 redirect=_spf.apium.test"),
    ];
    let knot = Knot::start(&[Zone::new("apium.test", &zone.concat())]);
    let settings = asking(knot.address());
    let gathered = scan(&settings, "apium.test").await;
    let spf = &gathered.data["spf"];
    assert_eq!(spf["verdict"], "ok", "{spf}");
    assert_eq!((&spf["lookups"], &spf["void_lookups"]), (&json!(5), &json!(0)));
    assert_eq!(spf["all"], "-all");
    assert_eq!(spf["networks"], json!(["192.0.2.0/24", "2001:db8::/32", "198.51.100.1"]));
    assert_eq!(spf["warnings"], json!(["macros-not-expanded"]));
    assert_eq!(spf["includes"][1]["domain"], "_spf2.apium.test");
    assert_eq!(spf["includes"][1]["from"], "_spf.apium.test");
    assert_eq!(source(&gathered, "dns:SPF").status, SourceStatus::Ok);

    let redirected = scan(&settings, "redirected.apium.test").await;
    assert_eq!(redirected.data["spf"]["all"], "?all");
    assert_eq!(redirected.data["spf"]["lookups"], 2);
}

#[tokio::test]
async fn spf_that_no_receiver_can_evaluate_is_called_so() {
    let mut zone = String::new();
    zone += &txt("many", &(0..11).fold("v=spf1".to_owned(), |text, n| format!("{text} include:p{n}.apium.test")));
    for number in 0..11 {
        zone += &txt(&format!("p{number}"), "v=spf1 ip4:192.0.2.1 -all");
    }
    zone += &txt("loop", "v=spf1 include:loop2.apium.test -all");
    zone += &txt("loop2", "v=spf1 include:loop.apium.test -all");
    zone += &txt("two", "v=spf1 -all");
    zone += &txt("two", "v=spf1 ~all");
    zone += &txt("voids", "v=spf1 a:n1.apium.test a:n2.apium.test mx:n3.apium.test -all");
    zone += &txt("lonely", "v=spf1 include:nothere.apium.test -all");
    zone += &txt("wrong", "v=spf1 ip4:300.1.1.1 ipv4:192.0.2.1 -all");
    zone += &txt("lame", "v=spf1 include:elsewhere.example -all");
    zone += &txt("other", "v=spf10 -all");
    zone += &txt("allows", "v=spf1 +all include:ignored.apium.test");
    let knot = Knot::start(&[Zone::new("apium.test", &zone)]);
    let settings = asking(knot.address());
    let spf = async |target: &str| scan(&settings, &format!("{target}.apium.test")).await.data["spf"].clone();

    let many = spf("many").await;
    assert_eq!((&many["verdict"], &many["lookups"]), (&json!("permerror"), &json!(11)));
    assert_eq!(reasons(&many), ["too-many-lookups"]);
    assert_eq!(reasons(&spf("loop").await), ["loop loop.apium.test"]);
    let two = spf("two").await;
    assert_eq!((&two["verdict"], reasons(&two)), (&json!("permerror"), vec!["several-records"]));
    assert_eq!(two["records"].as_array().unwrap().len(), 2);
    let voids = spf("voids").await;
    assert_eq!((&voids["void_lookups"], reasons(&voids)), (&json!(3), vec!["too-many-void-lookups"]));
    assert_eq!(reasons(&spf("lonely").await), ["include-without-policy nothere.apium.test"]);
    assert_eq!(reasons(&spf("wrong").await), ["bad-term 300.1.1.1", "bad-term ipv4"]);
    let lame = spf("lame").await;
    assert_eq!((&lame["verdict"], reasons(&lame)), (&json!("temperror"), vec!["refused elsewhere.example"]));
    assert_eq!(spf("other").await["verdict"], "none");
    let allows = spf("allows").await;
    assert_eq!((&allows["all"], &allows["lookups"]), (&json!("+all"), &json!(0)));
    assert_eq!(allows["warnings"], json!(["allows-everyone"]));
}

#[tokio::test]
async fn an_spf_tree_without_end_is_cut() {
    // Each policy includes two more: 2^20 of them, were nobody counting.
    let zone = (0..20).fold(String::new(), |zone, level| {
        let next = level + 1;
        zone + &txt(&format!("t{level}"), &format!("v=spf1 include:t{next}.apium.test include:t{next}.apium.test"))
    });
    let gathered = in_zone(&zone, "t0.apium.test").await;
    let spf = &gathered.data["spf"];
    assert_eq!(spf["verdict"], "permerror");
    assert!(spf["lookups"].as_u64().unwrap() < 40, "{spf}");
}

#[tokio::test]
async fn dmarc_is_parsed_and_inherited() {
    let zone = [
        txt("_dmarc", "v=DMARC1; p=reject; sp=quarantine; pct=50 ; rua=mailto:d@apium.test"),
        "sub A 127.0.0.1\n".to_owned(),
        "own A 127.0.0.1\n".to_owned(),
        txt("_dmarc.own", "v=DMARC1; p=none"),
        "twice A 127.0.0.1\n".to_owned(),
        txt("_dmarc.twice", "v=DMARC1; p=none"),
        txt("_dmarc.twice", "v=DMARC1; p=reject"),
        "bad A 127.0.0.1\n".to_owned(),
        txt("_dmarc.bad", "v=DMARC1; p=block"),
        "noise A 127.0.0.1\n".to_owned(),
        txt("_dmarc.noise", "hello"),
    ];
    let knot = Knot::start(&[Zone::new("apium.test", &zone.concat())]);
    let settings = asking(knot.address());
    let dmarc = async |target: &str| scan(&settings, target).await.data["dmarc"].clone();

    let own = dmarc("apium.test").await;
    assert_eq!((&own["verdict"], &own["policy"], &own["enforced"]), (&json!("ok"), &json!("reject"), &json!(true)));
    assert_eq!(own["tags"]["pct"], "50");
    assert_eq!((&own["inherited"], &own["name"]), (&json!(false), &json!("_dmarc.apium.test")));
    let sub = dmarc("sub.apium.test").await;
    assert_eq!((&sub["inherited"], &sub["policy"]), (&json!(true), &json!("quarantine")));
    assert_eq!(sub["name"], "_dmarc.apium.test");
    assert_eq!(dmarc("own.apium.test").await["enforced"], false);
    assert_eq!(dmarc("twice.apium.test").await["reasons"], json!(["several-records"]));
    assert_eq!(dmarc("bad.apium.test").await["reasons"], json!(["no-valid-p"]));
    assert_eq!(dmarc("noise.apium.test").await["inherited"], true);
}

#[tokio::test]
async fn dkim_keys_are_measured() {
    let zone = [
        txt("default._domainkey", &format!("v=DKIM1; k=rsa; p={RSA_2048}")),
        txt("mail._domainkey", &format!("p={RSA_512}")),
        txt("s1._domainkey", &format!("v=DKIM1; k=ed25519; t=y:s; p={ED25519}")),
        txt("k1._domainkey", "v=DKIM1; k=rsa; p="),
        txt("google._domainkey", "v=DKIM1; p=not*base64"),
        txt("dkim._domainkey", "v=spf1 -all"),
        "selector1._domainkey CNAME default._domainkey\n".to_owned(),
    ];
    let gathered = in_zone(&zone.concat(), "apium.test").await;
    let dkim = &gathered.data["dkim"];
    assert_eq!((&dkim["verdict"], &dkim["wildcard"]), (&json!("found"), &json!(false)));
    let key = |selector: &str| {
        let keys = dkim["keys"].as_array().unwrap();
        keys.iter().find(|key| key["selector"] == selector).cloned().unwrap_or_default()
    };
    let summary = |selector: &str| {
        let key = key(selector);
        format!("{} {} {}", key["verdict"].as_str().unwrap(), key["key_type"].as_str().unwrap(), key["bits"])
    };
    assert_eq!(summary("default"), "ok rsa 2048");
    assert_eq!(summary("selector1"), "ok rsa 2048");
    assert_eq!(summary("mail"), "weak rsa 512");
    assert_eq!(summary("s1"), "ok ed25519 256");
    assert_eq!(key("s1")["testing"], true);
    assert_eq!(summary("k1"), "revoked rsa null");
    assert_eq!(summary("google"), "malformed rsa null");
    assert_eq!(key("dkim"), Value::Null);
}

#[tokio::test]
async fn a_revoked_wildcard_key_is_said_once() {
    let gathered = in_zone(&txt("*._domainkey", "v=DKIM1; p="), "apium.test").await;
    let dkim = &gathered.data["dkim"];
    assert_eq!((&dkim["wildcard"], dkim["keys"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!((&dkim["keys"][0]["selector"], &dkim["keys"][0]["verdict"]), (&json!("*"), &json!("revoked")));
}

#[tokio::test]
async fn transport_policies_are_found_or_missed_honestly() {
    let zone = [txt("_mta-sts", "v=STSv1; id=20260101;"), txt("_smtp._tls", "v=TLSRPTv1; rua=mailto:t@apium.test")];
    let gathered = in_zone(&zone.concat(), "apium.test").await;
    assert_eq!(gathered.data["mta_sts"]["verdict"], "ok");
    assert_eq!(gathered.data["mta_sts"]["tags"]["id"], "20260101");
    assert_eq!(gathered.data["tls_rpt"]["tags"]["rua"], "mailto:t@apium.test");

    let without = in_zone(&txt("_mta-sts", "v=STSv1;"), "apium.test").await;
    assert_eq!(without.data["mta_sts"]["reasons"], json!(["missing-tag"]));
    assert_eq!(without.data["tls_rpt"]["verdict"], "none");
    assert_eq!(source(&without, "dns:TLS-RPT").status, SourceStatus::Empty);
}
