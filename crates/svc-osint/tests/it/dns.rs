//! The `dns` collector against a real server: every type, every verdict, transfers, signatures,
//! reverse names.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use svc_osint::collectors::dns::{DnsSettings, collect};
use svc_osint::model::{Gathered, Gathering, SourceReport, SourceStatus};
use svc_osint::target::{Target, TargetKind};

use crate::knot::{Knot, Zone};

/// Settings that ask `resolver` and may contact loopback only.
pub(crate) fn asking(resolver: SocketAddr) -> DnsSettings {
    let mut settings = DnsSettings::new(Some(&resolver.to_string()), |ip| ip.is_loopback()).unwrap();
    settings.timeout = Duration::from_millis(1_500);
    settings.authority_port = resolver.port();
    settings
}

/// Scans a target and gives back all that was gathered.
pub(crate) async fn scan(settings: &DnsSettings, target: &str) -> Gathered {
    let out = Gathering::default();
    let target = Target::parse_for(target, &[TargetKind::Domain, TargetKind::Ip]).unwrap();
    collect(settings, &target, &out).await;
    out.so_far()
}

/// The report of one source.
pub(crate) fn source<'g>(gathered: &'g Gathered, name: &str) -> &'g SourceReport {
    let named: Vec<_> = gathered.sources.iter().filter(|report| report.source == name).collect();
    assert_eq!(named.len(), 1, "{name} in {:?}", gathered.sources);
    named[0]
}

fn values(gathered: &Gathered, kind: &str) -> Vec<String> {
    let rows = gathered.data["records"][kind].as_array().cloned().unwrap_or_default();
    let mut values: Vec<_> = rows.iter().map(|row| row["value"].as_str().unwrap().to_owned()).collect();
    values.sort();
    values
}

fn found(gathered: &Gathered, kind: &str) -> BTreeSet<String> {
    gathered.findings.iter().filter(|fact| fact.kind == kind).map(|fact| fact.value.clone()).collect()
}

fn full_zone() -> Zone {
    let long: String = (0..24).fold(String::new(), |mut text, _| {
        write!(text, " \"{}\"", "x".repeat(250)).unwrap();
        text
    });
    Zone::new(
        "apium.test",
        &format!(
            "@ A 127.0.0.80\n@ 0 AAAA ::1\n@ MX 10 mail\n@ MX 20 backup.other.test.\n\
             @ TXT \"plain\" \"-joined\"\n@ TXT \"a\\\"quote\\\" and \\000 and \\255 bytes\"\n@ CAA 0 issue \"ca.test; policy=ev\"\n\
             @ CAA 128 iodef \"mailto:ca@apium.test\"\nmail A 127.0.0.25\nwww CNAME apium.test.\n\
             _imaps._tcp SRV 5 7 993 mail\n_sip._tcp SRV 0 0 0 .\n_xmpp-server._tcp SRV 1 2 5269 chat\n\
             long TXT{long}\n\
             loop1 CNAME loop2\nloop2 CNAME loop1\nself CNAME self\ngone CNAME nowhere.apium.test.\n\
             deep.ent A 127.0.0.3\n*.wild A 127.0.0.9\nnull MX 0 .\n\
             odd TXT \"x\"\nodd MX 10 we\\000ird\\.dot.sub.apium.test.\n"
        ),
    )
}

#[tokio::test]
async fn every_type_of_record_is_read_and_reported() {
    let knot = Knot::start(&[full_zone()]);
    let gathered = scan(&asking(knot.address()), "apium.test").await;

    let status = &gathered.data["status"];
    for kind in ["SOA", "NS", "A", "AAAA", "MX", "TXT", "CAA", "SRV"] {
        assert_eq!(status[kind], "ok", "{kind}: {status}");
        assert_eq!(source(&gathered, &format!("dns:{kind}")).status, SourceStatus::Ok, "{kind}");
    }
    for kind in ["CNAME", "DS", "DNSKEY"] {
        assert_eq!(status[kind], "empty", "{kind}: {status}");
        let report = source(&gathered, &format!("dns:{kind}"));
        assert_eq!((report.status, report.reason.as_deref()), (SourceStatus::Empty, Some("empty")));
    }
    assert_eq!(gathered.data["exists"], true);
    assert_eq!(gathered.data["zone"], "apium.test");
    let records = &gathered.data["records"];
    assert_eq!(records["AAAA"][0], json!({"name": "apium.test", "value": "::1", "ttl": 0}));
    let mx = &records["MX"].as_array().unwrap().iter().find(|row| row["preference"] == 10).unwrap().clone();
    assert_eq!(mx["value"], "mail.apium.test");
    assert_eq!(records["SOA"][0]["serial"], 7);
    assert_eq!(records["SOA"][0]["minimum"], 60);
    assert_eq!(values(&gathered, "TXT"), ["a\"quote\" and \\000 and \\255 bytes", "plain-joined"]);
    assert_eq!(values(&gathered, "CAA"), ["0 issue \"ca.test; policy=ev\"", "128 iodef \"mailto:ca@apium.test\""]);
    assert_eq!(values(&gathered, "SRV"), [".", "chat.apium.test", "mail.apium.test"]);
    let imaps = records["SRV"].as_array().unwrap().iter().find(|row| row["port"] == 993).unwrap().clone();
    assert_eq!(imaps["name"], "_imaps._tcp.apium.test");
    assert_eq!((&imaps["priority"], &imaps["weight"]), (&json!(5), &json!(7)));

    assert_eq!(found(&gathered, "ip"), BTreeSet::from(["127.0.0.80".to_owned(), "::1".to_owned()]));
    let subdomains = found(&gathered, "subdomain");
    assert_eq!(subdomains, ["chat", "mail", "ns1"].map(|host| format!("{host}.apium.test")).into());
    assert!(found(&gathered, "dns_record").contains("apium.test MX mail.apium.test"));
    let resolver = &gathered.data["resolvers"][0];
    assert_eq!(resolver["address"], knot.address().to_string());
    assert!(resolver["answered"].as_u64().unwrap() > 50);
    assert_eq!(gathered.progress.0, gathered.progress.1);
    assert_eq!(gathered.data["wildcard"]["present"], false);
    assert_eq!(gathered.data["dnssec"]["verdict"], "unsigned");
    assert!(!gathered.truncated);
}

#[tokio::test]
async fn our_reading_agrees_with_kdig() {
    let knot = Knot::start(&[full_zone()]);
    let gathered = scan(&asking(knot.address()), "apium.test").await;
    let rows = gathered.data["records"].clone();
    let dotted = |value: &str| if value == "." { value.to_owned() } else { format!("{value}.") };
    let ours = |kind: &str, line: &dyn Fn(&Value) -> String| {
        let mut lines: Vec<_> = rows[kind].as_array().unwrap().iter().map(line).collect();
        lines.sort();
        lines
    };
    let text = |row: &Value| row["value"].as_str().unwrap().to_owned();
    assert_eq!(ours("A", &text), knot.kdig("apium.test", "A"));
    assert_eq!(ours("AAAA", &text), knot.kdig("apium.test", "AAAA"));
    assert_eq!(ours("CAA", &text), knot.kdig("apium.test", "CAA"));
    assert_eq!(ours("NS", &|row| dotted(&text(row))), knot.kdig("apium.test", "NS"));
    let mx = |row: &Value| format!("{} {}", row["preference"], dotted(&text(row)));
    assert_eq!(ours("MX", &mx), knot.kdig("apium.test", "MX"));
    let soa = |row: &Value| {
        let number = |key: &str| row[key].as_u64().unwrap();
        format!(
            "{}. {}. {} {} {} {} {}",
            row["mname"].as_str().unwrap(),
            row["rname"].as_str().unwrap(),
            number("serial"),
            number("refresh"),
            number("retry"),
            number("expire"),
            number("minimum")
        )
    };
    assert_eq!(ours("SOA", &soa), knot.kdig("apium.test", "SOA"));
}

#[tokio::test]
async fn a_text_too_long_for_a_datagram_comes_over_tcp() {
    let knot = Knot::start(&[full_zone()]);
    let gathered = scan(&asking(knot.address()), "long.apium.test").await;
    let row = &gathered.data["records"]["TXT"][0];
    assert_eq!((row["bytes"].as_u64(), row["strings"].as_u64()), (Some(6_000), Some(24)));
    assert_eq!(row["value"].as_str().unwrap().len(), 6_000);
    assert_eq!(gathered.data["zone"], "apium.test");
}

#[tokio::test]
async fn sixty_kilobytes_of_text_are_read_whole() {
    let text: String = (0..240).fold(String::new(), |mut text, _| {
        write!(text, " \"{}\"", "y".repeat(250)).unwrap();
        text
    });
    let knot = Knot::start(&[Zone::new("apium.test", &format!("@ TXT{text}"))]);
    let gathered = scan(&asking(knot.address()), "apium.test").await;
    assert_eq!(gathered.data["status"]["TXT"], "ok");
    assert_eq!(gathered.data["records"]["TXT"][0]["bytes"], 60_000);
    assert_eq!(gathered.data["spf"]["verdict"], "none");
}

#[tokio::test]
async fn aliases_are_followed_and_their_ends_named() {
    let knot = Knot::start(&[full_zone()]);
    let settings = asking(knot.address());

    let alias = scan(&settings, "www.apium.test").await;
    assert_eq!(alias.data["status"]["CNAME"], "ok");
    assert_eq!(values(&alias, "CNAME"), ["apium.test"]);
    assert_eq!(values(&alias, "A"), ["127.0.0.80"]);
    assert_eq!(alias.data["status"]["NS"], "empty", "the zone's cut is not at the alias");

    for target in ["loop1.apium.test", "self.apium.test"] {
        let circle = scan(&settings, target).await;
        assert_eq!(circle.data["status"]["A"], "cname_loop", "{target}");
        assert_eq!(source(&circle, "dns:A").reason.as_deref(), Some("cname_loop"));
        assert_eq!(circle.data["status"]["CNAME"], "ok");
    }

    let dangling = scan(&settings, "gone.apium.test").await;
    assert_eq!(dangling.data["status"]["A"], "dangling_cname");
    assert_eq!(values(&dangling, "CNAME"), ["nowhere.apium.test"]);
    assert_eq!(dangling.data["exists"], true);
}

#[tokio::test]
async fn empty_absent_broken_and_refused_are_four_different_things() {
    let knot = Knot::start(&[full_zone(), Zone::broken("broken.test")]);
    let settings = asking(knot.address());

    let empty = scan(&settings, "ent.apium.test").await;
    assert_eq!(empty.data["exists"], true);
    for kind in ["A", "MX", "TXT", "SOA"] {
        assert_eq!(empty.data["status"][kind], "empty", "{kind}");
    }

    let absent = scan(&settings, "nothere.apium.test").await;
    assert_eq!(absent.data["exists"], false);
    for kind in ["A", "MX", "TXT", "SOA"] {
        assert_eq!(absent.data["status"][kind], "nxdomain", "{kind}");
    }
    assert_eq!(absent.sources.len(), 1, "said once");
    assert_eq!(absent.sources[0].reason.as_deref(), Some("nxdomain"));
    assert_eq!(absent.data["resolvers"][0]["asked"], 1);

    let broken = scan(&settings, "broken.test").await;
    assert_eq!(broken.data["status"]["A"], "servfail");
    assert_eq!(source(&broken, "dns:MX").status, SourceStatus::Failed);
    assert_eq!(source(&broken, "dns:DKIM").reason.as_deref(), Some("zone servfail"));
    assert_eq!(broken.data["exists"], Value::Null);

    let refused = scan(&settings, "elsewhere.test").await;
    assert_eq!(refused.data["status"]["A"], "refused");
    assert_eq!(source(&refused, "dns:A").status, SourceStatus::Failed);
}

#[tokio::test]
async fn strange_bytes_and_null_mail_servers_stay_readable() {
    let knot = Knot::start(&[full_zone()]);
    let settings = asking(knot.address());
    let odd = scan(&settings, "odd.apium.test").await;
    assert_eq!(values(&odd, "MX"), ["we\\000ird\\.dot.sub.apium.test"]);
    let null = scan(&settings, "null.apium.test").await;
    assert_eq!(null.data["records"]["MX"][0]["value"], ".");
    assert_eq!(null.data["records"]["MX"][0]["null_mx"], true);
}

#[tokio::test]
async fn a_wildcard_is_noticed() {
    let knot = Knot::start(&[full_zone()]);
    let gathered = scan(&asking(knot.address()), "wild.apium.test").await;
    assert_eq!(gathered.data["wildcard"]["present"], true);
    assert_eq!(gathered.data["wildcard"]["addresses"], json!(["127.0.0.9"]));
    assert_eq!(source(&gathered, "dns:wildcard").status, SourceStatus::Ok);
}

#[tokio::test]
async fn transfers_are_tried_at_each_server_that_may_be_contacted() {
    let records = "@ NS inside\n@ NS missing\ninside A 10.0.0.1\nhidden A 192.0.2.1\na.b.hidden TXT \"x\"\n";
    let open = Zone::new("open.test", records).open();
    let knot = Knot::start(&[open, Zone::new("shut.test", "secret A 192.0.2.1")]);
    let settings = asking(knot.address());

    let gathered = scan(&settings, "open.test").await;
    let axfr = &gathered.data["axfr"];
    assert_eq!(axfr["open"], true);
    let server =
        |name: &str| axfr["servers"].as_array().unwrap().iter().find(|row| row["server"] == name).unwrap().clone();
    let ns1 = server("ns1.open.test");
    assert_eq!((&ns1["status"], &ns1["address"]), (&json!("transferred"), &json!("127.0.0.1")));
    // SOA, three NS, two addresses of servers, hidden, its text.
    assert_eq!((&ns1["records"], &ns1["names"], &ns1["truncated"]), (&json!(8), &json!(5), &json!(false)));
    assert_eq!(server("inside.open.test")["status"], "blocked");
    assert_eq!(server("missing.open.test")["reason"], "server-without-address");
    assert_eq!(source(&gathered, "dns:AXFR:inside.open.test").status, SourceStatus::Blocked);
    assert_eq!(source(&gathered, "dns:AXFR").status, SourceStatus::Ok);
    assert!(found(&gathered, "subdomain").contains("a.b.hidden.open.test"));
    assert!(found(&gathered, "subdomain").contains("hidden.open.test"));

    let shut = scan(&settings, "shut.test").await;
    assert_eq!(shut.data["axfr"]["open"], false);
    assert_eq!(shut.data["axfr"]["servers"][0]["status"], "refused");
    assert_eq!(shut.data["axfr"]["servers"][0]["reason"], "refused (notauth)");
    assert!(!found(&shut, "subdomain").contains("secret.shut.test"));

    let mut off = asking(knot.address());
    off.axfr = false;
    let skipped = scan(&off, "open.test").await;
    assert_eq!(source(&skipped, "dns:AXFR").reason.as_deref(), Some("switched-off"));
    assert!(skipped.data.get("axfr").is_none());
}

#[tokio::test]
async fn a_transfer_is_capped() {
    let many = (0..1_500).fold(String::new(), |mut text, number| {
        writeln!(text, "h{number} A 192.0.2.1").unwrap();
        text
    });
    let knot = Knot::start(&[Zone::new("big.test", &many).open()]);
    let gathered = scan(&asking(knot.address()), "big.test").await;
    let row = &gathered.data["axfr"]["servers"][0];
    assert_eq!((&row["names"], &row["truncated"]), (&json!(1_000), &json!(true)));
    assert!(gathered.truncated);
}

#[tokio::test]
async fn signatures_are_judged_by_what_the_parent_says() {
    let children = [Zone::new("good.sec", "").signed(), Zone::new("island.sec", "").signed()];
    let knot = Knot::start_with_parent(&children, |ds| {
        let good = ds.lines().filter(|line| line.starts_with("good.sec.")).collect::<Vec<_>>().join("\n");
        let delegations = "good NS ns1.good\nns1.good A 127.0.0.1\nisland NS ns1.island\nns1.island A 127.0.0.1\n\
             stale NS ns1.stale\nns1.stale A 127.0.0.1\nstale DS 4711 13 2 ";
        vec![Zone::new("sec", &format!("{delegations}{}\n{good}", "AB".repeat(32))), Zone::new("stale.sec", "")]
    });
    let settings = asking(knot.address());
    for (target, verdict) in [("good.sec", "signed"), ("island.sec", "island"), ("stale.sec", "mismatch")] {
        let gathered = scan(&settings, target).await;
        assert_eq!(gathered.data["dnssec"]["verdict"], verdict, "{target}: {}", gathered.data["dnssec"]);
    }
    let good = scan(&settings, "good.sec").await;
    assert_eq!(good.data["status"]["DS"], "ok");
    let tags: BTreeSet<_> =
        good.data["dnssec"]["dnskey"].as_array().unwrap().iter().map(|k| k["key_tag"].as_u64()).collect();
    assert!(tags.contains(&good.data["dnssec"]["ds"][0]["key_tag"].as_u64()), "our key tags are Knot's");
}

#[tokio::test]
async fn reverse_names_are_asked_for_and_confirmed() {
    let reverse = Zone::new(
        "127.in-addr.arpa",
        "53.0.0 PTR apium.test.\n54.0.0 PTR liar.apium.test.\n55.0.0 PTR apium.test.\n55.0.0 PTR liar.apium.test.\n",
    );
    let forward = Zone::new("apium.test", "@ A 127.0.0.53\n@ A 10.1.2.3\nliar A 127.0.0.99\n");
    let knot = Knot::start(&[reverse, forward]);
    let settings = asking(knot.address());

    let honest = scan(&settings, "127.0.0.53").await;
    assert_eq!(honest.data["status"]["PTR"], "ok");
    assert_eq!(honest.data["ptr"][0]["names"], json!([{"name": "apium.test", "forward_confirmed": true}]));
    assert_eq!(honest.data["records"]["PTR"][0]["name"], "53.0.0.127.in-addr.arpa");

    let liar = scan(&settings, "127.0.0.54").await;
    assert_eq!(liar.data["ptr"][0]["names"], json!([{"name": "liar.apium.test", "forward_confirmed": false}]));

    let nobody = scan(&settings, "127.0.0.77").await;
    assert_eq!(nobody.data["ptr"][0]["status"], "nxdomain");
    assert_eq!(source(&nobody, "dns:PTR").status, SourceStatus::Empty);

    let forbidden = scan(&settings, "10.1.2.3").await;
    assert_eq!(source(&forbidden, "dns:PTR").status, SourceStatus::Blocked);
    assert_eq!(forbidden.data["resolvers"][0]["asked"], 0);

    let domain = scan(&settings, "apium.test").await;
    let rows = domain.data["ptr"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["status"].as_str().unwrap()).collect::<Vec<_>>(), ["blocked", "ok"]);
}

#[tokio::test]
async fn an_ipv6_address_has_a_reverse_name_too() {
    let zone = Zone::new("ip6.arpa", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR six.test.\n");
    let knot = Knot::start(&[zone, Zone::new("six.test", "@ AAAA ::1")]);
    let gathered = scan(&asking(knot.address()), "::1").await;
    assert_eq!(gathered.data["ptr"][0]["names"], json!([{"name": "six.test", "forward_confirmed": true}]));
}

#[test]
fn resolvers_are_read_or_refused_in_one_sentence() {
    let public = |ip: IpAddr| !ip.is_loopback();
    let read = |text: &str| DnsSettings::new(Some(text), public).map(|settings| settings.resolvers);
    let two = read("192.0.2.1, [2001:db8::1]:5353").unwrap();
    assert_eq!(two.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.1:53", "[2001:db8::1]:5353"]);
    assert_eq!(read("2001:db8::1").unwrap()[0].to_string(), "[2001:db8::1]:53");
    for wrong in ["dns.example", "192.0.2.1:0", "192.0.2.1,,192.0.2.2", "192.0.2.1:99999", "0.0.0.0"] {
        let sentence = read(wrong).unwrap_err().to_string();
        assert!(sentence.contains("OSINT_RESOLVERS") && !sentence.contains('\n'), "{sentence}");
    }
}
