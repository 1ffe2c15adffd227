//! The least of a Redis client: commands written into one buffer, sent at once, their replies read in order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

/// How everything here ends.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A reply; what is not needed of it is dropped.
pub(crate) enum Reply {
    Bytes(Vec<u8>),
    List(Vec<Reply>),
    Nothing,
    /// A status or a number.
    Plain,
}

/// One connection, and the commands not sent yet.
pub(crate) struct Link {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    buffer: Vec<u8>,
    /// Replies to come for what is in the buffer.
    open: usize,
}

impl Link {
    /// Connects to where `BENCH_PORT` says.
    pub(crate) fn open() -> Outcome<Self> {
        let port: u16 = std::env::var("BENCH_PORT")?.parse()?;
        let writer = TcpStream::connect(("127.0.0.1", port))?;
        writer.set_nodelay(true)?;
        let reader = BufReader::with_capacity(1 << 18, writer.try_clone()?);
        Ok(Self { reader, writer, buffer: Vec::with_capacity(1 << 18), open: 0 })
    }

    /// Begins a command of so many words.
    pub(crate) fn command(&mut self, words: usize) -> &mut Self {
        self.buffer.extend_from_slice(format!("*{words}\r\n").as_bytes());
        self.open += 1;
        self
    }

    /// One word of it.
    pub(crate) fn word(&mut self, word: impl AsRef<[u8]>) -> &mut Self {
        let word = word.as_ref();
        self.buffer.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        self.buffer.extend_from_slice(word);
        self.buffer.extend_from_slice(b"\r\n");
        self
    }

    /// A whole command.
    pub(crate) fn say(&mut self, words: &[&[u8]]) -> &mut Self {
        self.command(words.len());
        for word in words {
            self.word(word);
        }
        self
    }

    /// Sends what is in the buffer, and reads all replies.
    pub(crate) fn flush(&mut self) -> Outcome<Vec<Reply>> {
        self.writer.write_all(&self.buffer)?;
        self.buffer.clear();
        let open = std::mem::take(&mut self.open);
        (0..open).map(|_| self.reply()).collect()
    }

    /// One command, one round trip.
    pub(crate) fn ask(&mut self, words: &[&[u8]]) -> Outcome<Reply> {
        self.say(words).flush()?.pop().ok_or_else(|| "no reply".into())
    }

    fn reply(&mut self) -> Outcome<Reply> {
        let mut line = Vec::with_capacity(32);
        self.reader.read_until(b'\n', &mut line)?;
        let text = std::str::from_utf8(line.get(1..).unwrap_or_default())?.trim_end();
        Ok(match line.first() {
            Some(b'+' | b':') => Reply::Plain,
            Some(b'$') => match usize::try_from(text.parse::<i64>()?) {
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.reader.read_exact(&mut bytes)?;
                    bytes.truncate(length);
                    Reply::Bytes(bytes)
                }
                Err(_) => Reply::Nothing,
            },
            Some(b'*') => match usize::try_from(text.parse::<i64>()?) {
                Ok(length) => Reply::List((0..length).map(|_| self.reply()).collect::<Outcome<_>>()?),
                Err(_) => Reply::Nothing,
            },
            Some(_) => return Err(format!("Redis says: {text}").into()),
            None => return Err("Redis has hung up".into()),
        })
    }
}
