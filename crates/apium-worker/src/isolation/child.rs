//! A child as its worker has it: its process group, the way to it, and its last words.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::unix::pipe::Receiver as Pipe;
use tokio::process::{Child as Process, Command};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::frame::{Down, Up, next, pack};
use super::{Launch, VARIABLE};

/// How long the program has from its start until it can run tasks.
const START: Duration = Duration::from_secs(30);

/// How long a killed process has to be gone.
const END: Duration = Duration::from_secs(2);

/// Lines of what it said last, and bytes of each.
const LAST_LINES: usize = 5;
const LINE: usize = 300;

/// What keeps mimalloc, should the program have it, from taking a GiB of writable memory at its start: `max_memory` would
/// count that.
const LIMITABLE: (&str, &str) = ("MIMALLOC_ARENA_EAGER_COMMIT", "0");

/// Frames that wait to be heard.
const UNHEARD: usize = 16;

/// A process that runs attempts.
pub(super) struct Child {
    process: Process,
    /// Its process group bears its number, also once it is gone.
    group: Pid,
    down: OwnedWriteHalf,
    up: Receiver<Up>,
    said: Said,
    _listening: AbortOnDropHandle<()>,
    /// Attempts that have ended in it.
    pub(super) done: u32,
    /// Since when it has nothing to do.
    pub(super) idle_since: Instant,
}

/// What a child prints, which goes on to standard error.
struct Said {
    last: Arc<Mutex<VecDeque<String>>>,
    passing_on: AbortOnDropHandle<()>,
}

/// How a child ended that nobody ended.
#[derive(Debug)]
pub(crate) struct Death {
    /// `signal 6 (SIGABRT)`, `exitcode 3`.
    pub(crate) how: String,
    /// The end of what it printed, lines joined.
    pub(crate) last_words: String,
    /// It could not have the memory it asked for.
    pub(crate) out_of_memory: bool,
}

impl Child {
    /// Starts one, and waits until it can run tasks.
    pub(super) async fn start(launch: &Launch) -> io::Result<Self> {
        let (ours, theirs) = Socket::pair()?;
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&launch.program);
        command.args(&launch.arguments).env(VARIABLE, "1").process_group(0).kill_on_drop(true);
        command.env(LIMITABLE.0, LIMITABLE.1);
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        command.stdout(Stdio::from(writer.try_clone()?)).stderr(Stdio::from(writer));
        let process = command.spawn()?;
        // With it go our copies of the child's ends, so that its end is seen here.
        drop(command);
        let number = process.id().and_then(|id| i32::try_from(id).ok());
        let group = Pid::from_raw(number.ok_or_else(|| io::Error::other("it ended at once"))?);
        ours.set_nonblocking(true)?;
        let (mut reading, down) = UnixStream::from_std(ours)?.into_split();
        let (heard, up) = channel(UNHEARD);
        let listening = tokio::spawn(async move { listen(&mut reading, heard).await });
        let mut child = Self {
            process,
            group,
            down,
            up,
            said: Said::hear(reader)?,
            _listening: AbortOnDropHandle::new(listening),
            done: 0,
            idle_since: Instant::now(),
        };
        match tokio::time::timeout(START, child.hear()).await {
            Ok(Some(Up::Ready)) => Ok(child),
            Ok(_) => {
                let death = child.died().await;
                Err(io::Error::other(format!("it ended before it could run tasks: {}", death.with_words())))
            }
            Err(_) => Err(io::Error::new(ErrorKind::TimedOut, format!("it does not answer for {} s", START.as_secs()))),
        }
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.group.as_raw().unsigned_abs()
    }

    /// Tells it something. One that is gone is heard to be.
    pub(super) async fn tell(&mut self, down: &Down) -> io::Result<()> {
        match self.down.write_all(&pack(down)?).await {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            told => told,
        }
    }

    /// What it says next; `None` once it is gone, or says what nobody understands.
    pub(super) async fn hear(&mut self) -> Option<Up> {
        self.up.recv().await
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        self.up.is_closed() && self.up.is_empty()
    }

    /// Kills it and all that has stayed in its group, and returns once it is gone.
    pub(super) async fn kill(mut self) {
        self.end().await;
    }

    /// How it ended, once it is heard to be gone.
    pub(super) async fn died(mut self) -> Death {
        let status = self.end().await;
        let last_words = self.said.last_words().await;
        Death {
            how: status.map_or_else(|| "a way nobody knows".to_owned(), how),
            out_of_memory: last_words.contains("memory allocation of"),
            last_words,
        }
    }

    async fn end(&mut self) -> Option<ExitStatus> {
        // Before it is waited for: its number may be given to another then.
        self.kill_group();
        tokio::time::timeout(END, self.process.wait()).await.ok()?.ok()
    }

    fn kill_group(&self) {
        if self.process.id().is_some() {
            // Nothing of the group may be left.
            let _ = killpg(self.group, Signal::SIGKILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill_group();
    }
}

impl Said {
    fn hear(reader: PipeReader) -> io::Result<Self> {
        let last = Arc::<Mutex<VecDeque<String>>>::default();
        let mut lines = BufReader::new(Pipe::from_owned_fd(reader.into())?);
        let kept = last.clone();
        let passing_on = tokio::spawn(async move {
            let (mut line, mut out) = (Vec::new(), tokio::io::stderr());
            while let Ok(1..) = lines.read_until(b'\n', &mut line).await {
                // A log nobody reads is no reason to end.
                let _ = out.write_all(&line).await;
                let _ = out.flush().await;
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == LAST_LINES {
                    kept.pop_front();
                }
                kept.push_back(String::from_utf8_lossy(&line[..line.len().min(LINE)]).trim().to_owned());
                line.clear();
            }
        });
        Ok(Self { last, passing_on: AbortOnDropHandle::new(passing_on) })
    }

    /// The end of what was said. Something that has left the group may hold the pipe: it is not waited for.
    async fn last_words(&mut self) -> String {
        let _ = tokio::time::timeout(END, &mut self.passing_on).await;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().filter(|line| !line.is_empty()).cloned().collect::<Vec<_>>().join(" | ")
    }
}

impl Death {
    /// The sentence of a log.
    pub(super) fn with_words(&self) -> String {
        if self.last_words.is_empty() { self.how.clone() } else { format!("{}: {}", self.how, self.last_words) }
    }
}

async fn listen(reading: &mut (impl tokio::io::AsyncRead + Unpin), heard: Sender<Up>) {
    loop {
        match next(reading).await {
            Ok(Some(up)) => {
                if heard.send(up).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return tracing::error!(%error, "a child said what its worker does not understand"),
        }
    }
}

/// As billiard says it.
fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(number), _) => {
            let name = Signal::try_from(number).map_or("unknown", Signal::as_str);
            format!("signal {number} ({name})")
        }
        (None, code) => format!("exitcode {}", code.unwrap_or_default()),
    }
}
