//! One question to one server: a datagram, TCP when the answer was cut, and every way in which
//! that can go wrong kept apart.
//!
//! No resolver library stands between us and the server, because those fold the differences that
//! the report is about (a refused question, an empty answer, silence) into one "no records".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

/// The datagram size we announce: fits every path without fragments (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1_232;
/// Bytes of a message before its sections.
const HEADER: usize = 12;

/// A question, and whether the resolver should skip DNSSEC validation for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) kind: RecordType,
    pub(super) unchecked: bool,
}

/// Why no usable answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unheard {
    /// Nothing in time.
    Silent,
    /// The socket said that nobody is there.
    Unreachable,
    /// Something came that is no answer to this question.
    Malformed,
    /// The datagram was cut and TCP gave nothing.
    Truncated,
}

/// Asks `server`, waiting at most `wait` for each transport.
pub(super) async fn exchange(server: SocketAddr, question: &Question, wait: Duration) -> Result<Message, Unheard> {
    let answer = once(server, question, wait, true).await;
    match &answer {
        // Servers older than EDNS reject the whole question because of it (RFC 6891, 7).
        Ok(message) if message.edns.is_none() && dislikes_edns(message.metadata.response_code) => {
            once(server, question, wait, false).await.or(answer)
        }
        _ => answer,
    }
}

/// Writes one length-prefixed message, as DNS over TCP wants it.
pub(super) async fn write_frame(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), Unheard> {
    let length = u16::try_from(bytes.len()).map_err(|_| Unheard::Malformed)?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(bytes);
    stream.write_all(&frame).await.map_err(|_| Unheard::Unreachable)
}

/// Reads one length-prefixed message; `None` when the peer closed instead.
pub(super) async fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u16().await.ok()?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}

/// The message that asks `question`.
pub(super) fn request(question: &Question, with_edns: bool) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    // AD in a question asks whether the resolver validated, without the weight of signatures.
    message.metadata.authentic_data = true;
    message.metadata.checking_disabled = question.unchecked;
    message.add_query(Query::query(question.name.clone(), question.kind));
    if with_edns {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD).set_version(0);
        message.set_edns(edns);
    }
    message
}

fn dislikes_edns(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS)
}

async fn once(server: SocketAddr, question: &Question, wait: Duration, with_edns: bool) -> Result<Message, Unheard> {
    let request = request(question, with_edns);
    let id = request.metadata.id;
    let bytes = request.to_vec().map_err(|_| Unheard::Malformed)?;
    match by_udp(server, &bytes, id, question, wait).await? {
        Some(message) => Ok(message),
        None => match timeout(wait, by_tcp(server, &bytes, id, question)).await {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(Unheard::Malformed)) => Err(Unheard::Malformed),
            Ok(Err(_)) | Err(_) => Err(Unheard::Truncated),
        },
    }
}

/// The answer by datagram; `None` when it was cut and must be fetched over TCP.
async fn by_udp(
    server: SocketAddr,
    bytes: &[u8],
    id: u16,
    question: &Question,
    wait: Duration,
) -> Result<Option<Message>, Unheard> {
    let local = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    // A socket of its own for each question: a fresh source port is half of the defence against
    // forged answers; `connect` drops what other hosts send.
    let socket = UdpSocket::bind((local, 0)).await.map_err(|_| Unheard::Unreachable)?;
    socket.connect(server).await.map_err(|_| Unheard::Unreachable)?;
    socket.send(bytes).await.map_err(|_| Unheard::Unreachable)?;
    let until = Instant::now() + wait;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = match timeout_at(until, socket.recv(&mut buffer)).await {
            Ok(Ok(length)) => length,
            Ok(Err(_)) => return Err(Unheard::Unreachable),
            Err(_) => return Err(Unheard::Silent),
        };
        let Some(answer) = buffer.get(..length).filter(|answer| replies_to(answer, id)) else {
            continue;
        };
        // Read from the header alone: what follows may end in the middle of a record.
        if answer.get(2).is_some_and(|flags| flags & 0b10 != 0) {
            return Ok(None);
        }
        match Message::from_vec(answer) {
            Ok(message) if concerns(&message, question) => return Ok(Some(message)),
            // Another question under our number is a forgery or a late answer: keep waiting.
            Ok(_) => {}
            Err(_) => return Err(Unheard::Malformed),
        }
    }
}

async fn by_tcp(server: SocketAddr, bytes: &[u8], id: u16, question: &Question) -> Result<Message, Unheard> {
    let mut stream = TcpStream::connect(server).await.map_err(|_| Unheard::Unreachable)?;
    write_frame(&mut stream, bytes).await?;
    let answer = read_frame(&mut stream).await.ok_or(Unheard::Unreachable)?;
    if !replies_to(&answer, id) {
        return Err(Unheard::Malformed);
    }
    let message = Message::from_vec(&answer).map_err(|_| Unheard::Malformed)?;
    if concerns(&message, question) { Ok(message) } else { Err(Unheard::Malformed) }
}

/// A whole header, our number, and the mark of an answer.
fn replies_to(answer: &[u8], id: u16) -> bool {
    answer.len() >= HEADER && answer.starts_with(&id.to_be_bytes()) && answer.get(2).is_some_and(|b| b & 0x80 != 0)
}

/// The answer repeats our question; a refusal may leave it out.
fn concerns(message: &Message, question: &Question) -> bool {
    match message.queries.first() {
        Some(query) => query.name == question.name && query.query_type == question.kind,
        None => message.metadata.response_code != ResponseCode::NoError,
    }
}
