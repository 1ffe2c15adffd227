//! A provider on loopback for the scan service: it notes when it was asked what, answers or does not, and notes when
//! its client has gone.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use svc_osint::providers::PROVIDERS;

use crate::place::Place;
use crate::poll::{pause, until};

/// The key of every provider that wants one.
pub(crate) const KEY: &str = "clave-secreta-0123456789";

/// What VirusTotal says of a domain, at the least.
pub(crate) const VIRUSTOTAL: &str = r#"{"data":{"id":"x","type":"domain","attributes":{"last_analysis_stats":
{"malicious":0,"suspicious":0,"undetected":1,"harmless":1,"timeout":0}}}}"#;

/// How long a drop takes to fall.
const DROP: Duration = Duration::from_millis(50);

/// What is done with a request.
#[derive(Debug, Clone)]
pub(crate) enum Manner {
    /// It is answered with this status, further header lines and body.
    Answer(u16, &'static str, &'static str),
    /// The same, after so long.
    After(Duration, &'static str),
    /// It is answered with a byte now and then, for ever.
    Drip,
    /// It is never answered.
    Silence,
}

/// One request that came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) path: String,
    /// When it had come.
    pub(crate) at: Instant,
    /// When its client had left, where that was waited for.
    pub(crate) gone: Option<Instant>,
}

/// The provider.
pub(crate) struct Provider {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Provider {
    /// One whose manners are a matter of the path that is asked for, and of how often it was asked for before.
    pub(crate) fn that(manner: impl Fn(&str, usize) -> Manner + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Asked>>>::default());
        let (manner, noted) = (Arc::new(manner), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (manner, noted) = (manner.clone(), noted.clone());
                std::thread::spawn(move || {
                    let Some(path) = path_of(&stream) else { return };
                    let number = {
                        let mut noted = noted.lock().unwrap();
                        noted.push(Asked { path: path.clone(), at: Instant::now(), gone: None });
                        noted.len() - 1
                    };
                    let before = noted.lock().unwrap()[..number].iter().filter(|asked| asked.path == path).count();
                    if served(stream, &manner(&path, before)) {
                        noted.lock().unwrap()[number].gone = Some(Instant::now());
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// A place where it is every provider there is, and each may be asked as often as `windows` says, or as one likes.
    pub(crate) fn at(&self, place: Place, windows: &str) -> Place {
        let urls: Vec<_> = PROVIDERS.iter().map(|it| format!("{}=http://{}", it.name, self.address)).collect();
        let free = PROVIDERS.iter().map(|it| format!("{}=", it.name));
        let windows: Vec<_> = free.chain(std::iter::once(windows.to_owned())).collect();
        let keyed = PROVIDERS.iter().filter_map(|it| it.key_env);
        keyed
            .fold(place, |place, variable| place.with(variable, KEY))
            .with("OSINT_PROVIDER_URLS", &urls.join(","))
            .with("OSINT_PROVIDER_WINDOWS", &windows.join(","))
            .with("OSINT_ALLOW_SOCKETS", &self.address.to_string())
            .with("OSINT_WHOIS_SERVER", &self.address.to_string())
    }

    /// What it was asked up to now.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often it was asked for a path in which this stands.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.asked().iter().filter(|asked| asked.path.contains(part)).count()
    }

    /// Waits until it was asked for a path in which this stands.
    pub(crate) fn until_asked(&self, part: &str) {
        until(part, || (self.count(part) > 0).then_some(()));
    }

    /// Waits until the client that asked so has left, and tells when that was.
    pub(crate) fn until_left(&self, part: &str) -> Instant {
        let left = || self.asked().iter().rev().find(|asked| asked.path.contains(part)).and_then(|asked| asked.gone);
        until("the client to leave", left)
    }
}

/// The path of the request that stands at the head of a connection.
fn path_of(mut stream: &TcpStream) -> Option<String> {
    let (mut head, mut piece) = (Vec::new(), [0; 2_048]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(length @ 1..) => head.extend_from_slice(&piece[..length]),
            _ => return None,
        }
    }
    String::from_utf8_lossy(&head).split(' ').nth(1).map(ToOwned::to_owned)
}

/// True when the client left before it had an answer.
fn served(mut stream: TcpStream, manner: &Manner) -> bool {
    match manner {
        Manner::Answer(status, headers, body) => answer(&mut stream, *status, headers, body),
        Manner::After(wait, body) => {
            pause(*wait);
            answer(&mut stream, 200, "", body);
        }
        Manner::Drip => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n[");
            return left(stream, b" ");
        }
        Manner::Silence => return left(stream, b""),
    }
    false
}

fn answer(stream: &mut TcpStream, status: u16, headers: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n");
    let _ = stream.write_all((head + body).as_bytes());
}

/// Sends a drop now and then until the client leaves.
fn left(mut stream: TcpStream, drop: &[u8]) -> bool {
    stream.set_read_timeout(Some(DROP)).unwrap();
    loop {
        match stream.read(&mut [0; 16]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stream.write_all(drop).is_err() {
                    return true;
                }
            }
            Ok(1..) => {}
            Ok(0) | Err(_) => return true,
        }
    }
}
