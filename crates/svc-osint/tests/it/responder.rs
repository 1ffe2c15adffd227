//! A server that misbehaves on purpose, for the faults a correct server cannot be made to commit.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the server sends for one question, given the question's bytes.
type Reply = Arc<dyn Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync>;

/// A running responder; stopped when dropped.
pub(crate) struct Responder {
    address: SocketAddr,
    asked: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Responder {
    /// Answers each datagram with the datagrams `udp` makes of it; nothing listens for TCP.
    pub(crate) fn udp(udp: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(udp), None)
    }

    /// The same, and answers the first message of each TCP connection with the messages of `tcp`,
    /// then closes.
    pub(crate) fn both(
        udp: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static,
        tcp: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::start(Arc::new(udp), Some(Arc::new(tcp)))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Datagrams received.
    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    fn start(udp: Reply, tcp: Option<Reply>) -> Self {
        let (socket, listener) = pair();
        let address = socket.local_addr().expect("its address");
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let mut threads = vec![];
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&asked));
        threads.push(std::thread::spawn(move || serve_udp(&socket, &udp, &stopped, &counted)));
        if let Some(tcp) = tcp {
            let stopped = Arc::clone(&stop);
            threads.push(std::thread::spawn(move || serve_tcp(&listener, &tcp, &stopped)));
        }
        Self { address, asked, stop, threads }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wake the thread that waits for a connection.
        let _ = std::net::TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The question's bytes turned into an answer's header: its number, its question, `rcode`, and no
/// records.
pub(crate) fn answer_to(question: &[u8], rcode: u8) -> Vec<u8> {
    let mut answer = question_only(question);
    answer[2] |= 0x80;
    answer[3] = rcode;
    answer
}

/// The same with the mark that it was cut.
pub(crate) fn cut_answer_to(question: &[u8]) -> Vec<u8> {
    let mut answer = answer_to(question, 0);
    answer[2] |= 0x02;
    answer
}

/// An answer with one record of class IN at the question's name: `kind` and raw `rdata`.
pub(crate) fn record_for(question: &[u8], kind: u16, ttl: u32, rdata: &[u8]) -> Vec<u8> {
    let mut answer = answer_to(question, 0);
    answer[7] = 1;
    answer.extend_from_slice(&[0xc0, 12]);
    answer.extend_from_slice(&kind.to_be_bytes());
    answer.extend_from_slice(&1u16.to_be_bytes());
    answer.extend_from_slice(&ttl.to_be_bytes());
    answer.extend_from_slice(&u16::try_from(rdata.len()).expect("short rdata").to_be_bytes());
    answer.extend_from_slice(rdata);
    answer
}

/// The type a question asks for.
pub(crate) fn kind_of(question: &[u8]) -> u16 {
    let end = question_only(question).len();
    u16::from_be_bytes([question[end - 4], question[end - 3]])
}

/// Header and question without the additional section.
fn question_only(question: &[u8]) -> Vec<u8> {
    let mut at = 12;
    while question[at] != 0 {
        at += usize::from(question[at]) + 1;
    }
    let mut bytes = question[..at + 5].to_vec();
    bytes[6..12].fill(0);
    bytes
}

fn pair() -> (UdpSocket, TcpListener) {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) {
            return (socket, listener);
        }
    }
}

fn serve_udp(socket: &UdpSocket, reply: &Reply, stop: &AtomicBool, asked: &AtomicU32) {
    socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a read timeout");
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::SeqCst) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        asked.fetch_add(1, Ordering::SeqCst);
        for answer in reply(&buffer[..length]) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn serve_tcp(listener: &TcpListener, reply: &Reply, stop: &AtomicBool) {
    for stream in listener.incoming() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(mut stream) = stream else { continue };
        let mut length = [0; 2];
        if stream.read_exact(&mut length).is_err() {
            continue;
        }
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        if stream.read_exact(&mut question).is_err() {
            continue;
        }
        for answer in reply(&question) {
            let length = u16::try_from(answer.len()).expect("a message").to_be_bytes();
            let _ = stream.write_all(&length).and_then(|()| stream.write_all(&answer));
        }
    }
}
