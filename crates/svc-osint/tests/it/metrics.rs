//! What the operator can count, as `/metrics` writes it. Other tests count at the same time, so only growth is asked
//! for.

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use svc_osint::connector::Limits;
use svc_osint::{Osint, metrics};

use crate::bench::{Bench, settings};
use crate::upload::{form, osint};
use crate::web::{Names, door};

fn shown() -> String {
    let mut registry = Registry::default();
    metrics::register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text
}

/// The value of the line that starts so; 0 while there is none.
pub(crate) fn count(line: &str) -> f64 {
    let text = shown();
    let found = text.lines().find_map(|shown| shown.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or(0.0)
}

#[tokio::test]
async fn scans_sources_and_uploads_are_counted() {
    let lines = [
        r#"osint_scans_total{collector="metadata",state="failed"}"#,
        r#"osint_scan_duration_seconds_count{collector="metadata"}"#,
        r#"osint_source_requests_total{collector="metadata",outcome="failed"}"#,
    ];
    let (before, bytes) = (lines.map(count), count("osint_upload_bytes_total"));
    let bench = Bench::new();
    assert_eq!(bench.send(form("file", "notas.txt", &[b'x'; 5_000])).await.status, 202);
    bench.work(osint()).await.unwrap_err();
    for (line, before) in lines.iter().zip(before) {
        assert!(count(line) >= before + 1.0, "{line}\n{}", shown());
    }
    assert!(count("osint_upload_bytes_total") >= bytes + 5_000.0);
}

#[tokio::test]
async fn a_contact_refused_by_policy_is_counted_by_reason() {
    let by = |reason: &str| count(&format!("osint_ssrf_blocked_total{{reason=\"{reason}\"}}"));
    let before = ["address", "port", "scheme"].map(by);
    let connector = door(&[], Names::of(&[]));
    for url in ["http://169.254.169.254/", "http://example.com:22/", "ftp://example.com/"] {
        connector.fetch(url, &Limits::default()).await.unwrap_err();
    }
    let Osint { settings, .. } = Osint::new(settings(&[]).unwrap());
    assert!(!(settings.dns.may_contact)([127, 0, 0, 1].into()));
    let after = ["address", "port", "scheme"].map(by);
    assert!(after[0] >= before[0] + 2.0 && after[1] > before[1] && after[2] > before[2], "{before:?} {after:?}");
}
