//! One question to one WHOIS server (RFC 3912): a line goes out, a text comes back, within bounds.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::settings::{PORT, Server, WhoisLimits};
use crate::connector::{Connector, FetchError};

/// A server's answer as text, line ends as `\n`, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What came.
    pub text: String,
    /// Why it may not be all of it.
    pub cut: Option<Cut>,
}

/// Why an answer may be incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It was larger than is taken.
    TooLarge,
    /// It took longer than is waited for: it drips.
    TooSlow,
    /// The server stopped talking and did not close.
    NotClosed,
    /// The connection broke.
    Reset,
}

/// Sends `question`, one line without its end, and reads the answer.
///
/// # Errors
/// [`FetchError`] when the server may not be contacted, cannot be reached, or said nothing at all.
pub async fn ask(
    connector: &Connector,
    server: &Server,
    question: &str,
    limits: &WhoisLimits,
) -> Result<Reply, FetchError> {
    if question.contains(|c: char| c.is_control() || !c.is_ascii()) {
        // A line end would be a second question, in whatever protocol the other side speaks.
        return Err(FetchError::Address { why: "la pregunta no cabe en una línea".to_owned() });
    }
    let mut stream = connector.stream(&server.host, server.port, PORT, limits.connect).await?;
    let broken = |error: std::io::Error| FetchError::Connect { host: server.to_string(), why: error.to_string() };
    stream.write_all(format!("{question}\r\n").as_bytes()).await.map_err(broken)?;
    let (bytes, cut) = read(&mut stream, limits).await;
    match (bytes.is_empty(), cut) {
        (false, cut) => Ok(Reply { text: decode(&bytes), cut }),
        (true, None | Some(Cut::TooLarge)) => Ok(Reply { text: String::new(), cut: None }),
        (true, Some(Cut::Reset)) => {
            let why = "ha cortado la conexión sin responder".to_owned();
            Err(FetchError::Connect { host: server.to_string(), why })
        }
        (true, Some(Cut::NotClosed | Cut::TooSlow)) => {
            Err(FetchError::Timeout { host: server.to_string(), limit: limits.idle.min(limits.total) })
        }
    }
}

async fn read(stream: &mut TcpStream, limits: &WhoisLimits) -> (Vec<u8>, Option<Cut>) {
    let until = Instant::now() + limits.total;
    let mut bytes = Vec::new();
    let mut piece = vec![0; 8_192];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left == Duration::ZERO {
            return (bytes, Some(Cut::TooSlow));
        }
        let read = match timeout(left.min(limits.idle), stream.read(&mut piece)).await {
            Ok(Ok(0)) => return (bytes, None),
            Ok(Ok(read)) => read,
            Ok(Err(_)) => return (bytes, Some(Cut::Reset)),
            Err(_) if left < limits.idle => return (bytes, Some(Cut::TooSlow)),
            Err(_) => return (bytes, Some(Cut::NotClosed)),
        };
        let room = limits.bytes.saturating_sub(bytes.len());
        bytes.extend(piece.iter().take(read.min(room)));
        if read > room {
            return (bytes, Some(Cut::TooLarge));
        }
    }
}

/// The text of an answer: UTF-8 where it is that, else what Western European servers sent before it.
pub fn decode(bytes: &[u8]) -> String {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // Cut within a character.
        Err(error) if error.error_len().is_none() => {
            String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()
        }
        Err(_) => bytes.iter().copied().map(cp1252).collect(),
    };
    let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\r' | '\n' | '\t')).collect();
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// A byte as Windows reads it, which is Latin-1 with letters in place of control characters.
fn cp1252(byte: u8) -> char {
    const UPPER: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => UPPER[usize::from(byte - 0x80)],
        byte => char::from(byte),
    }
}
