//! A WHOIS server's referral leads nowhere inside, by no spelling, name or port; what is refused is counted and shown.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use svc_osint::collectors::whois::ask;
use svc_osint::connector::{FetchError, Lookup};
use svc_osint::model::SourceStatus;

use crate::metrics::count;
use crate::web::{Names, Trap, door};
use crate::whois_fake::{Port43, World, names, server, short, source, tell};

/// A name whose address is another each time it is asked for.
struct Rebinding(AtomicUsize, Vec<IpAddr>);

#[async_trait]
impl Lookup for Rebinding {
    async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, String> {
        let at = self.0.fetch_add(1, Ordering::SeqCst);
        Ok(vec![self.1[at.min(self.1.len() - 1)]])
    }
}

fn blocked(reason: &str) -> f64 {
    count(&format!("osint_ssrf_blocked_total{{reason=\"{reason}\"}}"))
}

#[tokio::test]
async fn a_referral_inside_is_refused_counted_and_shown() {
    let trap = Trap::new().await;
    let port = trap.port;
    let cases = [
        ("127.0.0.1".to_owned(), "whois:127.0.0.1".to_owned(), "forbidden-address", "address"),
        ("whois://169.254.169.254".to_owned(), "whois:169.254.169.254".to_owned(), "forbidden-address", "address"),
        ("[::1]".to_owned(), "whois:::1".to_owned(), "forbidden-address", "address"),
        ("::ffff:127.0.0.1".to_owned(), "whois:::ffff:127.0.0.1".to_owned(), "forbidden-address", "address"),
        ("10.0.0.7:43".to_owned(), "whois:10.0.0.7".to_owned(), "forbidden-address", "address"),
        ("localhost".to_owned(), "whois:localhost".to_owned(), "forbidden-address", "address"),
        ("intranet".to_owned(), "whois:intranet".to_owned(), "forbidden-address", "address"),
        ("2130706433".to_owned(), "whois:2130706433".to_owned(), "forbidden-address", "address"),
        ("0x7f.1".to_owned(), "whois:0x7f.1".to_owned(), "forbidden-address", "address"),
        ("inside.example.com".to_owned(), "whois:inside.example.com".to_owned(), "forbidden-address", "address"),
        ("outside.example.com:22".to_owned(), "whois:outside.example.com:22".to_owned(), "forbidden-port", "port"),
        (format!("127.0.0.1:{port}"), format!("whois:127.0.0.1:{port}"), "forbidden-port", "port"),
        (format!("inside.example.com:{port}"), format!("whois:inside.example.com:{port}"), "forbidden-port", "port"),
    ];
    for (referral, row, reason, metric) in cases {
        let text = format!("Domain Name: example.com\r\nStatus: ok\r\nRegistrar WHOIS Server: {referral}\r\n");
        let registry = Port43::saying(text).await;
        let mut world = World::of_whois(&registry, &[]).await;
        world.names = names(&[("inside.example.com", (Ipv4Addr::LOCALHOST, port).into())]);
        let before = blocked(metric);
        let gathered = world.scan("example.com").await;
        let report = source(&gathered, &row);
        assert_eq!((report.status, report.reason.as_deref()), (SourceStatus::Blocked, Some(reason)), "{referral}");
        assert_eq!((report.requests, report.passing), (0, false), "{referral}");
        assert!(report.detail.is_some() && blocked(metric) > before, "{referral}");
        assert_eq!(gathered.data["registered"], true, "the registry's own word stays");
    }
    assert_eq!(trap.reached().await, 0);
}

#[tokio::test]
async fn an_address_is_judged_even_where_its_port_is_excepted() {
    // The trap's port is allowed on another address, so the port alone is no reason to refuse.
    let trap = Trap::new().await;
    let door = door(&[(Ipv4Addr::new(127, 77, 77, 77), trap.port).into()], Names::of(&[]));
    let error = ask(&door, &server(&format!("127.0.0.1:{}", trap.port)), "example.com", &short()).await.unwrap_err();
    assert!(matches!(error, FetchError::Forbidden { .. }), "{error:?}");
    assert_eq!(trap.reached().await, 0);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_connected_to_as_it_was_judged() {
    let judged =
        Port43::at(Ipv4Addr::new(127, 0, 0, 2), async |_, stream| tell(stream, b"judged".to_vec()).await).await;
    let trap = Trap::new().await;
    let names = Arc::new(Rebinding(AtomicUsize::new(0), vec![judged.address.ip(), Ipv4Addr::LOCALHOST.into()]));
    let door = door(&[judged.address], names.clone());
    let server = server(&format!("rebind.example.com:{}", judged.address.port()));
    assert_eq!(ask(&door, &server, "example.com", &short()).await.unwrap().text, "judged");
    assert_eq!(names.0.load(Ordering::SeqCst), 1, "looked up once, not again for the connection");
    let error = ask(&door, &server, "example.com", &short()).await.unwrap_err();
    assert!(matches!(&error, FetchError::Forbidden { what, .. } if what.ends_with("127.0.0.1")), "{error:?}");
    assert_eq!((judged.asked().len(), trap.reached().await), (1, 0));
}

#[tokio::test]
async fn a_question_of_two_lines_is_sent_to_nobody() {
    let port43 = Port43::saying("hola").await;
    let door = door(&[port43.address], Names::of(&[]));
    let server = server(&port43.address.to_string());
    for question in ["a.com\r\nb.com", "a.com\n", "a\0.com", "españa.es"] {
        let error = ask(&door, &server, question, &short()).await.unwrap_err();
        assert!(matches!(error, FetchError::Address { .. }), "{question:?}: {error:?}");
    }
    assert!(port43.asked().is_empty());
}

#[tokio::test]
async fn of_a_name_with_a_dead_address_the_next_is_asked() {
    struct Two(Vec<IpAddr>);
    #[async_trait]
    impl Lookup for Two {
        async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, String> {
            Ok(self.0.clone())
        }
    }
    let port43 = Port43::saying("hola").await;
    let dead = Ipv4Addr::new(127, 0, 0, 9);
    let port = port43.address.port();
    let names = Two(vec![dead.into(), Ipv4Addr::new(10, 0, 0, 1).into(), port43.address.ip()]);
    let door = door(&[port43.address, (dead, port).into()], Arc::new(names));
    let limits = svc_osint::collectors::whois::WhoisLimits { connect: Duration::from_secs(5), ..short() };
    let reply = ask(&door, &server(&format!("two.example.com:{port}")), "example.com", &limits).await.unwrap();
    assert_eq!(reply.text, "hola");
}
