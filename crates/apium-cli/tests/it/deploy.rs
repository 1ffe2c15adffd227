//! What is shipped to run the scan service, below `deploy/osint`: each file is read by the program that it is for.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::peer::{Python, root};
use crate::place::{Place, Program};
use crate::poll::until;
use crate::running::{Ended, Running};
use crate::server::{Server, free_port};

const COMPOSE: [&str; 2] = ["compose.yaml", "compose.sqlite.yaml"];
const UNITS: [&str; 4] =
    ["apium-osint.service", "apium-osint-api.service", "apium-osint-worker@.service", "apium-osint-beat.service"];
/// Where units expect the executable, and where they keep what they keep.
const INSTALLED: &str = "/usr/local/bin/apium";
const STATE: &str = "/var/lib/apium-osint";
/// The most that `systemd-analyze security` may find exposed, in tenths of ten: what it calls OK ends at 49.
const EXPOSED: &str = "--threshold=15";
const AS_JSON: &str = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))";

/// A file of `deploy/osint`.
pub(crate) fn shipped(name: &str) -> PathBuf {
    root().join("deploy/osint").join(name)
}

/// Its text.
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(shipped(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A program that `cargo xtask setup` has installed, run to its end.
fn tool(program: impl AsRef<OsStr>, arguments: &[&str]) -> Ended {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    Running::start(command).ended()
}

/// A program of the Python environment that reads our files.
fn reader(name: &str) -> PathBuf {
    let home = std::env::var_os("APIUM_VENVS").map_or_else(|| root().join(".venvs"), PathBuf::from);
    home.join("deploy-1/bin").join(name)
}

/// The services of a compose file, as compose understands it.
pub(crate) fn services(file: &str) -> Map<String, Value> {
    let place = Place::new();
    for (name, own) in [(file, file), (".env.example", ".env")] {
        place.file(own, text(name));
    }
    let path = place.path(file).display().to_string();
    let read = tool("docker-compose", &["--file", &path, "--profile", "monitoring", "config"]).printed();
    let read = place.file("read.yaml", read).display().to_string();
    let read = Running::start(Python::with_celery("5.7").command("", &["-c", AS_JSON, &read])).ended().json();
    read["services"].as_object().unwrap().clone()
}

/// Every `KEY=value` of a unit with this key.
fn lines<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// How long a stop waits for scans, in seconds, where nothing else is set.
fn stop_timeout() -> f64 {
    let settings = Place::new().run(Program::Apium, &["settings", "--json"]).json();
    settings["stop_timeout"]["value"].as_str().unwrap().parse().unwrap()
}

#[test]
fn prometheus_reads_its_settings_and_every_rule_has_its_cases() {
    let folder = shipped("prometheus");
    let file = |name: &str| folder.join(name).display().to_string();
    tool("promtool", &["check", "config", &file("prometheus.yml")]).printed();
    tool("promtool", &["check", "rules", &file("alerts.yml")]).printed();
    tool("promtool", &["test", "rules", &file("alerts.test.yml")]).printed();
    let (rules, cases) = (text("prometheus/alerts.yml"), text("prometheus/alerts.test.yml"));
    let named = |line: &str| line.trim().strip_prefix("- alert: ").map(str::to_owned);
    let alerts: BTreeSet<String> = rules.lines().filter_map(named).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        let mut outcomes = cases.split("- eval_time:").filter(|case| case.contains(&format!("alertname: {alert}\n")));
        let warns = outcomes.clone().any(|case| case.contains("exp_labels"));
        assert!(warns && outcomes.any(|case| case.contains("exp_alerts: []")), "{alert} where it warns, and where not");
    }
}

#[test]
fn compose_reads_its_files_and_every_service_is_watched_and_confined() {
    let patience = stop_timeout();
    for file in COMPOSE {
        for (name, service) in services(file) {
            let told = format!("{name} in {file}: {service}");
            assert!(service["healthcheck"]["test"].as_array().is_some_and(|test| test.len() > 1), "{told}");
            assert_eq!(
                (&service["read_only"], &service["restart"]),
                (&json!(true), &json!("unless-stopped")),
                "{told}"
            );
            assert_eq!((&service["cap_drop"], service.get("privileged")), (&json!(["ALL"]), None), "{told}");
            assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{told}");
            for port in service["ports"].as_array().into_iter().flatten() {
                assert!(port.to_string().contains("127.0.0.1"), "{told}");
            }
            let grace = service["stop_grace_period"].as_str().and_then(|span| span.strip_suffix('s'));
            let grace: f64 = grace.unwrap_or_else(|| panic!("{told}")).parse().unwrap();
            assert!(service["image"] != "apium-osint" || grace > patience + 10.0, "{told}");
        }
    }
}

#[test]
fn the_dockerfile_has_nothing_to_complain_of() {
    tool(reader("hadolint"), &[&shipped("Dockerfile").display().to_string()]).printed();
    let file = text("Dockerfile");
    assert!(file.contains("\nUSER 10001\n") && file.contains("CMD [\"apium\", \"ready\"]"), "{file}");
    let Some((_, series)) = include_str!("../../../../Cargo.toml").split_once("rust-version = \"") else {
        panic!("the workspace says which Rust it needs");
    };
    let series = series.split('"').next().unwrap();
    assert!(file.contains(&format!("FROM rust:{series}-")), "the image is built with Rust {series}");
}

#[test]
fn grafana_knows_every_word_of_the_dashboard() {
    let script = root().join("crates/apium-cli/tests/it/dashboard.py").display().to_string();
    tool(reader("python"), &[&script, &shipped("grafana/dashboard.json").display().to_string()]).printed();
}

#[test]
fn systemd_reads_the_units_and_finds_them_confined() {
    let place = Place::new();
    let written = |unit: &&str| {
        let unit_text = text(&format!("systemd/{unit}")).replace(INSTALLED, env!("CARGO_BIN_EXE_apium"));
        place.file(unit, unit_text).display().to_string()
    };
    let files: Vec<String> = UNITS.iter().map(written).collect();
    let arguments: Vec<&str> = ["verify", "--man=no"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let read = tool("systemd-analyze", &arguments);
    // What it does not know it tells, and goes on.
    assert_eq!((read.code, read.stderr.as_str()), (Some(0), ""), "{read:?}");
    for file in &files {
        tool("systemd-analyze", &["security", "--no-pager", "--offline=true", EXPOSED, file]).printed();
    }
    let etc = place.file("root/etc/passwd", "");
    let root = format!("--root={}", place.path("root").display());
    tool("systemd-sysusers", &[&root, &shipped("systemd/sysusers.conf").display().to_string()]).printed();
    let users = std::fs::read_to_string(etc).unwrap();
    assert!(users.starts_with("apium-osint:x:") && users.contains(&format!(":{STATE}:")), "{users}");
}

/// With its own words and environment; only the places are the test's.
#[test]
fn what_a_unit_starts_is_ready_and_stops_within_its_time() {
    let (server, patience) = (Server::start(), stop_timeout());
    for name in UNITS {
        let unit = text(&format!("systemd/{name}"));
        let address = format!("127.0.0.1:{}", free_port());
        let mut place = Place::new().with("APIUM_LISTEN", &address);
        let state = place.path("state").display().to_string();
        std::fs::create_dir(&state).unwrap();
        for line in lines(&unit, "Environment") {
            let (variable, value) = line.split_once('=').unwrap();
            let value = value.replace(STATE, &state).replace("redis://127.0.0.1:6379/0", &server.url());
            place = place.with(variable, &value);
        }
        let [start] = lines(&unit, "ExecStart")[..] else { panic!("{name} starts one thing") };
        let start = start.replace("127.0.0.1:810%i", &address).replace("%i", "1").replace("%%", "%");
        let words: Vec<&str> = start.strip_prefix(INSTALLED).unwrap().split_whitespace().collect();
        let nobody = place.run(Program::Apium, &["ready"]).sentence();
        assert!(nobody.contains(&format!("{address} does not answer")), "{nobody}");
        let mut running = place.start(Program::Apium, &words);
        running.until_says("Ctrl-C stops.");
        if !name.contains("beat") {
            until("it to be ready", || (place.run(Program::Apium, &["ready"]).code == Some(0)).then_some(()));
        }
        assert_eq!(running.stop().code, Some(0), "{name}");
        let grace: f64 = lines(&unit, "TimeoutStopSec")[0].parse().unwrap();
        assert!(grace > patience + 10.0, "{name}: {grace} s");
    }
}
