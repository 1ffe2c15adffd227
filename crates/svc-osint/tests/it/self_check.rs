//! Whole lists of others against fakes that answer as those lists say, and against worse ones: no account is ever said
//! to be there that is not.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use svc_osint::collectors::username::{Outcome, SelfCheck, Verdict, collect, self_check};
use svc_osint::model::Gathering;

use crate::fake_sites::{Manner, World};
use crate::lists::{entries, json, maigret, sherlock};
use crate::site_lists::memory;

async fn checked(world: &World) -> SelfCheck {
    let mut told = 0;
    let report = self_check(&world.settings, &world.connector, |done, total, _| {
        told += 1;
        assert!(done == told && done <= total);
    })
    .await;
    assert_eq!(report.sites.len(), world.settings.lists.len());
    report
}

/// Statuses of which none may be read as an absence: a site whose list does so cannot pass.
const REFUSALS: [u64; 6] = [202, 401, 403, 429, 451, 999];

/// Whether the list takes a refusal for an absence.
fn reads_refusals(entry: &Value) -> bool {
    let code = |value: &Value| value.as_u64().is_some_and(|code| REFUSALS.contains(&code) || code >= 500);
    match entry.get("errorCode") {
        Some(Value::Array(codes)) => codes.first().is_some_and(code),
        Some(one) => code(one),
        None => false,
    }
}

/// Every how-many-th site of a list, so that all kinds of rule are among them.
fn some(list: &Value, step: usize) -> Value {
    let some: Map<String, Value> = entries(list)
        .iter()
        .filter(|(name, _)| !name.starts_with('$'))
        .step_by(step)
        .map(|(name, site)| (name.clone(), site.clone()))
        .collect();
    if list.get("sites").is_some() {
        serde_json::json!({ "sites": some, "engines": list["engines"] })
    } else {
        Value::Object(some)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_site_of_sherlocks_list_is_judged_as_the_list_says() {
    let list = json(&sherlock());
    let world = World::of(&list, Manner::Honest).await;
    let report = checked(&world).await;
    println!("{}", report.table());
    assert!(!report.failed());
    assert_eq!(report.count(Outcome::FalseAvailable), 0);
    let entries = entries(&list);
    for site in report.sites.iter().filter(|site| site.outcome == Outcome::Unknown) {
        let illegal = site.claimed.as_ref().is_some_and(|seen| seen.verdict == Verdict::Illegal);
        let entry = &entries[&site.site];
        // The fakes know neither whom they send on, nor hosts written without a scheme.
        let sent_on = entry["errorUrl"].as_str().is_some_and(|url| url.contains("{}") || !url.contains("://"));
        assert!(illegal || sent_on || reads_refusals(entry), "{site:?}");
    }
    assert!(report.count(Outcome::Passed) * 100 >= report.sites.len() * 97);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_site_of_maigrets_list_is_judged_as_the_list_says_in_bounded_memory() {
    let list = json(&maigret());
    let world = World::of(&list, Manner::Honest).await;
    let (before, began) = (memory(), Instant::now());
    let report = checked(&world).await;
    let grown = memory().saturating_sub(before);
    println!("{}", report.table());
    println!("{} requests in {:?}, {} KiB more", world.requests(), began.elapsed(), grown >> 10);
    assert!(!report.failed());
    assert_eq!(report.count(Outcome::FalseAvailable), 0);
    assert!(report.count(Outcome::Passed) * 100 >= report.sites.len() * 97);
    assert!(grown < 160 << 20, "{grown}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["sites"].as_array().unwrap().len(), report.sites.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_before_a_site_is_neither_presence_nor_absence() {
    let lists = [some(&json(&sherlock()), 8), some(&json(&maigret()), 100)];
    let manners = [
        Manner::Soft404,
        Manner::Cloudflare,
        Manner::Mitigated,
        Manner::DataDome,
        Manner::PerimeterX,
        Manner::Status(999),
        Manner::Status(429),
        Manner::Status(403),
        Manner::Status(401),
        Manner::Status(202),
        Manner::Status(503),
        Manner::LoginWall,
        Manner::Inward,
    ];
    for manner in manners {
        for list in &lists {
            let world = World::of(list, manner).await;
            let report = checked(&world).await;
            for site in &report.sites {
                for seen in [&site.claimed, &site.unclaimed].into_iter().flatten() {
                    let told = matches!(seen.verdict, Verdict::Unknown | Verdict::Blocked | Verdict::Illegal);
                    assert!(told, "{manner:?}: {site:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_charset_and_an_empty_page_make_no_account() {
    for manner in [Manner::WrongCharset, Manner::Blank] {
        for list in [some(&json(&sherlock()), 4), some(&json(&maigret()), 50)] {
            let world = World::of(&list, manner).await;
            let report = checked(&world).await;
            assert_eq!(report.count(Outcome::FalseClaimed), 0, "{manner:?}: {}", report.table());
            if manner == Manner::WrongCharset {
                assert_eq!(report.count(Outcome::FalseAvailable), 0, "{}", report.table());
                assert!(report.count(Outcome::Passed) * 10 > report.sites.len() * 9, "{}", report.table());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_of_thousands_of_sites_tells_each_of_them_in_bounded_memory() {
    let list = json(&maigret());
    let mut world = World::of(&list, Manner::Status(404)).await;
    world.settings.at_once = 50;
    let out = Gathering::default();
    let before = memory();
    let began = Instant::now();
    collect(&world.settings, &world.connector, "nombreDePrueba", &out).await;
    let grown = memory().saturating_sub(before);
    let all = out.so_far();
    println!("{} requests in {:?}, {} KiB more", world.requests(), began.elapsed(), grown >> 10);
    let total = world.settings.lists.len();
    assert_eq!(all.data["sites"].as_array().unwrap().len(), total);
    let counts = all.data["counts"].as_object().unwrap();
    assert_eq!(counts.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), total as u64);
    assert_eq!(counts["claimed"], 0);
    assert_eq!(all.progress, (u32::try_from(total).unwrap(), u32::try_from(total).unwrap()));
    assert!(all.sources.len() <= 201, "{}", all.sources.len());
    assert!(grown < 128 << 20, "{grown}");
    assert!(began.elapsed() < Duration::from_secs(200));
}
