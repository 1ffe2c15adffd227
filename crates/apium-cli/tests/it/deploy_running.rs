//! The scan service as `compose.yaml` starts it, with the commands, environment and checks written there: healthy while its
//! Redis is, measured by a real Prometheus, and shown, panel by panel.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::deploy::{services, text};
use crate::http::post;
use crate::place::{Place, Program};
use crate::poll::until;
use crate::running::Running;
use crate::scanning::finished;
use crate::server::{Server, free_port};
use crate::zone::Zone;

/// How `prometheus.yml` finds workers, which takes the DNS of compose.
const BY_NAME: &str = "    dns_sd_configs:\n      - names: [worker]\n        type: A\n        port: 8000\n        \
                       refresh_interval: 15s\n";

/// A service of ours: its process, and its check.
struct Ours {
    place: Place,
    address: String,
    check: Vec<String>,
    process: Running,
}

impl Ours {
    /// Starts what compose would; only addresses and folders are the test's.
    fn start(service: &Value, redis: &Server, resolvers: &str, history: &str) -> Self {
        let address = free_address();
        let mut place = Place::new().with("OSINT_RESOLVERS", resolvers);
        for (name, value) in service["environment"].as_object().unwrap() {
            let value = value.as_str().unwrap().replace("redis://redis:6379/0", &redis.url());
            let value = value.replace("/var/lib/apium", history).replace("0.0.0.0:8000", &address);
            place = place.with(name, &value);
        }
        let (command, check) = (words(&service["command"]), words(&service["healthcheck"]["test"]));
        assert_eq!(&check[..2], ["CMD", "apium"]);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut process = place.start(Program::Apium, &command);
        process.until_says("Ctrl-C stops.");
        Self { place, address, check: check[2..].to_vec(), process }
    }

    /// What its check exits with.
    fn health(&self) -> Option<i32> {
        let check: Vec<&str> = self.check.iter().map(String::as_str).collect();
        self.place.run(Program::Apium, &check).code
    }
}

fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

fn started(program: &str, arguments: &[String], environment: &[(&str, String)]) -> Running {
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    Running::start(command)
}

/// Asks Redis for Prometheus, with the keys that compose names.
fn exporter(service: &Value, redis: &Server) -> (Running, String) {
    let address = free_address();
    let environment = &service["environment"];
    let keys = environment["REDIS_EXPORTER_CHECK_SINGLE_KEYS"].as_str().unwrap().to_owned();
    assert_eq!(environment["REDIS_ADDR"], "redis://redis:6379");
    let environment = [("REDIS_ADDR", redis.url()), ("REDIS_EXPORTER_CHECK_SINGLE_KEYS", keys)];
    let running = started("prometheus-redis-exporter", &[format!("--web.listen-address={address}")], &environment);
    (running, address)
}

/// With our own settings and rules, but twice a second.
fn prometheus(service: &Value, place: &Place, api: &str, worker: &str, redis: &str) -> (Running, String) {
    let mut settings = text("prometheus/prometheus.yml");
    let one = format!("    static_configs:\n      - targets: [\"{worker}\"]\n");
    for (shipped, own) in [(BY_NAME, &*one), ("api:8000", api), ("redis-exporter:9121", redis), ("15s", "500ms")] {
        assert!(settings.contains(shipped), "{shipped} in {settings}");
        settings = settings.replace(shipped, own);
    }
    let file = place.file("prometheus/prometheus.yml", settings).display().to_string();
    place.file("prometheus/alerts.yml", text("prometheus/alerts.yml"));
    let address = free_address();
    let own = |word: String| match word.split_once('=') {
        Some((flag @ "--config.file", _)) => format!("{flag}={file}"),
        Some((flag @ "--storage.tsdb.path", _)) => format!("{flag}={}", place.path("tsdb").display()),
        _ => word,
    };
    let mut arguments: Vec<String> = words(&service["command"]).into_iter().map(own).collect();
    arguments.push(format!("--web.listen-address={address}"));
    let mut running = started("prometheus", &arguments, &[]);
    running.until_says("Server is ready to receive web requests");
    (running, address)
}

/// What Prometheus answers; by HTTP/1.0, so that it comes in one piece.
fn told(prometheus: &str, path: &str) -> Value {
    let mut stream = TcpStream::connect(prometheus).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let told: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {answer}"));
    assert_eq!(told["status"], "success", "{path}: {told}");
    told["data"].clone()
}

/// The figures of an expression, those that are none left out.
fn figures(prometheus: &str, expression: &str) -> Vec<f64> {
    let mut path = "/api/v1/query?query=".to_owned();
    for byte in expression.bytes() {
        write!(path, "%{byte:02X}").unwrap();
    }
    let told = told(prometheus, &path);
    let rows = told["result"].as_array().unwrap().iter();
    let figures = rows.map(|row| row["value"][1].as_str().unwrap().parse::<f64>().unwrap());
    figures.filter(|figure| !figure.is_nan()).collect()
}

/// The names of metrics in an expression: words outside quotes that begin as ours, or an exporter's, do.
fn metrics(expression: &str) -> Vec<&str> {
    let outside = expression.split('"').step_by(2);
    let words = outside.flat_map(|part| part.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_'));
    words.filter(|word| ["osint_", "apium_", "redis_"].iter().any(|ours| word.starts_with(ours))).collect()
}

/// Scans that end well, that are refused a private address, and that spend of a quota.
fn scan(api: &str) {
    let ask = |target: &str, kind: &str| {
        let wanted = json!({"target": target, "type": kind, "force": true});
        let (status, accepted) = post(api, "/api/v1/scan", &wanted);
        assert_eq!(status, 202, "{accepted}");
        accepted
    };
    assert_eq!(finished(api, &ask("shop.example", "dns"))["status"], "SUCCESS");
    ask("shop.example", "metadata");
    ask("ana@shop.example", "identity");
}

#[test]
fn what_compose_starts_is_healthy_measured_and_shown() {
    let services: Map<String, Value> = services("compose.yaml");
    let options = words(&services["redis"]["command"]);
    let options: Vec<&str> = options.iter().skip(1).map(String::as_str).collect();
    let (mut redis, zone, place) = (Server::with(&options), Zone::served(), Place::new());
    let history = place.path("history").display().to_string();
    std::fs::create_dir(&history).unwrap();
    let ours = ["api", "worker", "beat"].map(|name| Ours::start(&services[name], &redis, &zone.address(), &history));
    let [api, worker, _] = &ours;
    for service in &ours {
        until("it to be healthy", || (service.health() == Some(0)).then_some(()));
        let said = service.process.stderr();
        assert!(!said.contains("maxmemory-policy"), "Redis is set as a broker must be: {said}");
    }
    let (_exporter, asked) = exporter(&services["redis-exporter"], &redis);
    let (_prometheus, prometheus) = prometheus(&services["prometheus"], &place, &api.address, &worker.address, &asked);

    scan(&api.address);
    // A counter that is new has not increased yet: it counts from the second scan on.
    until("the first scan to be measured", || figures(&prometheus, "osint_scans_total").first().copied());
    scan(&api.address);
    let dashboard: Value = serde_json::from_str(&text("grafana/dashboard.json")).unwrap();
    let mut shown = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let asked = expression.replace("$__rate_interval", "30s").replace("$collector", ".*");
            until(&format!("a figure for {expression}"), || figures(&prometheus, &asked).first().copied());
            shown += 1;
        }
    }
    assert!(shown > 20, "{shown}");

    let rules = until("every rule to be looked at", || {
        let told = told(&prometheus, "/api/v1/rules");
        let groups = told["groups"].as_array().unwrap().iter();
        let rules: Vec<Value> = groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
        rules.iter().all(|rule| rule["health"] == "ok").then_some(rules)
    });
    for rule in &rules {
        for metric in metrics(rule["query"].as_str().unwrap()) {
            until(&format!("{metric} of {}", rule["name"]), || figures(&prometheus, metric).first().copied());
        }
        assert_ne!(rule["state"], "firing", "{rule}");
    }

    redis.kill();
    for service in &ours {
        until("it to be ill", || (service.health() == Some(1)).then_some(()));
    }
    redis.start_again();
    for service in &ours {
        until("it to be healthy again", || (service.health() == Some(0)).then_some(()));
    }
}
