//! The diaries of the probe's processes: which attempts began, which ended, in which process.

use std::path::PathBuf;

use crate::place::Place;
use crate::poll::until;

/// One attempt of one task.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) task: String,
    pub(crate) process: u32,
    /// In microseconds since 1970.
    pub(crate) began: u64,
    pub(crate) ended: Option<u64>,
}

/// Every attempt of every process that ran in this place, each process's in the order they began.
pub(crate) fn attempts(place: &Place) -> Vec<Attempt> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(place.path("diaries")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(read).collect()
}

/// The attempts of one task.
pub(crate) fn attempts_of(place: &Place, task: &str) -> Vec<Attempt> {
    attempts(place).into_iter().filter(|attempt| attempt.task == task).collect()
}

/// Waits until an attempt of this task has begun.
pub(crate) fn until_begun(place: &Place, task: &str) {
    until(&format!("{task} to begin"), || (!attempts_of(place, task).is_empty()).then_some(()));
}

fn read(file: &PathBuf) -> Vec<Attempt> {
    let process = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let mut attempts: Vec<Attempt> = Vec::new();
    let text = std::fs::read_to_string(file).unwrap();
    // Without the line that is just being written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut open: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for line in whole.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, task, micros] = words[..] else { panic!("{line:?} in {}", file.display()) };
        let micros = micros.parse().unwrap();
        if what == "begin" {
            open.insert(task, attempts.len());
            attempts.push(Attempt { task: task.to_owned(), process, began: micros, ended: None });
        } else {
            attempts[open.remove(task).unwrap()].ended = Some(micros);
        }
    }
    attempts
}
