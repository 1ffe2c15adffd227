//! `dead_letter_command`: what is told of dead letters, how often, and that a command that hangs holds up nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Deserializer, Value, json};

use crate::peer::our_worker;
use crate::place::{Place, Program};
use crate::poll::until;

/// A place with a program that does this with what it is told.
fn place_with(script: &str) -> (Place, String) {
    let place = Place::new();
    let file = place.file("alert", format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    let command = format!("{} {}", file.display(), place.path("told").display());
    (place, command)
}

fn told(place: &Place) -> Vec<Value> {
    let text = std::fs::read(place.path("told")).unwrap_or_default();
    Deserializer::from_slice(&text).into_iter().map_while(Result::ok).collect()
}

#[test]
fn it_is_told_of_each_group_once_in_a_while() {
    let (place, command) = place_with("cat >> $1");
    let worker = our_worker(&place, &["--dead-letter-command", &command, "--dead-letter-interval", "3"]);
    for task in ["probe.reject", "probe.greet", "probe.greet", "probe.greet"] {
        place.run(Program::Probe, &["call", task, "--wait"]).sentence();
    }
    let counted = |task: &str| -> u64 {
        told(&place).iter().filter(|group| group["task"] == task).map(|group| group["count"].as_u64().unwrap()).sum()
    };
    until("all of them to be told", || (counted("probe.greet") == 3 && counted("probe.reject") == 1).then_some(()));
    let groups = told(&place);
    let greetings: Vec<_> = groups.iter().filter(|group| group["task"] == "probe.greet").collect();
    assert!(greetings.len() < 3, "what came soon after was told together: {groups:?}");
    assert_eq!((&greetings[0]["reason"], &greetings[0]["error_class"]), (&json!("arguments"), &json!("TypeError")));
    let letter = &greetings[0]["letters"][0];
    assert!(letter["error"].as_str().unwrap().contains("missing 1 required"), "{letter}");
    assert!(letter.get("message").is_none() && letter["id"].is_string(), "{letter}");
    assert_eq!(worker.stop().code, Some(0));
}

#[test]
fn one_that_hangs_or_is_not_there_holds_up_nothing() {
    let (place, command) = place_with("sleep 60");
    for command in [&command, "/no/such/program"] {
        let worker = our_worker(&place, &["--dead-letter-command", command, "--dead-letter-interval", "1"]);
        for _ in 0..3 {
            place.run(Program::Probe, &["call", "probe.reject", "--wait", "--timeout", "10"]).sentence();
        }
        let greeting = place.run(Program::Probe, &["call", "probe.greet", "-a", "[\"Ada\"]", "--wait"]).printed();
        assert_eq!(greeting, "\"Hello, Ada!\"");
        if command == "/no/such/program" {
            until("a word in the log", || worker.stderr().contains("cannot be started").then_some(()));
        }
        assert_eq!(worker.stop().code, Some(0));
    }
}

/// As the manual has it: `curl` posts what it is told.
#[test]
fn a_webhook_is_told_by_curl() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let length = stream.read(&mut piece).unwrap();
            request.extend_from_slice(&piece[..length]);
            let text = String::from_utf8_lossy(&request);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            if let Ok(group) = serde_json::from_str::<Value>(body) {
                stream.write_all(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").unwrap();
                return (head.to_owned(), group);
            }
        }
    });
    let command =
        format!("curl -fsS -m 20 -H Content-Type:application/json --data-binary @- http://{address}/dead-letters");
    let place = Place::new();
    let worker = our_worker(&place, &["--dead-letter-command", &command, "--dead-letter-expired"]);
    place.run(Program::Probe, &["call", "probe.echo", "-a", "[1]", "--expires", "0", "--wait"]).sentence();
    let (head, group) = heard.join().unwrap();
    assert!(head.starts_with("POST /dead-letters ") && head.contains("Content-Type:application/json"), "{head}");
    assert_eq!(
        (&group["task"], &group["reason"], &group["count"]),
        (&json!("probe.echo"), &json!("expired"), &json!(1))
    );
    let stopped = worker.stop();
    assert!(stopped.code == Some(0) && !stopped.stderr.contains("was not told"), "{stopped:?}");
}
