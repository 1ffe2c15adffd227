//! Every source against every fault: what the report says of it, how often it was asked, and that its key stayed with
//! it. The table that comes of it is `docs/faults.md`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use svc_osint::model::SourceReport;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::fault_cases::{CASES, Case};
use crate::fault_servers::Fault;
use crate::provider_fakes::{KEY, Told, asking_at, scan};

/// Cells under way at once.
const AT_ONCE: usize = 16;
/// The whole table takes no longer.
const LONGEST: Duration = Duration::from_mins(1);
/// Where the table stands.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md");

const OPENING: &str = "# What a scan says of a provider that fails\n\n\
    Each cell is what the report says of a source (its status, and the word for why) and how many requests for it \
    arrived, when its provider has the fault of the row; a dash where it cannot have it. The table is made by the test \
    `fault_table`, which asks fakes with these faults: `UPDATE_DOCS=1 cargo nextest run -p svc-osint -E \
    'test(fault_table)'` writes it anew, and without the variable the test compares.\n";

/// Asks one source with one fault and gives the cell, having checked what no cell shows.
pub(crate) async fn cell(case: Case, fault: Fault) -> String {
    let faulty = fault.start(case).await;
    let plain = format!("http://{}", faulty.fake.address);
    let mut settings = asking_at(&plain, &[(case.provider, &faulty.base)], &faulty.allow);
    if fault == Fault::Drip {
        settings.patience.answer = Duration::from_millis(1_500);
        settings.patience.silence = Duration::from_millis(1_300);
    }
    let options = serde_json::from_str(case.options).unwrap();
    let told = scan(&settings, case.collector, case.target, options).await;
    let arrived = faulty.arrived.load(Ordering::SeqCst);
    let report = told.source(case.source);
    checked(&case, fault, &told, report, arrived);
    assert!(!told.shown.contains(KEY), "{} {fault:?}: {}", case.source, told.shown);
    assert!(!format!("{:?}", faulty.elsewhere.asked()).contains(KEY), "{} {fault:?}: the key travelled", case.source);
    let status = serde_json::to_value(report.status).unwrap();
    let told = [status.as_str(), report.reason.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("/");
    format!("{told} ×{arrived}")
}

/// What holds of every cell, or of one fault.
fn checked(case: &Case, fault: Fault, told: &Told, report: &SourceReport, arrived: usize) {
    let place = format!("{} {fault:?}: {report:?}", case.source);
    let said = report.reason.is_none() || report.detail.as_ref().is_some_and(|detail| detail.ends_with('.'));
    assert!(said, "a failure has a sentence: {place}");
    let well = report.reason.is_none();
    assert!(!well || told.success, "an answer that was understood is a success: {place}");
    let others = told.sources.iter().filter(|other| other.source != case.source);
    assert!(well || !told.success || others.clone().any(|other| other.reason.is_none()), "{place}");
    match fault {
        Fault::RetryAfterSeconds => assert_eq!(report.retry_after, Some(30), "{place}"),
        Fault::RetryAfterDate => assert!(matches!(report.retry_after, Some(60..=90)), "{place}"),
        Fault::RetryAfterNegative | Fault::RetryAfterGarbage | Fault::TooManyForEver => {
            assert_eq!(report.retry_after, Some(60), "left alone for a minute: {place}");
        }
        _ => assert_eq!(report.retry_after, None, "{place}"),
    }
    let counted: u32 =
        told.sources.iter().filter(|other| is_part(case.source, &other.source)).map(|it| it.requests).sum();
    let counted = usize::try_from(counted).unwrap();
    match fault {
        // What did not arrive was sent all the same, each time it was tried.
        Fault::Refused => assert_eq!((counted, arrived), (3, 0), "{place}"),
        Fault::Tls => assert_eq!((counted, arrived), (1, 0), "{place}"),
        Fault::RedirectElsewhere => assert!((arrived..=arrived + 1).contains(&counted), "{place}"),
        _ => assert_eq!(counted, arrived, "the report counts what was sent: {place}"),
    }
}

/// crt.sh's second question is a source of its own, at the same path.
fn is_part(source: &str, other: &str) -> bool {
    other == source || (source == "crtsh" && other == "crtsh:current")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_source_says_what_went_wrong() {
    let began = Instant::now();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    for (column, case) in CASES.into_iter().enumerate() {
        for fault in Fault::ALL.into_iter().filter(|fault| fault.concerns(&case)) {
            let places = Arc::clone(&places);
            under_way.spawn(async move {
                let _place = places.acquire().await.unwrap();
                ((fault.title(), column), cell(case, fault).await, fault.verdict(&case))
            });
        }
    }
    let (mut cells, mut wrong) = (BTreeMap::new(), Vec::new());
    while let Some(done) = under_way.join_next().await {
        let (place, found, expected) = done.unwrap();
        if found != expected {
            wrong.push(format!("{} of {}: {found}, not {expected}", place.0, CASES[place.1].source));
        }
        cells.insert(place, found);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let took = began.elapsed();
    assert!(took < LONGEST, "{} cells took {took:?}", cells.len());
    compared(&table(&cells));
}

fn table(cells: &BTreeMap<(&'static str, usize), String>) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut head = vec!["fault"];
    head.extend(CASES.iter().map(|case| case.source));
    let mut text = format!("{OPENING}\n{}{}", line(head.clone()), line(vec!["---"; head.len()]));
    for fault in Fault::ALL {
        let mut row = vec![fault.title()];
        row.extend((0..CASES.len()).map(|column| cells.get(&(fault.title(), column)).map_or("–", String::as_str)));
        text += &line(row);
    }
    text
}

fn compared(table: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(TABLE, table).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(TABLE).unwrap_or_default();
    assert!(table == committed, "the table has changed: write it with UPDATE_DOCS=1 and look at git diff {TABLE}");
}
