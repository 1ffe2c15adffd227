//! A private Redis on a free port of the loopback, gone when dropped, and the little of its protocol that the bench asks.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::guardian::{Group, Guardian};
use crate::shell::Failure;

/// How long it may take to answer for the first time.
const SOON: Duration = Duration::from_secs(20);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Redis without persistence, and a connection to it.
pub(crate) struct Redis {
    pub(crate) group: Group,
    pub(crate) port: u16,
    connection: BufReader<TcpStream>,
    /// What this connection has asked itself, which is no peer's.
    asked: u64,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A whole number.
    Number(i64),
    /// A text or a status.
    Text(String),
    /// Several.
    List(Vec<Reply>),
    /// Nothing there.
    Nothing,
    /// What Redis has against the command.
    Refused(String),
}

/// What Redis has done so far, for others than us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Commands, those inside of scripts and transactions too.
    pub commands: u64,
    /// Reads from connections, about the round trips.
    pub reads: u64,
    /// Its own time on a core.
    pub cpu: Duration,
}

impl Redis {
    pub(crate) fn start(server: &Path, guardian: &Guardian) -> Result<Self, Failure> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| Failure::new(format!("no port is free: {error}.")))?.port();
        let mut command = Command::new(server);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(guardian.folder()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let group = guardian.start(&mut command)?;
        let until = Instant::now() + SOON;
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > until => {
                    return Err(Failure::new(format!("`redis-server` does not answer: {error}.")));
                }
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        };
        let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
        set.map_err(|error| Failure::new(format!("the connection to Redis cannot be set up: {error}.")))?;
        Ok(Self { group, port, connection: BufReader::new(stream), asked: 0 })
    }

    /// Asks one thing.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Result<Reply, Failure> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            let _ = write!(command, "${}\r\n{word}\r\n", word.len());
        }
        self.asked += 1;
        let asked = self.connection.get_mut().write_all(command.as_bytes());
        let broken = |error| Failure::new(format!("Redis did not answer `{}`: {error}.", words.join(" ")));
        asked.map_err(broken)?;
        read(&mut self.connection).map_err(broken)
    }

    /// The sum of what commands like `LLEN celery; HLEN unacked` tell: how many messages there are.
    pub(crate) fn sum(&mut self, commands: &str) -> Result<u64, Failure> {
        let mut sum = 0;
        for command in commands.split(';') {
            let words: Vec<&str> = command.split_whitespace().collect();
            sum += match self.ask(&words)? {
                Reply::Number(number) => u64::try_from(number).unwrap_or_default(),
                other => {
                    return Err(Failure::new(format!(
                        "`{}` must give a number, and Redis says {other:?}.",
                        command.trim()
                    )));
                }
            };
        }
        Ok(sum)
    }

    pub(crate) fn counters(&mut self) -> Result<Counters, Failure> {
        let mut text = String::new();
        for section in ["stats", "cpu"] {
            if let Reply::Text(told) = self.ask(&["INFO", section])? {
                text.push_str(&told);
            }
        }
        // The commands that ask are counted when they have been answered: the second of these two is not yet.
        let asked = self.asked - 1;
        let told = Counters::read(&text);
        Ok(Counters { commands: told.commands.saturating_sub(asked), reads: told.reads.saturating_sub(asked), ..told })
    }
}

impl Counters {
    /// Reads what `INFO` tells.
    #[must_use]
    pub fn read(info: &str) -> Self {
        let text = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).unwrap_or_default()
        };
        let seconds = |name: &str| Duration::try_from_secs_f64(text(name).parse().unwrap_or(0.0)).unwrap_or_default();
        Self {
            commands: text("total_commands_processed").parse().unwrap_or(0),
            reads: text("total_reads_processed").parse().unwrap_or(0),
            cpu: seconds("used_cpu_user") + seconds("used_cpu_sys"),
        }
    }

    /// What was done since.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            commands: self.commands.saturating_sub(before.commands),
            reads: self.reads.saturating_sub(before.reads),
            cpu: self.cpu.saturating_sub(before.cpu),
        }
    }
}

fn read(connection: &mut BufReader<TcpStream>) -> std::io::Result<Reply> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    let (kind, text) = line.split_at_checked(1).unwrap_or_default();
    let length = || text.parse::<i64>().ok().and_then(|length| usize::try_from(length).ok());
    Ok(match kind {
        ":" => Reply::Number(text.parse().unwrap_or_default()),
        "$" => match length() {
            Some(length) => {
                let mut bytes = vec![0; length + 2];
                connection.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
            None => Reply::Nothing,
        },
        "*" => match length() {
            Some(length) => Reply::List((0..length).map(|_| read(connection)).collect::<Result<_, _>>()?),
            None => Reply::Nothing,
        },
        "-" => Reply::Refused(text.to_owned()),
        _ => Reply::Text(text.to_owned()),
    })
}
