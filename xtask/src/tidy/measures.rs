//! Smoke alarms for size: files, functions, the front pages of a crate, folders within folders.

use super::{Finding, mask, tree::Tree};

pub(super) const FILE: &str = "file-length";
pub(super) const FUNCTION: &str = "function-length";
pub(super) const DEPTH: &str = "folder-depth";

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 80;
const LIB_LINES: usize = 60;
const MAIN_LINES: usize = 100;
const FOLDERS: usize = 2;

/// No source file is too long for one idea; `lib.rs` is a table of contents, `main.rs` only wires.
pub(super) fn files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let (limit, advice) = if file.path.ends_with("/src/lib.rs") {
            (LIB_LINES, "a lib.rs is a table of contents; move its contents out")
        } else if file.path.ends_with("/src/main.rs") {
            (MAIN_LINES, "a main only wires; move the rest into the library")
        } else {
            (FILE_LINES, "find the second idea in it and give that a file")
        };
        let length = file.length();
        if length > limit {
            let sentence = format!("{length} lines, the limit is {limit}: {advice}.");
            findings.push(Finding::new(FILE, &file.path, limit + 1, sentence));
        }
    }
    findings
}

/// No function is too long to hold in mind, tests apart.
pub(super) fn functions(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for function in mask::functions(&file.code) {
            let first = file.line(function.start);
            let length = file.line(function.end) - first + 1;
            if length > FUNCTION_LINES && !file.is_test(function.start) {
                let sentence =
                    format!("`{}` has {length} lines, the limit is {FUNCTION_LINES}: name its steps.", function.name);
                findings.push(Finding::new(FUNCTION, &file.path, first, sentence));
            }
        }
    }
    findings
}

/// A crate is shallow.
pub(super) fn depth(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|file| file.path.split_once("/src/").is_some_and(|(_, inside)| inside.matches('/').count() > FOLDERS))
        .map(|file| {
            let sentence = format!("more than {FOLDERS} folders below src; bring the file further up.");
            Finding::new(DEPTH, &file.path, 1, sentence)
        })
        .collect()
}
