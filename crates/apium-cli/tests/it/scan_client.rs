//! A client of the API that keeps its connection and notes how long each answer took.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The client.
pub(crate) struct Client {
    api: String,
    stream: BufReader<TcpStream>,
    /// How long each answer took, in the order of the requests.
    pub(crate) took: Vec<Took>,
}

/// How long one answer took.
#[derive(Debug, Clone)]
pub(crate) struct Took {
    route: &'static str,
    span: Duration,
}

/// How long a route takes.
#[derive(Debug)]
pub(crate) struct Route {
    name: &'static str,
    requests: usize,
    p50: Duration,
    pub(crate) p99: Duration,
    most: Duration,
}

impl Client {
    pub(crate) fn of(api: &str) -> Self {
        let stream = TcpStream::connect(api).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self { api: api.to_owned(), stream: BufReader::new(stream), took: Vec::new() }
    }

    /// Status and body of an answer; what was asked is counted under `route`.
    pub(crate) fn ask(
        &mut self,
        route: &'static str,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> (u16, Value) {
        let (api, length) = (&self.api, body.len());
        let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {api}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        let began = Instant::now();
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (status, body) = self.answer();
        self.took.push(Took { route, span: began.elapsed() });
        (status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error} in {body:?}")))
    }

    fn answer(&mut self) -> (u16, Vec<u8>) {
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next().unwrap().parse().unwrap();
            } else if let Some(bytes) = line.strip_prefix("content-length: ") {
                length = bytes.parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        assert_ne!(status, 0, "the connection was closed");
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (status, body)
    }
}

impl Took {
    /// What was noted, route by route, in the order of their names.
    pub(crate) fn routes(all: &[Self]) -> Vec<Route> {
        let mut names: Vec<_> = all.iter().map(|took| took.route).collect();
        names.sort_unstable();
        names.dedup();
        let of = |name| {
            let mut spans: Vec<_> = all.iter().filter(|took| took.route == name).map(|took| took.span).collect();
            spans.sort_unstable();
            let at = |hundredths: usize| spans[(spans.len() * hundredths).div_ceil(100).max(1) - 1];
            Route { name, requests: spans.len(), p50: at(50), p99: at(99), most: at(100) }
        };
        names.into_iter().map(of).collect()
    }
}

/// What was noted, as a table in milliseconds.
pub(crate) fn table(all: &[Took]) -> String {
    let ms = |span: Duration| span.as_secs_f64() * 1_000.0;
    let row = |route: Route| {
        let Route { name, requests, p50, p99, most } = route;
        format!("{name:12} {requests:8} {:8.1} {:8.1} {:8.1}\n", ms(p50), ms(p99), ms(most))
    };
    let head = format!("{:12} {:>8} {:>8} {:>8} {:>8}\n", "route", "requests", "p50 ms", "p99 ms", "max ms");
    head + &Took::routes(all).into_iter().map(row).collect::<String>()
}
