//! `ready`: asks the process that listens here whether it is ready, for health checks where there is no `curl`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use super::greeting::reachable;
use crate::failure::Failure;
use crate::output;
use crate::settings::Settings;

/// Longer than the process that is asked waits for its broker.
const PATIENCE: Duration = Duration::from_secs(4);
/// The most of an answer that is read, in bytes.
const LARGEST: u64 = 64 << 10;

/// Prints what `/readyz` answers; exits with 1 unless it says yes.
pub(crate) fn ready(settings: &Settings) -> Result<ExitCode, Failure> {
    let address = settings.text("listen").unwrap_or_default();
    let answer = ask(address).map_err(|error| Failure::new(format!("{address} does not answer: {error}")))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    output::line(body.trim_end())?;
    Ok(if head.split(' ').nth(1) == Some("200") { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ask(address: &str) -> std::io::Result<String> {
    // A name may stand for several addresses; the last one's error is as good as any.
    let mut last = std::io::Error::other("the name has no address");
    for address in address.to_socket_addrs()? {
        match ask_at(reachable(address)) {
            Ok(answer) => return Ok(answer),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn ask_at(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LARGEST).read_to_string(&mut answer)?;
    Ok(answer)
}
