//! The way in for a newcomer: six files short enough to read, the loop and the attempt, and the map.

use super::{Finding, mask, tree::Tree};

pub(super) const SIX_FILES: &str = "six-files";
pub(super) const LOOP: &str = "row-of-verbs";
pub(super) const MAP: &str = "map";

/// The life of one task, in reading order.
pub(super) const PATH: [&str; 6] = [
    "crates/apium-core/src/client.rs",
    "crates/apium-protocol/src/message.rs",
    "crates/apium-core/src/broker.rs",
    "crates/apium-worker/src/consumer.rs",
    "crates/apium-worker/src/executor.rs",
    "crates/apium-worker/src/outcome.rs",
];

const TOGETHER_LINES: usize = 2000;
const VERBS_LINES: usize = 80;
const MAP_LINES: usize = 200;

/// The heart: in which file, which function.
const VERBS: [(&str, &str); 2] =
    [("crates/apium-worker/src/consumer.rs", "run"), ("crates/apium-worker/src/executor.rs", "attempt")];

const README: &str = "README.md";
const ARCHITECTURE: &str = "docs/ARCHITECTURE.md";

/// All six are there, short enough together, and named in the README in reading order.
pub(super) fn six_files(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = PATH
        .into_iter()
        .filter(|path| tree.file(path).is_none())
        .map(|path| {
            let sentence = "is one of the six files a newcomer reads, and is missing.";
            Finding::new(SIX_FILES, path, 1, sentence)
        })
        .collect();
    let together: usize = PATH.into_iter().filter_map(|path| tree.file(path)).map(super::tree::Source::length).sum();
    if together > TOGETHER_LINES {
        let sentence =
            format!("the six files a newcomer reads have {together} lines together, the limit is {TOGETHER_LINES}.");
        findings.push(Finding::new(SIX_FILES, PATH[0], 1, sentence));
    }
    findings.extend(six_files_in_readme(tree));
    findings
}

/// The loop and the attempt are there, each a row of verbs.
pub(super) fn verbs(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, name) in VERBS {
        // A missing file is the first rule's business.
        let Some(file) = tree.file(path) else {
            continue;
        };
        let lengths: Vec<(usize, usize)> = mask::functions(&file.code)
            .iter()
            .filter(|function| function.name == name && !file.is_test(function.start))
            .map(|function| (file.line(function.start), file.line(function.end)))
            .collect();
        if lengths.is_empty() {
            let sentence = format!("the heart `fn {name}` is not here under its name.");
            findings.push(Finding::new(LOOP, path, 1, sentence));
        }
        for (first, last) in lengths {
            let length = last - first + 1;
            if length > VERBS_LINES {
                let sentence = format!(
                    "`{name}` has {length} lines, the limit is {VERBS_LINES}: special cases go into steps, not between them."
                );
                findings.push(Finding::new(LOOP, path, first, sentence));
            }
        }
    }
    findings
}

/// The map of the house is there and fits in one sitting.
pub(super) fn map(tree: &Tree) -> Vec<Finding> {
    let Some(map) = tree.file(ARCHITECTURE) else {
        let sentence = "the map of the house is missing.";
        return vec![Finding::new(MAP, ARCHITECTURE, 1, sentence)];
    };
    let length = map.length();
    if length <= MAP_LINES {
        return Vec::new();
    }
    let sentence = format!("the map has {length} lines, the limit is {MAP_LINES}.");
    vec![Finding::new(MAP, ARCHITECTURE, MAP_LINES + 1, sentence)]
}

fn six_files_in_readme(tree: &Tree) -> Vec<Finding> {
    let Some(readme) = tree.file(README) else {
        let sentence = "the README is missing.";
        return vec![Finding::new(SIX_FILES, README, 1, sentence)];
    };
    let mut findings = Vec::new();
    let mut from = 0;
    for path in PATH {
        match readme.text[from..].find(path) {
            Some(distance) => from += distance + path.len(),
            None => findings.push(Finding::new(
                SIX_FILES,
                README,
                1,
                format!("does not name `{path}` in its place among the six files to read."),
            )),
        }
    }
    findings
}
