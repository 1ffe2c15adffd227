//! The words of the house: how a file opens, names that say nothing, marks of work left undone.

use std::path::Path;

use super::tree::{Source, Tree, places};
use super::{Finding, mask};

pub(super) const OPENING: &str = "opening";
pub(super) const NAME: &str = "name";
pub(super) const MARK: &str = "mark";
pub(super) const SLEEP: &str = "sleep";
pub(super) const DEBUG: &str = "debug";
pub(super) const IGNORE: &str = "ignored-test";
pub(super) const UNSAFE: &str = "unsafe";

/// Names that fit everything and therefore say nothing.
const EMPTY_NAMES: [&str; 9] = ["util", "utils", "common", "helper", "helpers", "manager", "managers", "misc", "data"];

/// Marks of work left undone, put together here so that this file does not bear them.
const MARKS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Code that promises code.
const PROMISES: [&str; 2] = ["todo!", "unimplemented!"];

/// The fewest words that make an opening a sentence.
const SENTENCE: usize = 4;

/// A Rust file opens by saying what it is.
pub(super) fn openings(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|file| {
            let opening =
                file.text.lines().map_while(|line| line.strip_prefix("//!")).take_while(|line| !line.trim().is_empty());
            opening.flat_map(str::split_whitespace).count() < SENTENCE
        })
        .map(|file| {
            let sentence = "does not open with a `//!` sentence saying what the file is and why.";
            Finding::new(OPENING, &file.path, 1, sentence)
        })
        .collect()
}

/// No file, folder or type has an empty name.
pub(super) fn names(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let path = Path::new(&file.path).with_extension("");
        let empty =
            path.iter().map(|part| part.to_string_lossy()).find(|part| part.split(['_', '-']).any(is_empty_name));
        if let Some(part) = empty {
            findings.push(empty_name(file, 1, &part));
        }
        for (at, name) in types(&file.code) {
            if camel_words(name).iter().any(|word| is_empty_name(word)) {
                findings.push(empty_name(file, file.line(at), name));
            }
        }
    }
    findings
}

/// Nothing is left undone.
pub(super) fn marks(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| !file.has_ending("lock")) {
        let written = MARKS.iter().flat_map(|mark| places(&file.text, mark).into_iter().map(|at| (at, *mark)));
        let promised = PROMISES.iter().flat_map(|mark| file.places(mark).into_iter().map(|at| (at, *mark)));
        for (at, mark) in written.chain(promised) {
            let sentence = format!("`{mark}`: do it now, or open an issue and say it there.");
            findings.push(Finding::new(MARK, &file.path, file.line(at), sentence));
        }
    }
    findings
}

/// No test waits for time to pass.
pub(super) fn sleeps(tree: &Tree) -> Vec<Finding> {
    in_code(tree, SLEEP, &["sleep("], Source::is_test, "a test sleeps; step the clock, or wait for the signal.")
}

/// No line of a debugging session stayed.
pub(super) fn debugging(tree: &Tree) -> Vec<Finding> {
    let sentence = "a debugging line was left behind; delete it.";
    in_code(tree, DEBUG, &["dbg!"], |_, _| true, sentence)
}

/// Every test runs.
pub(super) fn ignored(tree: &Tree) -> Vec<Finding> {
    let sentence = "a test is switched off; mend it or delete it.";
    in_code(tree, IGNORE, &["#[ignore"], |_, _| true, sentence)
}

/// Memory safety is not argued away in passing.
pub(super) fn unsafety(tree: &Tree) -> Vec<Finding> {
    let sentence = "unsafe code; find the safe way, or argue for it in xtask/tidy-exceptions.txt.";
    in_code(tree, UNSAFE, &["unsafe"], |_, _| true, sentence)
}

fn in_code(
    tree: &Tree,
    rule: &'static str,
    words: &[&str],
    counts: fn(&Source, usize) -> bool,
    sentence: &str,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for at in words.iter().flat_map(|word| file.places(word)) {
            if counts(file, at) {
                findings.push(Finding::new(rule, &file.path, file.line(at), sentence));
            }
        }
    }
    findings
}

/// Every type a file declares, and where.
fn types(code: &str) -> impl Iterator<Item = (usize, &str)> {
    ["struct ", "enum ", "trait ", "type ", "union "].into_iter().flat_map(move |keyword| {
        places(code, keyword).into_iter().map(move |at| (at, mask::name_at(code, at + keyword.len())))
    })
}

/// `TaskStore` as `Task`, `Store`.
fn camel_words(name: &str) -> Vec<&str> {
    let mut starts: Vec<usize> =
        name.char_indices().filter(|(_, letter)| letter.is_uppercase()).map(|(at, _)| at).collect();
    starts.push(name.len());
    starts.windows(2).map(|pair| &name[pair[0]..pair[1]]).collect()
}

fn is_empty_name(word: &str) -> bool {
    EMPTY_NAMES.contains(&word.to_lowercase().as_str())
}

fn empty_name(file: &Source, line: usize, name: &str) -> Finding {
    let sentence = format!("`{name}` is a name that fits everything; say what it is for.");
    Finding::new(NAME, &file.path, line, sentence)
}
