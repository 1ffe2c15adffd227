//! What fails a worker for a while: a Redis that cuts its connections, a program that locks its SQLite file, a system that
//! has no descriptor for it.

use apium_worker::points::Point;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::store::Store;

/// From when until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The store fails whatever is asked next, each time the worker comes here …
    pub(crate) from: Point,
    /// … until it comes here for the first time.
    pub(crate) to: Point,
}

/// What does it.
pub(crate) struct Trouble {
    span: Span,
    store: Store,
    over: bool,
    /// Holds the lock of a file.
    lock: Option<rusqlite::Connection>,
    /// Descriptors this process could have, before it was to have no more.
    descriptors: Option<u64>,
}

impl Trouble {
    pub(crate) fn new(span: Span, store: Store) -> Self {
        Self { span, store, over: false, lock: None, descriptors: None }
    }

    pub(crate) fn at(&mut self, point: Point) {
        if point == self.span.to {
            self.end();
        }
        if point != self.span.from || self.over {
            return;
        }
        match &self.store {
            // Without a descriptor no child is started.
            _ if point == Point::ChildAsked => {
                self.descriptors = Some(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0);
                allow(1);
            }
            Store::Redis(_) => self.cut(),
            Store::Sqlite(file) if self.lock.is_none() => {
                let lock = rusqlite::Connection::open(file).unwrap();
                lock.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
                lock.execute_batch("BEGIN IMMEDIATE").unwrap();
                self.lock = Some(lock);
            }
            Store::Sqlite(_) => {}
        }
    }

    pub(crate) fn end(&mut self) {
        self.over = true;
        self.lock = None;
        self.descriptors.take().into_iter().for_each(allow);
    }

    /// Ends every other connection to this database.
    fn cut(&self) {
        let mut look = self.store.redis().unwrap();
        let own: u64 = redis::cmd("CLIENT").arg("ID").query(&mut look).unwrap();
        let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut look).unwrap();
        let field = |line: &str, name: &str| {
            line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('=')).map(ToOwned::to_owned)
        };
        let mine = list.lines().find(|line| field(line, "id") == Some(own.to_string())).unwrap();
        let database = field(mine, "db");
        for line in list.lines().filter(|line| field(line, "db") == database) {
            let id = field(line, "id").unwrap();
            if id != own.to_string() {
                // It may have gone by itself.
                let _: redis::RedisResult<u64> = redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query(&mut look);
            }
        }
    }
}

/// So many descriptors for this process, from now on.
fn allow(descriptors: u64) {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, descriptors, most).unwrap();
}
