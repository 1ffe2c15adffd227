//! The server: clients that stall, come in crowds, or are in the middle of a request when it stops.

use std::convert::Infallible;
use std::time::Duration;

use apium_web::{Patience, Stopping, manners, serve};
use axum::body::Body;
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Served {
    address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
}

impl Served {
    async fn start(patience: Patience) -> Self {
        let routes = Router::new().route("/", get(|| async { "here" })).route("/length", post(length));
        let router = manners(routes.route("/endless", get(endless)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopping = async move {
            stopped.await.unwrap();
        };
        let ended = tokio::spawn(serve(listener, router, patience, stopping));
        Self { address, stop: Some(stop), ended }
    }

    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

async fn length(body: String) -> String {
    body.len().to_string()
}

/// An answer that goes on until the server stops.
async fn endless(Extension(stopping): Extension<Stopping>) -> Body {
    let pieces = futures_util::stream::unfold((stopping, 0), |(mut stopping, told)| async move {
        match told {
            0 => Some((Ok::<_, Infallible>("begun"), (stopping, 1))),
            1 => {
                stopping.requested().await;
                Some((Ok("ended"), (stopping, 2)))
            }
            _ => None,
        }
    });
    Body::from_stream(pieces)
}

/// All that the server says before it closes.
async fn all(mut stream: TcpStream) -> String {
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

const WHOLE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_head_that_never_ends_loses_its_connection() {
    let served = Served::start(Patience { head: Duration::from_millis(50), ..Patience::default() }).await;
    for begun in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let said = all(served.send(begun).await).await;
        assert!(!said.contains("here"), "{said}");
    }
    assert!(all(served.send(WHOLE).await).await.ends_with("here"));
}

#[tokio::test]
async fn a_crowd_waits_for_its_turn_and_is_served() {
    let served = Served::start(Patience { connections: 2, head: Duration::from_millis(200) }).await;
    // These two have every seat until the server has had enough of them.
    let _stalled = [served.send("GET").await, served.send("GET").await];
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(served.send(WHOLE).await);
    }
    for stream in crowd {
        assert!(all(stream).await.ends_with("here"));
    }
}

#[tokio::test]
async fn a_stop_answers_what_is_open_and_takes_nothing_new() {
    let mut served = Served::start(Patience::default()).await;
    let head = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let mut open = served.send(head).await;
    let mut asked = [0; 25];
    open.read_exact(&mut asked).await.unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100"), "the request is under way");
    // Answered once, so that it is known to be open, and idle since.
    let mut idle = served.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut answer = vec![0; 512];
    let length = idle.read(&mut answer).await.unwrap();
    assert!(answer[..length].ends_with(b"here"));
    served.stop.take().unwrap().send(()).unwrap();
    assert_eq!(all(idle).await, "", "an idle connection is closed");
    assert!(!served.ended.is_finished(), "a request is open");
    open.write_all(b"four").await.unwrap();
    assert!(all(open).await.ends_with("\r\n\r\n4"));
    served.ended.await.unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn an_answer_without_an_end_learns_of_the_stop() {
    let mut served = Served::start(Patience::default()).await;
    let mut open = served.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut said = String::new();
    while !said.contains("begun") {
        let mut piece = [0; 512];
        let read = open.read(&mut piece).await.unwrap();
        said.push_str(std::str::from_utf8(&piece[..read]).unwrap());
    }
    served.stop.take().unwrap().send(()).unwrap();
    assert!(all(open).await.contains("ended"));
    served.ended.await.unwrap();
}
