//! Many scans at once, of every kind, through one API and two workers, one of which is killed among them: none is lost,
//! no provider is asked more often than its windows allow, and none twice for the same.
//!
//! A few in every run, a thousand with `cargo xtask scans`, which also holds the API to its latency.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::{Place, Program};
use crate::poll::{pause, until_within};
use crate::provider::{Asked, Manner, Provider, VIRUSTOTAL};
use crate::running::Running;
use crate::scan_client::{Client, Took, table};
use crate::scanning::{PDF, serving};
use crate::server::Server;
use crate::size::size;
use crate::zone::Zone;

/// What VirusTotal's fake allows: so many in a second, and so many in ten.
const WINDOWS: [(usize, Duration); 2] = [(20, Duration::from_secs(1)), (150, Duration::from_secs(10))];
/// How long a provider thinks.
const THINKS: Duration = Duration::from_millis(30);
/// Scans at once in each worker.
const PLACES: &str = "32";
/// Each scan is looked at so often, by whoever has asked for it.
const LOOKED_AT: Duration = Duration::from_secs(1);
/// Much longer than a thousand take.
const AT_MOST: Duration = Duration::from_mins(4);

/// A scan that was asked for, and what came of it.
struct Scan {
    number: usize,
    id: String,
    ended: Option<Value>,
}

#[test]
fn none_is_lost_and_no_window_exceeded() {
    let (scans, clients) = (size("APIUM_SCANS", 60), size("APIUM_SCAN_CLIENTS", 16));
    let (server, zone) = (Server::start(), Zone::served());
    let provider =
        Provider::that(|path, _| Manner::After(THINKS, if path.contains("/v3/") { VIRUSTOTAL } else { "[]" }));
    let place = provider
        .at(Place::on(&server.url()), "virustotal=20/s 150/10s")
        .with("OSINT_RESOLVERS", &zone.address())
        .with("OSINT_AXFR", "false");
    let (_serve, api) = serving(&place, "serve", &["-l", "warning"]);
    let (mut first, _second) = (worker(&place, "first@%h"), worker(&place, "second@%h"));

    let (began, ended) = (Instant::now(), AtomicUsize::new(0));
    let (all, took, killed, _third) = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..clients)
            .map(|client| {
                let numbers = (client..scans).step_by(clients);
                let (api, ended) = (&api, &ended);
                scope.spawn(move || asked_and_awaited(api, numbers, ended))
            })
            .collect();
        until_within(AT_MOST, "a third of the scans to end", || {
            (ended.load(Ordering::SeqCst) > scans / 3).then_some(())
        });
        let killed = Instant::now();
        first.kill();
        let third = worker(&place, "third@%h");
        let (mut all, mut took) = (Vec::new(), Vec::new());
        for client in asking {
            let (of_one, its_took) = client.join().unwrap();
            all.extend(of_one);
            took.extend(its_took);
        }
        (all, took, killed, third)
    });
    eprintln!("{scans} scans by {clients} clients, ended within {:.1} s", began.elapsed().as_secs_f64());
    eprintln!("{}", table(&took));

    all_have_succeeded(&all, scans);
    let mut client = Client::of(&api);
    let listed = listed(&mut client);
    assert_eq!(listed.len(), scans, "the history has each of them once");
    assert!(listed.iter().all(|scan| scan["status"] == "SUCCESS"), "{listed:?}");

    let asked = provider.asked();
    let doubled = doubled(&asked, killed);
    let most = WINDOWS.map(|(_, span)| most_within(&asked, span));
    for ((allowed, span), most) in WINDOWS.into_iter().zip(most) {
        eprintln!("at most {most} of {allowed} requests arrived at VirusTotal in any {} s", span.as_secs());
        assert!(most <= allowed, "{most} requests in {span:?}, and {allowed} are allowed");
    }
    eprintln!("{} requests at providers, {doubled} of them again because their worker was killed", asked.len());
    let allowed = std::env::var("APIUM_SCANS_P99_MS").ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(allowed) = allowed.map(Duration::from_millis) {
        let slow: Vec<_> = Took::routes(&took).into_iter().filter(|route| route.p99 >= allowed).collect();
        assert!(slow.is_empty(), "slower than {allowed:?} at the p99: {slow:?}");
    }
}

fn worker(place: &Place, name: &str) -> Running {
    let words = ["worker", "-n", name, "-c", PLACES, "--lease", "3", "-l", "warning"];
    let mut worker = place.start(Program::Apium, &words);
    worker.until_says("Ctrl-C stops.");
    worker
}

/// One client: asks for its scans one after the other, then looks at each until it has ended.
fn asked_and_awaited(api: &str, numbers: impl Iterator<Item = usize>, ended: &AtomicUsize) -> (Vec<Scan>, Vec<Took>) {
    let mut client = Client::of(api);
    let mut scans: Vec<Scan> = numbers.map(|number| asked_for(&mut client, number)).collect();
    while scans.iter().any(|scan| scan.ended.is_none()) {
        let open = u32::try_from(scans.iter().filter(|scan| scan.ended.is_none()).count()).unwrap();
        for scan in scans.iter_mut().filter(|scan| scan.ended.is_none()) {
            pause(LOOKED_AT / open);
            let (status, found) = client.ask("GET scan", "GET", &format!("/api/v1/scan/{}", scan.id), "", "");
            assert_eq!(status, 200, "{found}");
            if ["SUCCESS", "FAILURE", "REVOKED"].contains(&found["status"].as_str().unwrap()) {
                ended.fetch_add(1, Ordering::SeqCst);
                scan.ended = Some(found);
            }
        }
    }
    (scans, client.took)
}

/// Each fifth is of another kind.
fn asked_for(client: &mut Client, number: usize) -> Scan {
    let json_of = "Content-Type: application/json";
    let mut post = |wanted: Value| client.ask("POST scan", "POST", "/api/v1/scan", json_of, &wanted.to_string());
    let (status, accepted) = match number % 5 {
        0 => post(json!({"target": format!("s{number}.wild.shop.example"), "type": "dns"})),
        1 => post(json!({"target": format!("s{number}.example.com"), "type": "crtsh"})),
        2 => post(json!({"target": format!("s{number}.example.com"), "type": "virustotal"})),
        3 => post(json!({"target": format!("s{number}.example.com"), "types": ["crtsh", "virustotal"]})),
        _ => {
            let form = format!(
                "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"s{number}.pdf\"\r\n\
                 Content-Type: application/pdf\r\n\r\n{PDF}\r\n--b--\r\n"
            );
            let kind = "Content-Type: multipart/form-data; boundary=b";
            client.ask("POST upload", "POST", "/api/v1/scan/upload", kind, &form)
        }
    };
    assert_eq!(status, 202, "{accepted}");
    Scan { number, id: accepted["task_id"].as_str().unwrap().to_owned(), ended: None }
}

fn all_have_succeeded(all: &[Scan], scans: usize) {
    let mut numbers: Vec<_> = all.iter().map(|scan| scan.number).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..scans));
    for scan in all {
        let ended = scan.ended.as_ref().unwrap();
        let result = &ended["result"];
        assert_eq!((&ended["status"], &result["success"]), (&json!("SUCCESS"), &json!(true)), "{ended}");
        assert_eq!(result["id"], json!(scan.id));
        let target = result["target"].as_str().unwrap();
        assert!(target.starts_with(&format!("s{}.", scan.number)), "{target} is no target of scan {}", scan.number);
    }
}

/// Every scan of the history, page by page.
fn listed(client: &mut Client) -> Vec<Value> {
    let (mut all, mut further) = (Vec::new(), String::new());
    loop {
        let (status, page) = client.ask("GET scans", "GET", &format!("/api/v1/scans?limit=100{further}"), "", "");
        assert_eq!(status, 200, "{page}");
        all.extend(page["scans"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_str() else { return all };
        further = format!("&before={next}");
    }
}

/// How many questions were asked twice: only such as were asked when the worker was killed.
fn doubled(asked: &[Asked], killed: Instant) -> usize {
    let again = |(at, later): (usize, &Asked)| {
        asked[..at].iter().find(|first| first.path == later.path).map(|first| (first.clone(), later.clone()))
    };
    let pairs: Vec<_> = asked.iter().enumerate().filter_map(again).collect();
    for (first, later) in &pairs {
        assert!(first.at <= killed && killed <= later.at, "{} was asked twice", first.path);
    }
    let places: usize = PLACES.parse().unwrap();
    assert!(pairs.len() <= places, "{} were asked twice, and the worker had {places} places", pairs.len());
    pairs.len()
}

/// The most that arrived at VirusTotal within any span of this length.
fn most_within(asked: &[Asked], span: Duration) -> usize {
    let mut moments: Vec<_> = asked.iter().filter(|asked| asked.path.contains("/v3/")).map(|asked| asked.at).collect();
    moments.sort_unstable();
    let within = |at: usize| moments[at..].iter().take_while(|moment| **moment - moments[at] < span).count();
    (0..moments.len()).map(within).max().unwrap_or_default()
}
