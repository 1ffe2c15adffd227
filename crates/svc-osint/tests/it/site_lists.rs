//! The lists of others load as they are, with counts that the files themselves tell; broken ones say what is wrong.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use svc_osint::collectors::username::{ListKind, Pattern, SiteLists, Unusable, Verdict};

use crate::bench::settings;
use crate::lists::{entries, json as read_json, maigret, python, read, sherlock};

/// What a site of WhatsMyName's list looks like, by its schema; written for this test, not taken from there.
pub(crate) fn whatsmyname(port: u16) -> Value {
    json!({
        "license": ["…"],
        "authors": ["…"],
        "categories": ["social", "coding", "xx NSFW xx"],
        "sites": [
            {
                "name": "Exact", "uri_check": format!("http://exact.example.com:{port}/u/{{account}}"),
                "e_code": 200, "e_string": "member since", "m_code": 404, "m_string": "no such member",
                "known": ["alba", "bruno"], "cat": "social"
            },
            {
                "name": "SameCode", "uri_check": format!("http://same.example.com:{port}/api?u={{account}}"),
                "uri_pretty": "https://same.example.com/{account}",
                "e_code": 200, "e_string": "\"id\":", "m_code": 200, "m_string": "\"error\"",
                "known": ["carla"], "cat": "coding", "protection": ["cloudflare"]
            },
            {
                "name": "Posted", "uri_check": format!("http://posted.example.com:{port}/graph"),
                "post_body": "{\"query\":{\"name\":\"{account}\"}}", "headers": { "Content-Type": "application/json" },
                "e_code": 200, "e_string": "found", "m_code": 200, "m_string": "nobody",
                "known": ["diego"], "cat": "xx NSFW xx"
            },
            {
                "name": "Dotless", "uri_check": format!("http://dotless.example.com:{port}/{{account}}"),
                "strip_bad_char": ".", "e_code": 200, "e_string": "profile", "m_code": 302, "m_string": "",
                "known": ["eva.m"], "cat": "social", "valid": true
            },
            {
                "name": "Off", "uri_check": "https://off.example.com/{account}", "valid": false,
                "e_code": 200, "e_string": "a", "m_code": 404, "m_string": "b", "known": [], "cat": "social"
            }
        ]
    })
}

/// Resident memory of this process, in bytes.
pub(crate) fn memory() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

#[test]
fn sherlocks_own_file_loads_whole() {
    let file = sherlock();
    let lists = SiteLists::read(std::slice::from_ref(&file)).unwrap();
    let [list] = lists.lists() else { panic!("one list") };
    assert_eq!((list.kind, list.name.as_str(), list.bundled), (ListKind::Sherlock, "sherlock", false));
    let raw = read_json(&file);
    let raw: Vec<_> = entries(&raw).iter().filter(|(name, _)| !name.starts_with('$')).collect();
    let unusable: usize = list.unusable.values().sum();
    assert_eq!(list.sites.len() + unusable, raw.len());
    assert!(list.sites.len() * 20 > raw.len() * 19, "{:?}", list.unusable);
    let by = |wanted: &str| raw.iter().filter(|(_, site)| site["errorType"] == wanted).count();
    let told = |how: &str| list.sites.iter().filter(|site| site.rule.by.as_str() == how).count();
    let most = |told: usize, by: usize| told <= by && told + unusable >= by;
    assert!(most(told("message"), by("message")) && most(told("response_url"), by("response_url")));
    assert_eq!(
        list.sites.iter().filter(|site| site.nsfw).count(),
        raw.iter().filter(|(_, s)| s["isNSFW"] == true).count()
    );
    for site in &list.sites {
        let entry = raw.iter().find(|(name, _)| **name == site.name).unwrap().1;
        assert_eq!(site.claimed, [entry["username_claimed"].as_str().unwrap()], "{}", site.name);
        assert_eq!(site.probe.is_some(), entry.get("urlProbe").is_some(), "{}", site.name);
        assert_eq!(site.pattern.is_some(), entry.get("regexCheck").is_some(), "{}", site.name);
        assert_eq!(site.payload.is_some(), entry.get("request_payload").is_some(), "{}", site.name);
    }
}

#[test]
fn maigrets_own_file_loads_whole_in_bounded_time_and_memory() {
    let file = maigret();
    let (before, began) = (memory(), Instant::now());
    let lists = SiteLists::read(std::slice::from_ref(&file)).unwrap();
    let (grown, took) = (memory().saturating_sub(before), began.elapsed());
    println!("{} sites in {took:?}, {} KiB more", lists.len(), grown >> 10);
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(grown < 96 << 20, "{grown}");
    let [list] = lists.lists() else { panic!("one list") };
    assert_eq!(list.kind, ListKind::Maigret);
    let raw = read_json(&file);
    let sites = entries(&raw);
    let unusable: usize = list.unusable.values().sum();
    assert_eq!(list.sites.len() + unusable, sites.len());
    let disabled = sites.values().filter(|site| site["disabled"] == true).count();
    assert!(disabled > 0);
    assert_eq!(list.unusable[&Unusable::Disabled], disabled);
    let other = |site: &&Value| site["disabled"] != true && site.get("type").is_some_and(|kind| kind != "username");
    assert_eq!(
        list.unusable.get(&Unusable::OtherIdentifier).copied().unwrap_or_default(),
        sites.values().filter(other).count()
    );
    println!("{:?}", list.unusable);
    let rest = unusable - disabled - list.unusable.get(&Unusable::OtherIdentifier).copied().unwrap_or_default();
    assert!(rest * 20 < sites.len(), "{:?}", list.unusable);
    let protected = list.sites.iter().filter(|site| !site.protection.is_empty()).count();
    assert!(protected > 0);
}

#[test]
fn expressions_admit_what_python_finds() {
    let (sherlock, maigret) = (read_json(&sherlock()), read_json(&maigret()));
    let mut patterns: Vec<&str> = [&sherlock, &maigret]
        .into_iter()
        .flat_map(|list| entries(list).values())
        .filter_map(|s| s["regexCheck"].as_str())
        .collect();
    patterns.sort_unstable();
    patterns.dedup();
    assert!(patterns.len() > 50);
    let names = [
        "ana",
        "Ana",
        "a",
        "ab",
        "ana.maria",
        "ana_maria",
        "ana-maria",
        "-ana",
        "ana-",
        "ana--b",
        "_ana_",
        ".ana",
        "ana.",
        "a..b",
        "1ana",
        "1234567",
        "123456789012345678",
        "ana@example.com",
        "ñandú",
        "анна",
        "名前",
        "a b",
        "ana/b",
        "ana%",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
        "ANA99",
        "ana#1234",
        "ana.com",
        "x",
        "[ana]",
        "a&b",
        "a~b",
        "",
    ];
    let program = "
import json, re, sys, warnings
warnings.simplefilter('ignore')
def found(pattern, names):
    try:
        return [re.search(pattern, name) is not None for name in names]
    except re.error:
        return None
given = json.load(sys.stdin)
print(json.dumps([found(pattern, given['names']) for pattern in given['patterns']]))";
    let found = python(program, &json!({ "patterns": patterns, "names": names.to_vec() }));
    for (pattern, found) in patterns.iter().zip(found.as_array().unwrap()) {
        let ours = Pattern::new(pattern).ok();
        assert_eq!(ours.is_some(), !found.is_null(), "{pattern}");
        let Some(ours) = ours else { continue };
        for (name, found) in names.iter().zip(found.as_array().unwrap()) {
            assert_eq!(ours.admits(name), Ok(found == true), "{pattern} on {name:?}");
        }
    }
}

#[test]
fn an_expression_without_end_is_broken_off() {
    let endless = Pattern::new("^(a+)+(?=b)$").unwrap();
    let began = Instant::now();
    assert!(endless.admits(&"a".repeat(64)).is_err());
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn whatsmynames_fields_are_understood() {
    let lists = read(&whatsmyname(80)).unwrap();
    let [list] = lists.lists() else { panic!("one list") };
    assert_eq!((list.kind, list.sites.len()), (ListKind::WhatsMyName, 4));
    assert_eq!(list.unusable[&Unusable::Disabled], 1);
    let site = |name: &str| list.sites.iter().find(|site| site.name == name).unwrap();
    assert_eq!((site("Exact").claimed.len(), site("Exact").rule.exact), (2, true));
    assert_eq!(site("SameCode").url.encoded("a b"), "https://same.example.com/a%20b");
    assert_eq!((site("SameCode").protection.as_slice(), site("Posted").nsfw), (&["cloudflare".to_owned()][..], true));
    assert_eq!(site("Dotless").strip, ".");
}

#[test]
fn entries_that_cannot_be_used_are_counted_and_not_fatal() {
    let site = |more: Value| {
        let mut site =
            json!({ "errorType": "status_code", "url": "https://a.example.com/{}", "username_claimed": "a" });
        site.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        site
    };
    let list = json!({
        "$schema": "data.schema.json",
        "Good": site(json!({ "unheardOf": [1, { "a": 2 }] })),
        "Again": site(json!({ "isNSFW": true })),
        "NoUrl": site(json!({ "url": "" })),
        "Ftp": site(json!({ "url": "ftp://a.example.com/{}" })),
        "Nobody": site(json!({ "url": "https://b.example.com/all" })),
        "Behind": site(json!({ "url": "https://b.example.com/#/{}" })),
        "Broken": site(json!({ "url": "https://c.example.com/{}", "regexCheck": "^[a-z" })),
        "Put": site(json!({ "url": "https://d.example.com/{}", "request_method": "PUT" })),
        "Newer": site(json!({ "url": "https://e.example.com/{}", "errorType": "telepathy" })),
        "Cookie": site(json!({ "url": "https://f.example.com/{}", "headers": { "Cookie": "age=18" } })),
    });
    let lists = read(&list).unwrap();
    let list = &lists.lists()[0];
    assert_eq!(list.sites.iter().map(|site| site.name.as_str()).collect::<Vec<_>>(), ["Good"]);
    let counts: Vec<_> = list.unusable.iter().map(|(why, count)| (why.as_str(), *count)).collect();
    let expected =
        [("no-url", 2), ("no-name", 2), ("regex", 1), ("method", 1), ("rule", 1), ("cookie", 1), ("repeated", 1)];
    assert_eq!(counts, expected);
}

#[test]
fn a_broken_file_is_told_by_file_site_and_field() {
    let site = json!({ "errorType": "status_code", "url": "https://a.example.com/{}", "username_claimed": "a" });
    let with = |field: &str, value: Value| {
        let mut site = site.clone();
        site[field] = value;
        json!({ "Good": { "errorType": "status_code", "url": "https://b.example.com/{}" }, "Site 7": site })
    };
    let engine =
        json!({ "engines": {}, "sites": { "Site 7": { "engine": "XenForo", "url": "https://a/{username}" } } });
    let entry = json!({ "sites": [{ "name": "Site 7", "uri_check": 7, "e_code": 200, "e_string": "a", "m_code": 404,
        "m_string": "b", "known": [], "cat": "x" }] });
    for (list, expected) in [
        (with("url", json!(7)), vec!["site `Site 7`", "`url`", "must be a text"]),
        (with("errorCode", json!("404")), vec!["site `Site 7`", "`errorCode`", "must be an HTTP status"]),
        (with("errorMsg", json!({})), vec![]),
        (with("isNSFW", json!("yes")), vec!["site `Site 7`", "`isNSFW`", "true or false"]),
        (with("headers", json!(["a"])), vec!["site `Site 7`", "`headers`", "texts by name"]),
        (json!({ "Site 7": 1, "B": site }), vec!["site `Site 7` must be an object"]),
        (engine, vec!["site `Site 7`", "`engine`", "XenForo"]),
        (entry, vec!["site `Site 7`", "`uri_check`", "must be a text"]),
        (json!({ "a": 1 }), vec!["shape of no known list"]),
        (json!([1]), vec!["shape of no known list"]),
    ] {
        let outcome = read(&list);
        if expected.is_empty() {
            // A field that its rule does not look at.
            assert!(outcome.is_ok());
            continue;
        }
        let sentence = outcome.err().unwrap_or_else(|| panic!("{list} is accepted"));
        assert!(sentence.starts_with("OSINT_SITE_LISTS: /") && sentence.contains("list.json"), "{sentence}");
        assert!(expected.iter().all(|words| sentence.contains(words)), "{sentence}");
    }
}

#[test]
fn the_setting_names_its_files_and_without_it_the_bundled_list_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.json"), folder.path().join("two.json"));
    std::fs::write(&one, whatsmyname(80).to_string()).unwrap();
    std::fs::write(&two, json!({ "X": { "errorType": "status_code", "url": "https://x.example.com/{}" } }).to_string())
        .unwrap();
    let files = format!("{}, {}", one.display(), two.display());
    let read = settings(&[("OSINT_SITE_LISTS", &files), ("OSINT_SITES_AT_ONCE", "7")]).unwrap();
    assert_eq!((read.username.lists.len(), read.username.at_once), (5, 7));
    let bundled = settings(&[]).unwrap().username;
    let [list] = bundled.lists.lists() else { panic!("one list") };
    assert!(list.bundled && list.unusable.is_empty());
    assert!((35..=60).contains(&list.sites.len()), "{}", list.sites.len());
    assert_eq!(bundled.at_once, 20);
    std::fs::write(&two, "{").unwrap();
    for (path, words) in
        [(two.as_path(), "two.json: it is not JSON"), ("/nowhere/list.json".as_ref(), "/nowhere/list.json")]
    {
        let sentence = settings(&[("OSINT_SITE_LISTS", &path.display().to_string())]).err().unwrap();
        assert!(sentence.contains("OSINT_SITE_LISTS") && sentence.contains(words), "{sentence}");
    }
}

#[test]
fn the_bundled_list_is_what_its_project_publishes() {
    let theirs = read_json(&sherlock());
    let ours: Value = serde_json::from_str(include_str!("../../lists/sherlock.json")).unwrap();
    for (name, site) in entries(&ours) {
        assert_eq!(theirs.get(name), Some(site), "{name}");
    }
    let notice = include_str!("../../lists/NOTICE");
    assert!(notice.contains("MIT License") && notice.contains("Sherlock Project"));
}

#[test]
fn the_same_site_is_asked_once_however_many_lists_know_it() {
    let folder = tempfile::tempdir().unwrap();
    let sites = |names: &[&str]| {
        let sites = names.iter().map(|name| {
            (
                (*name).to_owned(),
                json!({ "errorType": "status_code", "url": format!("https://{name}.example.com/{{}}") }),
            )
        });
        Value::Object(sites.collect()).to_string()
    };
    let (one, two) = (folder.path().join("one.json"), folder.path().join("two.json"));
    std::fs::write(&one, sites(&["a", "b"])).unwrap();
    std::fs::write(&two, sites(&["b", "c"])).unwrap();
    let lists = SiteLists::read(&[one, two]).unwrap();
    let named: Vec<_> = lists.lists().iter().map(|list| (list.name.as_str(), list.sites.len())).collect();
    assert_eq!(named, [("sherlock", 2), ("sherlock-2", 1)]);
    assert_eq!(lists.lists()[1].unusable[&Unusable::Repeated], 1);
    assert_eq!(Verdict::ALL.len(), 5);
}
