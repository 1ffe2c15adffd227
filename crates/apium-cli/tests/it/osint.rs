//! The scan service as its operator and its users meet it at the command line.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use crate::console::Console;
use crate::http::{get, post, request_with};
use crate::peer::Python;
use crate::place::{Place, Program};
use crate::poll::until;
use crate::scanning::{finished, serving};
use crate::server::Server;
use crate::zone::{ZONE, Zone};

/// A scan of two types over HTTP: one of them finds nobody, and the other is not lost with it.
#[test]
fn several_types_come_back_as_one_result() {
    let zone = Zone::served();
    let place = Place::new().with("OSINT_RESOLVERS", &zone.address());
    let (_up, api) = serving(&place, "up", &["-c", "1"]);
    let wanted = json!({"target": "shop.example", "types": ["dns", "metadata"]});
    let (status, accepted) = post(&api, "/api/v1/scan", &wanted);
    assert_eq!((status, &accepted["collector_type"]), (202, &json!("dns,metadata")), "{accepted}");
    let scan = finished(&api, &accepted);
    let result = &scan["result"];
    assert_eq!((&scan["status"], &result["success"]), (&json!("SUCCESS"), &json!(true)), "{scan}");
    assert_eq!(result["data"]["dns"]["records"]["A"][0]["value"], "203.0.113.10");
    let parts = result["metadata"]["parts"].as_array().unwrap();
    assert_eq!((&parts[0]["type"], &parts[0]["status"]), (&json!("dns"), &json!("ok")));
    assert_eq!(&parts[1]["type"], "metadata");
    assert!(parts[1]["error"].as_str().is_some_and(|why| !why.is_empty()), "{scan}");
    assert_eq!(scan["parts"].as_array().unwrap().len(), 2, "{scan}");
    let part = format!("/api/v1/scan/{}", parts[0]["task_id"].as_str().unwrap());
    let (status, body) = get(&api, &part).unwrap();
    assert!(status == 200 && body.contains("203.0.113.10"), "{body}");
    let (_, listed) = get(&api, "/api/v1/scans").unwrap();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["scans"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["scans"][0]["status"], "SUCCESS");
}

/// The second time the answer is the first one's, and says how old it is.
#[test]
fn the_same_question_is_answered_from_the_history() {
    let zone = Zone::served();
    let place = Place::new().with("OSINT_RESOLVERS", &zone.address()).with("OSINT_AXFR", "false");
    let (_up, api) = serving(&place, "up", &[]);
    let ask = |force: bool| {
        let wanted = json!({"target": "shop.example", "type": "dns", "force": force});
        finished(&api, &post(&api, "/api/v1/scan", &wanted).1)
    };
    let first = ask(false);
    let whole = |scan: &Value| {
        scan["result"]["metadata"]["sources"]
            .as_array()
            .unwrap()
            .iter()
            .all(|source| ["ok", "empty", "skipped", "blocked"].contains(&source["status"].as_str().unwrap()))
    };
    assert!(whole(&first), "{first}");
    let again = ask(false);
    assert_eq!(again["result"]["metadata"]["cached_from"], first["task_id"], "{again}");
    assert!(again["result"]["metadata"]["cache_age_s"].as_u64().is_some_and(|age| age < 60));
    assert_eq!(again["result"]["id"], again["task_id"]);
    assert!(ask(true)["result"]["metadata"].get("cached_from").is_none());
}

#[test]
fn a_scan_at_the_command_line_prints_a_report() {
    let zone = Zone::served();
    let place = Place::new().with("OSINT_RESOLVERS", &zone.address());
    let scan = |arguments: &[&str]| place.run(Program::Apium, &[&["osint", "scan"], arguments].concat());
    let text = scan(&["Shop.Example", "--type", "dns"]).printed();
    assert!(text.starts_with("Escaneo de Shop.Example (dns)\n"), "{text}");
    for line in ["\nip (", "  203.0.113.10  [dns:A]\n", "\nFuentes: "] {
        assert!(text.contains(line), "{text}");
    }
    let result = scan(&["shop.example", "--type", "dns", "--json", "--force"]).json();
    assert_eq!((&result["success"], &result["collector_name"]), (&json!(true), &json!("dns")));
    let both = scan(&["shop.example", "--type", "dns,metadata"]).printed();
    assert!(both.contains("  dns              con datos\n"), "{both}");

    let wrong = scan(&["localhost", "--type", "dns"]).refusal();
    assert!(wrong.contains("localhost") && wrong.contains("dominio"), "{wrong}");
    let wrong = scan(&["shop.example", "--type", "nada"]).refusal();
    assert!(wrong.contains("no existe") && wrong.contains("metadata"), "{wrong}");
    let typo = Place::new().with("OSINT_ALLOW_TARGETS", "otro.example, AS64500");
    let wrong = typo.run(Program::Apium, &["osint", "scan", "shop.example", "--type", "dns"]).refusal();
    assert!(wrong.contains("OSINT_ALLOW_TARGETS") && wrong.contains("AS64500"), "the entry is told: {wrong}");
    let listed = place.with("OSINT_ALLOW_TARGETS", "otro.example");
    let wrong = listed.run(Program::Apium, &["osint", "scan", "shop.example", "--type", "dns"]).refusal();
    assert!(wrong.contains("permite escanear"), "{wrong}");
}

/// Results of the history as files, and what has changed between two of them.
#[test]
fn results_are_exported_and_compared_at_the_command_line() {
    let (before, after) =
        (Zone::served(), Zone::of(&ZONE.replace("203.0.113.11", "203.0.113.99").replace("10 mail", "20 mail")));
    let mut place = Place::new().with("OSINT_AXFR", "false");
    let mut ids = Vec::new();
    for zone in [&before, &after] {
        place = place.with("OSINT_RESOLVERS", &zone.address());
        let scan =
            place.run(Program::Apium, &["osint", "scan", "shop.example", "--type", "dns", "--force", "--json"]).json();
        ids.push(scan["id"].as_str().unwrap().to_owned());
    }
    let (old, new) = (ids[0].as_str(), ids[1].as_str());
    let run = |arguments: &[&str]| place.run(Program::Apium, &[&["osint"], arguments].concat());
    let whole = run(&["export", new]).json();
    assert_eq!((&whole["id"], &whole["collector_name"]), (&json!(new), &json!("dns")));
    let table = run(&["export", new, "--format", "csv"]).printed();
    assert!(table.starts_with("type,value,confidence,source,"), "{table}");
    assert!(table.contains("\nip,203.0.113.10,1,dns:A,,dns:A,,"), "{table}");
    let file = place.path("scan.stix.json");
    let printed = run(&["export", new, "--format", "stix", "-o", &file.display().to_string()]).printed();
    assert_eq!(printed, "");
    let bundle: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&bundle["type"], &bundle["objects"][0]["name"]), (&json!("bundle"), &json!("Apium OSINT")));

    let text = run(&["diff", new]).printed();
    assert!(text.starts_with("Cambios en shop.example (dns)\n") && text.contains(old) && text.contains(new), "{text}");
    assert!(text.contains("  ~ dns_record shop.example MX mail.shop.example\n      preference: 10 → 20"), "{text}");
    assert_eq!(run(&["diff", old, new]).printed(), text);
    let told = run(&["diff", new, old, "--json"]).json();
    assert_eq!((&told["old"]["task_id"], &told["new"]["task_id"]), (&json!(new), &json!(old)));
    assert_eq!(told["changed"][0]["new"]["attributes"]["preference"], 10, "{told}");

    let alone = run(&["diff", old]).sentence();
    assert!(alone.contains("No hay ningún escaneo anterior"), "{alone}");
    let unknown = run(&["export", "6f1c1d0e-1111-4222-8333-444455556666"]).sentence();
    assert!(unknown.contains("No se conoce"), "{unknown}");
    let wrong = run(&["export", new, "--format", "xml"]).refusal();
    assert!(wrong.contains("xml"), "{wrong}");
    let nowhere = run(&["export", new, "-o", "/proc/nada/x"]).sentence();
    assert!(nowhere.contains("/proc/nada/x"), "{nowhere}");
}

#[test]
fn an_operator_hands_out_tokens_and_sees_who_did_what() {
    let zone = Zone::served();
    let place = Place::new().with("OSINT_RESOLVERS", &zone.address());
    let token = place.run(Program::Apium, &["osint", "token", "ana", "--per-minute", "2"]).printed();
    let token = token.trim();
    let (_up, api) = serving(&place, "up", &[]);
    let wanted = json!({"target": "shop.example", "type": "dns"});
    assert_eq!(post(&api, "/api/v1/scan", &wanted).0, 401);
    let headers = format!("Content-Type: application/json\r\nAuthorization: Bearer {token}");
    let ask = || request_with(&api, "POST", "/api/v1/scan", &headers, &wanted.to_string()).unwrap();
    assert_eq!((ask().0, ask().0), (202, 202));
    let (status, body) = ask();
    assert!(status == 429 && body.contains("retry_after"), "{body}");

    let taken = place.run(Program::Apium, &["osint", "token", "ana"]).sentence();
    assert!(taken.contains("take another name"), "{taken}");
    let tokens = place.run(Program::Apium, &["osint", "tokens"]).printed();
    assert!(tokens.contains("ana   2") && !tokens.contains(&token[6..30]), "{tokens}");
    let deeds = place.run(Program::Apium, &["osint", "audit", "--who", "ana", "--json"]).json();
    assert_eq!(deeds.as_array().unwrap().len(), 2, "{deeds}");
    assert_eq!((&deeds[0]["action"], &deeds[0]["target"]), (&json!("scan"), &json!("dns shop.example")));
    assert_eq!(deeds[0]["address"], "127.0.0.1");
    place.run(Program::Apium, &["osint", "token", "ana", "--revoke"]).printed();
    assert_eq!(ask().0, 401);
}

#[test]
fn the_doctor_looks_under_five_headings() {
    let place = Place::new().with("SHODAN_API_KEY", "clave-secreta");
    let well = place.run(Program::Apium, &["osint", "doctor"]).printed();
    for heading in ["Módulos", "Configuración", "Broker", "Colectores", "Registro"] {
        assert!(well.lines().any(|line| line.starts_with(heading)), "{heading}: {well}");
    }
    assert!(!well.contains("clave-secreta") && !well.contains("fallo"), "{well}");
    assert!(well.contains("falta VIRUSTOTAL_API_KEY") && !well.contains("falta SHODAN_API_KEY"), "{well}");
    let told = place.run(Program::Apium, &["osint", "doctor", "--json"]).json();
    assert_eq!(told["ok"], true);
    let away = Place::on("redis://127.0.0.1:1").with("OSINT_DATABASE", "sqlite:/proc/nada/osint.db");
    let ill = away.run(Program::Apium, &["osint", "doctor"]);
    assert_eq!(ill.code, Some(1), "{ill:?}");
    let failed = ill.stdout.lines().filter(|line| line.contains("fallo")).count();
    assert_eq!(failed, 2, "the history and the broker: {ill:?}");
}

/// A site that knows these names, and says so.
fn site(names: &'static [&'static str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4_096];
            let read = stream.read(&mut head).unwrap_or_default();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let known = names.iter().any(|name| head.starts_with(&format!("GET /{name} ")));
            let status = if known { "200 OK" } else { "404 Not Found" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 6\r\nConnection: close\r\n\r\nperfil");
        }
    });
    address
}

#[test]
fn lists_of_sites_are_tried_against_names_that_are_known() {
    let check = |names: &'static [&'static str]| {
        let address = site(names);
        let place = Place::new().with("OSINT_ALLOW_SOCKETS", &address);
        let list = json!({"Foro": {
            "errorType": "status_code", "url": format!("http://{address}/{{}}"), "urlMain": format!("http://{address}/"),
            "username_claimed": "blue", "username_unclaimed": "nadie7",
        }});
        let file = place.file("data.json", list.to_string());
        place.with("OSINT_SITE_LISTS", &file.display().to_string()).run(Program::Apium, &["osint", "self-check"])
    };
    let passed = check(&["blue"]).printed();
    assert!(passed.contains("1 sites, 1 passed, 0 false claimed"), "{passed}");
    let lied = check(&["blue", "nadie7"]);
    assert_eq!(lied.code, Some(1), "{lied:?}");
    assert!(lied.stdout.contains("Foro") && lied.stdout.contains("1 false claimed"), "{lied:?}");
}

/// A Python program asks for several types in one call and gets one result, as from any other task.
#[test]
fn python_asks_for_several_types() {
    let (server, zone) = (Server::start(), Zone::served());
    let place = Place::on(&server.url()).with("OSINT_RESOLVERS", &zone.address());
    let mut worker = place.start(Program::Apium, &["worker", "-c", "2"]);
    worker.until_says("Ctrl-C stops.");
    let mut python = Console::open(&Python::with_celery("5.7"), &server.url());
    let scan = "send('perform_osint_scan', ['shop.example', 'dns,metadata'], queue='osint_scans').get(timeout=60)";
    assert_eq!(python.text(&format!("{scan}['data']['dns']['records']['A'][0]['value']")), "203.0.113.10");
    assert_eq!(python.text(&format!("{scan}['collector_name']")), "dns,metadata");
}

/// The scheduler of the same process sends it, and who asks for its events hears the end.
#[test]
fn a_scheduled_scan_is_done_and_followed() {
    let zone = Zone::served();
    let place = Place::new().with("OSINT_RESOLVERS", &zone.address());
    let (_up, api) = serving(&place, "up", &[]);
    let once = (jiff::Timestamp::now() + Duration::from_secs(1)).to_string();
    let wanted = json!({"target": "shop.example", "type": "dns", "schedule": {"once": once}});
    let (status, kept) = post(&api, "/api/v1/repeats", &wanted);
    assert_eq!(status, 201, "{kept}");
    let path = format!("/api/v1/repeats/{}", kept["repeat_id"].as_str().unwrap());
    let run = until("the repeat to be begun", || {
        let told: Value = serde_json::from_str(&get(&api, &path)?.1).unwrap();
        told["last_task_id"].as_str().map(str::to_owned)
    });
    let (status, events) = get(&api, &format!("/api/v1/scan/{run}/events")).unwrap();
    assert!(status == 200 && events.contains("event: end") && events.contains("SUCCESS"), "{events}");
    let listed = place.run(Program::Apium, &["beat", "list"]).printed();
    assert!(listed.contains("osint-repeat-") && listed.contains("osint-housekeeping"), "{listed}");
}
