//! The threads that only look, so that a question never waits behind a commit.
//!
//! In WAL mode a reader sees the last commit and disturbs no writer. The threads end with the last handle.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use apium_core::BackendError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::anchor::Anchor;
use crate::fault::{Fault, ended};

/// Questions that may wait before callers have to.
const QUEUE: usize = 1_024;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// The way to the readers. They end with the last clone.
#[derive(Clone)]
pub(crate) struct Readers {
    questions: mpsc::Sender<Question>,
    file: Arc<PathBuf>,
    anchor: Arc<Anchor>,
}

impl Readers {
    /// Starts one thread for each connection.
    pub(crate) fn start(
        connections: Vec<Connection>,
        file: Arc<PathBuf>,
        anchor: Arc<Anchor>,
    ) -> std::io::Result<Self> {
        let (questions, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        for (number, db) in connections.into_iter().enumerate() {
            let waiting = waiting.clone();
            thread::Builder::new().name(format!("sqlite-read-{number}")).spawn(move || serve(&db, &waiting))?;
        }
        Ok(Self { questions, file, anchor })
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn read<T, F>(&self, look: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let (file, anchor) = (self.file.clone(), self.anchor.clone());
        let question: Question = Box::new(move |db| {
            if !reply.is_closed() {
                let found = anchor.holds().and_then(|()| look(db).map_err(|fault| fault.tell(&file)));
                // Who asked may have left meanwhile.
                reply.send(found).ok();
            }
        });
        self.questions.send(question).await.map_err(|_| ended(&self.file))?;
        answer.await.map_err(|_| ended(&self.file))?
    }
}

fn serve(db: &Connection, waiting: &Mutex<mpsc::Receiver<Question>>) {
    loop {
        // One thread waits for the next question, the others for their turn to wait.
        let question = waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match question {
            Some(question) => question(db),
            None => return,
        }
    }
}
