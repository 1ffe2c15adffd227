//! Who is behind an address or a name, by fakes of every source it asks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use svc_osint::collectors::dns::DnsSettings;
use svc_osint::collectors::identity::{Disposable, collect, user_ids};
use svc_osint::model::{Gathered, SourceStatus};
use svc_osint::target::{Target, TargetKind};

use crate::responder::{Responder, answer_to, record_for};
use crate::social::{Providers, page};

const MAIL: &str = "Ana.Lopez+tienda@correo.example";

/// A resolver that names one mail server for every domain.
pub(crate) fn mail_server() -> Responder {
    Responder::udp(|question| vec![record_for(question, 15, 60, b"\x00\x0a\x02mx\x07example\x00")])
}

/// Settings by which it is the one that is asked.
pub(crate) fn dns(resolver: &Responder) -> DnsSettings {
    let address = resolver.address().to_string();
    DnsSettings::new(Some(&address), |_| true).unwrap()
}

async fn gathered(providers: &Providers, resolver: &Responder, text: &str) -> Gathered {
    let target = Target::parse_for(text, &[TargetKind::Email, TargetKind::Username]).unwrap();
    let disposable = Disposable::read(None).unwrap();
    let dns = dns(resolver);
    providers.gathered(async |enquiry| collect(&dns, &disposable, enquiry, &target).await).await
}

fn digest(mail: &str) -> String {
    Sha256::digest(mail.as_bytes()).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// An armoured key with these user ids between packets of other kinds.
fn key(user_ids: &[&str]) -> String {
    let mut bytes = vec![0x99, 0, 3, 4, 5, 6];
    for user_id in user_ids {
        bytes.extend([0xb4, u8::try_from(user_id.len()).unwrap()]);
        bytes.extend(user_id.as_bytes());
        bytes.extend([0xc2, 192, 8]);
        bytes.extend([7; 200]);
    }
    let text: Vec<String> =
        STANDARD.encode(&bytes).as_bytes().chunks(64).map(|c| String::from_utf8(c.to_vec()).unwrap()).collect();
    format!(
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: a key\n\n{}\n=AbCd\n-----END PGP PUBLIC KEY BLOCK-----\n",
        text.join("\n")
    )
}

fn profile() -> Value {
    json!({ "entry": [{
        "hash": "x", "displayName": "Ana López", "preferredUsername": "analo", "name": [],
        "profileUrl": "https://gravatar.com/analo", "currentLocation": "Quito",
        "accounts": [
            { "domain": "github.com", "shortname": "github", "name": "GitHub", "url": "https://github.com/analo",
              "username": "analo", "verified": true },
            { "shortname": "odd", "url": "javascript:alert(1)", "verified": "true" }
        ]
    }] })
}

fn source<'a>(all: &'a Gathered, name: &str) -> &'a svc_osint::model::SourceReport {
    all.sources.iter().find(|source| source.source == name).unwrap_or_else(|| panic!("{name}: {:?}", all.sources))
}

#[tokio::test]
async fn what_is_known_of_an_address_is_put_together() {
    let hash = digest("ana.lopez+tienda@correo.example");
    let picture = (200, vec![("content-type", "image/png".to_owned())], "png".to_owned());
    let found = json!({ "total_count": 1, "items": [{ "login": "analopez", "html_url": "https://elsewhere" }] });
    let providers = Providers::knowing([
        (format!("gravatar/avatar/{hash}?d=404").as_str(), picture),
        (format!("gravatar/{hash}.json").as_str(), page(200, profile().to_string())),
        (
            "github_search/search/users?q=%22Ana.Lopez%2Btienda%40correo.example%22+in%3Aemail",
            page(200, found.to_string()),
        ),
        ("keyserver/vks/v1/by-email/Ana.Lopez+tienda@correo.example", page(200, key(&["Ana L. <a@b.example>"]))),
        ("reddit/user/AnaLopez/about.json", page(200, "{\"data\":{\"name\":\"AnaLopez\"}}")),
    ])
    .await;
    let resolver = mail_server();
    let all = gathered(&providers, &resolver, MAIL).await;
    assert_eq!(all.data["target_type"], "email");
    let gravatar = &all.data["gravatar"];
    assert_eq!(
        (&gravatar["avatar"], &gravatar["profile"], &gravatar["display_name"]),
        (&json!(true), &json!(true), &json!("Ana López"))
    );
    let account = json!({ "site": "GitHub", "url": "https://github.com/analo", "username": "analo", "verified": true });
    assert_eq!(gravatar["accounts"], json!([account]));
    assert_eq!(all.data["github"], json!([{ "login": "analopez", "url": "https://github.com/analopez" }]));
    assert_eq!(all.data["openpgp"], json!({ "key": true, "user_ids": ["Ana L. <a@b.example>"] }));
    let mail = json!({ "domain": "correo.example", "servers": ["mx.example"], "null_mx": false, "disposable": false });
    assert_eq!(all.data["mail"], mail);
    let signals = ["mail-server", "gravatar-avatar", "gravatar-profile", "github-email", "openpgp-key"];
    assert_eq!(all.data["found_signals"], json!(signals));
    // A dot is nothing these networks take in a name.
    assert!(all.data["social_accounts"].as_array().unwrap().iter().all(|row| row["status"] == "illegal"));
    let summary = all.data["summary"].as_str().unwrap();
    assert_eq!(
        summary,
        "El correo tiene un dominio que recibe correo, tiene un perfil de Gravatar «Ana López» con 1 cuenta, aparece en 1 \
         cuenta de GitHub y tiene una clave OpenPGP publicada."
    );
    let value = |kind: &str| -> Vec<&str> {
        all.findings.iter().filter(|finding| finding.kind == kind).map(|finding| finding.value.as_str()).collect()
    };
    assert_eq!(value("person"), ["Ana López", "Ana L."]);
    assert_eq!(value("account"), ["https://github.com/analo", "https://github.com/analopez"]);
    assert_eq!(all.progress, (5, 5));
    for name in ["dns:MX", "gravatar:avatar", "gravatar:profile", "github:email", "keyserver"] {
        assert_eq!(source(&all, name).status, SourceStatus::Ok, "{name}");
    }
}

#[tokio::test]
async fn a_name_before_the_at_is_no_identity() {
    let providers = Providers::knowing([
        ("github/users/analopez", page(200, "{\"login\":\"analopez\"}")),
        ("reddit/user/analopez/about.json", page(200, "{\"data\":{\"name\":\"analopez\"}}")),
    ])
    .await;
    let resolver = mail_server();
    let all = gathered(&providers, &resolver, "analopez+x@mailinator.com").await;
    let accounts: Vec<_> = all.findings.iter().filter(|finding| finding.kind == "account").collect();
    assert_eq!(accounts.len(), 2);
    assert!(accounts.iter().all(|finding| finding.confidence <= 0.3), "{accounts:?}");
    let rows = all.data["social_accounts"].as_array().unwrap();
    let claimed: Vec<_> = rows.iter().filter(|row| row["status"] == "claimed").collect();
    assert!(claimed.len() == 2 && claimed.iter().all(|row| row["confidence"].as_f64().unwrap() <= 0.3), "{rows:?}");
    assert_eq!(all.data["mail"]["disposable"], true);
    assert_eq!(all.data["found_signals"], json!(["disposable-domain", "mail-server", "username-elsewhere"]));
    let summary = all.data["summary"].as_str().unwrap();
    assert!(summary.contains("desechable") && summary.contains("no prueba que sean de la misma persona"), "{summary}");
    for name in ["gravatar:avatar", "gravatar:profile", "keyserver"] {
        assert_eq!(source(&all, name).status, SourceStatus::Empty, "{name}");
    }
    // GitHub's search answers with a list, never with 404.
    assert_eq!(source(&all, "github:email").status, SourceStatus::Failed);
}

#[tokio::test]
async fn a_user_name_is_looked_for_as_itself() {
    let providers = Providers::knowing([
        ("gravatar/analopez.json", page(200, profile().to_string())),
        (
            "steam/id/analopez?xml=1",
            page(200, "<profile><customURL>AnaLopez</customURL><steamID>A</steamID></profile>"),
        ),
    ])
    .await;
    let resolver = mail_server();
    let all = gathered(&providers, &resolver, "@analopez").await;
    assert_eq!((&all.data["target_type"], all.data.get("mail")), (&json!("username"), None));
    assert_eq!(all.data["gravatar"]["display_name"], "Ana López");
    let steam = all.findings.iter().find(|finding| finding.value.contains("steam")).unwrap();
    assert!(steam.confidence > 0.5);
    assert!(all.data["summary"].as_str().unwrap().ends_with("Hay 1 cuenta con ese nombre en otras redes."));
    assert_eq!(resolver.asked(), 0);
}

#[tokio::test]
async fn nothing_found_and_nobody_answering_are_told_apart() {
    let empty = json!({ "total_count": 0, "items": [] }).to_string();
    let search = "github_search/search/users?q=%22a%40correo.example%22+in%3Aemail";
    let providers = Providers::knowing([(search, page(200, empty))]).await;
    let nowhere = Responder::udp(|question| vec![answer_to(question, 0)]);
    let all = gathered(&providers, &nowhere, "a@correo.example").await;
    assert_eq!(all.data["found_signals"], json!([]));
    assert_eq!(all.data["openpgp"]["key"], false);
    assert_eq!(all.data["gravatar"]["profile"], false);
    assert_eq!(all.data["mail"]["servers"], json!([]));
    assert_eq!(source(&all, "github:email").status, SourceStatus::Empty);

    // A search that was broken off has not looked everywhere.
    let broken_off = json!({ "total_count": 0, "incomplete_results": true, "items": [] }).to_string();
    let all =
        gathered(&Providers::knowing([(search, page(200, broken_off))]).await, &nowhere, "a@correo.example").await;
    let github = source(&all, "github:email");
    assert_eq!((github.status, github.reason.as_deref()), (SourceStatus::Failed, Some("incomplete-answer")));
    assert_eq!((&all.data["github"], github.requests), (&Value::Null, 2));

    let providers = Providers::saying(503, "").await;
    let lame = Responder::udp(|question| vec![answer_to(question, 2)]);
    let all = gathered(&providers, &lame, "analopez@correo.example").await;
    assert_eq!((&all.data["openpgp"]["key"], &all.data["gravatar"]["profile"]), (&Value::Null, &Value::Null));
    assert_eq!((&all.data["mail"]["servers"], &all.data["github"]), (&Value::Null, &Value::Null));
    assert!(
        all.sources.iter().all(|s| !matches!(s.status, SourceStatus::Ok | SourceStatus::Empty)),
        "{:?}",
        all.sources
    );
    assert!(all.data["summary"].as_str().unwrap().contains("no ha dejado rastro"));

    for body in ["<html>", "{\"entry\":[]}", "[]", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n=\n-----END"] {
        let all = gathered(&Providers::saying(200, body).await, &lame, "analopez@correo.example").await;
        assert_eq!(all.data["found_signals"], json!([]), "{body}");
        assert!(
            all.sources.iter().all(|s| !matches!(s.status, SourceStatus::Ok | SourceStatus::Empty)),
            "{body}: {:?}",
            all.sources
        );
    }
}

#[tokio::test]
async fn a_domain_that_declares_to_take_no_mail_is_told() {
    let null = Responder::udp(|question| vec![record_for(question, 15, 60, b"\x00\x00\x00")]);
    let all = gathered(&Providers::knowing([]).await, &null, "a@correo.example").await;
    assert_eq!((&all.data["mail"]["null_mx"], &all.data["mail"]["servers"]), (&json!(true), &json!([])));
    assert_eq!(all.data["found_signals"], json!(["no-mail"]));
}

#[test]
fn the_names_of_a_key_are_read_and_broken_ones_bounded() {
    assert_eq!(user_ids(&key(&["Ana <a@b.es>", "Ana López"])).unwrap(), ["Ana <a@b.es>", "Ana López"]);
    assert_eq!(user_ids(&key(&[])).unwrap(), Vec::<String>::new());
    assert_eq!(user_ids("no key at all"), None);
    assert_eq!(user_ids("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n?\n-----END PGP PUBLIC KEY BLOCK-----"), None);
    let whole = key(&["Ana <a@b.es>", "Eva"]);
    for end in 0..whole.len() {
        let cut = format!("{}\n-----END PGP PUBLIC KEY BLOCK-----", &whole[..end]);
        let _ = user_ids(&cut);
    }
    let many: Vec<String> = (0..100).map(|n| format!("user {n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(user_ids(&key(&many)).unwrap().len(), 20);
}

#[test]
fn disposable_domains_are_those_of_the_list_and_all_below() {
    let bundled = Disposable::read(None).unwrap();
    assert!(bundled.holds("mailinator.com") && bundled.holds("a.b.mailinator.com"));
    assert!(!bundled.holds("notmailinator.com") && !bundled.holds("com") && !bundled.holds("example.com"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("domains.txt");
    std::fs::write(&file, "# ours\n Tirar.example # remark\n\n").unwrap();
    let ours = Disposable::read(Some(&file)).unwrap();
    assert!(ours.holds("x.tirar.example") && !ours.holds("mailinator.com"));
    std::fs::write(&file, "# nothing\n").unwrap();
    for path in [file.as_path(), "/nowhere".as_ref()] {
        let sentence = Disposable::read(Some(path)).unwrap_err();
        assert!(
            sentence.starts_with("OSINT_DISPOSABLE_DOMAINS: ") && sentence.contains(path.to_str().unwrap()),
            "{sentence}"
        );
    }
}
