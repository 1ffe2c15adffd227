//! The `haveibeenpwned` collector against a fake of it: breaches, pastes, and passwords of which nothing is told but
//! how often they were seen.

use serde_json::json;
use svc_osint::model::SourceStatus;

use crate::provider_fakes::{Fake, KEY, asking, keyless, scan};

/// `/api/v3/breachedaccount/…` and `/api/v3/breaches`.
pub(crate) const BREACHES: &str = r#"[
{"Name":"Adobe","Title":"Adobe","Domain":"adobe.com","BreachDate":"2013-10-04","AddedDate":"2013-12-04T00:00:00Z",
 "ModifiedDate":"2022-05-15T23:52:49Z","PwnCount":152445165,"Description":"In October 2013 <a href=\"x\">…</a>",
 "LogoPath":"https://logos.haveibeenpwned.com/Adobe.png","Attribution":null,"DisclosureUrl":null,
 "DataClasses":["Email addresses","Password hints","Passwords","Usernames"],"IsVerified":true,"IsFabricated":false,
 "IsSensitive":false,"IsRetired":false,"IsSpamList":false,"IsMalware":false,"IsSubscriptionFree":false,"IsStealerLog":false},
{"Name":"Citas","Title":"Citas","Domain":"","BreachDate":"2015-07-19","AddedDate":"2015-08-18T20:55:06Z",
 "ModifiedDate":"2015-08-18T20:55:06Z","PwnCount":30811934,"DataClasses":["Email addresses"],"IsVerified":false,
 "IsSensitive":true}]"#;
/// `/api/v3/pasteaccount/…`.
pub(crate) const PASTES: &str = r#"[{"Source":"Pastebin","Id":"8Q0BvKD8","Title":"syslog","Date":"2014-03-04T19:14:54Z",
"EmailCount":139},{"Source":"Pastie","Id":"7152479","Title":null,"Date":null,"EmailCount":30}]"#;
/// `/range/5BAA6`, the last two lines being padding.
pub(crate) const RANGE: &str = "003D68EB55068C33ACE09247EE4C639306B:3\r\n1E4C9B93F3F0682250B6CF8331B7EE68FD8:52256179\r\n\
                                01330C689E5D64F660D6947A93AD634EF8F:0\r\n0198748F3315F40B1A102BF18EEA0194CD9:0\r\n\
                                0248A3F1D2B7C8E9F00112233445566778A:12";
/// The SHA-1 digest of `password`.
pub(crate) const PASSWORD: &str = "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8";

#[tokio::test]
async fn an_address_has_breaches_and_pastes() {
    let pages = [("/api/v3/breachedaccount/", 200, BREACHES), ("/api/v3/pasteaccount/", 200, PASTES)];
    let fake = Fake::with(&pages).await;
    let told = scan(&asking(&fake), "haveibeenpwned", "Ana+x/y@Example.com", json!({})).await;
    let paths = [
        "/api/v3/breachedaccount/Ana+x%2Fy@example.com?truncateResponse=false",
        "/api/v3/pasteaccount/Ana+x%2Fy@example.com",
    ];
    assert_eq!(fake.paths(), paths);
    for asked in fake.asked() {
        assert_eq!(asked.headers["hibp-api-key"], KEY);
        assert!(asked.headers["user-agent"].to_str().unwrap().starts_with("apium-osint/"));
    }
    assert_eq!(told.verdict("haveibeenpwned:account"), (SourceStatus::Ok, ""));
    assert_eq!(told.verdict("haveibeenpwned:pastes"), (SourceStatus::Ok, ""));
    assert_eq!(told.data["pwned"], true);
    let adobe = &told.data["breaches"][0];
    let expected = json!({
        "Name": "Adobe", "Title": "Adobe", "Domain": "adobe.com", "BreachDate": "2013-10-04",
        "AddedDate": "2013-12-04T00:00:00Z", "ModifiedDate": "2022-05-15T23:52:49Z", "PwnCount": 152_445_165,
        "DataClasses": ["Email addresses", "Password hints", "Passwords", "Usernames"], "IsVerified": true,
        "IsFabricated": false, "IsSensitive": false, "IsRetired": false, "IsSpamList": false, "IsMalware": false,
        "IsSubscriptionFree": false, "IsStealerLog": false,
    });
    assert_eq!(*adobe, expected);
    assert_eq!(told.data["breaches"][1]["IsSensitive"], true);
    assert_eq!(told.values("breach"), ["Adobe", "Citas", "Pastebin 8Q0BvKD8", "Pastie 7152479"]);
    let citas = told.findings("breach")[1];
    assert_eq!((&citas["attributes"]["sensitive"], &citas["confidence"]), (&json!(true), &json!(0.5)));
    assert_eq!(told.data["pastes"][0]["EmailCount"], 139);
    assert!(!told.shown.contains(KEY) && !told.shown.contains("href"));
}

#[tokio::test]
async fn an_address_that_is_in_no_breach_is_good_news() {
    let fake = Fake::with(&[]).await;
    let told = scan(&asking(&fake), "haveibeenpwned", "ana@example.com", json!({})).await;
    assert_eq!(told.verdict("haveibeenpwned:account"), (SourceStatus::Empty, ""));
    assert_eq!(told.verdict("haveibeenpwned:pastes"), (SourceStatus::Empty, ""));
    assert!(told.success);
    assert_eq!((&told.data["pwned"], &told.data["breaches"]), (&json!(false), &json!([])));
    assert_eq!(told.data["pastes"], json!([]));
}

#[tokio::test]
async fn who_could_not_ask_does_not_say_that_there_is_nothing() {
    let page = "<html>Just a moment…</html>";
    for (status, body, reason) in [(401, "", "key-rejected"), (404, page, "http-404"), (403, "", "user-agent")] {
        let fake =
            Fake::with(&[("/api/v3/breachedaccount", status, body), ("/api/v3/pasteaccount", 200, PASTES)]).await;
        let told = scan(&asking(&fake), "haveibeenpwned", "ana@example.com", json!({})).await;
        assert_eq!(told.verdict("haveibeenpwned:account").1, reason);
        assert!(!told.data.contains_key("pwned") && !told.data.contains_key("breaches"), "{:?}", told.data);
        let pastes = told.verdict("haveibeenpwned:pastes");
        let closed = (SourceStatus::Skipped, "key-rejected");
        assert_eq!(pastes, if status == 401 { closed } else { (SourceStatus::Ok, "") });
        assert_eq!(fake.paths().len(), if status == 401 { 1 } else { 2 });
    }
}

#[tokio::test]
async fn the_limit_of_the_plan_says_until_when() {
    let body = r#"{ "statusCode": 429, "message": "Rate limit is exceeded. Try again in 6 seconds." }"#;
    let fake = Fake::answering(move |_| {
        let mut reply = crate::provider_fakes::reply(429, body);
        reply.headers_mut().insert("retry-after", "6".parse().unwrap());
        reply
    })
    .await;
    let told = scan(&asking(&fake), "haveibeenpwned", "ana@example.com", json!({})).await;
    assert_eq!(told.verdict("haveibeenpwned:account"), (SourceStatus::RateLimited, "http-429"));
    assert_eq!(told.source("haveibeenpwned:account").retry_after, Some(6));
    assert_eq!(told.verdict("haveibeenpwned:pastes"), (SourceStatus::RateLimited, "quota-spent"));
    assert_eq!(fake.paths().len(), 1);
}

#[tokio::test]
async fn a_domain_needs_no_key_and_gives_its_own_breaches_only() {
    let fake = Fake::with(&[("/api/v3/breaches?domain=adobe.com", 200, BREACHES)]).await;
    let told = scan(&keyless(&fake), "haveibeenpwned", "www.adobe.com", json!({})).await;
    assert_eq!(told.verdict("haveibeenpwned:domain"), (SourceStatus::Ok, ""));
    assert_eq!(told.values("breach"), ["Adobe"]);
    assert_eq!(told.data["domain"], "adobe.com");
    assert!(!fake.asked()[0].headers.contains_key("hibp-api-key"));

    let fake = Fake::with(&[("/api/v3/breaches", 200, "[]")]).await;
    let told = scan(&asking(&fake), "haveibeenpwned", "example.com", json!({})).await;
    assert_eq!((told.verdict("haveibeenpwned:domain"), told.success), ((SourceStatus::Empty, ""), true));
    assert_eq!(told.data["breaches"], json!([]));
    assert!(!format!("{:?}", fake.asked()).contains(KEY), "no key goes where none is wanted");
}

#[tokio::test]
async fn of_a_password_only_how_often_it_was_seen_is_told() {
    let fake = Fake::with(&[("/range/5BAA6", 200, RANGE)]).await;
    let told = scan(&keyless(&fake), "haveibeenpwned", PASSWORD, json!({})).await;
    assert_eq!(told.verdict("haveibeenpwned:password"), (SourceStatus::Ok, ""));
    assert_eq!(told.data["password_seen"], 52_256_179);
    assert_eq!(fake.paths(), ["/range/5BAA6"], "five digits are sent");
    assert_eq!(fake.asked()[0].headers["add-padding"], "true");
    for line in RANGE.lines().filter(|line| !line.contains("52256179")) {
        assert!(!told.shown.to_uppercase().contains(line.split(':').next().unwrap()), "{}", told.shown);
    }

    let never = "5baa6000000000000000000000000000000000ff";
    let padded = "5baa601330c689e5d64f660d6947a93ad634ef8f";
    for digest in [never, padded] {
        let told = scan(&keyless(&fake), "haveibeenpwned", digest, json!({})).await;
        assert_eq!(told.verdict("haveibeenpwned:password"), (SourceStatus::Empty, ""));
        assert_eq!((&told.data["password_seen"], told.success), (&json!(0), true));
    }
}

#[tokio::test]
async fn lines_that_are_none_are_not_read() {
    for body in
        ["003D68EB55068C33ACE09247EE4C639306B", "003D:1", "hola", "003D68EB55068C33ACE09247EE4C639306B:-1", "{}"]
    {
        let fake = Fake::with(&[("/range/", 200, body)]).await;
        let told = scan(&keyless(&fake), "haveibeenpwned", PASSWORD, json!({})).await;
        assert_eq!(told.verdict("haveibeenpwned:password"), (SourceStatus::Failed, "invalid-response"), "{body}");
    }
}

#[tokio::test]
async fn other_digests_are_not_asked_about() {
    let fake = Fake::with(&[]).await;
    for digest in ["d41d8cd98f00b204e9800998ecf8427e".to_owned(), "ab".repeat(32)] {
        let told = scan(&keyless(&fake), "haveibeenpwned", &digest, json!({})).await;
        assert_eq!(told.verdict("haveibeenpwned:password"), (SourceStatus::Skipped, "not-sha1"));
    }
    assert!(fake.paths().is_empty());
}
