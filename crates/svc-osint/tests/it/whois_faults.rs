//! WHOIS servers that drip, flood, fall silent, complain and go round in circles cost bounded bytes and bounded time,
//! and what they did say is used.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::json;
use svc_osint::collectors::whois::decode;
use svc_osint::model::{Gathered, SourceStatus};
use tokio::io::AsyncWriteExt;

use crate::whois_fake::{Port43, World, found, reason, server, source, tell};

const GOOD: &str = "Domain Name: EXAMPLE.COM\r\nRegistrar: Registrador S.A.\r\nCreation Date: 2001-02-03T04:05:06Z\r\n\
                    Name Server: NS1.EXAMPLE.COM\r\n";

async fn scanned(port43: &Port43) -> Gathered {
    World::of_whois(port43, &[]).await.scan("example.com").await
}

fn is_good(gathered: &Gathered) -> bool {
    gathered.data.get("created") == Some(&json!("2001-02-03T04:05:06Z")) && gathered.data["registered"] == true
}

#[tokio::test]
async fn the_question_is_one_line_and_the_answer_is_read() {
    let port43 = Port43::saying(GOOD).await;
    let gathered = scanned(&port43).await;
    assert!(is_good(&gathered), "{:?}", gathered.data);
    assert_eq!(port43.asked(), ["example.com\r\n"]);
    assert_eq!(reason(&gathered, "rdap:bootstrap"), "no-referral");
    let row = source(&gathered, &port43.source());
    assert_eq!((row.status, row.requests, &row.reason), (SourceStatus::Ok, 1, &None));
    assert_eq!(found(&gathered, "registrar"), ["Registrador S.A."]);
}

#[tokio::test]
async fn a_name_is_asked_for_in_ascii_and_the_registered_one() {
    let port43 = Port43::saying("No match").await;
    let world = World::of_whois(&port43, &[]).await;
    for (target, question) in [
        ("www.España.es", "xn--espaa-rta.es"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("someone.github.io", "github.io"),
        ("co.uk", "co.uk"),
        ("a.b.unheard-of", "b.unheard-of"),
        ("193.0.6.139", "193.0.6.139"),
        ("as3333", "AS3333"),
    ] {
        world.scan(target).await;
        assert_eq!(port43.asked().last().unwrap(), &format!("{question}\r\n"), "{target}");
    }
}

#[tokio::test]
async fn a_server_that_never_closes_is_left_with_what_it_said() {
    let port43 = Port43::new(async |_, mut stream| {
        let _ = stream.write_all(GOOD.as_bytes()).await;
        std::future::pending::<()>().await;
    })
    .await;
    let began = Instant::now();
    let gathered = scanned(&port43).await;
    assert!(is_good(&gathered) && began.elapsed() < Duration::from_secs(3));
    let row = source(&gathered, &port43.source());
    assert_eq!((row.status, row.reason.as_deref()), (SourceStatus::Ok, Some("not-closed")));
}

#[tokio::test]
async fn a_drip_ends_in_time_with_what_came() {
    let port43 = Port43::new(async |_, mut stream| {
        let _ = stream.write_all(GOOD.as_bytes()).await;
        let mut drops = tokio::time::interval(Duration::from_millis(50));
        while stream.write_all(b"x").await.is_ok() {
            drops.tick().await;
        }
    })
    .await;
    let began = Instant::now();
    let gathered = scanned(&port43).await;
    assert!(is_good(&gathered) && began.elapsed() < Duration::from_secs(4));
    assert_eq!(reason(&gathered, &port43.source()), "timeout");
}

#[tokio::test]
async fn a_flood_is_not_drunk() {
    let port43 = Port43::new(async |_, mut stream| {
        let _ = stream.write_all(GOOD.as_bytes()).await;
        let line = [b"Remarks: ".as_slice(), &[b'x'; 8_000], b"\r\n"].concat();
        for _ in 0..1_300 {
            if stream.write_all(&line).await.is_err() {
                return;
            }
        }
    })
    .await;
    let gathered = scanned(&port43).await;
    assert!(is_good(&gathered) && gathered.truncated);
    assert_eq!(reason(&gathered, &port43.source()), "too-large");
}

#[tokio::test]
async fn silence_emptiness_and_a_broken_line_are_told_apart() {
    let silent = Port43::new(async |_, stream| {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let empty = Port43::saying("").await;
    let blank = Port43::saying("\r\n\r\n").await;
    let reset = Port43::new(async |_, stream| {
        // Closing with a lingering time of nothing sends a reset in place of an end.
        stream.set_zero_linger().unwrap();
    })
    .await;
    let told = [
        (&silent, SourceStatus::Timeout, "timeout"),
        (&empty, SourceStatus::Failed, "empty-answer"),
        (&blank, SourceStatus::Failed, "empty-answer"),
        (&reset, SourceStatus::Failed, "connect"),
    ];
    for (port43, status, why) in told {
        let gathered = scanned(port43).await;
        let row = source(&gathered, &port43.source());
        assert_eq!((row.status, row.reason.as_deref(), row.passing), (status, Some(why), true));
        assert!(gathered.data.get("registered").is_none() && gathered.findings.is_empty());
    }
}

#[tokio::test]
async fn a_reset_after_the_answer_takes_nothing_away() {
    let port43 = Port43::new(async |_, mut stream| {
        let _ = stream.write_all(GOOD.as_bytes()).await;
        // The reset must not overtake the answer: a peer that has read it closes or sends nothing more.
        let _ = tokio::time::timeout(Duration::from_millis(100), stream.readable()).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    let gathered = scanned(&port43).await;
    assert!(is_good(&gathered), "{:?}", gathered.sources);
    assert_eq!(reason(&gathered, &port43.source()), "reset");
}

#[tokio::test]
async fn nobody_listening_is_a_failure_that_may_pass() {
    let port43 = Port43::saying(GOOD).await;
    let mut world = World::of_whois(&port43, &[]).await;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    world.allow.push(gone);
    world.settings.server = server(&gone.to_string());
    let gathered = world.scan("example.com").await;
    let row = source(&gathered, &format!("whois:{gone}"));
    assert_eq!((row.status, row.reason.as_deref(), row.passing), (SourceStatus::Failed, Some("connect"), true));
}

#[tokio::test]
async fn old_letters_and_stray_bytes_do_no_harm() {
    let mut latin =
        b"Domain Name: example.com\r\nRegistrar: Compa\xf1\xeda \x80uro\r\nCreation Date: 2001-02-03\r\n".to_vec();
    let port43 = Port43::saying(latin.clone()).await;
    assert_eq!(scanned(&port43).await.data["registrar"]["name"], "Compañía €uro");
    // NULs between all letters, and an escape sequence.
    latin = latin.iter().flat_map(|byte| [*byte, 0]).chain(*b"\r\nName Server: ns1.example.com\x1b[31m\r\n").collect();
    let port43 = Port43::saying(latin).await;
    let gathered = scanned(&port43).await;
    assert_eq!(gathered.data["registrar"]["name"], "Compañía €uro");
    assert!(!format!("{:?}", gathered.data).contains("\\u{1b}"));
    assert_eq!(decode("cortad\u{f1}".as_bytes().split_last().unwrap().1), "cortad", "cut within a letter");
}

#[tokio::test]
async fn texts_of_too_much_are_limits_and_not_absence() {
    for text in [
        "WHOIS LIMIT EXCEEDED - SEE WWW.PIR.ORG/WHOIS FOR DETAILS",
        "Your connection limit exceeded. Please slow down and try again later.",
        "%ERROR:201: access control limit exceeded\r\n%\r\n% Queries from your IP address have passed the daily limit",
        "% Quota exceeded",
        "Error: Too many requests; not found",
        "Number of allowed queries exceeded the limit.",
    ] {
        let port43 = Port43::saying(text).await;
        let gathered = scanned(&port43).await;
        let row = source(&gathered, &port43.source());
        assert_eq!((row.status, row.reason.as_deref()), (SourceStatus::RateLimited, Some("whois-limit")), "{text}");
        assert!(row.passing && row.detail.as_deref().unwrap().contains('«'));
        assert!(gathered.data.get("registered").is_none(), "{text}");
    }
    let denied = Port43::saying("La dirección IP no está autorizada para consultar este servicio.").await;
    let gathered = scanned(&denied).await;
    assert_eq!(source(&gathered, &denied.source()).status, SourceStatus::Blocked);
}

#[tokio::test]
async fn absence_is_told_in_many_words() {
    for text in [
        "No match for domain \"EXAMPLE.COM\".\r\n>>> Last update of whois database: 2026-11-23T10:00:00Z <<<\r\n\r\n\
         NOTICE: You are not authorized to access or query our Whois database with high-volume processes.",
        "Domain not found.",
        "NOT FOUND",
        "No Data Found",
        "The queried object does not exist: no matching objects found",
        "Domain: example.com\r\nStatus: free",
        "Domain: example.com\r\nStatus: AVAILABLE",
        "% nothing found",
        "%%\r\n%% NOT FOUND\r\n",
        "%ERROR:101: no entries found\r\n%\r\n% No entries found in source RIPE.",
        "example.com is free",
        "\"example.com\" not found.",
        "% No match for example.com",
        "example.com: no existe",
        "    No match for \"example.com\".\r\n\r\n    This domain name has not been registered.",
        "Domain example.com is available for registration",
        "Domain Status: No Object Found",
    ] {
        let port43 = Port43::saying(text).await;
        let gathered = scanned(&port43).await;
        let row = source(&gathered, &port43.source());
        assert_eq!((row.status, row.reason.as_deref()), (SourceStatus::Empty, Some("not-registered")), "{text}");
        assert_eq!((gathered.data["registered"].as_bool(), gathered.findings.len()), (Some(false), 1), "{text}");
    }
}

#[tokio::test]
async fn babble_is_no_absence() {
    for text in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n<html></html>",
        "Welcome!\r\nThis service is free of charge.\r\n",
        "The server is not available",
        "Domain Name: OTHER.COM\r\nRegistrar: Otro\r\nCreation Date: 2001-02-03",
    ] {
        let port43 = Port43::saying(text).await;
        let gathered = scanned(&port43).await;
        let row = source(&gathered, &port43.source());
        assert_eq!((row.status, row.reason.as_deref()), (SourceStatus::Failed, Some("invalid-response")), "{text}");
        assert!(gathered.data.get("registered").is_none());
    }
}

#[tokio::test]
async fn servers_are_followed_from_iana_to_the_registrar() {
    let registrar = Port43::saying(
        "Domain Name: example.com\r\nRegistrar URL: https://registrador.example\r\nRegistrar: Registrador S.A.\r\n\
         Registrar Registration Expiration Date: 2027-02-03T04:05:06Z\r\n\
         Registrant Name: REDACTED FOR PRIVACY\r\nRegistrant Organization: Ejemplos Unidos\r\nRegistrant Country: ES\r\n\
         Registrar Abuse Contact Email: abusos@registrador.example\r\n",
    )
    .await;
    let referred = format!("Registrar WHOIS Server: {}\r\n", registrar.address);
    let registry = Port43::saying(format!("{GOOD}{referred}Registry Expiry Date: 2027-02-03T04:05:06Z\r\n")).await;
    let iana = Port43::saying(format!(
        "% IANA WHOIS server\r\n\r\nrefer:        {0}\r\n\r\ndomain:       COM\r\norganisation: VeriSign\r\n\
         nserver:      A.GTLD-SERVERS.NET 192.5.6.30\r\ncreated:      1985-01-01\r\nwhois:        {0}\r\nsource:       IANA\r\n",
        registry.address
    ))
    .await;
    let gathered = World::of_whois(&iana, &[&registry, &registrar]).await.scan("example.com").await;
    assert!(is_good(&gathered), "{:?}", gathered.data);
    let row = source(&gathered, &iana.source());
    assert_eq!((row.status, row.reason.as_deref()), (SourceStatus::Ok, Some("referral")));
    assert_eq!(row.detail.as_deref(), Some(format!("Remite a {}.", registry.address).as_str()));
    assert_eq!(gathered.data["nameservers"], json!(["ns1.example.com"]), "not those of the top-level domain");
    assert_eq!(gathered.data["sources_of"]["registrar.name"], registry.source());
    assert_eq!(gathered.data["sources_of"]["registrar.url"], registrar.source());
    assert_eq!(gathered.data["abuse"], json!({ "email": "abusos@registrador.example" }));
    assert_eq!(gathered.data["redacted"], true);
    assert_eq!(gathered.data["contacts"][0]["organisation"], "Ejemplos Unidos");
    assert_eq!(gathered.data["expires"], "2027-02-03T04:05:06Z");
    for asked in [&iana, &registry, &registrar] {
        assert_eq!(asked.asked(), ["example.com\r\n"]);
    }
}

#[tokio::test]
async fn whois_iana_without_a_server_is_no_absence() {
    let iana = "domain:       ZZ\r\n\r\norganisation: Somebody\r\n\r\nsource:       IANA\r\n";
    let nothing = "% IANA WHOIS server\r\n% This query returned 0 objects.\r\n";
    for text in [iana, nothing] {
        let iana = Port43::saying(text).await;
        let gathered = World::of_whois(&iana, &[]).await.scan("example.zz").await;
        let row = source(&gathered, &iana.source());
        assert_eq!((row.status, row.reason.as_deref()), (SourceStatus::Empty, Some("no-referral")), "{text}");
        assert!(gathered.data.get("registered").is_none());
    }
}

/// Servers of which each refers to the next, the last to the one at `back`, if to any.
async fn chain(length: usize, back: Option<usize>) -> Vec<Port43> {
    let mut listeners = Vec::new();
    for _ in 0..length {
        listeners.push(tokio::sync::watch::channel(String::new()));
    }
    let mut servers = Vec::new();
    for (_, next) in &listeners {
        let next = next.clone();
        let answer = move |_: String, stream| {
            let next = next.borrow().clone();
            tell(stream, format!("Domain Name: example.com\r\nStatus: ok\r\nRegistrar WHOIS Server: {next}\r\n").into())
        };
        servers.push(Port43::new(answer).await);
    }
    for (at, (send, _)) in listeners.iter().enumerate() {
        let next = if at + 1 < length { Some(at + 1) } else { back };
        send.send_replace(next.map(|next| servers[next].address.to_string()).unwrap_or_default());
    }
    servers
}

#[tokio::test]
async fn a_circle_of_five_referrals_is_walked_once() {
    let servers = chain(5, Some(0)).await;
    let others: Vec<&Port43> = servers.iter().skip(1).collect();
    let world = World::of_whois(&servers[0], &others).await;
    let gathered = world.scan("example.com").await;
    for asked in &servers {
        assert_eq!(asked.asked().len(), 1);
    }
    let rows: Vec<_> = gathered.sources.iter().filter(|row| row.source == servers[0].source()).collect();
    let [_, circle] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((circle.status, circle.reason.as_deref()), (SourceStatus::Skipped, Some("referral-circle")));
    assert_eq!(gathered.data["registered"], true);
}

#[tokio::test]
async fn no_more_than_five_referrals_are_followed() {
    let servers = chain(8, None).await;
    let others: Vec<&Port43> = servers.iter().skip(1).collect();
    let gathered = World::of_whois(&servers[0], &others).await.scan("example.com").await;
    let asked: Vec<usize> = servers.iter().map(|server| server.asked().len()).collect();
    assert_eq!(asked, [1, 1, 1, 1, 1, 1, 0, 0]);
    assert_eq!(reason(&gathered, &servers[6].source()), "too-many-referrals");
    assert!(gathered.truncated);
}

#[tokio::test]
async fn a_server_that_refers_to_itself_is_the_last() {
    let servers = chain(1, Some(0)).await;
    let gathered = World::of_whois(&servers[0], &[]).await.scan("example.com").await;
    assert_eq!(source(&gathered, &servers[0].source()).status, SourceStatus::Ok);
}
