//! The files tidy looks at, read once: their text, and for Rust their code without comments and strings.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::mask;

/// A text file of the repository.
pub(super) struct Source {
    /// Relative to the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// Rust only: the same text with comments, strings and characters turned into blanks.
    pub(super) code: String,
    /// Rust only: the bytes of `code` that are test code.
    tests: Vec<Range<usize>>,
}

/// Everything below the repository that people write.
pub(super) struct Tree {
    root: PathBuf,
    /// By path.
    pub(super) files: Vec<Source>,
}

/// Endings of the files worth reading.
const TEXTS: [&str; 12] = ["rs", "md", "toml", "lock", "txt", "py", "sh", "yml", "html", "css", "js", "sql"];

/// Folders that hold what was made, not what was written.
const MADE: [&str; 5] = ["target", "apium-data", "corpus", "artifacts", "node_modules"];

/// Hidden folders that people write in all the same.
const HIDDEN: [&str; 4] = [".cargo", ".ci", ".config", ".github"];

impl Tree {
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut waiting = vec![root.to_path_buf()];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let kind = entry.file_type()?;
                if kind.is_dir() && is_written(&name) {
                    waiting.push(entry.path());
                } else if kind.is_file() && is_text(&name) {
                    files.push(Source::read(root, &entry.path())?);
                }
            }
        }
        files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(Self { root: root.to_path_buf(), files })
    }

    pub(super) fn file(&self, path: &str) -> Option<&Source> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// The manifests of the workspace's own crates.
    pub(super) fn manifests(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| {
            file.path == "xtask/Cargo.toml"
                || file
                    .path
                    .strip_prefix("crates/")
                    .and_then(|rest| rest.strip_suffix("/Cargo.toml"))
                    .is_some_and(|name| !name.contains('/'))
        })
    }

    /// Whether a file or folder is there, read or not.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }
}

impl Source {
    fn read(root: &Path, path: &Path) -> io::Result<Self> {
        let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
        let relative = path.strip_prefix(root).unwrap_or(path);
        let path = relative.to_string_lossy().replace('\\', "/");
        let mut source = Self { path, text, code: String::new(), tests: Vec::new() };
        if source.is_rust() {
            source.code = mask::code_only(&source.text);
            source.tests = mask::test_modules(&source.code);
        }
        Ok(source)
    }

    pub(super) fn is_rust(&self) -> bool {
        self.has_ending("rs")
    }

    pub(super) fn has_ending(&self, ending: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|own| own == ending)
    }

    /// The name of the crate folder this file is in (`xtask` for the workshop).
    pub(super) fn room(&self) -> Option<&str> {
        let mut folders = self.path.split('/');
        match folders.next()? {
            "crates" => folders.next(),
            "xtask" => Some("xtask"),
            _ => None,
        }
    }

    /// Whether the byte at `at` belongs to a test: by its file's place or by the module around it.
    pub(super) fn is_test(&self, at: usize) -> bool {
        self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.tests.iter().any(|range| range.contains(&at))
    }

    /// How many lines the file has.
    pub(super) fn length(&self) -> usize {
        self.text.lines().count()
    }

    /// The line, from 1, of the byte at `at`.
    pub(super) fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        before.split(|byte| *byte == b'\n').count()
    }

    /// Where `word` stands in the code, not as part of a longer name.
    pub(super) fn places(&self, word: &str) -> Vec<usize> {
        places(&self.code, word)
    }
}

/// Where `word` stands in `text`, not as part of a longer name on the sides where it is a name itself.
pub(super) fn places(text: &str, word: &str) -> Vec<usize> {
    let touches = |byte: Option<&u8>, edge: Option<char>| {
        edge.is_some_and(is_name) && byte.is_some_and(|byte| is_name(char::from(*byte)))
    };
    let bytes = text.as_bytes();
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(|at| {
            let before = at.checked_sub(1).and_then(|left| bytes.get(left));
            let after = bytes.get(at + word.len());
            !touches(before, word.chars().next()) && !touches(after, word.chars().next_back())
        })
        .collect()
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn is_written(folder: &str) -> bool {
    !MADE.contains(&folder) && (!folder.starts_with('.') || HIDDEN.contains(&folder))
}

fn is_text(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|ending| TEXTS.iter().any(|text| ending == *text))
}
