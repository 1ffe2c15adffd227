//! The same call twice, inline and over a broker, and every record it leaves behind, fit to be compared.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apium_core::chords::Chords;
use apium_core::memory::Memory;
use apium_core::protocol::ResultRecord;
use apium_core::{BackendError, Client, Lookup, Registry, ResultStore, Routes, Signature, StoredResult};
use apium_worker::{Inline, WorkerOptions};
use async_trait::async_trait;

use crate::kit::Rig;

/// A result store that lives apart from every broker, and knows what was stored in it.
#[derive(Clone, Default)]
pub(crate) struct Diary {
    inner: Memory,
    stored: Arc<Mutex<Vec<(String, String)>>>,
}

/// What a call has left behind.
#[derive(Debug, PartialEq)]
pub(crate) struct Left {
    /// The last record of each task, without dates; each id stands for the record it names.
    pub(crate) records: Vec<String>,
    /// The states each task went through, sorted.
    pub(crate) states: Vec<Vec<String>>,
    /// What the tasks noted.
    pub(crate) notes: Vec<String>,
}

/// Sends over a broker to a worker, and waits until there is nothing left to do.
pub(crate) async fn by_a_worker(register: fn(&mut Registry), signature: &Signature) -> Left {
    let (mut rig, diary) = (Rig::new(), Diary::default());
    register(&mut rig.registry);
    rig.client = Client::new(rig.probe.clone(), Arc::new(diary.clone()), Routes::default());
    rig.stage.cue();
    rig.send(signature).await;
    rig.start();
    rig.emptied().await;
    rig.stopped().await;
    diary.left(rig.stage.notes()).await
}

/// Sends inline; when that returns there is nothing left to do.
pub(crate) async fn by_the_sender(register: fn(&mut Registry), signature: &Signature) -> Left {
    let (mut rig, diary) = (Rig::new(), Diary::default());
    register(&mut rig.registry);
    rig.stage.cue();
    let inline = inline(&rig).storing_in(Arc::new(diary.clone()));
    inline.client().send(signature).await.unwrap();
    diary.left(rig.stage.notes()).await
}

/// The tasks of a rig, inline.
pub(crate) fn inline(rig: &Rig) -> Inline {
    let options = WorkerOptions { name: "w@test".to_owned(), ..WorkerOptions::default() };
    let clients = |broker, results| Client::new(broker, results, Routes::default());
    Inline::new(rig.registry.clone(), rig.states.clone(), clients).with_options(options)
}

impl Diary {
    async fn left(&self, mut notes: Vec<String>) -> Left {
        let stored = self.stored.lock().unwrap().clone();
        let mut states: HashMap<&str, Vec<String>> = HashMap::new();
        for (id, state) in &stored {
            states.entry(id).or_default().push(state.clone());
        }
        let mut texts = HashMap::new();
        for id in states.keys() {
            let Lookup::Stored(mut record) = self.inner.lookup(id).await.unwrap() else { panic!("{id} is not stored") };
            record.date_done = record.date_done.map(|_| "a date".to_owned());
            texts.insert((*id).to_owned(), String::from_utf8(record.encode()).unwrap());
        }
        let mut states: Vec<_> = states.into_values().collect();
        states.sort();
        for note in &mut notes {
            *note = rename(note, "no id at all", &HashMap::new());
        }
        notes.sort();
        Left { records: told(&texts), states, notes }
    }
}

/// Texts in which every id is replaced by what it names; three rounds reach as far as any of these canvases goes.
fn told(texts: &HashMap<String, String>) -> Vec<String> {
    let mut names: HashMap<&str, String> = HashMap::new();
    let mut renamed = Vec::new();
    for _ in 0..3 {
        renamed = texts.iter().map(|(id, text)| (id.as_str(), rename(text, id, &names))).collect::<Vec<_>>();
        names = renamed.iter().map(|(id, text)| (*id, hash(text))).collect();
    }
    let mut told: Vec<_> = renamed.into_iter().map(|(_, text)| text).collect();
    told.sort();
    told
}

fn rename(text: &str, own: &str, names: &HashMap<&str, String>) -> String {
    let mut pieces = text.replace(own, "its own id");
    let mut from = 0;
    while let Some(at) = next_id(&pieces, from) {
        let name = names.get(&pieces[at..at + 36]).map_or("another id", String::as_str).to_owned();
        pieces.replace_range(at..at + 36, &name);
        from = at + name.len();
    }
    pieces
}

fn next_id(text: &str, from: usize) -> Option<usize> {
    let is_id = |window: &[u8]| {
        window.iter().enumerate().all(|(at, sign)| match at {
            8 | 13 | 18 | 23 => *sign == b'-',
            _ => sign.is_ascii_hexdigit(),
        })
    };
    text.as_bytes().get(from..)?.windows(36).position(is_id).map(|at| from + at)
}

fn hash(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("<{:x}>", hasher.finish())
}

#[async_trait]
impl ResultStore for Diary {
    fn home(&self) -> &'static str {
        "a diary"
    }

    fn chords(&self) -> &dyn Chords {
        &self.inner
    }

    async fn store(&self, result: &StoredResult) -> Result<bool, BackendError> {
        self.stored.lock().unwrap().push((result.task_id.clone(), result.state.name().to_owned()));
        self.inner.store(result).await
    }

    async fn lookup(&self, task_id: &str) -> Result<Lookup, BackendError> {
        self.inner.lookup(task_id).await
    }

    async fn wait(&self, task_id: &str, at_most: Duration) -> Result<Option<ResultRecord>, BackendError> {
        ResultStore::wait(&self.inner, task_id, at_most).await
    }

    async fn forget(&self, task_id: &str) -> Result<(), BackendError> {
        self.inner.forget(task_id).await
    }

    async fn remember(&self, task_id: &str, keep: Duration) -> Result<(), BackendError> {
        self.inner.remember(task_id, keep).await
    }
}
