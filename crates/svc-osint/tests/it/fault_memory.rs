//! What the largest answers cost: a process that reads them, several at once, stays small.

use std::process::Command;
use std::sync::Arc;

use axum::body::Body;
use serde_json::json;
use svc_osint::model::SourceStatus;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::fault_cases::CASES;
use crate::fault_servers::Fault;
use crate::fault_table::cell;
use crate::provider_fakes::{Fake, asking, reply, scan};

/// By which the child knows what it is.
const CHILD: &str = "APIUM_TEST_LARGEST_ANSWERS";
/// The most of a process, in kB: 200 MiB.
const MOST: u64 = 200 << 10;
/// Scans at once, as in the service's compose file.
const PLACES: usize = 4;
/// Certificates in the list of a big domain: what fits into the largest answer that is read.
const CERTIFICATES: usize = 72_000;

#[test]
fn the_largest_answers_fit_into_little_memory() {
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(read_them());
        println!("peak {} kB", peak());
        return;
    }
    let program = std::env::current_exe().unwrap();
    let name = "fault_memory::the_largest_answers_fit_into_little_memory";
    let mut child = Command::new(program);
    // The executable's own allocator gives back what is freed; that of the C library keeps it, for each thread anew,
    // unless it is told to have one arena for all and to map what is large.
    let allocator = [("MALLOC_ARENA_MAX", "1"), ("MALLOC_MMAP_THRESHOLD_", "65536")];
    let child = child.args(["--exact", name, "--nocapture"]).env(CHILD, "1").envs(allocator);
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let told = text.lines().find_map(|line| line.split("peak ").nth(1)?.strip_suffix(" kB"));
    let peak: u64 = told.unwrap().parse().unwrap();
    println!("the peak of the process was {} MiB", peak >> 10);
    assert!(peak < MOST, "{peak} kB");
}

/// The 100 MB and the bombs of every source, and big domains at crt.sh, as many at once as a worker has places.
async fn read_them() {
    let mut under_way = JoinSet::new();
    let places = Arc::new(Semaphore::new(PLACES));
    for case in CASES {
        for fault in [Fault::HundredMegabytes, Fault::GzipBomb] {
            let places = Arc::clone(&places);
            under_way.spawn(async move {
                let _place = places.acquire().await.unwrap();
                let found = cell(case, fault).await;
                assert_eq!(found, fault.verdict(&case), "{}", case.source);
            });
        }
    }
    for _ in 0..PLACES {
        let places = Arc::clone(&places);
        under_way.spawn(async move {
            let _place = places.acquire().await.unwrap();
            big_domain().await;
        });
    }
    while let Some(done) = under_way.join_next().await {
        done.unwrap();
    }
}

/// A list of certificates almost as large as is read, with more names than are kept.
async fn big_domain() {
    let fake = Fake::answering(|_| {
        let rows = (0..CERTIFICATES).map(|n| {
            let separator = if n == 0 { '[' } else { ',' };
            format!(
                r#"{separator}{{"issuer_ca_id":295815,"issuer_name":"C=US, O=Let's Encrypt, CN=R11","id":{n},
                "common_name":"servicio-{n}.example.com","name_value":"servicio-{n}.example.com\n*.s{n}.example.com",
                "entry_timestamp":"2026-10-01T01:02:03.456","not_before":"2026-10-01T00:00:00",
                "not_after":"2026-12-30T23:59:59","serial_number":"04{n:032x}","result_count":3}}"#
            )
        });
        let pieces = rows.chain(std::iter::once("]".to_owned())).map(Ok::<_, std::io::Error>);
        reply(200, Body::from_stream(futures_util::stream::iter(pieces)))
    })
    .await;
    let told = scan(&asking(&fake), "crtsh", "example.com", json!({})).await;
    assert_eq!(told.verdict("crtsh"), (SourceStatus::Ok, ""));
    assert_eq!(told.data["certificates_total"], CERTIFICATES);
    assert_eq!(told.data["subdomains"].as_array().unwrap().len(), 5_000);
    assert!(told.truncated);
}

/// The most memory this process has had, in kB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
