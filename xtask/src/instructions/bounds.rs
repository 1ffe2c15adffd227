//! How many instructions a task may take on each path: `bench/instructions.toml`, and what a figure is beside its bound.

use std::fmt::Write as _;

use crate::shell::Failure;

/// The list, in the repository.
pub const LIST: &str = "bench/instructions.toml";

/// One path and its bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// The path's name.
    pub path: String,
    /// Instructions a task.
    pub bound: f64,
    /// How far a figure may be from it, in per cent: a little more than it varies from run to run.
    pub tolerance: f64,
}

/// The bounds, and with what they were taken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bounds {
    /// The compiler; another one makes other instructions of the same source.
    pub compiler: String,
    /// In the order of the list.
    pub all: Vec<Bound>,
}

/// What a figure is beside its bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Within the tolerance.
    Good,
    /// Fewer: the sentence says to lower the bound.
    Fewer(String),
    /// More: the sentence says what to do.
    More(String),
}

impl Bounds {
    /// Reads the list.
    ///
    /// # Errors
    /// One sentence with the number of the line that cannot be read.
    pub fn read(text: &str) -> Result<Self, Failure> {
        let mut bounds = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let wrong = |what: &str| Failure::new(format!("{LIST}:{number}: {what}."));
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(path) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                bounds.all.push(Bound { path: path.to_owned(), bound: 0.0, tolerance: 0.0 });
                continue;
            }
            let (key, value) = line.split_once('=').ok_or_else(|| wrong("a line is `key = value`"))?;
            let (key, value) = (key.trim(), value.trim());
            let positive = || value.parse().ok().filter(|number: &f64| *number > 0.0);
            let last = bounds.all.last_mut();
            match (key, last) {
                ("compiler", None) => value.trim_matches('"').clone_into(&mut bounds.compiler),
                ("bound", Some(last)) => last.bound = positive().ok_or_else(|| wrong("a bound is a number above 0"))?,
                ("tolerance", Some(last)) => {
                    last.tolerance = positive().ok_or_else(|| wrong("a tolerance is a number above 0, in per cent"))?;
                }
                _ => return Err(wrong(&format!("`{key}` is not known here"))),
            }
        }
        match bounds.all.iter().find(|one| one.bound <= 0.0 || one.tolerance <= 0.0) {
            None => Ok(bounds),
            Some(one) => Err(Failure::new(format!("{LIST}: [{}] needs a `bound` and a `tolerance`.", one.path))),
        }
    }

    /// Of one path.
    #[must_use]
    pub fn of(&self, path: &str) -> Option<&Bound> {
        self.all.iter().find(|one| one.path == path)
    }

    /// The list with these figures as bounds; its comments stay, and so do bounds of other paths.
    #[must_use]
    pub fn rewritten(text: &str, compiler: &str, figures: &[(&str, f64)]) -> String {
        let (mut page, mut path) = (String::new(), String::new());
        for line in text.lines() {
            let section = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
            section.unwrap_or(&path).to_owned().clone_into(&mut path);
            let key = line.split_once('=').map_or("", |(key, _)| key.trim());
            let figure = figures.iter().find(|(known, _)| *known == path).map(|(_, figure)| figure);
            let _ = match (key, figure) {
                ("compiler", _) => writeln!(page, "compiler = \"{compiler}\""),
                ("bound", Some(figure)) => writeln!(page, "bound = {figure:.0}"),
                _ => writeln!(page, "{line}"),
            };
        }
        page
    }
}

impl Bound {
    /// How far a figure is from the bound, in per cent; less than 0 when it takes fewer.
    #[must_use]
    pub fn beyond(&self, figure: f64) -> f64 {
        100.0 * (figure / self.bound - 1.0)
    }

    /// Judges a figure, whose profile lies in `profile`.
    #[must_use]
    pub fn judge(&self, figure: f64, profile: &str) -> Verdict {
        let Self { path, bound, tolerance } = self;
        let beyond = self.beyond(figure);
        if beyond > *tolerance {
            return Verdict::More(format!(
                "`{path}` takes {figure:.0} instructions a task, {beyond:.1} % more than its bound of {bound:.0} ({LIST} \
                 allows {tolerance} %). See where they go: `callgrind_annotate {profile} | head -60`, here and on the \
                 commit before. If they are worth it, raise the bound in the same commit and say there why: `cargo xtask \
                 instructions {path} --write`."
            ));
        }
        if beyond < -*tolerance {
            return Verdict::Fewer(format!(
                "`{path}` takes {figure:.0} instructions a task, {:.1} % fewer than its bound of {bound:.0}. Lower it, so \
                 that they stay saved: `cargo xtask instructions {path} --write`.",
                -beyond
            ));
        }
        Verdict::Good
    }
}
