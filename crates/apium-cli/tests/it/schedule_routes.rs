//! The schedules over HTTP, with real requests to a real process, in the order in which somebody would use them.

use serde_json::{Value, json};

use crate::http::request_with;
use crate::place::{Place, Program};
use crate::poll::until;
use crate::running::Running;
use crate::server::free_port;

const TOKEN: &str = "a-token-of-some-length";

/// A process that listens, and what it is asked.
struct Api {
    address: String,
    process: Running,
}

impl Api {
    fn of(place: &Place, role: &str) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut process = place.start(Program::Apium, &[role, "--listen", &address]);
        process.until_says("Ctrl-C stops.");
        Self { address, process }
    }

    fn asked_with(&self, headers: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, answer) = request_with(&self.address, method, path, headers, body).unwrap();
        (status, serde_json::from_str(&answer).unwrap_or_default())
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let headers = format!("Authorization: Bearer {TOKEN}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.asked_with(&headers, method, path, &body)
    }

    fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask("GET", path, &Value::Null);
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

#[test]
fn schedules_are_kept_changed_run_and_dropped_over_http() {
    let place = Place::new().with("APIUM_API_TOKEN", TOKEN);
    let api = Api::of(&place, "up");
    assert_eq!(api.get("/beat/schedules"), json!([]));
    let entry = json!({"task": "app.stats", "schedule": {"crontab": "0 9 * * 1-5"}, "zone": "Europe/Madrid",
        "args": [1], "origin": "code"});
    let (status, kept) = api.ask("PUT", "/beat/schedules/weekly%20stats", &entry);
    assert_eq!((status, &kept["entry"]["name"]), (201, &json!("weekly stats")), "{kept}");
    assert_eq!(kept["entry"]["origin"], "operator", "whatever it says");
    let (status, changed) = api.ask("PUT", "/beat/schedules/weekly%20stats", &entry);
    assert_eq!((status, &changed["due"]), (200, &kept["due"]), "{changed}");
    assert_eq!(api.get("/beat/schedules/weekly%20stats")["entry"]["args"], json!([1]));

    let coming = api.get("/beat/next?count=3&tz=Asia/Tokyo");
    let coming = coming.as_array().unwrap();
    assert_eq!(coming.len(), 3);
    assert!(coming.iter().all(|row| row["schedule"] == "weekly stats"), "{coming:?}");
    assert!(coming[0]["local"].as_str().unwrap().ends_with(":00:00 JST"), "{coming:?}");
    let (status, paused) = api.ask("POST", "/beat/schedules/weekly%20stats/pause", &Value::Null);
    assert_eq!((status, &paused["entry"]["paused"], &paused["next"]), (200, &json!(true), &Value::Null));
    assert_eq!(api.get("/beat/next"), json!([]), "nothing is due of what is paused");
    let (status, resumed) = api.ask("POST", "/beat/schedules/weekly%20stats/resume", &Value::Null);
    assert!(status == 200 && resumed["next"].is_string(), "{resumed}");

    let (status, ran) = api.ask("POST", "/beat/schedules/weekly%20stats/run", &Value::Null);
    assert_eq!(status, 202, "{ran}");
    let told = api.get("/beat/history?name=weekly%20stats&count=1");
    assert_eq!((&told[0]["what"], &told[0]["task_id"]), (&json!("run by hand"), &ran["task_id"]));
    assert_eq!(place.run(Program::Apium, &["beat", "list", "--json"]).json()[0]["state"]["runs"], 1);

    assert_eq!(api.ask("DELETE", "/beat/schedules/weekly%20stats", &Value::Null).0, 204);
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/run"), ("POST", "/pause")] {
        let (status, answer) = api.ask(method, &format!("/beat/schedules/weekly%20stats{path}"), &Value::Null);
        assert_eq!((status, &answer["error"]["code"]), (404, &json!("unknown_schedule")), "{method} {path} {answer}");
    }
}

#[test]
fn what_cannot_be_kept_is_refused_by_its_field() {
    let place = Place::new().with("APIUM_API_TOKEN", TOKEN);
    let api = Api::of(&place, "serve");
    let put = |entry: &Value| api.ask("PUT", "/beat/schedules/a", entry);
    for (entry, field) in [
        (json!({"schedule": 5}), "task"),
        (json!({"task": "t"}), "schedule"),
        (json!({"task": "t", "schedule": "* * * * 7"}), "schedule"),
        (json!({"task": "t", "schedule": 5, "zone": "Europe/Nowhere"}), "zone"),
        (json!({"task": "t", "schedule": 5, "overlap": "often"}), "overlap"),
        (json!({"task": "t", "schedule": 5, "jitter": 1_000_000}), "jitter"),
        (json!({"task": "t", "schedule": 5, "options": {"task_id": "x"}}), "options"),
        (json!({"task": "t", "schedule": 5, "colour": "red"}), "colour"),
        (json!({"task": "t", "schedule": 5, "name": "b"}), "name"),
    ] {
        let (status, answer) = put(&entry);
        assert_eq!((status, &answer["error"]["code"]), (422, &json!("invalid_schedule")), "{entry} {answer}");
        assert_eq!(answer["error"]["field"], field, "{answer}");
    }
    for (path, field) in
        [("/beat/next?count=0", "count"), ("/beat/next?tz=Nowhere", "tz"), ("/beat/history?count=x", "count")]
    {
        let (status, answer) = api.ask("GET", path, &Value::Null);
        assert_eq!((status, &answer["error"]["field"]), (422, &json!(field)), "{answer}");
    }
    let headers = format!("Authorization: Bearer {TOKEN}");
    for body in ["", "{", "[]"] {
        let (status, answer) = api.asked_with(&headers, "PUT", "/beat/schedules/a", body);
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("malformed_json")), "{body} {answer}");
    }
    assert_eq!(api.get("/beat/schedules"), json!([]));
}

#[test]
fn without_the_token_nothing_is_told_and_without_the_setting_there_is_nothing() {
    let place = Place::new().with("APIUM_API_TOKEN", TOKEN);
    let api = Api::of(&place, "serve");
    for headers in [
        "Accept: */*",
        "Authorization: Bearer",
        "Authorization: Bearer ",
        "Authorization: Bearer a-token-of-some-lengt",
        "Authorization: Bearer a-token-of-some-lengthx",
        "Authorization: Basic a-token-of-some-length",
    ] {
        for (method, path) in
            [("GET", "/beat/schedules"), ("PUT", "/beat/schedules/a"), ("POST", "/beat/schedules/a/run")]
        {
            let (status, answer) = api.asked_with(headers, method, path, "{}");
            assert_eq!((status, &answer["error"]["code"]), (401, &json!("unauthorized")), "{headers} {path} {answer}");
        }
    }
    assert_eq!(api.asked_with("Accept: */*", "GET", "/beat/nothing", "").0, 404);
    let said =
        until("the log of a request", || Some(api.process.stderr()).filter(|said| said.contains("/beat/nothing")));
    assert!(!said.contains(TOKEN), "{said}");

    let without = Api::of(&Place::new(), "serve");
    let (status, answer) = without.ask("GET", "/beat/schedules", &Value::Null);
    let (unknown, likewise) = without.ask("GET", "/no/such/thing", &Value::Null);
    assert_eq!((status, unknown, &answer["error"]), (404, 404, &likewise["error"]));
}
