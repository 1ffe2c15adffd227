//! Every source against every fault: what the report says of it, how often it was asked, and that its key stayed with
//! it. The table that comes of it is `docs/faults.md`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;
use svc_osint::OsintSettings;
use svc_osint::collectors::username::UsernameSettings;
use svc_osint::model::{SourceReport, SourceStatus};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::fault_cases::{CASES, Case, Shape};
use crate::fault_servers::{Fault, Faulty};
use crate::identity::{dns, mail_server};
use crate::lists::read_all;
use crate::provider_fakes::{KEY, Told, asking_at, scan};
use crate::responder::Responder;
use crate::sandbox::limits;

/// Cells under way at once.
const AT_ONCE: usize = 16;
/// The whole table takes no longer.
const LONGEST: Duration = Duration::from_mins(1);
/// Where the table stands.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md");

const OPENING: &str = "# What a scan says of a provider that fails\n\n\
    Each cell is what the report says of a source (its status, and the word for why) and how many requests for it \
    arrived, when its provider has the fault of the row; a dash where it cannot have it. Where an account is looked for, \
    what is said of it comes first. The table is made by the test \
    `fault_table`, which asks fakes with these faults: `UPDATE_DOCS=1 cargo nextest run -p svc-osint -E \
    'test(fault_table)'` writes it anew, and without the variable the test compares.\n";

/// A site beside the one with the fault, in a list of its own, where nobody has an account.
const BESIDE: &str = r#"{"Otro":{"errorType":"status_code","url":"{base}/otro/{}"}}"#;
/// The longest answer and silence of a drip.
const DRIP: (Duration, Duration) = (Duration::from_millis(1_500), Duration::from_millis(1_300));

/// Asks one source with one fault and gives the cell, having checked what no cell shows.
pub(crate) async fn cell(case: Case, fault: Fault) -> String {
    let faulty = fault.start(case).await;
    let resolver = mail_server();
    let settings = asking_only(&case, fault, &faulty, &resolver);
    let options = serde_json::from_str(case.options).unwrap();
    let told = scan(&settings, case.collector, &case.target.replace("{base}", &faulty.base), options).await;
    let arrived = faulty.arrived.load(Ordering::SeqCst);
    let source = case.source.replace("{base}", &faulty.base);
    let report = last_said(&told, &source);
    checked(&case, fault, &told, report, arrived);
    assert!(!told.shown.contains(KEY), "{} {fault:?}: {}", case.source, told.shown);
    assert!(!format!("{:?}", faulty.elsewhere.asked()).contains(KEY), "{} {fault:?}: the key travelled", case.source);
    let status = serde_json::to_value(report.status).unwrap();
    let account = case.row.map(|title| format!("{}: ", account(&told, title, report))).unwrap_or_default();
    let said = [status.as_str(), report.reason.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("/");
    format!("{account}{said} ×{arrived}")
}

/// Settings by which these fakes are asked and nobody else.
fn asking_only(case: &Case, fault: Fault, faulty: &Faulty, resolver: &Responder) -> OsintSettings {
    let plain = format!("http://{}", faulty.fake.address);
    let mut settings = asking_at(&plain, &[(case.provider, &faulty.base)], &faulty.allow);
    settings.dns = dns(resolver);
    settings.metadata.sandbox = limits();
    if let Some(site) = case.site {
        let lists = [site.list.replace("{base}", &faulty.base), BESIDE.replace("{base}", &plain)];
        settings.username = UsernameSettings::new(read_all(&lists).unwrap());
    }
    if fault == Fault::Drip {
        (settings.patience.answer, settings.patience.silence) = DRIP;
        for limits in [&mut settings.username.limits, &mut settings.metadata.file] {
            (limits.total, limits.idle) = DRIP;
        }
    }
    settings
}

/// The line of the report where a source comes out: of a file that was fetched its reading, and of a site that has no
/// line of its own its list.
fn last_said<'a>(told: &'a Told, source: &str) -> &'a SourceReport {
    let found = |fits: &dyn Fn(&str) -> bool| told.sources.iter().find(|report| fits(&report.source));
    let list = list_of(source);
    let line = found(&|name| name.starts_with("parse:")).or_else(|| found(&|name| name == source));
    line.or_else(|| found(&|name| name == list)).unwrap_or_else(|| panic!("{source} in {:#?}", told.sources))
}

/// What is said of the account, for the reason that the report gives.
fn account<'a>(told: &'a Told, title: &str, report: &SourceReport) -> &'a str {
    let rows = told.data["sites"].as_array().unwrap();
    let row = rows.iter().find(|row| row["site"] == title).unwrap();
    assert_eq!(row.get("reason").and_then(Value::as_str), report.reason.as_deref(), "{row} and {report:?}");
    row["status"].as_str().unwrap()
}

/// What holds of every cell, or of one fault.
fn checked(case: &Case, fault: Fault, told: &Told, report: &SourceReport, arrived: usize) {
    let place = format!("{} {fault:?}: {report:?}", case.source);
    let said = report.reason.is_none() || report.detail.as_ref().is_some_and(|detail| detail.ends_with('.'));
    assert!(said, "a failure has a sentence: {place}");
    let well = report.reason.is_none();
    assert!(!well || told.success, "an answer that was understood is a success: {place}");
    // A reason may also say more of an answer.
    let understood = |report: &SourceReport| matches!(report.status, SourceStatus::Ok | SourceStatus::Empty);
    assert!(!told.success || told.sources.iter().any(understood), "a failure alone is no success: {place}");
    match fault {
        Fault::RetryAfterSeconds => assert_eq!(report.retry_after, Some(30), "{place}"),
        Fault::RetryAfterDate => assert!(matches!(report.retry_after, Some(60..=90)), "{place}"),
        Fault::RetryAfterNegative | Fault::RetryAfterGarbage | Fault::TooManyForEver if !case.is_asked_once() => {
            assert_eq!(report.retry_after, Some(60), "left alone for a minute: {place}");
        }
        _ => assert_eq!(report.retry_after, None, "{place}"),
    }
    let of_source = told.sources.iter().filter(|other| is_part(case, &other.source));
    let counted = usize::try_from(of_source.map(|it| it.requests).sum::<u32>()).unwrap();
    match fault {
        // What did not arrive was sent all the same, each time it was tried.
        Fault::Refused => assert_eq!((counted, arrived), (if case.is_asked_once() { 1 } else { 3 }, 0), "{place}"),
        Fault::Tls => assert_eq!((counted, arrived), (1, 0), "{place}"),
        Fault::RedirectElsewhere | Fault::RedirectToNothing => {
            assert!((arrived..=2 * arrived).contains(&counted), "{place}");
        }
        _ => assert_eq!(counted, arrived, "the report counts what was sent: {place}"),
    }
}

/// Whether the requests of this line are of the source. The second question to crt.sh is a source of its own at the same
/// path; those to a site are counted by its list, of which it is the only one; and nothing else is asked for a file.
fn is_part(case: &Case, other: &str) -> bool {
    match (case.site, case.shape) {
        (Some(_), _) => other == list_of(case.source),
        (None, Shape::File) => true,
        (None, _) => other == case.source || (case.source == "crtsh" && other == "crtsh:current"),
    }
}

fn list_of(site: &str) -> &str {
    site.rsplit_once(':').map_or(site, |(list, _)| list)
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
    let columns = CASES.map(|case| case.source.replace("{base}", "https://example.com"));
    head.extend(columns.iter().map(String::as_str));
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
