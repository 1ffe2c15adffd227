//! A process under test: what it says is collected, it ends by a deadline, and it never outlives its test.

use std::io::{BufRead as _, BufReader, Lines, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::poll::{SOON, until, until_within};

/// The exit code of a command line or a setting that cannot be used.
const REFUSED: i32 = 2;

/// A process that runs.
pub(crate) struct Running {
    child: Child,
    name: String,
    out: Said,
    err: Said,
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A process whose standard error was read up to some words, and by nobody since.
pub(crate) struct Unread {
    child: Child,
    /// A reader that is there and does not read; without it, there is none.
    _stalled: Option<Lines<BufReader<ChildStderr>>>,
}

/// One of its streams, read by a thread of its own.
struct Said {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let name = format!("{command:?}");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let (out, err) = (Said::hear(child.stdout.take().unwrap()), Said::hear(child.stderr.take().unwrap()));
        Self { child, name, out, err }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it said on standard error up to now.
    pub(crate) fn stderr(&self) -> String {
        self.err.so_far()
    }

    /// What it printed up to now.
    pub(crate) fn stdout(&self) -> String {
        self.out.so_far()
    }

    /// Waits until it has said this on standard error.
    pub(crate) fn until_says(&mut self, words: &str) {
        until(words, || {
            let said = self.stderr().contains(words);
            let ended = !said && self.child.try_wait().unwrap().is_some();
            assert!(!ended, "{} ended without saying {words:?}:\n{}", self.name, self.stderr());
            said.then_some(())
        });
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.id()).unwrap()), signal).unwrap();
    }

    /// Ends it as `kill -9` does, and returns once it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and waits for its end.
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Waits for its end.
    pub(crate) fn ended(self) -> Ended {
        self.ended_within(SOON)
    }

    /// Waits for its end, at most this long.
    pub(crate) fn ended_within(mut self, at_most: Duration) -> Ended {
        let end = format!("the end of {}", self.name);
        let status = until_within(at_most, &end, || self.child.try_wait().unwrap());
        Ended { code: status.code(), stdout: self.out.all(), stderr: self.err.all() }
    }
}

impl Unread {
    /// `stalled`: whether the reader stays, without reading on.
    pub(crate) fn start(mut command: Command, words: &str, stalled: bool) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = lines.by_ref().map_while(Result::ok).any(|line| line.contains(words));
        assert!(said, "{command:?} ended without saying {words:?}");
        Self { child, _stalled: stalled.then_some(lines) }
    }

    /// Asks it to stop and returns its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGINT).unwrap();
        until("the end of a process that nobody reads", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // Both fail for a process that has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail for a process that has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("{} said:\n{}{}", self.name, self.out.so_far(), self.err.so_far());
        }
    }
}

impl Ended {
    /// What it printed, if it ended well.
    pub(crate) fn printed(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout.trim_end().to_owned()
    }

    /// What it printed as JSON, if it ended well.
    pub(crate) fn json(self) -> serde_json::Value {
        let printed = self.printed();
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error} in {printed}"))
    }

    /// The one sentence it failed with.
    pub(crate) fn sentence(self) -> String {
        self.sentence_with(1)
    }

    /// The one sentence with which a setting or an argument was refused.
    pub(crate) fn refusal(self) -> String {
        self.sentence_with(REFUSED)
    }

    fn sentence_with(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        let told: Vec<&str> = self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(told.len(), 1, "one sentence: {self:?}");
        told.concat()
    }
}

impl Said {
    fn hear(mut stream: impl Read + Send + 'static) -> Self {
        let text = Arc::<Mutex<String>>::default();
        let heard = text.clone();
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut piece) {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.so_far()
    }
}
