//! One HTTP request by hand, as a health check or `curl` makes it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Status code and body of a GET; `None` while nobody answers.
pub(crate) fn get(address: &str, path: &str) -> Option<(u16, String)> {
    request(address, "GET", path, "text/plain", "")
}

/// Status code and answer of a POST, both in JSON.
pub(crate) fn post(address: &str, path: &str, body: &Value) -> (u16, Value) {
    let (status, answer) = request(address, "POST", path, "application/json", &body.to_string()).unwrap();
    (status, serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error} in {answer}")))
}

/// Status code and body of any request; `None` while nobody answers.
pub(crate) fn request(address: &str, method: &str, path: &str, kind: &str, body: &str) -> Option<(u16, String)> {
    request_with(address, method, path, &format!("Content-Type: {kind}"), body)
}

/// The same with these header lines.
pub(crate) fn request_with(
    address: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
