//! Keys that are asked for at the same moment, read by one command: where many wait for results, each asks for its own,
//! and twice.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use apium_core::BackendError;
use tokio::sync::oneshot;

use crate::connection::Link;

/// The most keys that one command reads: others wait for Redis meanwhile.
const AT_ONCE: usize = 100;

/// Reads through one connection.
#[derive(Default)]
pub(crate) struct Reads {
    /// Who asks next, until their command leaves. Held by what is going to send it: should that be dropped, nobody is left
    /// waiting.
    next: Arc<Mutex<Weak<Mutex<Vec<Asked>>>>>,
}

struct Asked {
    key: String,
    answer: oneshot::Sender<Answer>,
}

type Answer = Result<Option<Vec<u8>>, BackendError>;

impl Reads {
    /// The string under a key, if there is one.
    pub(crate) async fn get(&self, link: &Link, key: String) -> Answer {
        match self.ask(link, key.clone()).await {
            Ok(answer) => answer,
            // The runtime of the connection is gone; this one is as good as any.
            Err(_) => link.command(redis::cmd("GET").arg(key)).await,
        }
    }

    fn ask(&self, link: &Link, key: String) -> oneshot::Receiver<Answer> {
        let (answer, told) = oneshot::channel();
        let mut next = open(&self.next);
        if let Some(asked) = next.upgrade() {
            open(&asked).push(Asked { key, answer });
            return told;
        }
        let asked = Arc::new(Mutex::new(vec![Asked { key, answer }]));
        *next = Arc::downgrade(&asked);
        let (next, reader) = (self.next.clone(), link.clone());
        // Its turn comes after those of all who ask now.
        link.runtime().spawn(async move {
            let asked = {
                *open(&next) = Weak::new();
                mem::take(&mut *open(&asked))
            };
            let mut asked = asked.into_iter();
            while asked.len() > 0 {
                read(&reader, asked.by_ref().take(AT_ONCE).collect()).await;
            }
        });
        told
    }
}

async fn read(link: &Link, asked: Vec<Asked>) {
    let keys: Vec<_> = asked.iter().map(|asked| &*asked.key).collect();
    let values: Result<Vec<_>, _> = match &*keys {
        // Tells where the key holds something else, which reads as nothing among others.
        [key] => link.command(redis::cmd("GET").arg(key)).await.map(|value| vec![value]),
        keys => link.command(redis::cmd("MGET").arg(keys)).await,
    };
    let mut values = values.map(Vec::into_iter);
    for Asked { answer, .. } in asked {
        // Who has no time left is gone.
        let _ = answer.send(match &mut values {
            Ok(values) => Ok(values.next().flatten()),
            Err(error) => Err(error.clone()),
        });
    }
}

fn open<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
