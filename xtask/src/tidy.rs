//! `cargo xtask tidy`: the habits of the house as rules over files, each broken one a sentence with a place.
//!
//! Fast and file based: nothing is built, no network is touched. Each rule lives in the file of its kind;
//! what may be excepted, and why, stands in `xtask/tidy-exceptions.txt`.

mod arrows;
mod exceptions;
mod heart;
mod links;
mod manifest;
mod mask;
mod measures;
mod supply;
mod tree;
mod words;

use std::fmt;
use std::path::Path;

use crate::shell::{Done, Failure};
use tree::Tree;

/// One broken rule at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the repository, with `/`.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The rule's name, as `tidy-exceptions.txt` spells it.
    pub rule: &'static str,
    /// What is wrong and what to do.
    pub sentence: String,
}

impl Finding {
    fn new(rule: &'static str, path: &str, line: usize, sentence: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, sentence: sentence.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, sentence } = self;
        write!(f, "{path}:{line}: {sentence} ({rule})")
    }
}

/// A rule's name and what it looks for.
type Rule = (&'static str, fn(&Tree) -> Vec<Finding>);

/// Every rule; the names are those of `tidy-exceptions.txt`.
const RULES: [Rule; 23] = [
    (arrows::ARROW, arrows::arrows),
    (arrows::FENCE, arrows::fences),
    (arrows::ROUTES, arrows::routes),
    (measures::FILE, measures::files),
    (measures::FUNCTION, measures::functions),
    (measures::DEPTH, measures::depth),
    (heart::SIX_FILES, heart::six_files),
    (heart::LOOP, heart::verbs),
    (heart::MAP, heart::map),
    (words::OPENING, words::openings),
    (words::NAME, words::names),
    (words::MARK, words::marks),
    (words::SLEEP, words::sleeps),
    (words::DEBUG, words::debugging),
    (words::IGNORE, words::ignored),
    (words::UNSAFE, words::unsafety),
    (links::LINK, links::links),
    (supply::LICENCE, supply::licences),
    (supply::LINTS, supply::lints),
    (supply::BANNED, supply::banned),
    (supply::CHANGES, supply::changes),
    (supply::BUILD, supply::build_scripts),
    (supply::FAILPOINTS, supply::failpoints),
];

/// Prints every finding; fails when there is one.
///
/// # Errors
/// When a rule is broken, or the tree cannot be read.
pub fn tidy(root: &Path) -> Done {
    let findings = check(root)?;
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err(Failure::new("tidy found one thing to mend.")),
        many => Err(Failure::new(format!("tidy found {many} things to mend."))),
    }
}

/// Every broken rule in the tree below `root`, by place, without those that are excepted.
///
/// # Errors
/// When the tree cannot be read.
pub fn check(root: &Path) -> Result<Vec<Finding>, Failure> {
    let tree = Tree::read(root)
        .map_err(|error| Failure::new(format!("cannot read the tree at {}: {error}.", root.display())))?;
    let found = RULES.iter().flat_map(|(_, look)| look(&tree)).collect();
    let names: Vec<&str> = RULES.iter().map(|(name, _)| *name).collect();
    let mut findings = exceptions::apply(&tree, &names, found);
    findings.sort();
    Ok(findings)
}
