//! `cargo xtask bench`: the list it reads, the arithmetic of ledgers, the ratios it tells, and what it answers when it cannot.

use std::str::FromStr as _;
use std::time::Duration;

use xtask::bench::figures::{Figures, Spread};
use xtask::bench::json::json;
use xtask::bench::ledger::{Ledger, percentile};
use xtask::bench::marks::{Asked, marks};
use xtask::bench::peers::{LIST, Peer};
use xtask::bench::redis::Counters;
use xtask::bench::report::{Circumstances, Told, page, text};
use xtask::bench::workloads::Workload;

use crate::planted::Planted;

const ONE: &str = "[ours]\ntitle = \"Ours\"\nfamily = \"apium\"\nbuild = \"rust/apium\"\nworker = \"{program} worker\"\n\
                   producer = \"{program} producer\"\nworkloads = \"noop io\"\nset = \"concurrency=4 batch=1\"\n\n\
                   [ours.io]\ntasks = \"500\"\nset = \"concurrency=99\"\n";

fn ledger(lines: &str) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.append(lines).unwrap();
    ledger
}

fn refused(list: &str) -> String {
    Peer::read_all(list).unwrap_err().sentence
}

#[test]
fn the_list_of_the_repository_can_be_read() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/peers.toml")).unwrap();
    let peers = Peer::read_all(&text).unwrap();
    for family in ["apium", "celery", "limit"] {
        assert!(peers.iter().any(|peer| peer.family() == family && peer.is_quick()), "{family}");
    }
    for peer in &peers {
        for workload in peer.workloads().unwrap() {
            assert!(peer.part(workload).unwrap().tasks > 0, "{} {workload}", peer.name);
        }
    }
}

#[test]
fn a_workload_says_what_differs_and_keeps_the_rest() {
    let peers = Peer::read_all(ONE).unwrap();
    let [ours] = peers.as_slice() else { panic!("one peer") };
    let (noop, io) = (ours.part(Workload::Noop).unwrap(), ours.part(Workload::Io).unwrap());
    assert_eq!((noop.tasks, io.tasks), (Workload::Noop.tasks(), 500));
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(noop.set, [set("concurrency", "4"), set("batch", "1")]);
    assert_eq!(io.set, [set("batch", "1"), set("concurrency", "99")]);
    assert_eq!((io.workers, io.worker.as_str()), (1, "{program} worker"));
    assert_eq!(ours.settings().unwrap(), "concurrency=4 batch=1; io: batch=1 concurrency=99");
}

#[test]
fn one_that_is_like_another_says_only_what_differs() {
    let list = format!(
        "{ONE}\n[theirs]\ntitle = \"Theirs\"\nlike = \"ours\"\nset = \"batch=7\"\n[theirs.io]\nset = \"depth=2\"\n"
    );
    let peers = Peer::read_all(&list).unwrap();
    let [_, theirs] = peers.as_slice() else { panic!("two peers") };
    assert_eq!((theirs.title(), theirs.family()), ("Theirs", "apium"));
    assert_eq!(theirs.part(Workload::Io).unwrap().tasks, 500);
    assert_eq!(theirs.settings().unwrap(), "concurrency=4 batch=7; io: batch=7 concurrency=99 depth=2");
    let sentence = refused("[ours]\nlike = \"theirs\"");
    assert!(sentence.contains("[ours] is like `theirs`, which does not stand above it"), "{sentence}");
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    for (bad, what) in [
        ("title = \"x\"", "a peer's section comes first"),
        ("[ours]\nnonsense", "a line is `key = \"value\"`"),
        ("[ours]\ncolour = \"red\"", "`colour` is not known"),
        ("[ours]\n[theirs.noop]", "does not stand below"),
        ("[ours]\n[ours.dance]", "no workload `dance`"),
        ("[ours]\n[ours]", "listed twice"),
        ("[ours", "a section is"),
    ] {
        let sentence = refused(bad);
        let line = bad.lines().count();
        assert!(sentence.starts_with(&format!("{LIST}:{line}: ")) && sentence.contains(what), "{sentence}");
    }
    assert!(refused("[ours]\ntitle = \"x\"").contains("[ours] does not say `family`"));
    assert!(refused(&ONE.replace("noop io", "noop dance")).contains("no workload `dance`"));
    let peers = Peer::read_all(&ONE.replace("\"500\"", "\"many\"")).unwrap();
    assert!(peers.first().unwrap().part(Workload::Io).unwrap_err().sentence.contains("no whole number"));
}

#[test]
fn a_ledger_tells_what_is_lost_and_what_ran_twice() {
    let mut ledger = ledger("0 1000000000\n1 1500000000\n1 1700000000\n3 2000");
    assert_eq!((ledger.seen(), ledger.lost(4), ledger.doubled()), (2, 2, 1), "a line is read once it is whole");
    ledger.append("000000\n").unwrap();
    assert_eq!((ledger.seen(), ledger.lost(4), ledger.doubled()), (3, 1, 1));
    let seconds = Duration::from_secs_f64;
    assert_eq!(ledger.span(0), Some((seconds(1.0), seconds(2.0))));
    assert_eq!(ledger.span(1), Some((seconds(1.5), seconds(2.0))), "the first of two runs counts");
    assert!(ledger.append("torn\n").unwrap_err().sentence.contains("`torn`"));
}

#[test]
fn lateness_is_told_in_milliseconds_and_less_than_nothing_when_early() {
    let ran = ledger("0 1000000000\n1 1004000000\n2 1010000000\n");
    let sent = ledger("1 1001000000\n2 1009000000\n");
    let rounded = |values: Vec<f64>| values.into_iter().map(|value| format!("{value:.1}")).collect::<Vec<_>>();
    assert_eq!(rounded(ran.behind(&sent)), ["3.0", "1.0"]);
    assert_eq!(rounded(ran.after(Duration::from_millis(1_005), 1)), ["-1.0", "5.0"]);
    let values: Vec<f64> = (1..=200).map(f64::from).collect();
    assert_eq!([50, 99, 100].map(|rank| percentile(&values, rank)), [Some(100.0), Some(198.0), Some(200.0)]);
    assert_eq!(percentile(&[], 50), None);
}

#[test]
fn counters_are_what_redis_did_in_between() {
    let info = |commands: u32, reads: u32, cpu: f64| {
        Counters::read(&format!(
            "# Stats\r\ntotal_commands_processed:{commands}\r\ntotal_reads_processed:{reads}\r\n# CPU\r\n\
             used_cpu_sys:0.5\r\nused_cpu_user:{cpu}\r\n"
        ))
    };
    let done = info(90, 9, 2.0).since(info(40, 4, 1.0));
    assert_eq!(done, Counters { commands: 50, reads: 5, cpu: Duration::from_secs(1) });
}

#[test]
fn a_ratio_above_one_is_better_whichever_way_the_measure_goes() {
    let mut figures = Figures::default();
    for (workload, measure) in [(Workload::Noop, "acked/s"), (Workload::Latency, "p50 ms")] {
        for (peer, family, values) in [
            ("apium", "apium", [40.0, 20.0, 30.0]),
            ("celery", "celery", [10.0, 10.0, 10.0]),
            ("celery-solo", "celery", [15.0, 15.0, 15.0]),
            ("limit", "limit", [60.0, 60.0, 60.0]),
            ("swift", "swift", [20.0, 20.0, 20.0]),
        ] {
            for value in values {
                figures.add(workload, peer, family, Ok(vec![(measure, value)]));
            }
        }
    }
    figures.add(Workload::Noop, "swift", "swift", Err("its \"worker\" has ended.".to_owned()));
    let noop = figures.standing(Workload::Noop);
    assert_eq!((noop.ratio_to_celery, noop.ratio_to_best_celery), (Some(3.0), Some(2.0)));
    assert_eq!((noop.ratio_to_limit, noop.best_peer.as_deref()), (Some(0.5), Some("swift")));
    assert_eq!(noop.ratio_to_best_peer, Some(1.5));
    let latency = figures.standing(Workload::Latency);
    assert_eq!((latency.ratio_to_limit, latency.best_peer.as_deref()), (Some(2.0), Some("celery")));
    assert_eq!(figures.standing(Workload::Io).ratio_to_celery, None);

    let peers = vec![Told { name: "swift".to_owned(), settings: "concurrency=4".to_owned(), ..Told::default() }];
    let circumstances = Circumstances { facts: vec![("cores", "2".to_owned())], peers, ..Circumstances::default() };
    let told = json(&figures, &[], &circumstances);
    for part in [
        "\"noop\": {\"measure\": \"acked_per_s\"",
        "\"acked_per_s\": {\"median\": 30.0000, \"min\": 20.0000, \"max\": 40.0000}",
        "\"ratio_to_celery\": 3.0000",
        "\"best_peer\": \"swift\"",
        "\"settings\": \"concurrency=4\"",
        "\\\"worker\\\"",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(text(&figures, &[]).contains("! swift: its \"worker\" has ended."));
    assert!(page(&figures, &[], &circumstances).contains("| apium | 30.0 (20.0..40.0) |"));
}

#[test]
fn a_mark_is_told_beside_what_was_found_and_fails_nothing() {
    let mut figures = Figures::default();
    let rate = |rate: f64| Ok(vec![("acked/s", rate), ("peak MiB", 41.0), ("places %", 95.0)]);
    for (workload, peer, value) in
        [(Workload::Noop, "apium", 6_000.0), (Workload::Noop, "celery", 100.0), (Workload::Io, "apium", 4_500.0)]
    {
        figures.add(workload, peer, peer, rate(value));
    }
    let marks = marks(&figures);
    let of = |workload: Workload, what: &str| {
        marks.iter().find(|mark| mark.workload == workload && mark.looks[0].what.contains(what)).unwrap()
    };
    let celery = of(Workload::Noop, "celery");
    assert_eq!((celery.looks[0].asked, celery.looks[0].found), (Asked::Least(60.0), Some(60.0)));
    assert_eq!(celery.met(), Some(true));
    assert_eq!(of(Workload::Noop, "peak MiB").met(), Some(false));
    assert_eq!(of(Workload::Noop, "bullmq").met(), None, "what was not measured is neither met nor missed");
    let io = of(Workload::Io, "noop");
    assert_eq!(io.looks.iter().map(|look| look.found).collect::<Vec<_>>(), [Some(0.75), Some(95.0)]);
    assert_eq!(io.met(), Some(true), "one of the two is enough");

    let told = json(&figures, &marks, &Circumstances::default());
    assert!(told.contains(
        "{\"workload\": \"noop\", \"peer\": \"apium\", \"one_of\": [{\"what\": \"acked/s ÷ celery\", \
         \"at_least\": 60.0000, \"found\": 60.0000}], \"met\": true}"
    ));
    let quiet = page(&figures, &marks, &Circumstances::default());
    figures.add(Workload::Io, "apium", "apium", Ok(vec![("others %", 35.0)]));
    let page = page(&figures, &marks, &Circumstances::default());
    let busy = "**This machine was busy with other work: it had up to 35.0 %";
    assert!(page.contains(busy) && !quiet.contains("busy"), "{page}");
    assert!(page.contains("| noop | apium | acked/s ÷ celery ≥ 60.0 | 60.0 | yes |"), "{page}");
    assert!(page.contains("| noop | apium | peak MiB ≤ 40.0 | 41.0 | no |"), "{page}");
}

#[test]
fn the_middle_of_an_even_number_is_between_both() {
    assert_eq!(Spread::of(&[4.0, 1.0, 3.0, 2.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
    assert_eq!(Spread::of(&[]), None);
}

#[test]
fn every_workload_is_found_by_its_name() {
    for workload in Workload::all() {
        assert_eq!(Workload::from_str(workload.name()).unwrap(), workload);
        assert!(!workload.measure().is_empty() && !workload.about().is_empty());
    }
}

#[test]
fn what_is_missing_is_named() {
    let tree = Planted::empty();
    tree.write(LIST, ONE);
    let bench = |words: &[&str]| {
        let output = tree.xtask(&[&["bench"], words].concat()).env("PATH", "/nowhere").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = bench(&["--peer", "theirs"]);
    assert!(code == Some(2) && said.contains("there is no peer `theirs`"), "{said}");
    for words in [&["--rounds", "0"][..], &["--workload", "dance"], &["--peer"], &["faster"]] {
        assert_eq!(bench(words).0, Some(2), "{words:?}");
    }
}
