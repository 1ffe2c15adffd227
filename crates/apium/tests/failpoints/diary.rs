//! What the attempts of all lives have done, one line each in one file, which outlives whoever wrote it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use apium::Context;

/// The pen of one life.
#[derive(Clone)]
pub(crate) struct Diary {
    path: PathBuf,
    life: usize,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Note {
    pub(crate) what: What,
    /// The worker it was noted in: the first, the second …
    pub(crate) life: usize,
    pub(crate) id: String,
    pub(crate) retries: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Begun,
    Ended,
    /// An errback was called for this task.
    Errback,
}

impl What {
    const ALL: [(Self, &str); 3] = [(Self::Begun, "begun"), (Self::Ended, "ended"), (Self::Errback, "errback")];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(what, _)| *what == self).unwrap().1
    }
}

impl Diary {
    pub(crate) fn new(folder: &Path, life: usize) -> Self {
        Self { path: folder.join("diary"), life }
    }

    pub(crate) fn note(&self, what: What, context: &Context) {
        let line = format!("{} {} {} {}\n", what.word(), self.life, context.task_id(), context.retries());
        // One write a line: a death leaves whole lines.
        let mut file = File::options().create(true).append(true).open(&self.path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }

    /// A file beside it that lets tasks go on which wait for it.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }
}

/// Everything noted so far, in its order.
pub(crate) fn read(folder: &Path) -> Vec<Note> {
    let text = std::fs::read_to_string(folder.join("diary")).unwrap_or_default();
    let note = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [word, life, id, retries] = words[..] else { panic!("{line:?}") };
        let what = What::ALL.iter().find(|(_, known)| *known == word).unwrap().0;
        Note { what, life: life.parse().unwrap(), id: id.to_owned(), retries: retries.parse().unwrap() }
    };
    text.lines().map(note).collect()
}
