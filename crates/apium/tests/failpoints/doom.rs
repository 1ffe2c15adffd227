//! What happens at the points: they are counted, a worker dies at one of them, and before that its store may fail it.
//!
//! A worker of this process runs on one thread and has the doom of that thread. One in a process of its own has the
//! doom of the process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Mutex, OnceLock};

use apium_worker::points::{Point, at_points};
use tokio::sync::Notify;

use crate::trouble::Trouble;

/// At which point a worker dies, and when it comes there for the how-manieth time (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) at: Point,
    pub(crate) nth: u32,
}

/// How often each point was reached.
pub(crate) type Reached = BTreeMap<Point, u32>;

/// The doom of one worker.
#[derive(Default)]
pub(crate) struct Doom {
    death: Option<Death>,
    trouble: Option<Trouble>,
    reached: Reached,
    dead: bool,
    /// Where a process leaves what it has reached.
    left_in: Option<PathBuf>,
}

/// The way to wait for it.
#[derive(Default)]
struct Thread {
    doom: Doom,
    struck: Rc<Notify>,
}

thread_local! {
    static MINE: RefCell<Thread> = RefCell::default();
}

static OF_ALL: OnceLock<Mutex<Doom>> = OnceLock::new();

impl Doom {
    pub(crate) fn new(death: Option<Death>, trouble: Option<Trouble>) -> Self {
        Self { death, trouble, ..Self::default() }
    }

    /// The same for a process, which leaves what it has reached in this file.
    pub(crate) fn leaving(self, file: PathBuf) -> Self {
        Self { left_in: Some(file), ..self }
    }

    fn leave(&self) {
        let Some(file) = &self.left_in else { return };
        let lines = self.reached.iter().map(|(point, times)| format!("{} {times}\n", point.name()));
        std::fs::write(file, lines.collect::<String>()).unwrap();
    }

    /// True where the worker is dead, or dies now.
    fn strikes(&mut self, point: Point) -> bool {
        if self.dead {
            return true;
        }
        let times = self.reached.entry(point).or_default();
        *times += 1;
        self.dead = self.death.is_some_and(|death| death.at == point && death.nth == *times);
        match &mut self.trouble {
            Some(trouble) if self.dead => trouble.end(),
            Some(trouble) => trouble.at(point),
            None => {}
        }
        self.dead
    }
}

/// From now on the worker of this thread is doomed so.
pub(crate) fn of_this_thread(doom: Doom) {
    at_points(deed);
    MINE.with(|mine| *mine.borrow_mut() = Thread { doom, struck: Rc::default() });
}

/// Resolves when the worker of this thread has died.
pub(crate) async fn struck() {
    let struck = MINE.with(|mine| mine.borrow().struck.clone());
    struck.notified().await;
}

/// What the worker of this thread has reached; its troubles are over.
pub(crate) fn reached() -> Reached {
    MINE.with(|mine| std::mem::take(&mut *mine.borrow_mut()).doom.reached)
}

/// How often the worker of this thread has reached a point.
pub(crate) fn times(point: Point) -> u32 {
    MINE.with(|mine| mine.borrow().doom.reached.get(&point).copied().unwrap_or_default())
}

/// From now on the worker of this process is doomed so.
pub(crate) fn of_this_process(doom: Doom) {
    let _ = OF_ALL.set(Mutex::new(doom));
    at_points(deed);
}

/// The worker of this process has lived to its end.
pub(crate) fn survived() {
    OF_ALL.get().unwrap().lock().unwrap().leave();
}

/// What another process has left.
pub(crate) fn left_in(file: &Path) -> Reached {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = |line: &str| {
        let (point, times) = line.split_once(' ')?;
        Some((Point::named(point)?, times.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

fn deed(point: Point) -> bool {
    if let Some(doom) = OF_ALL.get() {
        let mut doom = doom.lock().unwrap();
        if doom.strikes(point) {
            doom.leave();
            // As `kill -9` ends it: nothing is dropped, nothing is said.
            std::process::abort();
        }
        return false;
    }
    MINE.with(|mine| {
        let mut mine = mine.borrow_mut();
        let dies = mine.doom.strikes(point);
        if dies {
            mine.struck.notify_one();
        }
        dies
    })
}
