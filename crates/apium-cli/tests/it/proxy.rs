//! A line to a server that can be slow, cut off for a while, or half open: it takes what is sent and nothing comes of it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::poll::pause;

/// A port that leads to another.
pub(crate) struct Proxy {
    port: u16,
    line: Arc<Line>,
}

/// What all of its connections go by.
#[derive(Default)]
struct Line {
    /// While it is, nothing arrives; what was sent meanwhile arrives afterwards, as TCP sends it again.
    cut: Mutex<bool>,
    mended: Condvar,
    /// Connections with a lower number are half open, for ever.
    half_open_below: AtomicU64,
    opened: AtomicU64,
    /// Each way, in milliseconds.
    delay: AtomicU64,
    closed: AtomicBool,
}

impl Proxy {
    /// A line to this port of this machine.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), line: Arc::default() };
        let line = proxy.line.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if line.closed.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let number = line.opened.fetch_add(1, Ordering::SeqCst);
                line.carry(number, near.try_clone().unwrap(), far.try_clone().unwrap());
                line.carry(number, far, near);
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Connections that were opened up to now.
    pub(crate) fn opened(&self) -> u64 {
        self.line.opened.load(Ordering::SeqCst)
    }

    /// So long it takes one way from now on.
    pub(crate) fn slow(&self, each_way: Duration) {
        self.line.delay.store(u64::try_from(each_way.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Nothing arrives any more, until it is mended.
    pub(crate) fn cut(&self) {
        *self.line.cut.lock().unwrap() = true;
    }

    pub(crate) fn mend(&self) {
        *self.line.cut.lock().unwrap() = false;
        self.line.mended.notify_all();
    }

    /// The connections there are swallow what is sent from now on; new ones work.
    pub(crate) fn half_open(&self) {
        self.line.half_open_below.store(self.opened(), Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.closed.store(true, Ordering::SeqCst);
        self.mend();
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Line {
    /// Carries one way what comes, each piece in its time.
    fn carry(self: &Arc<Self>, number: u64, mut from: TcpStream, mut to: TcpStream) {
        let (sender, pieces): (Sender<(Instant, Vec<u8>)>, Receiver<_>) = channel();
        let line = self.clone();
        std::thread::spawn(move || {
            let mut piece = [0; 16_384];
            while let Ok(length @ 1..) = from.read(&mut piece) {
                let due = Instant::now() + Duration::from_millis(line.delay.load(Ordering::SeqCst));
                if sender.send((due, piece[..length].to_vec())).is_err() {
                    return;
                }
            }
        });
        let line = self.clone();
        std::thread::spawn(move || {
            for (due, piece) in pieces {
                pause(due.saturating_duration_since(Instant::now()));
                drop(line.mended.wait_while(line.cut.lock().unwrap(), |cut| *cut).unwrap());
                let swallowed = number < line.half_open_below.load(Ordering::SeqCst);
                if !swallowed && to.write_all(&piece).is_err() {
                    break;
                }
            }
            // Nobody is told that the other side has gone while the line is cut or half open.
            if number >= line.half_open_below.load(Ordering::SeqCst) {
                drop(line.mended.wait_while(line.cut.lock().unwrap(), |cut| *cut).unwrap());
                drop(to.shutdown(Shutdown::Both));
            }
        });
    }
}
